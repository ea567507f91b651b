//! Recoverable memory beside its peers: durable transactions, checkpoints, opening, restoring.
//!
//! `cargo xtask bench-compare recover`. The transaction is TPC-A-like: four random 128-byte updates
//! of 100,000 records and a 64-byte history append, each commit durable. Engines take turns in short
//! windows, so that a busy machine hits all of them; what counts are ratios within a round.

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;

mod checkpoint;
mod engines;
mod memory;
mod paired;
mod rocks;
mod rounds;

/// Recoverable memory beside its peers.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench-compare recover", max_term_width = 100)]
struct Args {
    /// Seconds of one engine's window
    #[arg(long, default_value_t = 0.3)]
    window: f64,
    /// Rounds; each gives every engine one window
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Mebibytes of the memory for checkpoints and for opening
    #[arg(long, default_value_t = 1024)]
    mebibytes: u64,
    /// Where the engines keep their files, in a directory that is removed again [default: target]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Only the part whose name contains this: transactions, memory
    #[arg(long, default_value = "")]
    only: String,
    /// Only engines whose name contains this, ours and the raw loop always
    #[arg(long, default_value = "")]
    engine: String,
    /// Only transactions of so many threads: 1 or 8
    #[arg(long)]
    threads: Option<u64>,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let home = match &args.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir_in(vellum_bench::root().join("target"))?,
    };
    let mut rows = Vec::new();
    if "transactions".contains(&args.only) {
        rows.extend(rounds::transactions(home.path(), &args)?);
    }
    if "memory".contains(&args.only) {
        rows.extend(memory::measure(home.path(), args.mebibytes << 20, args.rounds)?);
    }
    if args.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| serde_json::json!({"measure": row.0, "reach": row.1, "measured": row.2}))
            .collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        println!("\n{:<70} {:>8} {:>22}", "measure", "reach", "measured");
        for (measure, reach, value) in rows {
            println!("{measure:<70} {reach:>8} {value:>22}");
        }
    }
    Ok(())
}

/// Real time, in seconds, of `work`.
fn seconds(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    #[expect(clippy::disallowed_methods, reason = "a measuring command")]
    let start = std::time::Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}
