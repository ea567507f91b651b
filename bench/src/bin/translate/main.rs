//! `cargo xtask bench-compare translate`: walks and edits of tables beside the crates that do the
//! same, in CPU time over interleaved rounds.

mod arena;
mod edits;
mod peers;
mod walks;

use anyhow::Result;
use clap::Parser;
use rustix::time::{ClockId, clock_gettime};
use vellum_bench::{Series, Table};

/// Walks and edits of tables beside x86_64, page_table_multiarch, page-table-generic,
/// aarch64-paging, page-walker and vm-memory's Iotlb.
#[derive(Debug, Parser)]
struct Args {
    /// Rounds, in each of which every contestant runs once
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only the walks, or only the edits
    #[arg(long, value_enum)]
    only: Option<Only>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    Walks,
    Edits,
}

/// CPU seconds of this thread that `work` takes.
#[inline(always)]
fn cpu(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
    };
    let before = now();
    work()?;
    Ok(now() - before)
}

fn ratio(ours: &Series, theirs: &Series) -> String {
    format!("{:.2}", ours.median() / theirs.median())
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.only != Some(Only::Edits) {
        walks_table(&args)?;
    }
    if args.only.is_none() && !args.json {
        println!();
    }
    if args.only != Some(Only::Walks) {
        edits_table(&args)?;
    }
    Ok(())
}

fn walks_table(args: &Args) -> Result<()> {
    let walks = walks::run(args.rounds)?;
    let head = ["translations", "M/s, median (spread)", "Sv39 walk ÷ this", "x86-64 walk ÷ this"];
    let mut table = Table::new(&head);
    let (riscv, x86) = (&walks[0].1, &walks[1].1);
    for (name, series) in &walks {
        table.row(&[name.clone(), series.to_string(), ratio(riscv, series), ratio(x86, series)]);
    }
    table.print(args.json)
}

fn edits_table(args: &Args) -> Result<()> {
    let edits = edits::run(args.rounds)?;
    let head = ["1 GiB in 4 KiB pages", "map, ns a page", "÷ ours", "unmap, ns a page", "÷ ours"];
    let mut table = Table::new(&head);
    for row in &edits {
        let ours = &edits[0];
        table.row(&[
            row.name.clone(),
            row.map.to_string(),
            ratio(&row.map, &ours.map),
            row.unmap.to_string(),
            ratio(&row.unmap, &ours.unmap),
        ]);
    }
    table.print(args.json)
}
