//! `cargo xtask bench-compare share`: the scavenger beside the kernel's samepage merging, on two
//! guests' memory.

mod images;
mod ksm;
mod ours;
mod slowdown;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;
use vellum_bench::{Series, Table};
use vellum_scavenger::content::Codec;
use vellum_scavenger::{Costs, Policy};

/// Sharing and compression of memory, beside KSM
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench-compare share")]
struct Args {
    /// The folder of reference data, with `memory/unpack.py` in it
    #[arg(long, value_name = "FOLDER", default_value = "../shared/data")]
    data: PathBuf,
    /// Rounds in which the contestants take turns
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Measure one part only
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Hold the restore budget against what codecs take on this machine, measured first
    #[arg(long)]
    measured: bool,
    /// Measure the slowdown on this build of `xtask`, instead of one made now
    #[arg(long, value_name = "FILE")]
    xtask: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// What is found, and in what time
    Speed,
    /// In how few bytes it is kept, and how soon it is back
    Size,
    /// What a running Linux guest loses by it
    Slowdown,
}

const SKIPPED: &str = "skipped: KSM takes root and a kernel that has it";

fn main() -> Result<()> {
    let args = Args::parse();
    let mut table = Table::new(&["measure", "vellum", "peer", "ratio", "reach", "reached"]);
    let wanted = |part| args.only.is_none_or(|only| only == part);
    if wanted(Part::Speed) || wanted(Part::Size) {
        let images = images::load(&args.data)?;
        let pages: u64 = images.iter().map(|image| image.len() as u64 / 4096).sum();
        if wanted(Part::Speed) {
            speed(&args, &images, pages, &mut table)?;
        }
        if wanted(Part::Size) {
            size(&images, args.measured, &mut table)?;
        }
    }
    if wanted(Part::Slowdown) {
        slowdown::slowdown(args.rounds.max(1), args.xtask.as_deref(), &mut table)?;
    }
    table.print(args.json)
}

fn row(table: &mut Table, cells: [String; 5], reached: Option<bool>) {
    let said = reached.map_or("", |yes| if yes { "yes" } else { "no" });
    let mut cells = cells.to_vec();
    cells.push(said.into());
    table.row(&cells);
}

fn speed(args: &Args, images: &[Vec<u8>], pages: u64, table: &mut Table) -> Result<()> {
    let mut ours: [Series; 3] = Default::default();
    let mut peer: [Series; 3] = Default::default();
    let (mut shared, mut found) = (None, None);
    for _ in 0..args.rounds.max(1) {
        if ksm::available() {
            let slices: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
            let merged = ksm::merge(&slices)?;
            for (series, seconds) in
                peer.iter_mut().zip([merged.merging, merged.second, merged.steady])
            {
                series.add(pages as f64 / seconds / 1e6);
            }
            found = Some(merged);
        }
        ours[0].add(pages as f64 / ours::detect(images)? / 1e6);
        let run = ours::share(images)?;
        ours[1].add(pages as f64 / run.first / 1e6);
        ours[2].add(pages as f64 / run.steady / 1e6);
        shared = Some(run);
    }
    let Some(shared) = shared else { return Ok(()) };
    let peer_found = found
        .as_ref()
        .map_or(SKIPPED.into(), |f| format!("KSM, two scans: {} + {}", f.duplicates, f.zeros));
    let complete = (shared.duplicates, shared.zeros) >= (36_618, 53_015);
    row(
        table,
        [
            "sharing found, one pass: duplicates + zeros".into(),
            format!("{} + {}", shared.duplicates, shared.zeros),
            peer_found,
            String::new(),
            "36618 + 53015".into(),
        ],
        Some(complete),
    );
    let mut compare =
        |name: &str, ours: &Series, which: &str, peer: &Series, reach: Option<f64>| {
            let ratio = ours.median() / peer.median();
            let known = found.is_some();
            row(
                table,
                [
                    name.into(),
                    ours.to_string(),
                    if known { format!("{which}: {peer}") } else { SKIPPED.into() },
                    if known { format!("{ratio:.1}") } else { String::new() },
                    reach.map(|r| format!("≥ {r} ×")).unwrap_or_default(),
                ],
                reach.filter(|_| known).map(|r| ratio >= r),
            );
        };
    compare(
        "detection, M pages a CPU s",
        &ours[0],
        "KSM to its end, two scans",
        &peer[0],
        Some(10.0),
    );
    compare("detection, M pages a CPU s", &ours[0], "KSM's merging scan", &peer[1], Some(10.0));
    compare(
        "with frames replaced, M pages a CPU s",
        &ours[1],
        "KSM to its end, two scans",
        &peer[0],
        Some(5.0),
    );
    compare(
        "with frames replaced, M pages a CPU s",
        &ours[1],
        "KSM's merging scan",
        &peer[1],
        Some(5.0),
    );
    compare(
        "a pass when nothing was written, M pages a CPU s",
        &ours[2],
        "KSM's steady scan",
        &peer[2],
        None,
    );
    let bytes = shared.metadata as f64 / pages as f64;
    row(
        table,
        [
            "bookkeeping a scanned page, sharing, B".into(),
            format!("{bytes:.1}"),
            "KSM: 64".into(),
            format!("{:.2}", bytes / 64.0),
            "≤ 16".into(),
        ],
        Some(bytes <= 16.0),
    );
    Ok(())
}

fn size(images: &[Vec<u8>], measured: bool, table: &mut Table) -> Result<()> {
    let mut policy = Policy::default();
    if measured {
        policy.costs = Costs::measured(policy.level);
    }
    let rest = ours::rest(images, policy)?;
    let metadata = rest.report.metadata;
    let a_page = metadata.total() as f64 / rest.pages as f64;
    row(
        table,
        [
            "bookkeeping a scanned page, all packed, B".into(),
            format!(
                "{a_page:.1} (pages {:.1}, index {:.1}, similar {:.1}, objects {:.1})",
                metadata.pages as f64 / rest.pages as f64,
                metadata.index as f64 / rest.pages as f64,
                metadata.similar as f64 / rest.pages as f64,
                metadata.objects as f64 / rest.pages as f64,
            ),
            "KSM: 64".into(),
            format!("{:.2}", a_page / 64.0),
            "≤ 16".into(),
        ],
        Some(a_page <= 16.0),
    );
    let total = rest.report.bytes() as f64 / 1e6;
    let store = rest.report.store;
    row(
        table,
        [
            format!("bytes for both guests ({:.1} MB), MB", rest.pages as f64 * 4096.0 / 1e6),
            format!(
                "{total:.2} (records {:.2}, dead and free {:.2}, frames {:.2}, bookkeeping {:.2})",
                store.live as f64 / 1e6,
                (store.dead + store.free) as f64 / 1e6,
                rest.report.frames as f64 * 4096.0 / 1e6,
                metadata.total() as f64 / 1e6
            ),
            "zram 154.8, KSM 169.9 (reference run)".into(),
            format!("{:.2}", total / 154.8),
            "≤ 56".into(),
        ],
        Some(total <= 56.0),
    );
    let ratio = rest.payload as f64 / rest.alone as f64;
    row(
        table,
        [
            "deltas and dense against zstd alone, distinct pages".into(),
            format!("{:.2} MB", rest.payload as f64 / 1e6),
            format!("zstd: {:.2} MB", rest.alone as f64 / 1e6),
            format!("{ratio:.3}"),
            "≤ 0.80".into(),
        ],
        Some(ratio <= 0.80),
    );
    for ((codec, base), (median, p99)) in rest.restore {
        let on = base.map(|base| format!(" on {base}")).unwrap_or_default();
        let reach = match (codec, base) {
            (Codec::Lz4, None) => Some(3_000),
            // Whatever a delta at rest is kept in, beside a reference at rest.
            (Codec::DeltaDense | Codec::DeltaTight, Some(Codec::Zstd | Codec::Brisk)) => {
                Some(12_000)
            }
            _ => None,
        };
        row(
            table,
            [
                format!("restore, {codec}{on}, µs, p50 and p99"),
                format!("{:.2} {:.2}", median as f64 / 1e3, p99 as f64 / 1e3),
                if codec.is_delta() { "Difference Engine: 18.6".into() } else { String::new() },
                String::new(),
                reach.map(|ns| format!("≤ {}", ns / 1000)).unwrap_or_default(),
            ],
            reach.map(|ns| p99 <= ns),
        );
    }
    let c = rest.report.counters;
    eprintln!(
        "to rest: {:.2} CPU s, {} pages hashed, {} deltas tried, {} told, {} recoded, {} rebased, {} segments emptied",
        rest.cpu, c.hashed, c.deltas_tried, c.deltas, c.recoded, c.rebased, c.compacted
    );
    Ok(())
}
