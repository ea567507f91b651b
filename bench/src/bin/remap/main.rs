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
    /// Only contestants with one of these words in their names
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
    /// Only buffers of so many pages
    #[arg(long, value_name = "N")]
    pages: Vec<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The contestants: the first two are what the others are measured against.
const NAMES: [&str; 9] = [
    "memcpy, hot",
    "memcpy, cold",
    "host table: send",
    "host table: receive, device's touch",
    "host table: receive, hart's touch, a miss a page",
    "host table: receive, hart's touch",
    "process: send",
    "process: receive, mapped",
    "process: receive, moved",
];

fn main() -> Result<()> {
    let args = Args::parse();
    let mut copies = copy::Copies::new();
    let (mut sender, mut receiver) = (host::Host::new()?, host::Host::new()?);
    let mut window = process::Process::new()?;
    let mut moved = process::Moved::new()?;
    let wanted = |pages: &&usize| args.pages.is_empty() || args.pages.contains(pages);
    let sizes: Vec<usize> = SIZES.iter().filter(wanted).copied().collect();
    let mut all: Vec<Vec<Series>> = Vec::new();
    for &pages in &sizes {
        let cell = std::cell::RefCell::new((&mut copies, &mut sender, &mut receiver, &mut window));
        let moved = &mut moved;
        let mut contestants: Vec<Contestant<'_>> = vec![
            (NAMES[0], Box::new(|| Ok(cell.borrow_mut().0.hot(pages)))),
            (NAMES[1], Box::new(|| Ok(cell.borrow_mut().0.cold(pages)))),
            (NAMES[2], Box::new(|| cell.borrow_mut().1.send(pages))),
            (NAMES[3], Box::new(|| cell.borrow_mut().2.receive(pages, host::Touch::Device))),
            (NAMES[4], Box::new(|| cell.borrow_mut().2.receive(pages, host::Touch::Miss))),
            (NAMES[5], Box::new(|| cell.borrow_mut().2.receive(pages, host::Touch::Hart))),
            (NAMES[6], Box::new(|| cell.borrow_mut().3.send(pages))),
            (NAMES[7], Box::new(|| cell.borrow_mut().3.receive(pages))),
            (
                NAMES[8],
                Box::new(|| match moved {
                    Some(moved) => moved.receive(pages),
                    None => Ok(f64::NAN),
                }),
            ),
        ];
        for (name, once) in &mut contestants {
            if !args.only.is_empty() && !args.only.iter().any(|word| name.contains(&**word)) {
                *once = Box::new(|| Ok(f64::NAN));
            }
        }
        all.push(interleave(args.rounds.max(1), &mut contestants)?);
    }
    tell(&sizes, &all).print(args.json)
}

/// Nanoseconds a buffer by size, then where remapping begins to pay. What was not measured is left out.
fn tell(sizes: &[usize], all: &[Vec<Series>]) -> Table {
    let mut head = vec!["ns a buffer of".to_owned()];
    head.extend(sizes.iter().map(|pages| format!("{pages} p")));
    head.extend(
        ["pays against hot", "against cold", "1 MiB: cold ÷ this", "reach"].map(str::to_owned),
    );
    let names: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut table = Table::new(&names);
    let median = |size: usize, who: usize| all[size][who].median();
    let measured = |who: usize| all.iter().all(|size| !size[who].median().is_nan());
    for (who, name) in NAMES.iter().enumerate().filter(|&(who, _)| measured(who)) {
        let mut row = vec![(*name).to_owned()];
        row.extend((0..sizes.len()).map(|size| format!("{:.0}", median(size, who))));
        if who >= 2 {
            row.extend([0, 1].map(|peer| match measured(peer) {
                true => pays(sizes, |size| median(size, who) <= median(size, peer)),
                false => String::new(),
            }));
            let megabyte = sizes.iter().position(|&pages| pages == 256);
            row.push(match megabyte.filter(|_| measured(1)) {
                Some(size) => format!("{:.1}", median(size, 1) / median(size, who)),
                None => String::new(),
            });
            row.push(if who < 6 { "≥ 10".into() } else { String::new() });
        }
        table.row(&row);
    }
    table
}

/// The size from which on remapping was never slower.
fn pays(sizes: &[usize], better: impl Fn(usize) -> bool) -> String {
    let first = (0..sizes.len()).rev().take_while(|&size| better(size)).last();
    first.map_or_else(
        || format!("not up to {} p", sizes.last().unwrap_or(&0)),
        |size| format!("from {} p", sizes[size]),
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
