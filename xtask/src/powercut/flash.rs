//! `cargo xtask powercut --device flash`: the flash translation layer over the chip model, cut again
//! and again in every mode, also while it recovers.

use anyhow::{Context, Result, bail};
use std::process::ExitCode;
use vellum_ftl::MapMode;
use vellum_ftl::campaign::{Campaign, Kind, Tally, exhaustive, random};
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

impl Cell {
    pub fn kind(self) -> CellKind {
        match self {
            Self::Slc => CellKind::Slc,
            Self::Mlc => CellKind::Mlc,
            Self::Tlc => CellKind::Tlc,
        }
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Layer {
    /// `Ftl`, with tables in RAM
    Tables,
    /// `Small`, for 4 KiB of RAM
    Small,
}

impl From<Layer> for Kind {
    fn from(layer: Layer) -> Self {
        match layer {
            Layer::Tables => Self::Tables,
            Layer::Small => Self::Small,
        }
    }
}

/// Host operations of the exhaustive part: at each of their programs and erases a cut in each mode,
/// and on each of these a second one at each program and erase of the recovery in each mode.
const STEPS: u32 = 40;

/// Pages that a snapshot may keep, of some hundreds.
const SNAPSHOT: u32 = 40;

pub fn run(args: &super::Args) -> Result<ExitCode> {
    let cell = args.cell.kind();
    let bar = indicatif::ProgressBar::new(args.cycles);
    let layer = Kind::from(args.layer);
    let mut tiny = Campaign::tiny(cell, MapMode::Flat);
    if layer == Kind::Small {
        tiny = tiny.with_small_layer();
    }
    let tiny = tiny.with_cache(args.cache);
    let mut all = exhaustive(tiny, args.seed, STEPS, true, |_, tally| bar.set_position(tally.cuts))
        .context("exhaustive part")?;
    let (mut broken, mut seed) = (0u64, args.seed);
    while all.cuts < args.cycles {
        let base = all.cuts;
        let campaign = campaign(cell, layer, seed).with_cache(args.cache);
        match random(campaign, seed, 500, |n| bar.set_position(base + n)) {
            Ok(tally) => all.merge(&tally),
            Err(error) => {
                broken += 1;
                bar.suspend(|| eprintln!("broken: {error}"));
                all.cuts += 1;
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

/// A device of the random part. Of those with tables every fourth keeps its map on flash, every fourth has snapshots,
/// every eighth parity; for two in eight days pass. Of each kind recoveries are cut in pairs in every second.
fn campaign(cell: CellKind, layer: Kind, seed: u64) -> Campaign {
    let map = if seed % 4 == 3 {
        MapMode::Demand { cached_slices: 1, changed: 0 }
    } else {
        MapMode::Flat
    };
    let mut campaign = Campaign::small(cell, map);
    if seed / 8 % 2 == 1 {
        campaign = campaign.with_pairs();
    }
    match (layer, seed % 4, seed % 8) {
        (Kind::Small, ..) => campaign.with_small_layer(),
        (Kind::Tables, 1, _) => campaign.with_snapshots(SNAPSHOT),
        (Kind::Tables, _, 2) => campaign.with_superblocks(3),
        (Kind::Tables, _, 4 | 7) => campaign.with_days(10),
        (Kind::Tables, ..) => campaign,
    }
}

fn show(args: &super::Args, all: &Tally, broken: u64) {
    if args.json {
        let out = serde_json::json!({
            "cuts": all.cuts, "nested": all.nested, "by_mode": all.by_mode,
            "pages_checked": all.checked, "snapshots": all.snapshots, "meta_rebuilt": all.meta_rebuilt,
            "mount_reads": all.mount_reads, "most_moves": all.moves.0, "moves_promised": all.moves.1,
            "last_resorts": all.last_resorts, "broken": broken,
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
    println!("snapshots compared{:>10}", all.snapshots);
    println!("most page reads of a mount {}", all.mount_reads);
    let (moves, most) = all.moves;
    // Where there are snapshots nothing is promised.
    let most = if most == u32::MAX { String::new() } else { format!(", {most} promised") };
    println!("most page moves that a host operation waited for {moves}{most}");
    println!("last block opened {:>10} times", all.last_resorts);
    println!("lives broken    {broken:>12}");
}
