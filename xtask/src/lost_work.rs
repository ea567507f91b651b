//! `cargo xtask lost-work`: what a crash loses against the checkpoint interval, with and without the
//! redo log, from measured runs.
//!
//! Each run does transactions, takes a checkpoint every so many, and is cut at a random point; what
//! is then back is counted. With the log, commits since the checkpoint come back as well.

mod plot;

use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use vellum_recover::checkpoint::{Captured, Checkpoints, Compression, DirObjects, Pages};
use vellum_recover::log::CrashDisk;
use vellum_recover::{Background, Durability, Options, PAGE, Restore, Store, Tracked};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Crashes for each interval
    #[arg(long, default_value_t = 20)]
    crashes: u64,
    /// Seed of the crashes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write a plot to this file, as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const INTERVALS: [u64; 6] = [1, 4, 16, 64, 256, 1024];
const PAGES: usize = 64;

struct Row {
    interval: u64,
    lost_without: f64,
    lost_with: f64,
    bytes_a_transaction: f64,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut rows = Vec::new();
    for interval in INTERVALS {
        rows.push(measure(interval, args)?);
    }
    if let Some(path) = &args.svg {
        let text = plot::svg(&rows, args.crashes);
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    if args.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                serde_json::json!({"interval": row.interval, "lost_without_log": row.lost_without,
                    "lost_with_log": row.lost_with, "checkpoint_bytes": row.bytes_a_transaction})
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("transactions lost by a crash, mean of {} crashes\n", args.crashes);
    println!(
        "{:>10} {:>12} {:>10} {:>22}",
        "interval", "without log", "with log", "checkpoint B/txn"
    );
    let most = rows.iter().map(|row| row.lost_without).fold(1.0, f64::max);
    for row in &rows {
        let bar = "#".repeat((row.lost_without / most * 40.0).ceil() as usize);
        println!(
            "{:>10} {:>12.1} {:>10.1} {:>22.0}  {bar}",
            row.interval, row.lost_without, row.lost_with, row.bytes_a_transaction
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(interval: u64, args: &Args) -> Result<Row> {
    let (mut without, mut with, mut bytes, mut all) = (0, 0, 0, 0);
    let mut state = args.seed;
    for _ in 0..args.crashes {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let transactions = (state >> 33) % (2 * interval) + interval;
        let (lost, lost_with_log, written) = crash(interval, transactions)?;
        (without, with, bytes, all) =
            (without + lost, with + lost_with_log, bytes + written, all + transactions);
    }
    let mean = |sum: u64| sum as f64 / args.crashes as f64;
    let bytes_a_transaction = bytes as f64 / all as f64;
    Ok(Row { interval, lost_without: mean(without), lost_with: mean(with), bytes_a_transaction })
}

/// Does so many transactions, cuts the power, and says how many are lost: without the log, with it;
/// and the bytes of all checkpoints.
fn crash(interval: u64, transactions: u64) -> Result<(u64, u64, u64)> {
    let (images, disk) = (CrashDisk::new(), CrashDisk::new());
    let checkpoints = |disk: &CrashDisk| -> Result<Checkpoints> {
        let objects = DirObjects::in_storage(Arc::new(disk.clone()))?;
        Ok(Checkpoints::new(Arc::new(objects), Compression::Lz4))
    };
    let options = || Options { background: Background::Caller, ..Options::default() };
    let saved = checkpoints(&images)?;
    let store = Store::open_in(Arc::new(disk.clone()), options())?;
    let region = store.region("r", (PAGES * PAGE) as u64)?;
    let mut memory = Tracked::new(PAGES * PAGE, None)?;
    let everything: Vec<_> = std::iter::once(0..memory.pages()).collect();
    let mut written = saved.save("m", &Captured::take(&memory, &everything), b"", false)?.1;
    for number in 1..=transactions {
        let value = number.to_le_bytes();
        let at = number as usize * 7 % PAGES * PAGE + 8;
        memory.bytes_mut()[..8].copy_from_slice(&value);
        memory.bytes_mut()[at..at + 8].copy_from_slice(&value);
        let mut transaction = store.begin(Restore::Yes);
        transaction.set_range(&region, 0..8)?.copy_from_slice(&value);
        transaction.set_range(&region, at as u64..at as u64 + 8)?.copy_from_slice(&value);
        transaction.commit(Durability::Flush)?;
        if number % interval == 0 {
            let dirty = memory.take_dirty()?;
            written += saved.save("m", &Captured::take(&memory, &dirty), b"", true)?.1;
        }
    }
    drop(store);
    let worst = |disk: &CrashDisk| {
        disk.cuts().last().and_then(|cut| cut.images(2, 0).next()).unwrap_or_default()
    };
    let mut page = vec![0; PAGE];
    checkpoints(&worst(&images))?.restore("m")?.read_page(0, &mut page)?;
    let back = |bytes: &[u8]| bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
    let store = Store::open_in(Arc::new(worst(&disk)), options())?;
    let region = store.open_region("r")?;
    let with_log = back(&region.read(0..8)?);
    Ok((transactions - back(&page), transactions - with_log, written))
}
