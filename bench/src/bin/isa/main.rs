//! `cargo xtask bench-compare isa`: decoding beside `raki` and `riscv-decode`, and soft floating
//! point beside `rustc_apfloat`, in CPU time, interleaved.

mod code;
mod floats;

use anyhow::Result;
use clap::Parser;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use vellum_bench::{Contestant, Series, Table, interleave};

/// Decoding and soft floating point beside their peers, in CPU nanoseconds each
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench-compare isa")]
struct Args {
    /// Rounds; all contestants run once in each
    #[arg(long, default_value_t = 9)]
    rounds: u32,
    /// Calls of each contestant in a round
    #[arg(long, default_value_t = 1_000_000)]
    calls: usize,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    eprintln!(
        "nanoseconds of CPU time a call: median (spread) of {} rounds of {} calls",
        args.rounds, args.calls
    );
    let mut table = Table::new(&["measure", "Vellum", "peer", "peer's figure", "ratio"]);
    code::rows(&args, &mut table)?;
    floats::rows(&args, &mut table)?;
    table.print(args.json)
}

/// CPU nanoseconds a call: `once` is called with the numbers from 0 on.
fn measure<T>(calls: usize, mut once: impl FnMut(usize) -> T) -> Result<f64> {
    let cpu = || {
        let now = clock_gettime(ClockId::ProcessCPUTime);
        now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
    };
    let before = cpu();
    for number in 0..calls {
        black_box(once(number));
    }
    Ok((cpu() - before) / calls as f64)
}

/// Runs ours (the first) and the peers, and adds a row for each peer.
fn compare(args: &Args, table: &mut Table, what: &str, mut all: Vec<Contestant<'_>>) -> Result<()> {
    let series = interleave(args.rounds, &mut all)?;
    let ours: &Series = &series[0];
    for ((name, _), peer) in all.iter().zip(&series).skip(1) {
        table.row(&[
            what.into(),
            ours.to_string(),
            (*name).into(),
            peer.to_string(),
            format!("{:.2}", ours.median() / peer.median()),
        ]);
    }
    Ok(())
}
