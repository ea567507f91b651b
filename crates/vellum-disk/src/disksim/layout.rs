//! Layout blocks: `dm_layout_g1` (zones) and `dm_layout_g4` (run-length tree).

use super::syntax::{self, Block, Value};
use crate::Error;
use crate::config::Layout;
use crate::geometry::{Angle, Entry, Mapping, Node, Pattern, Serpentine, Sparing, Zone, Zoned};

/// The layout in a `dm_disk` block.
pub(super) fn layout(model: &Block, sectors: u64) -> Result<Layout, Error> {
    let block = match model.get("Layout Model") {
        Some(Value::Block(b)) => b,
        _ => return Err(Error::Missing { block: model.title(), field: "Layout Model" }),
    };
    let surfaces = model.within("Number of data surfaces", 1, 64)? as u32;
    // Some files declare fewer cylinders than their zones use; the zones count, as in DiskSim.
    let cylinders = model.within("Number of cylinders", 1, 1 << 22)? as u32;
    match block.kind.as_str() {
        "dm_layout_g1" => zoned(block, surfaces, cylinders).map(Layout::Zoned),
        "dm_layout_g4" => serpentine(block, surfaces, sectors).map(Layout::Serpentine),
        other => {
            Err(model.bad("Layout Model", other, "only dm_layout_g1 and dm_layout_g4 are read"))
        }
    }
}

fn zoned(b: &Block, surfaces: u32, cylinders: u32) -> Result<Zoned, Error> {
    let mapping = match b.int("LBN-to-PBN mapping scheme")? {
        0 => Mapping::Normal,
        1 => Mapping::OddInZone,
        2 => Mapping::OddOnDrive,
        n => return Err(b.bad("LBN-to-PBN mapping scheme", &n.to_string(), "0 to 2 is expected")),
    };
    let code = b.int("Sparing scheme used")?;
    let sparing = Sparing::from_code(code)
        .ok_or_else(|| b.bad("Sparing scheme used", &code.to_string(), "0 to 10 is expected"))?;
    let units = b.get("Skew units").and_then(Value::word).unwrap_or("sectors");
    let mut zones = Vec::new();
    for z in b.list("Zones")? {
        match z {
            Value::Block(z) => zones.push(zone(z, units)?),
            _ => return Err(b.bad("Zones", "no block", "zones are blocks")),
        }
    }
    let used = zones.iter().map(|z| z.last_cylinder + 1).max().unwrap_or(0);
    let cylinders = cylinders.max(used);
    let range = b.int_or("Rangesize for sparing", 1)?.clamp(1, i64::from(cylinders)) as u32;
    Ok(Zoned { surfaces, cylinders, mapping, sparing, range, zones })
}

fn zone(b: &Block, units: &str) -> Result<Zone, Error> {
    let per_track = b.within("Blocks per track", 1, 1 << 16)? as u32;
    let units = b.get("Skew units").and_then(Value::word).unwrap_or(units);
    let angle = |field: &'static str| -> Result<Angle, Error> {
        let Some(word) = b.get(field).and_then(Value::word) else { return Ok(Angle(0)) };
        let bad = || b.bad(field, word, "a non-negative skew is expected");
        if units == "revolutions" {
            turns(word).map(Angle).ok_or_else(bad)
        } else {
            let whole = syntax::decimal(word, 0).ok_or_else(bad)? as u32;
            Ok(Angle(whole.wrapping_mul(((1u64 << 32) / u64::from(per_track)) as u32)))
        }
    };
    let numbers = |field: &'static str| -> Result<Vec<u64>, Error> {
        let bad = |w: &str| b.bad(field, w, "non-negative numbers are expected");
        let words = b.list(field)?.iter().map(|v| v.word().unwrap_or("a list"));
        words.map(|w| w.parse().map_err(|_| bad(w))).collect()
    };
    let defects = numbers("defects")?;
    if !defects.len().is_multiple_of(2) {
        return Err(b.bad("defects", "an odd number", "pairs are expected"));
    }
    Ok(Zone {
        first_cylinder: b.within("First cylinder number", 0, 1 << 22)? as u32,
        last_cylinder: b.within("Last cylinder number", 0, 1 << 22)? as u32,
        per_track,
        offset: angle("Offset of first block")?,
        reserved: b.within("Empty space at zone front", 0, i64::MAX)? as u64,
        track_skew: angle("Skew for track switch")?,
        cylinder_skew: angle("Skew for cylinder switch")?,
        spares: b.within("Number of spares", 0, i64::from(u32::MAX))? as u32,
        slips: numbers("slips")?,
        defects: defects.chunks_exact(2).map(|p| (p[0], p[1])).collect(),
    })
}

/// A decimal part of a turn as an angle, rounded down; whole turns do not matter.
fn turns(word: &str) -> Option<u32> {
    let billionths = syntax::decimal(word, 9)?;
    Some(((u128::from(billionths % 1_000_000_000) << 32) / 1_000_000_000) as u32)
}

fn serpentine(b: &Block, surfaces: u32, sectors: u64) -> Result<Serpentine, Error> {
    let number = |field: &'static str, v: &Value| -> Result<i64, Error> {
        let w = v.word().unwrap_or("a list");
        w.parse().map_err(|_| b.bad(field, w, "a whole number is expected"))
    };
    let count = |field: &'static str, v: &Value| -> Result<u64, Error> {
        let n = number(field, v)?;
        u64::try_from(n).map_err(|_| b.bad(field, &n.to_string(), "must not be negative"))
    };
    let mut patterns = Vec::new();
    for p in b.list("TP")?.chunks(3) {
        let [low, high, per_turn] = p else {
            return Err(b.bad("TP", "a cut-off row", "three numbers a row are expected"));
        };
        let small = |v| count("TP", v).map(|n| n.min(u64::from(u32::MAX)) as u32);
        patterns.push(Pattern { low: small(low)?, high: small(high)?, per_turn: small(per_turn)? });
    }
    let mut nodes = Vec::new();
    for node in b.list("IDX")? {
        match node {
            Value::List(rows) => nodes.push(rows_of(b, rows)?),
            _ => return Err(b.bad("IDX", "no list", "each node is a list")),
        }
    }
    let mut slips = Vec::new();
    for s in b.list("Slips")?.chunks(2) {
        let [at, n] = s else {
            return Err(b.bad("Slips", "a cut-off row", "pairs are expected"));
        };
        slips.push((count("Slips", at)?, count("Slips", n)?));
    }
    if !slips.is_sorted() {
        return Err(b.bad("Slips", "out of order", "slips must ascend"));
    }
    if !b.list("Remaps")?.is_empty() {
        return Err(b.bad("Remaps", "not empty", "remaps of run-length layouts are not read"));
    }
    Ok(Serpentine { surfaces, cylinders: 0, sectors, patterns, nodes, slips })
}

/// The rows of a node: nine values each, then `TRACK pattern head` or `IDX node`.
fn rows_of(b: &Block, values: &[Value]) -> Result<Vec<Entry>, Error> {
    let mut out = Vec::new();
    let mut words = values.iter().map(|v| v.word().unwrap_or(""));
    while let Some(first) = words.next() {
        let mut next = || words.next().unwrap_or("");
        let int =
            |w: &str| w.parse::<i64>().map_err(|_| b.bad("IDX", w, "a whole number is expected"));
        let size = |w: &str| w.parse::<u64>().map_err(|_| b.bad("IDX", w, "a count is expected"));
        let angle =
            |w: &str| turns(w).ok_or_else(|| b.bad("IDX", w, "a part of a turn is expected"));
        out.push(Entry {
            first: size(first)?,
            cylinder: int(next())?,
            angle: angle(next())?,
            each: size(next())?,
            each_cylinders: int(next())?,
            each_angle: angle(next())?,
            sectors: size(next())?,
            cylinders: int(next())?,
            node: match next() {
                "TRACK" => Node::Track {
                    pattern: size(next())? as usize,
                    head: size(next())?.min(u64::from(u32::MAX)) as u32,
                },
                "IDX" => Node::Index(size(next())? as usize),
                other => return Err(b.bad("IDX", other, "`TRACK` or `IDX` is expected")),
            },
        });
    }
    Ok(out)
}
