//! `cargo xtask bench-compare remap`: moving buffers by exchanging page-table entries beside copying
//! them, hot and cold, on the host table and in a process.
//!
//! A *hot* copy goes between the same two buffers again and again; a *cold* one between places that
//! were not touched for a long time, as I/O does. Remapping is measured cold as well, with its
//! invalidation and the receiver's first touch of every page.

mod copy;
mod host;
mod process;

use anyhow::Result;
use clap::Parser;
use vellum_bench::{Contestant, Series, Table, interleave};

/// Pages of the buffers that are moved.
const SIZES: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/// Pages moved in one measurement, however large the buffers are.
const MOVED: usize = 8192;
/// Pages of the memory that cold buffers are taken from: 128 MiB, several times a cache.
const COLD: usize = 32 << 10;

/// Zero-copy transfers beside copies, in CPU time
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench-compare remap")]
struct Args {
    /// Rounds in which the contestants take turns
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The contestants: the first two are what the others are measured against.
const NAMES: [&str; 7] = [
    "memcpy, hot",
    "memcpy, cold",
    "host table: send",
    "host table: receive, device's touch",
    "host table: receive, hart's touch",
    "process: send",
    "process: receive",
];

fn main() -> Result<()> {
    let args = Args::parse();
    let mut copies = copy::Copies::new();
    let (mut sender, mut receiver) = (host::Host::new()?, host::Host::new()?);
    let mut window = process::Process::new()?;
    let mut all: Vec<Vec<Series>> = Vec::new();
    for &pages in &SIZES {
        let cell = std::cell::RefCell::new((&mut copies, &mut sender, &mut receiver, &mut window));
        let mut contestants: Vec<Contestant<'_>> = vec![
            (NAMES[0], Box::new(|| Ok(cell.borrow_mut().0.hot(pages)))),
            (NAMES[1], Box::new(|| Ok(cell.borrow_mut().0.cold(pages)))),
            (NAMES[2], Box::new(|| cell.borrow_mut().1.send(pages))),
            (NAMES[3], Box::new(|| cell.borrow_mut().2.receive(pages, host::Touch::Device))),
            (NAMES[4], Box::new(|| cell.borrow_mut().2.receive(pages, host::Touch::Hart))),
            (NAMES[5], Box::new(|| cell.borrow_mut().3.send(pages))),
            (NAMES[6], Box::new(|| cell.borrow_mut().3.receive(pages))),
        ];
        all.push(interleave(args.rounds.max(1), &mut contestants)?);
    }
    tell(&all).print(args.json)
}

/// Nanoseconds a buffer by size, then where remapping begins to pay.
fn tell(all: &[Vec<Series>]) -> Table {
    let mut head = vec!["ns a buffer of".to_owned()];
    head.extend(SIZES.iter().map(|pages| format!("{pages} p")));
    head.extend(
        ["pays against hot", "against cold", "1 MiB: cold ÷ this", "reach"].map(str::to_owned),
    );
    let names: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut table = Table::new(&names);
    let median = |size: usize, who: usize| all[size][who].median();
    for (who, name) in NAMES.iter().enumerate() {
        let mut row = vec![(*name).to_owned()];
        row.extend((0..SIZES.len()).map(|size| format!("{:.0}", median(size, who))));
        if who >= 2 {
            row.extend([0, 1].map(|peer| pays(|size| median(size, who) <= median(size, peer))));
            let last = SIZES.len() - 1;
            row.push(format!("{:.1}", median(last, 1) / median(last, who)));
            row.push(if who < 5 { "≥ 10".into() } else { String::new() });
        }
        table.row(&row);
    }
    table
}

/// The size from which on remapping was never slower.
fn pays(better: impl Fn(usize) -> bool) -> String {
    let first = (0..SIZES.len()).rev().take_while(|&size| better(size)).last();
    first.map_or_else(
        || format!("not up to {} p", SIZES[SIZES.len() - 1]),
        |size| format!("from {} p", SIZES[size]),
    )
}

/// CPU nanoseconds of this thread for each of so many calls.
fn timed(calls: usize, mut call: impl FnMut(usize) -> Result<()>) -> Result<f64> {
    let now = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
    };
    let start = now();
    (0..calls).try_for_each(&mut call)?;
    Ok((now() - start) / calls as f64)
}
