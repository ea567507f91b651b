//! A drive from DiskSim's files.

use super::layout::layout;
use super::syntax::{self, Block, Folder, Source, Value};
use crate::Error;
use crate::config::{
    After, Buffer, ExtraDisconnect, FastWrite, Mechanics, Overheads, ReadAhead, Segmented,
    turn_of_rpm,
};
use crate::geometry::Angle;
use crate::profile::{Controller, Profile};
use crate::seek::SeekCurve;
use crate::spindle::Rotation;
use std::path::Path;
use vellum_block::Duration;

/// A drive that was read, and what its file said beside it.
#[derive(Debug, Clone)]
pub struct DriveFile {
    /// The drive.
    pub profile: Profile,
    /// Sectors that the file claims; DiskSim too takes what the geometry holds.
    pub claimed_sectors: u64,
}

/// The drive that a `.parv` or `.diskspecs` file describes; files that it names are taken from its
/// folder.
///
/// # Errors
/// When a file is missing, or holds what no drive can have.
pub fn read_drive(path: &Path) -> Result<DriveFile, Error> {
    let folder = Folder(path.parent().unwrap_or(Path::new(".")).to_path_buf());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    read_drive_from(&name, &folder)
}

/// The same, from any source of files.
///
/// # Errors
/// As for [`read_drive`].
pub fn read_drive_from(name: &str, source: &dyn Source) -> Result<DriveFile, Error> {
    let blocks = syntax::read(name, source)?;
    let missing = |field| Error::Missing { block: name.to_string(), field };
    let disk = blocks.iter().rfind(|b| b.kind == "disksim_disk");
    let disk = disk.ok_or_else(|| missing("disksim_disk"))?;
    let model = match disk.get("Model") {
        Some(Value::Block(model)) => model,
        _ => return Err(missing("Model")),
    };
    // The drive hangs on the bus that is declared last.
    let bus = blocks.iter().rfind(|b| b.kind == "disksim_bus");
    let claimed_sectors = model.within("Block count", 1, i64::MAX)? as u64;
    let profile = Profile {
        name: disk.name.clone(),
        source: format!("DiskSim parameter file {name}"),
        sector_bytes: 512,
        layout: layout(model, claimed_sectors)?,
        mechanics: mechanics(model, source)?,
        controller: Controller::Segmented(segmented(disk, bus)?),
    };
    Ok(DriveFile { profile, claimed_sectors })
}

fn sub<'a>(block: &'a Block, field: &'static str) -> Result<&'a Block, Error> {
    match block.get(field) {
        Some(Value::Block(b)) => Ok(b),
        Some(_) => Err(block.bad(field, "no block", "a block is expected")),
        None => Err(Error::Missing { block: block.title(), field }),
    }
}

fn mechanics(model: &Block, source: &dyn Source) -> Result<Mechanics, Error> {
    let b = sub(model, "Mechanical Model")?;
    let rpm = b.within("Rotation speed (in rpms)", 1, 1_000_000)?;
    Ok(Mechanics {
        seek: seek_curve(b, source)?,
        write_seek: None,
        head_switch: Duration::from_ps(b.ms("Head switch time")?),
        write_settle_ps: signed_ms(b, "Add. write settling delay")?,
        turn: turn_of_rpm(rpm as u64),
        rotation: Rotation::Stepped,
        phase: Angle(0),
    })
}

/// Milliseconds in picoseconds, which may be negative; none if the field is missing.
fn signed_ms(b: &Block, field: &'static str) -> Result<i64, Error> {
    let Some(word) = b.get(field).and_then(Value::word) else { return Ok(0) };
    let (sign, digits) = word.strip_prefix('-').map_or((1, word), |d| (-1, d));
    let ps = syntax::ms(digits).and_then(|ps| i64::try_from(ps).ok());
    ps.map(|ps| sign * ps).ok_or_else(|| b.bad(field, word, "milliseconds are expected"))
}

fn seek_curve(b: &Block, source: &dyn Source) -> Result<SeekCurve, Error> {
    let time = |field| b.ms(field).map(Duration::from_ps);
    let kind = b.need("Seek type")?;
    Ok(match kind {
        "constant" => SeekCurve::Constant(time("Constant seek time")?),
        "extracted" => {
            let name = b.need("Full seek curve")?;
            SeekCurve::Extracted(read_seek_curve(name, &source.text(name)?)?)
        }
        "linear" | "curve" => SeekCurve::ThreePoints {
            single: time("Single cylinder seek time")?,
            average: time("Average seek time")?,
            full: time("Full strobe seek time")?,
        },
        "hpl" | "hplplus10" => root_line(b, kind == "hplplus10")?,
        other => return Err(b.bad("Seek type", other, "not a known kind")),
    })
}

fn root_line(b: &Block, with_shortest: bool) -> Result<SeekCurve, Error> {
    let words = |field| -> Result<Vec<&str>, Error> {
        Ok(b.list(field)?.iter().filter_map(Value::word).collect())
    };
    let equation = words("HPL seek equation values")?;
    if equation.len() < 5 {
        return Err(b.bad("HPL seek equation values", "too short", "six values are expected"));
    }
    let bad = |w: &str| b.bad("HPL seek equation values", w, "not a non-negative number");
    let ms = |w: &str| syntax::ms(w).map(Duration::from_ps).ok_or_else(|| bad(w));
    let mut shortest = Vec::new();
    if with_shortest {
        for w in words("First ten seek times")? {
            shortest.push(ms(w)?);
        }
    } else if let Some(w) = equation.get(5).filter(|w| !w.starts_with('-')) {
        shortest.push(ms(w)?);
    }
    Ok(SeekCurve::RootLine {
        shortest,
        line_from: equation[0].parse().map_err(|_| bad(equation[0]))?,
        root_base: ms(equation[1])?,
        root: ms(equation[2])?,
        line_base: ms(equation[3])?,
        line: ms(equation[4])?,
    })
}

/// The points of a `.seek` file: `distance, milliseconds[, deviation[, …]]` a line, after an
/// optional heading.
///
/// # Errors
/// When a line is not of that form or distances do not ascend.
pub fn read_seek_curve(file: &str, text: &str) -> Result<Vec<(u32, Duration)>, Error> {
    let mut points: Vec<(u32, Duration)> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with("Seek distances measured") {
            continue;
        }
        let error = |what: &str| Error::Syntax {
            file: file.to_string(),
            line: i as u32 + 1,
            what: what.to_string(),
        };
        let mut fields = line.split(',').map(str::trim);
        let distance = fields.next().and_then(|w| w.parse::<u32>().ok());
        let time = fields.next().and_then(syntax::ms);
        let (Some(distance), Some(time)) = (distance, time) else {
            return Err(error("`distance, milliseconds` is expected"));
        };
        if points.last().is_some_and(|p| p.0 >= distance) {
            return Err(error("distances must ascend"));
        }
        points.push((distance, Duration::from_ps(time)));
    }
    Ok(points)
}

fn flag(b: &Block, field: &'static str) -> Result<bool, Error> {
    Ok(b.int_or(field, 0)? != 0)
}

fn segmented(b: &Block, bus: Option<&Block>) -> Result<Segmented, Error> {
    let sector = |field| -> Result<Duration, Error> {
        // A negative figure, which some fitted files have, is no limit.
        let bulk = signed_ms(b, "Bulk sector transfer time")?.max(0) as u64;
        let on_bus = bus.map_or(Ok(0), |bus| bus.ms_or_zero(field))?;
        Ok(Duration::from_ps(bulk.max(on_bus)))
    };
    let time = |field| b.ms_or_zero(field).map(Duration::from_ps);
    let extra = if flag(b, "Extra write disconnect")? {
        Some(ExtraDisconnect {
            command: time("Extradisc command overhead")?,
            first: time("Extradisc disconnect overhead")?,
            between: time("Extradisc inter-disconnect delay")?,
            second: time("Extradisc 2nd disconnect overhead")?,
            seek_delta: time("Extradisc seek delta")?,
        })
    } else {
        None
    };
    Ok(Segmented {
        buffer: buffer(b)?,
        overheads: overheads(b)?,
        extra_disconnect: extra,
        read_sector: sector("Read block transfer time")?,
        write_sector: sector("Write block transfer time")?,
        hold_bus_read: flag(b, "Hold bus entire read xfer")?,
        hold_bus_write: flag(b, "Hold bus entire write xfer")?,
        never_disconnect: flag(b, "Never disconnect")?,
        write_seek_min: time("Minimum seek delay")?,
    })
}

fn overheads(b: &Block) -> Result<Overheads, Error> {
    let time = |field| b.ms_or_zero(field).map(Duration::from_ps);
    let after = |read, write| -> Result<After, Error> {
        Ok(After { read: time(read)?, write: time(write)? })
    };
    Ok(Overheads {
        read_hit: after("Read hit over. after read", "Read hit over. after write")?,
        read_miss: after("Read miss over. after read", "Read miss over. after write")?,
        write_hit: after("Write hit over. after read", "Write hit over. after write")?,
        write_miss: after("Write miss over. after read", "Write miss over. after write")?,
        read_complete: time("Read completion overhead")?,
        write_complete: time("Write completion overhead")?,
        data_preparation: time("Data preparation overhead")?,
        reselect: time("First reselect overhead")?,
        reselect_other: time("Other reselect overhead")?,
        read_disconnect: after("Read disconnect afterread", "Read disconnect afterwrite")?,
        write_disconnect: time("Write disconnect overhead")?,
    })
}

fn watermark(b: &Block, field: &'static str) -> Result<u32, Error> {
    let word = b.need(field)?;
    let part = syntax::decimal(word, 6).filter(|&p| p <= 1_000_000);
    part.map(|p| p as u32).ok_or_else(|| b.bad(field, word, "a part of 1 is expected"))
}

fn buffer(b: &Block) -> Result<Buffer, Error> {
    let max = i64::from(u32::MAX >> 4);
    let read_ahead = match b.int_or("Buffer continuous read", 0)? {
        0 => ReadAhead::None,
        1 => ReadAhead::Track,
        2 => ReadAhead::Cylinder,
        3 => ReadAhead::Segment,
        4 => ReadAhead::NextTrack,
        n => return Err(b.bad("Buffer continuous read", &n.to_string(), "0 to 4 is expected")),
    };
    let min = b.within("Minimum read-ahead (blks)", 0, max)? as u32;
    let ahead = b.within("Maximum read-ahead (blks)", 0, max)? as u32;
    let none = read_ahead == ReadAhead::None;
    Ok(Buffer {
        segments: b.within("Number of buffer segments", 1, 4096)? as u32,
        write_segments: b.within("Maximum number of write segments", 1, 4096)? as u32,
        segment_sectors: b.within("Segment size (in blks)", 1, max)? as u32,
        own_write_segment: flag(b, "Use separate write segment")?,
        cache: flag(b, "Enable caching in buffer")?,
        read_ahead,
        read_ahead_min: if none { 0 } else { min },
        read_ahead_max: if none || ahead < min { min } else { ahead },
        read_ahead_over_request: b.int_or("Read-ahead over requested", 0)?.clamp(-1, 1) as i8,
        read_ahead_on_hit: flag(b, "Read-ahead on idle hit")?,
        read_on_arrival: flag(b, "Immediate buffer read")?,
        write_on_arrival: flag(b, "Immediate buffer write")?,
        keep_free_sectors: flag(b, "Read any free blocks")?,
        almost_hits: flag(b, "Allow almost read hits")?,
        hits_on_writes: flag(b, "Allow read hits on write data")?,
        partial_hits_start: flag(b, "Immed transfer partial hit")?,
        write_stops_read_ahead: flag(b, "Write hit stop prefetch")?,
        stop_in_sector: flag(b, "Stop prefetch in sector")?,
        stop_in_seek: flag(b, "Disconnect write if seek")?,
        fast_write: match b.int_or("Fast write level", 0)? {
            0 => FastWrite::Off,
            1 => FastWrite::Sequential,
            _ => FastWrite::On,
        },
        combine_writes: flag(b, "Combine seq writes")?,
        read_watermark: watermark(b, "High (read) water mark")?,
        write_watermark: watermark(b, "Low (write) water mark")?,
        watermark_of_request: flag(b, "Set watermark by reqsize")?,
    })
}
