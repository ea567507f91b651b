//! `cargo xtask bench-compare disk`: the magnetic disk beside DiskSim 4.0 and beside real drives.
//!
//! The referees are files: DiskSim's parameter files, validation traces whose service times were
//! measured on the real drives, and DiskSim's own result for each request. DiskSim's speed is what
//! its row in the summary tables says; ours is CPU time, the median of several rounds.

mod data;
mod fidelity;
mod fitted;
mod speed;

use anyhow::Result;
use clap::Parser;
use data::Data;
use std::path::PathBuf;
use vellum_bench::Table;

/// The magnetic disk beside DiskSim and the real drives
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench-compare disk")]
struct Args {
    /// Folder with `params`, `reference` and `real`
    #[arg(long, default_value = "../shared/data/disk")]
    data: PathBuf,
    /// Parts to run: fidelity, demerit, phase, schedule, speed, map, nvm; without any, all
    parts: Vec<String>,
    /// Rounds of each speed measurement
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Print the tables as JSON
    #[arg(long)]
    json: bool,
}

type Part = fn(&Data, &Args) -> Result<Table>;

const PARTS: [(&str, Part); 7] = [
    ("fidelity", fidelity::requests),
    ("demerit", fitted::demerit),
    ("phase", fitted::phase),
    ("schedule", fidelity::schedule),
    ("speed", speed::requests),
    ("map", speed::map),
    ("nvm", speed::nvm),
];

fn main() -> Result<()> {
    let args = Args::parse();
    if !args.data.join("params").is_dir() {
        println!("skipped: no reference data in {}; name it with --data", args.data.display());
        return Ok(());
    }
    let data = Data::new(&args.data);
    for (name, part) in PARTS {
        if args.parts.is_empty() || args.parts.iter().any(|p| p == name) {
            eprintln!("{name}");
            part(&data, &args)?.print(args.json)?;
        }
    }
    Ok(())
}
