//! One buffer sent to three devices while its owner goes on writing: nobody's bytes are copied but
//! the pages that the owner writes meanwhile.

use std::process::ExitCode;
use vellum_remap::{Buffer, Heap, PAGE, Space, Transfers};

const PAGES: usize = 64;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("-h" | "--help") => {
            println!("One buffer sent to three devices while its owner writes\n\nUsage: fan_out");
            return ExitCode::SUCCESS;
        }
        Some(other) => {
            eprintln!("fan_out: it takes no argument, and got {other}\n\nUsage: fan_out");
            return ExitCode::from(2);
        }
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fan_out: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), vellum_remap::Error> {
    let mut heap = Heap::new(PAGES);
    for page in 0..PAGES as u64 {
        heap.write(page * PAGE as u64, &page.to_le_bytes())?;
    }
    let mut transfers = Transfers::default();
    let list = [Buffer::new(0, (PAGES * PAGE) as u64)];
    // Writing the pages for the first time gave each a frame of its own; that is not counted.
    let before = heap.breaks;
    let mut tokens = Vec::new();
    for round in 0..3u64 {
        tokens.push(transfers.send(&mut heap, &list)?);
        heap.write(round * PAGE as u64, &u64::MAX.to_le_bytes())?;
    }
    for token in tokens {
        let data = transfers.data(token).expect("in flight");
        let mut first = [0; 8];
        data.read(0, &mut first);
        println!("{token}: page 0 holds {:#x}", u64::from_le_bytes(first));
        transfers.complete(&mut heap, token)?;
    }
    let counters = transfers.counters;
    println!(
        "{} bytes remapped, {} copied; {} pages copied because they were written in flight",
        counters.remapped,
        counters.copied,
        heap.breaks - before
    );
    Ok(())
}
