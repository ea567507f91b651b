//! Text formats, a line at a time.

use super::{Format, Record};
use crate::{Duration, Instant, Lba, Op, PS_PER_MS, PS_PER_NS, PS_PER_S, PS_PER_US};

/// What a line may be, by its shape.
pub(super) fn detect(line: &str) -> Option<Format> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let commas: Vec<&str> = line.split(',').collect();
    if commas.len() >= 7 && matches!(commas[3].to_ascii_lowercase().as_str(), "read" | "write") {
        return Some(Format::Msr);
    }
    if commas.len() >= 5 && matches!(commas[3].trim(), "r" | "R" | "w" | "W") {
        return Some(Format::Spc);
    }
    match words.as_slice() {
        ["R" | "W", _, _, _, _, _] => Some(Format::Validate),
        [dev, _, _, _, _, ..] if dev.contains(',') && words.len() >= 7 => Some(Format::Blkparse),
        [at, _, _, _, _] if at.contains('.') => Some(Format::DiskSim),
        [at, rest @ ..] if rest.len() == 4 && at.parse::<u64>().is_ok() => Some(Format::Mqsim),
        _ => None,
    }
}

/// Decimal text times `unit` picoseconds, rounded down.
pub(super) fn time(word: &str, unit: u64) -> Result<u64, String> {
    let bad = || format!("`{word}` is no time");
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| bad())? };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let digits = &fraction[..fraction.len().min(18)];
    let part: u64 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| bad())? };
    let below = u128::from(part) * u128::from(unit) / 10u128.pow(digits.len() as u32);
    let ps = u128::from(whole) * u128::from(unit) + below;
    u64::try_from(ps).map_err(|_| format!("`{word}` lies beyond 213 days"))
}

fn number<T: core::str::FromStr>(word: &str, what: &str) -> Result<T, String> {
    word.trim().parse().map_err(|_| format!("`{word}` is no {what}"))
}

fn record(at: u64, device: u32, op: Op, lba: u64, sectors: u32) -> Result<Record, String> {
    if sectors == 0 {
        return Err("a request of no sectors".to_string());
    }
    let (at, lba) = (Instant::from_ps(at), Lba::new(lba));
    Ok(Record { at, device, op, lba, sectors, service: None, gap: None })
}

/// Whole sectors that cover `bytes` at `offset`.
fn cover(offset: u64, bytes: u64) -> Result<(u64, u32), String> {
    let end = offset.checked_add(bytes).ok_or("a range beyond 2^64 bytes")?.div_ceil(512);
    let count = u32::try_from(end - offset / 512).map_err(|_| "more than 2^32 sectors")?;
    Ok((offset / 512, count))
}

/// Sets a trace's own beginning to zero.
fn since(clock: &mut Option<u64>, at: u64) -> u64 {
    at.saturating_sub(*clock.get_or_insert(at))
}

/// A record from a line; `None` for lines that are none.
pub(super) fn parse(
    format: Format,
    line: &str,
    clock: &mut Option<u64>,
    version: &mut u8,
) -> Result<Option<Record>, String> {
    let words: Vec<&str> = match format {
        Format::Msr | Format::Spc => line.split(',').map(str::trim).collect(),
        _ => line.split_whitespace().collect(),
    };
    match format {
        Format::DiskSim | Format::Mqsim => five(format, &words).map(Some),
        Format::Validate => validate(&words).map(Some),
        Format::Msr => msr(&words, clock).map(Some),
        Format::Spc => spc(&words).map(Some),
        Format::Blkparse => blkparse(&words),
        Format::Fio if *version == 0 => fio_version(&words, version),
        Format::Fio => fio(&words, clock, *version),
        Format::Srt | Format::Vscsi => Err("a binary format".to_string()),
    }
}

fn five(format: Format, words: &[&str]) -> Result<Record, String> {
    let [at, device, lba, sectors, flags, ..] = words else {
        return Err(format!("{} fields, 5 are expected", words.len()));
    };
    let unit = if format == Format::DiskSim { PS_PER_MS } else { PS_PER_NS };
    let flags: u32 = if let Some(hex) = flags.strip_prefix("0x") {
        u32::from_str_radix(hex, 16).map_err(|_| format!("`{flags}` is no number"))?
    } else {
        number(flags, "kind")?
    };
    let op = if flags & 1 == 1 { Op::Read } else { Op::Write };
    record(
        time(at, unit)?,
        number(device, "device")?,
        op,
        number(lba, "LBN")?,
        number(sectors, "size")?,
    )
}

fn validate(words: &[&str]) -> Result<Record, String> {
    let [op, _, lba, sectors, service, gap] = words else {
        return Err(format!("{} fields, 6 are expected", words.len()));
    };
    let op = match *op {
        "R" => Op::Read,
        "W" => Op::Write,
        other => return Err(format!("`{other}` is neither R nor W")),
    };
    let mut r = record(0, 0, op, number(lba, "LBN")?, number(sectors, "size")?)?;
    r.service = Some(Duration::from_ps(time(service, PS_PER_US)?));
    r.gap = Some(Duration::from_ps(time(gap, PS_PER_US)?));
    Ok(r)
}

fn msr(words: &[&str], clock: &mut Option<u64>) -> Result<Record, String> {
    let [at, _, device, op, offset, bytes, service, ..] = words else {
        return Err(format!("{} fields, 7 are expected", words.len()));
    };
    let op = match op.to_ascii_lowercase().as_str() {
        "read" => Op::Read,
        "write" => Op::Write,
        other => return Err(format!("`{other}` is neither Read nor Write")),
    };
    // Ticks of 100 ns since 1601: the first is the trace's beginning.
    let ticks = since(clock, number(at, "time")?);
    let ps = ticks.checked_mul(100 * PS_PER_NS).ok_or("a time beyond 213 days")?;
    let (lba, sectors) = cover(number(offset, "offset")?, number(bytes, "size")?)?;
    let mut r = record(ps, number(device, "disk")?, op, lba, sectors)?;
    r.service = Some(Duration::from_ns(number::<u64>(service, "time")?.saturating_mul(100)));
    Ok(r)
}

fn spc(words: &[&str]) -> Result<Record, String> {
    let [asu, lba, bytes, op, at, ..] = words else {
        return Err(format!("{} fields, 5 are expected", words.len()));
    };
    let op = match *op {
        "r" | "R" => Op::Read,
        "w" | "W" => Op::Write,
        other => return Err(format!("`{other}` is neither R nor W")),
    };
    let bytes: u64 = number(bytes, "size")?;
    let sectors = u32::try_from(bytes.div_ceil(512)).map_err(|_| "more than 2^32 sectors")?;
    record(time(at, PS_PER_S)?, number(asu, "unit")?, op, number(lba, "LBA")?, sectors)
}

/// `maj,min cpu sequence time pid action rwbs sector + sectors [process]`
fn blkparse(words: &[&str]) -> Result<Option<Record>, String> {
    // Other events of a request, and the summary at the end.
    let [device, _, _, at, _, "Q", kind, rest @ ..] = words else { return Ok(None) };
    let [lba, "+", sectors, ..] = rest else {
        // A flush, or a notice of another kind, names no sectors.
        let data = kind.starts_with(['D', 'R', 'W']);
        return if data { Err(format!("a {kind} without `sector + sectors`")) } else { Ok(None) };
    };
    let op = if kind.contains('D') {
        Op::Discard
    } else if kind.contains('R') {
        Op::Read
    } else if kind.contains('W') {
        Op::Write
    } else {
        return Ok(None);
    };
    let (major, minor) =
        device.split_once(',').ok_or_else(|| format!("`{device}` is no device"))?;
    let device = number::<u32>(major, "device")? << 8 | number::<u32>(minor, "device")? & 0xff;
    record(time(at, PS_PER_S)?, device, op, number(lba, "sector")?, number(sectors, "size")?)
        .map(Some)
}

/// A log's first line: `fio version N iolog`.
fn fio_version(words: &[&str], version: &mut u8) -> Result<Option<Record>, String> {
    *version = match words {
        ["fio", "version", "2", "iolog"] => 2,
        ["fio", "version", "3", "iolog"] => 3,
        ["fio", "version", other, ..] => {
            return Err(format!("version {other}, 2 or 3 is expected"));
        }
        _ => return Err("`fio version 2 iolog`, or 3, is expected first".to_string()),
    };
    Ok(None)
}

/// Version 2: `file action [offset bytes]`, where `wait` passes microseconds; version 3 has the time
/// in front, in microseconds as well (as fio 3.33 writes it; its manual names no unit).
fn fio(words: &[&str], clock: &mut Option<u64>, version: u8) -> Result<Option<Record>, String> {
    let (at, words) = match words {
        [at, rest @ ..] if version == 3 => (time(at, PS_PER_US)?, rest),
        _ => (clock.unwrap_or(0), words),
    };
    let [_, action, rest @ ..] = words else {
        return Err("a line without an action".to_string());
    };
    let op = match *action {
        "read" => Op::Read,
        "write" => Op::Write,
        "trim" => Op::Discard,
        "sync" | "datasync" => {
            let (at, lba) = (Instant::from_ps(at), Lba::new(0));
            let (service, gap) = (None, None);
            let op = Op::Flush;
            return Ok(Some(Record { at, device: 0, op, lba, sectors: 0, service, gap }));
        }
        "add" | "open" | "close" => return Ok(None),
        "wait" => {
            let us = rest.first().ok_or("a wait without a time")?;
            *clock = Some(at.saturating_add(time(us, PS_PER_US)?));
            return Ok(None);
        }
        other => return Err(format!("`{other}` is no action")),
    };
    let [offset, bytes] = rest else {
        return Err("offset and length are expected".to_string());
    };
    let (lba, sectors) = cover(number(offset, "offset")?, number(bytes, "length")?)?;
    record(at, 0, op, lba, sectors).map(Some)
}
