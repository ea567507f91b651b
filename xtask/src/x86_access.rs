//! `cargo xtask x86-access`: every legal combination of the flags of an x86-64 walk's two lowest
//! levels, control registers, keys and access, the walk against the plain reference.

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use vellum_translate::x86::campaign::{COUNT, check, combination};

/// Combinations that a thread takes at a time.
const CHUNK: u64 = 1 << 18;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only every so many-th combination; a prime meets every flag with every other
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let total = COUNT.div_ceil(args.every);
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::new(total)
    } else {
        ProgressBar::hidden()
    };
    bar.set_style(ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} {eta}")?);
    let next = AtomicU64::new(0);
    let work = || loop {
        let first = next.fetch_add(CHUNK, Ordering::Relaxed);
        if first >= total {
            return Ok(());
        }
        let chunk = first..total.min(first + CHUNK);
        for number in chunk.clone() {
            let number = number * args.every;
            check(&combination(number)).map_err(|found| (number, found))?;
        }
        bar.inc(chunk.end - chunk.start);
    };
    let found = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.jobs).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()?.err()).next()
    });
    bar.finish_and_clear();
    if let Some((number, found)) = found {
        bail!("combination {number}: the walk and the reference disagree: {found:#x?}");
    }
    if args.json {
        println!("{}", json!({ "combinations": total, "of": COUNT, "disagreements": 0 }));
    } else {
        println!("{total} of {COUNT} combinations: walk and reference agree in all of them");
    }
    Ok(ExitCode::SUCCESS)
}
