//! Paging beside its peers: misses by policy, the cost of a policy's step, the cost of a fault.
//!
//! `cargo xtask bench-compare page --data FOLDER`, where FOLDER has `memory/NAME.pages.u32.zst`.

mod faults;
mod misses;
mod process;
mod steps;
mod store_calls;

use anyhow::{Context, Result};
use clap::Parser;
use std::fs::File;
use std::path::{Path, PathBuf};
use vellum_bench::Table;
use vellum_pager::trace::Trace;

/// Paging beside its peers.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench-compare page", max_term_width = 100)]
struct Args {
    /// Folder with the reference traces; without it, only what needs none is measured
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Rounds of everything that is timed; contestants take turns
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Only the part whose name contains this: misses, steps, host, process
    #[arg(long, default_value = "")]
    only: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The traces, by name.
const TRACES: [&str; 3] = ["boot", "busy", "py"];

fn main() -> Result<()> {
    let args = Args::parse();
    let traces = match &args.data {
        Some(data) => TRACES.iter().map(|name| read(data, name)).collect::<Result<Vec<_>>>()?,
        None => Vec::new(),
    };
    let wanted = |part: &str| part.contains(&args.only);
    if wanted("misses") && !traces.is_empty() {
        misses::table(&traces).print(args.json)?;
    }
    if wanted("host") {
        faults::table(args.rounds)?.print(args.json)?;
    }
    let mut table = Table::new(&["measure", "Vellum", "peer", "ratio", "reach"]);
    if wanted("steps") && !traces.is_empty() {
        steps::measure(&traces, args.rounds, &mut table)?;
    }
    if wanted("process") {
        process::measure(args.rounds, &mut table)?;
    }
    println!();
    table.print(args.json)
}

fn read(data: &Path, name: &str) -> Result<(String, Trace)> {
    let path = data.join("memory").join(format!("{name}.pages.u32.zst"));
    let file = File::open(&path).with_context(|| path.display().to_string())?;
    Ok((name.into(), Trace::read(zstd::Decoder::new(file)?)?))
}

/// CPU nanoseconds of this thread.
fn cpu_ns() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
