//! `cargo xtask powercut --device flash`: the flash translation layer over the chip model, cut again
//! and again in every mode, also while it recovers.

use anyhow::{Context, Result, bail};
use std::process::ExitCode;
use vellum_ftl::MapMode;
use vellum_ftl::campaign::{Campaign, Tally, exhaustive, merge, random};
use vellum_nand::{CellKind, CutMode};

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Cell {
    /// One bit a cell
    Slc,
    /// Two: pages share cells
    Mlc,
    /// Three
    Tlc,
}

/// Operations of the exhaustive part: each in each mode, with a second cut in the recovery.
const OPERATIONS: u64 = 20;

pub fn run(args: &super::Args) -> Result<ExitCode> {
    let cell = match args.cell {
        Cell::Slc => CellKind::Slc,
        Cell::Mlc => CellKind::Mlc,
        Cell::Tlc => CellKind::Tlc,
    };
    let campaign = Campaign::small(cell, MapMode::Flat);
    let bar = indicatif::ProgressBar::new(args.cycles);
    let mut all =
        exhaustive(campaign, args.seed, OPERATIONS, 2, |_| {}).context("exhaustive part")?;
    let (mut broken, mut seed) = (0u64, args.seed);
    while all.cuts < args.cycles {
        let base = all.cuts;
        match random(campaign, seed, 200, |n| bar.set_position(base + n)) {
            Ok(tally) => merge(&mut all, &tally),
            Err(error) => {
                broken += 1;
                bar.suspend(|| eprintln!("broken: {error}"));
                merge(&mut all, &Tally { cuts: 1, ..Tally::default() });
            }
        }
        seed += 1;
    }
    bar.finish_and_clear();
    show(args, &all, broken);
    if broken > 0 {
        bail!("{broken} lives broke a promise in {} cuts", all.cuts);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(args: &super::Args, all: &Tally, broken: u64) {
    if args.json {
        let out = serde_json::json!({
            "cuts": all.cuts, "nested": all.nested, "by_mode": all.by_mode,
            "pages_checked": all.checked, "meta_rebuilt": all.meta_rebuilt, "broken": broken,
        });
        println!("{out}");
        return;
    }
    println!("cuts            {:>12}", all.cuts);
    for (mode, n) in CutMode::ALL.iter().zip(all.by_mode) {
        println!("  {:<18}{n:>8}", mode.name());
    }
    println!("in a recovery   {:>12}", all.nested);
    println!("pages checked   {:>12}", all.checked);
    println!("lives broken    {broken:>12}");
}
