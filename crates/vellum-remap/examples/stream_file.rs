//! A file streamed through a window of pages to a reader that is one buffer behind: the reader gets
//! the pages themselves, and the next buffer is filled meanwhile. Says what was copied and what was
//! remapped.
//!
//! `stream_file [FILE]`; without one, its own program.

use std::collections::VecDeque;
use std::io::Read;
use vellum_remap::process::{Arena, Window};
use vellum_remap::{Buffer, PAGE, Space, Token, Transfers, calibrate};

const PAGES: usize = 64;
/// Buffers that the reader may hold.
const BEHIND: usize = 3;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let path = match std::env::args_os().nth(1) {
        Some(path) => path.into(),
        None => std::env::current_exe()?,
    };
    let mut file = std::fs::File::open(&path)?;
    let arena = Arena::new((BEHIND + 3) * PAGES)?;
    let mut window = Window::new(&arena, PAGES)?;
    window.write(0, &[1; PAGES * PAGE])?;
    let start = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let found = calibrate(&mut window, 0, PAGES, || {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        ((now.tv_sec - start.tv_sec) * 1_000_000_000 + now.tv_nsec - start.tv_nsec).unsigned_abs()
    })?;
    match found.break_even() {
        Some(pages) => println!("here remapping pays from {pages} pages on"),
        None => println!("here copying is faster up to {PAGES} pages; remapped all the same"),
    }

    let mut transfers = Transfers::default();
    let mut behind: VecDeque<Token> = VecDeque::new();
    let (mut read, mut sum) = (0u64, 0u64);
    let mut chunk = vec![0; PAGES * PAGE];
    loop {
        let n = file.read(&mut chunk)?;
        if n == 0 || behind.len() == BEHIND {
            if let Some(token) = behind.pop_front() {
                // The reader: a sum over the bytes, from the pages that were sent.
                let data = transfers.data(token).ok_or("it is in flight")?;
                sum = data
                    .to_vec()
                    .iter()
                    .fold(sum, |sum, &byte| sum.wrapping_mul(31) + u64::from(byte));
                transfers.complete(&mut window, token)?;
            } else if n == 0 {
                break;
            }
        }
        if n > 0 {
            window.write(0, &chunk[..n])?;
            behind.push_back(transfers.send(&mut window, &[Buffer::new(0, n as u64)])?);
            read += n as u64;
        }
    }
    let whole = std::fs::read(&path)?;
    let wanted = whole.iter().fold(0u64, |sum, &byte| sum.wrapping_mul(31) + u64::from(byte));
    assert_eq!((read, sum), (whole.len() as u64, wanted), "the reader saw the file");
    let counters = transfers.counters;
    println!(
        "{read} bytes: {} remapped to the reader, {} copied to it; {} pages copied for the writer, {} \
         calls changed a mapping",
        counters.remapped, counters.copied, window.breaks, window.flips
    );
    Ok(())
}
