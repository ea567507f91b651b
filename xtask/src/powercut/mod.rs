//! `cargo xtask powercut`: cut the power of a real file system under a running workload, recover,
//! and check that nothing promised is lost.
//!
//! A child process commits a counter and says each value that is durable; the file system beneath
//! it is shut down at a random moment, unmounted and mounted again, and the store is opened.

mod ext4;
mod flash;

pub use flash::{Cell, Layer};

use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use vellum_recover::{Options, Region, Store};

/// What the power is cut of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Device {
    /// ext4 on a loop device over a file
    File,
    /// The flash translation layer over the chip model
    Flash,
}

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the power is cut of
    #[arg(long, value_enum, default_value = "file")]
    device: Device,
    /// How often
    #[arg(long, default_value_t = 200)]
    cycles: u64,
    /// Kind of cell, for flash
    #[arg(long, value_enum, default_value = "slc")]
    cell: Cell,
    /// The translation layer, for flash
    #[arg(long, value_enum, default_value = "tables")]
    layer: Layer,
    /// Pages of a write cache before the layer, for flash
    #[arg(long, value_name = "PAGES", default_value_t = 0)]
    cache: u32,
    /// First seed, for flash
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Be the workload, in this directory
    #[arg(long, hide = true)]
    child: Option<PathBuf>,
}

/// A region whose two copies of a counter lie in different pages and chunks.
const LEN: u64 = 200_000;
const COPIES: [u64; 2] = [8, 150_000];

pub fn run(args: &Args) -> Result<ExitCode> {
    if let Some(path) = &args.child {
        return workload(path).map(|()| ExitCode::SUCCESS);
    }
    if args.device == Device::Flash {
        return flash::run(args);
    }
    let home = tempfile::tempdir()?;
    let device = match ext4::Disk::new(home.path()) {
        Ok(disk) => disk,
        Err(why) => {
            println!("skipped: {why:#}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let (mut last, mut said) = (0, 0);
    // Drawn on a terminal only.
    let bar = indicatif::ProgressBar::new(args.cycles);
    for cycle in 0..args.cycles {
        device.mount()?;
        let store = device.mount_point().join("store");
        let found = read(&store)?;
        ensure!(found >= last, "cycle {cycle}: {found} is back, {last} had been promised");
        last = cut(&device, &store, cycle)?.max(found);
        said += last.saturating_sub(found);
        device.unmount()?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    device.mount()?;
    let found = read(&device.mount_point().join("store"))?;
    device.unmount()?;
    ensure!(found >= last, "at the end {found} is back, {last} had been promised");
    let cycles = args.cycles;
    if args.json {
        println!(
            "{}",
            serde_json::json!({"cycles": cycles, "promised": said, "lost": 0, "half_done": 0})
        );
    } else {
        println!("{cycles} power cuts under {said} promised commits: 0 lost, 0 half done");
    }
    Ok(ExitCode::SUCCESS)
}

fn options() -> Options {
    // Small, so that truncation runs all the time.
    Options { truncate_at: 16 << 10, ..Options::default() }
}

fn word(region: &Region, at: u64) -> Result<u64> {
    let bytes = region.read(at..at + 8)?;
    Ok(bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)))
}

/// The counter after recovery; its copies must agree.
fn read(store: &Path) -> Result<u64> {
    let store = Store::open(store, options())?;
    let region = store.region("counter", LEN)?;
    let copies = [word(&region, COPIES[0])?, word(&region, COPIES[1])?];
    if copies[0] != copies[1] {
        bail!("half a transaction is seen: {} and {}", copies[0], copies[1]);
    }
    Ok(copies[0])
}

/// Runs the workload and cuts the power; the last value that it had said.
fn cut(device: &ext4::Disk, store: &Path, cycle: u64) -> Result<u64> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["powercut", "--child"])
        .arg(store)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("could not start the workload")?;
    let output = child.stdout.take().context("the workload's output")?;
    let wanted = cycle.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58;
    let mut last = 0;
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    for line in lines.by_ref().take(wanted as usize + 1) {
        last = line.parse().unwrap_or(last);
    }
    device.cut()?;
    // What it said before it noticed counts as well.
    for line in lines {
        last = line.parse().unwrap_or(last);
    }
    child.wait()?;
    Ok(last)
}

fn workload(path: &Path) -> Result<()> {
    let store = Store::open(path, options())?;
    let region = store.region("counter", LEN)?;
    loop {
        let value = store.transact(|transaction| {
            let mut value = 0;
            for at in COPIES {
                let bytes = transaction.set_range(&region, at..at + 8)?;
                value = bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)) + 1;
                bytes.copy_from_slice(&value.to_le_bytes());
            }
            Ok(value)
        })?;
        println!("{value}");
    }
}
