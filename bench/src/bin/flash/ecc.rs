//! Error-correcting codes beside the Linux kernel's BCH, which PyPI's `bchlib` wraps, run in a
//! Python process of its own, and beside the LDPC codes of the `labrador-ldpc` crate.

mod bch;
pub mod campaign;
mod ldpc;
mod peer;

use crate::measure::Rounds;
use anyhow::Result;
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rounds; each runs every contender once
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// CPU seconds a measurement
    #[arg(long, default_value_t = 0.1)]
    seconds: f64,
    /// Only one of both
    #[arg(long, value_enum)]
    only: Option<Family>,
    /// LDPC codewords of the frame error rate's run
    #[arg(long, default_value_t = 20_000)]
    frames: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A family of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Family {
    Bch,
    Ldpc,
}

/// One row: the same work, in MB of data a CPU second, by each contender.
#[derive(Debug, Serialize)]
pub struct Row {
    work: String,
    contenders: Vec<Contender>,
}

/// One contender's result.
#[derive(Debug, Serialize)]
pub struct Contender {
    name: String,
    mb_per_s: Rounds,
    /// How many times the peer's median; absent for the peer itself or without one.
    times_peer: Option<f64>,
}

/// Everything, for `--json`.
#[derive(Debug, Serialize)]
struct Report {
    rows: Vec<Row>,
    frames: Vec<ldpc::Frames>,
}

impl Row {
    /// A row from each contender's rounds, the peer's (if it ran) first.
    fn new(work: String, peer: bool, rounds: Vec<(String, Vec<f64>)>) -> Self {
        let medians: Vec<_> = rounds
            .into_iter()
            .filter_map(|(name, values)| Some((name, Rounds::of(values)?)))
            .collect();
        let base = medians.first().filter(|_| peer).map(|(_, r)| r.median);
        let contenders = medians
            .into_iter()
            .enumerate()
            .map(|(i, (name, mb_per_s))| Contender {
                name,
                mb_per_s,
                times_peer: base.filter(|_| i > 0).map(|base| mb_per_s.median / base),
            })
            .collect();
        Self { work, contenders }
    }
}

pub fn run(args: &Args) -> Result<()> {
    let (mut rows, mut frames) = (Vec::new(), Vec::new());
    if args.only != Some(Family::Ldpc) {
        rows.extend(bch::run(args)?);
    }
    if args.only != Some(Family::Bch) {
        rows.extend(ldpc::run(args)?);
        frames = ldpc::frame_errors(args.frames)?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&Report { rows, frames })?);
        return Ok(());
    }
    println!("MB of data per CPU second: median of {} rounds (least–most)\n", args.rounds);
    println!("{:42} {:16} {:>24} {:>8}", "work", "contender", "MB/s", "x peer");
    for row in rows {
        let mut work = row.work.as_str();
        for c in &row.contenders {
            let times = c.times_peer.map_or(String::new(), |x| format!("{x:.2}"));
            println!("{work:42} {:16} {:>24} {times:>8}", c.name, c.mb_per_s.show());
            work = "";
        }
    }
    println!(
        "\n{:42} {:>10} {:>10} {:>10} {:>10}",
        "LDPC frames", "raw errors", "frames", "lost", "rate"
    );
    for f in frames {
        let rate = f64::from(f.lost) / f64::from(f.frames);
        println!("{:42} {:>10} {:>10} {:>10} {rate:>10.1e}", f.code, f.raw, f.frames, f.lost);
    }
    Ok(())
}
