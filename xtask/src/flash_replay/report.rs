//! What a run prints.

use super::{KINDS, Outcome};
use crate::table::Table;
use serde_json::{Value, json};
use vellum_block::{Cdf, Duration};
use vellum_ftl::Stats;

/// The programs by cause.
fn causes(s: &Stats) -> [(&'static str, u64); 8] {
    [
        ("host", s.programs_host),
        ("collection", s.programs_collect),
        ("wear", s.programs_wear),
        ("refresh", s.programs_refresh),
        ("rescue", s.programs_rescue),
        ("recovery", s.programs_recover),
        ("metadata", s.programs_meta),
        ("padding", s.programs_pad),
    ]
}

/// Mean, median, 99 and 99.9 in a hundred, and the longest, in microseconds.
fn quantiles(times: &Cdf) -> [f64; 5] {
    let most = times.samples().last().copied().unwrap_or(Duration::ZERO);
    let at = |part| times.percentile(part, 1000);
    [times.mean(), at(500), at(990), at(999), most].map(|d| d.as_ms_f64() * 1000.0)
}

pub(super) fn as_json(o: &Outcome) -> Value {
    let s = &o.stats;
    let programs: serde_json::Map<_, _> =
        causes(s).into_iter().map(|(name, n)| (name.to_string(), n.into())).collect();
    let times = KINDS.iter().zip(&o.times).map(|(kind, cdf)| {
        let [mean, median, p99, p999, most] = quantiles(cdf);
        let us = json!({
            "requests": cdf.samples().len(), "mean_us": mean, "median_us": median, "p99_us": p99,
            "p999_us": p999, "max_us": most,
        });
        ((*kind).to_string(), us)
    });
    json!({
        "host_writes": s.host_writes, "host_reads": s.host_reads, "trims": s.host_trims,
        "flushes": s.flushes, "waf_milli": s.waf_milli(), "programs": programs, "erases": s.erases,
        "chip_reads": s.chip_reads, "read_reads": s.read_reads, "wrapped": o.wrapped,
        "modified": o.modified, "erases_least": o.health.erases_least,
        "erases_mean": o.health.erases_mean, "erases_most": o.health.erases_most,
        "ram_bytes": o.health.ram_bytes, "worst_moves": s.worst_moves,
        "moves": s.moves, "took_ms": o.took.as_ms_f64(),
        "times": times.collect::<serde_json::Map<_, _>>(),
    })
}

pub(super) fn tables(o: &Outcome) -> Vec<Table> {
    let (s, h) = (&o.stats, &o.health);
    let title = format!(
        "{} pages written, {} read, {} discarded; WAF {:.3}; {} erases ({}/{}/{} a block); {} bytes of RAM",
        s.host_writes,
        s.host_reads,
        s.host_trims,
        s.waf_milli() as f64 / 1000.0,
        s.erases,
        h.erases_least,
        h.erases_mean,
        h.erases_most,
        h.ram_bytes
    );
    let mut programs = Table::new(&title, &["programs", "pages", "a page written"]);
    for (cause, n) in causes(s).into_iter().filter(|c| c.1 > 0) {
        let share = n as f64 / s.host_writes.max(1) as f64;
        programs.row([cause.into(), n.into(), format!("{share:.3}").into()]);
    }
    let head = ["request", "number", "mean", "median", "99 %", "99.9 %", "longest"];
    let title = format!(
        "in microseconds of the chip's time, one request after the other, {:.1} ms in all; {} wrapped into the \
         device, {} pages written in part",
        o.took.as_ms_f64(),
        o.wrapped,
        o.modified
    );
    let mut times = Table::new(&title, &head);
    for (kind, cdf) in KINDS.iter().zip(&o.times).filter(|(_, cdf)| !cdf.samples().is_empty()) {
        let cells = quantiles(cdf).map(|us| Value::from((us * 10.0).round() / 10.0));
        times.row([(*kind).into(), cdf.samples().len().into()].into_iter().chain(cells));
    }
    let mut moves =
        Table::new("page moves that a write or discard waited for", &["moves", "number", "share"]);
    let all = s.moves.iter().sum::<u64>().max(1) as f64;
    for (i, &n) in s.moves.iter().enumerate().filter(|m| *m.1 > 0) {
        let share = format!("{:.3} %", n as f64 * 100.0 / all);
        moves.row([bucket(i).into(), n.into(), share.into()]);
    }
    vec![programs, times, moves]
}

/// What the `i`-th count of [`Stats::moves`] counts.
fn bucket(i: usize) -> String {
    match i {
        0 | 1 => i.to_string(),
        11 => "1024 or more".into(),
        _ => format!("{}–{}", 1u64 << (i - 1), (1u64 << i) - 1),
    }
}
