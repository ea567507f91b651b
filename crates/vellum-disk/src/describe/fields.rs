//! Which sections a drive file has, and which fields they have: said once for reading and writing.

use super::controllers::{buffer, cached, extra_disconnect, overheads, segmented};
use super::text::{Fields, Reader, Section, Slot, Writer};
use crate::Error;
use crate::config::{Buffer, Cached, ExtraDisconnect, Layout, Mechanics, Overheads, Segmented};
use crate::geometry::{Angle, Limits, Mapping, Sparing, Zone, Zoned};
use crate::profile::{Controller, Profile};
use crate::seek::SeekCurve;
use crate::spindle::Rotation;
use vellum_block::Duration;

pub(super) type Done = Result<(), Error>;

pub(super) fn number(
    f: &mut dyn Fields,
    key: &'static str,
    need: bool,
    n: &mut u32,
    limit: u32,
) -> Done {
    let mut wide = u64::from(*n);
    f.field(key, need, Slot::Number(&mut wide, limit.into()))?;
    *n = wide as u32;
    Ok(())
}

pub(super) fn yes(f: &mut dyn Fields, key: &'static str, b: &mut bool) -> Done {
    f.field(key, false, Slot::Yes(b))
}

pub(super) fn time(f: &mut dyn Fields, key: &'static str, t: &mut Duration) -> Done {
    f.field(key, false, Slot::Time(t))
}

pub(super) fn one<T: Copy + PartialEq>(
    f: &mut dyn Fields,
    key: &'static str,
    v: &mut T,
    all: &[T],
    names: &[&'static str],
) -> Done {
    let mut i = all.iter().position(|a| a == v).unwrap_or(0);
    f.field(key, false, Slot::One(&mut i, names))?;
    *v = all[i];
    Ok(())
}

const SCHEMES: [&str; 11] = [
    "none",
    "tracks",
    "cylinder",
    "track",
    "cylinder-slip-to-end",
    "cylinder-front",
    "cylinder-front-slip-to-end",
    "slip-to-end",
    "range",
    "zone",
    "zone-slip-to-end",
];

fn zoned(f: &mut dyn Fields, z: &mut Zoned) -> Done {
    number(f, "surfaces", true, &mut z.surfaces, Limits::SURFACES)?;
    number(f, "cylinders", true, &mut z.cylinders, Limits::CYLINDERS)?;
    let all = [Mapping::Normal, Mapping::OddInZone, Mapping::OddOnDrive];
    one(f, "heads", &mut z.mapping, &all, &["normal", "odd-in-zone", "odd-on-drive"])?;
    one(f, "sparing", &mut z.sparing, &Sparing::ALL, &SCHEMES)?;
    number(f, "range", false, &mut z.range, Limits::CYLINDERS)
}

fn zone(f: &mut dyn Fields, z: &mut Zone) -> Done {
    number(f, "first-cylinder", true, &mut z.first_cylinder, Limits::CYLINDERS)?;
    number(f, "last-cylinder", true, &mut z.last_cylinder, Limits::CYLINDERS)?;
    number(f, "sectors-per-track", true, &mut z.per_track, Limits::TRACK)?;
    let n = z.per_track;
    f.field("offset", false, Slot::Angle(&mut z.offset.0, n))?;
    f.field("track-skew", false, Slot::Angle(&mut z.track_skew.0, n))?;
    f.field("cylinder-skew", false, Slot::Angle(&mut z.cylinder_skew.0, n))?;
    f.field("reserved", false, Slot::Number(&mut z.reserved, u64::MAX >> 1))?;
    number(f, "spares", false, &mut z.spares, u32::MAX)?;
    f.field("slips", false, Slot::Numbers(&mut z.slips))?;
    f.field("defects", false, Slot::Pairs(&mut z.defects))
}

fn mechanics(f: &mut dyn Fields, m: &mut Mechanics) -> Done {
    f.field("turn", true, Slot::Time(&mut m.turn))?;
    time(f, "head-switch", &mut m.head_switch)?;
    f.field("write-settle", false, Slot::Signed(&mut m.write_settle_ps))?;
    f.field("phase", false, Slot::Angle(&mut m.phase.0, 0))?;
    let all = [Rotation::Exact, Rotation::Stepped];
    one(f, "arithmetic", &mut m.rotation, &all, &["exact", "stepped"])
}

fn seek_kind(s: &SeekCurve) -> &'static str {
    match s {
        SeekCurve::Constant(_) => "constant",
        SeekCurve::Extracted(_) => "points",
        SeekCurve::RootLine { .. } => "root-and-line",
        SeekCurve::ThreePoints { .. } => "three-points",
    }
}

fn empty_seek(kind: &str) -> Option<SeekCurve> {
    let zero = Duration::ZERO;
    Some(match kind {
        "constant" => SeekCurve::Constant(zero),
        "points" => SeekCurve::Extracted(Vec::new()),
        "root-and-line" => SeekCurve::RootLine {
            shortest: Vec::new(),
            line_from: 0,
            root_base: zero,
            root: zero,
            line_base: zero,
            line: zero,
        },
        "three-points" => SeekCurve::ThreePoints { single: zero, average: zero, full: zero },
        _ => return None,
    })
}

fn seek(f: &mut dyn Fields, s: &mut SeekCurve) -> Done {
    match s {
        SeekCurve::Constant(t) => f.field("time", true, Slot::Time(t)),
        SeekCurve::Extracted(points) => f.field("points", true, Slot::Points(points)),
        SeekCurve::RootLine { shortest, line_from, root_base, root, line_base, line } => {
            f.field("shortest", false, Slot::Times(shortest))?;
            number(f, "line-from", true, line_from, Limits::CYLINDERS)?;
            f.field("root-base", true, Slot::Time(root_base))?;
            f.field("root", true, Slot::Time(root))?;
            f.field("line-base", true, Slot::Time(line_base))?;
            f.field("line", true, Slot::Time(line))
        }
        SeekCurve::ThreePoints { single, average, full } => {
            f.field("single", true, Slot::Time(single))?;
            f.field("average", true, Slot::Time(average))?;
            f.field("full", true, Slot::Time(full))
        }
    }
}

fn identity(f: &mut dyn Fields, p: &mut (String, String, u32)) -> Done {
    f.field("name", true, Slot::Text(&mut p.0))?;
    f.field("source", false, Slot::Text(&mut p.1))?;
    number(f, "sector-bytes", true, &mut p.2, 65_536)
}

/// Reads one section with its fields.
fn take<T>(
    mut section: Section,
    mut value: T,
    fields: impl Fn(&mut dyn Fields, &mut T) -> Done,
) -> Result<T, Error> {
    fields(&mut section, &mut value)?;
    section.done()?;
    Ok(value)
}

fn take_seek(section: Section) -> Result<SeekCurve, Error> {
    let empty = empty_seek(&section.kind);
    let why = "constant, points, root-and-line or three-points is expected";
    let empty = empty.ok_or_else(|| section.bad_kind(why))?;
    take(section, empty, seek)
}

/// The drive in a file.
pub(super) fn profile(r: &mut Reader) -> Result<Profile, Error> {
    let (name, source, sector_bytes) =
        take(r.expect("")?, (String::new(), String::new(), 0), identity)?;
    let head = r.expect("layout")?;
    if head.kind != "zoned" {
        return Err(head.bad_kind("only `zoned` layouts are described"));
    }
    let mut layout = take(head, Zoned { range: 1, ..Zoned::default() }, zoned)?;
    while let Some(section) = r.next_if("zone") {
        layout.zones.push(take(section, Zone::default(), zone)?);
    }
    let empty = Mechanics {
        seek: SeekCurve::Constant(Duration::ZERO),
        write_seek: None,
        head_switch: Duration::ZERO,
        write_settle_ps: 0,
        turn: Duration::ZERO,
        rotation: Rotation::Exact,
        phase: Angle(0),
    };
    let mut mechanics = take(r.expect("mechanics")?, empty, mechanics)?;
    mechanics.seek = take_seek(r.expect("seek")?)?;
    mechanics.write_seek = r.next_if("write-seek").map(take_seek).transpose()?;
    let section = r.expect("controller")?;
    let controller = match section.kind.as_str() {
        "segmented" => {
            let mut c = take(section, Segmented::default(), segmented)?;
            c.buffer = take(r.expect("buffer")?, Buffer::default(), buffer)?;
            c.overheads = take(r.expect("overheads")?, Overheads::default(), overheads)?;
            let extra = r.next_if("extra-disconnect");
            let read = |s| take(s, ExtraDisconnect::default(), extra_disconnect);
            c.extra_disconnect = extra.map(read).transpose()?;
            Controller::Segmented(c)
        }
        "cached" => Controller::Cached(take(section, Cached::default(), cached)?),
        _ => return Err(section.bad_kind("`segmented` or `cached` is expected")),
    };
    r.done()?;
    Ok(Profile { name, source, sector_bytes, layout: Layout::Zoned(layout), mechanics, controller })
}

/// Writes a drive.
pub(super) fn write(w: &mut Writer, p: &Profile) -> Done {
    let Layout::Zoned(layout) = &p.layout else {
        let (block, value) = (p.name.clone(), "a run-length tree".to_string());
        let why = "only zoned layouts can be described";
        return Err(Error::Field { block, field: "layout".into(), value, why });
    };
    identity(w, &mut (p.name.clone(), p.source.clone(), p.sector_bytes))?;
    w.section("layout", "zoned");
    zoned(w, &mut layout.clone())?;
    for z in &layout.zones {
        w.section("zone", "");
        zone(w, &mut z.clone())?;
    }
    w.section("mechanics", "");
    mechanics(w, &mut p.mechanics.clone())?;
    w.section("seek", seek_kind(&p.mechanics.seek));
    seek(w, &mut p.mechanics.seek.clone())?;
    if let Some(curve) = &p.mechanics.write_seek {
        w.section("write-seek", seek_kind(curve));
        seek(w, &mut curve.clone())?;
    }
    match p.controller {
        Controller::Segmented(mut c) => {
            w.section("controller", "segmented");
            segmented(w, &mut c)?;
            w.section("buffer", "");
            buffer(w, &mut c.buffer)?;
            w.section("overheads", "");
            overheads(w, &mut c.overheads)?;
            if let Some(mut x) = c.extra_disconnect {
                w.section("extra-disconnect", "");
                extra_disconnect(w, &mut x)?;
            }
            Ok(())
        }
        Controller::Cached(mut c) => {
            w.section("controller", "cached");
            cached(w, &mut c)
        }
    }
}
