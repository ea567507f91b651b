//! A file streamed through a window of pages to a reader. By lending (`--by map`) the reader is some
//! buffers behind: it gets the pages themselves, and the next buffer is filled meanwhile. By giving (`--by
//! move`) the pages of the window move to the reader's own window. Says what was copied and what was
//! remapped.

use std::collections::VecDeque;
use std::io::Read;
use std::process::ExitCode;
use vellum_remap::process::{Arena, PlainMemory, Window};
use vellum_remap::{Buffer, PAGE, Space, Token, Transfers, calibrate};

const PAGES: usize = 64;
/// Buffers that the reader may hold.
const BEHIND: usize = 3;
const USAGE: &str = "\
Streams a file through a window of 64 pages to a reader and says what was copied and what remapped

Usage: stream_file [FILE] [--by map|move]

  FILE         the file; without one, this program itself
  --by map     pages of a file in memory are lent to the reader and mapped anew (the default)
  --by move    pages of plain private memory move to the reader by UFFDIO_MOVE (Linux 6.8)
  -h, --help   this text";

type Failure = Box<dyn std::error::Error>;

/// What the reader makes of the bytes: their sum, and how many they were.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    bytes: u64,
    sum: u64,
}

impl Seen {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let next = |sum: u64, &byte: &u8| sum.wrapping_mul(31) + u64::from(byte);
        self.sum = bytes.iter().fold(self.sum, next);
    }
}

fn main() -> ExitCode {
    let (mut path, mut by_move) = (None, false);
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("-h" | "--help") => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            Some("--by") => match args.next().as_deref().and_then(|way| way.to_str()) {
                Some("map") => by_move = false,
                Some("move") => by_move = true,
                other => {
                    let other = other.unwrap_or("nothing");
                    return wrong(&format!("--by is `map` or `move`, not {other}"));
                }
            },
            Some(option) if option.starts_with('-') => {
                return wrong(&format!("there is no option {option}"));
            }
            _ if path.is_none() => path = Some(arg),
            _ => return wrong("there is more than one file"),
        }
    }
    match run(path.map(Into::into), by_move) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stream_file: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wrong(why: &str) -> ExitCode {
    eprintln!("stream_file: {why}\n\n{USAGE}");
    ExitCode::from(2)
}

fn run(path: Option<std::path::PathBuf>, by_move: bool) -> Result<(), Failure> {
    let path = path.map_or_else(std::env::current_exe, Ok)?;
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = std::fs::File::open(&path).map_err(named)?;
    // All of a buffer, but at the file's end.
    let mut next = |chunk: &mut Vec<u8>| {
        chunk.clear();
        let read = (&mut file).take((PAGES * PAGE) as u64).read_to_end(chunk);
        read.map_err(named)
    };
    let got = if by_move { stream_by_moving(&mut next)? } else { stream_by_lending(&mut next)? };
    let mut wanted = Seen::default();
    wanted.add(&std::fs::read(&path).map_err(named)?);
    if got != wanted {
        return Err(format!("the reader saw {got:?}, the file is {wanted:?}").into());
    }
    Ok(())
}

fn stream_by_lending(
    next: &mut impl FnMut(&mut Vec<u8>) -> Result<usize, String>,
) -> Result<Seen, Failure> {
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
    let (mut got, mut chunk) = (Seen::default(), Vec::new());
    loop {
        let n = next(&mut chunk)?;
        if n == 0 || behind.len() == BEHIND {
            if let Some(token) = behind.pop_front() {
                // The reader looks at the pages that were sent.
                got.add(&transfers.data(token).ok_or("it is in flight")?.to_vec());
                transfers.complete(&mut window, token)?;
            } else if n == 0 {
                break;
            }
        }
        if n > 0 {
            window.write(0, &chunk)?;
            behind.push_back(transfers.send(&mut window, &[Buffer::new(0, n as u64)])?);
        }
    }
    let counters = transfers.counters;
    println!(
        "{} bytes: {} remapped to the reader, {} copied to it; {} pages copied for the writer, {} calls \
         changed a mapping",
        got.bytes, counters.remapped, counters.copied, window.breaks, window.flips
    );
    Ok(got)
}

fn stream_by_moving(
    next: &mut impl FnMut(&mut Vec<u8>) -> Result<usize, String>,
) -> Result<Seen, Failure> {
    let memory = PlainMemory::new(2 * PAGES, 2 * PAGES)?;
    let (mut ours, mut theirs) = (memory.window(PAGES)?, memory.window(PAGES)?);
    let mut transfers = Transfers::default();
    let (mut got, mut chunk) = (Seen::default(), Vec::new());
    while next(&mut chunk)? > 0 {
        ours.write(0, &chunk)?;
        let list = [Buffer::new(0, chunk.len() as u64)];
        transfers.give(&mut ours, &list, &mut theirs, &list)?;
        // The reader looks at its own pages.
        theirs.read(0, &mut chunk)?;
        got.add(&chunk);
    }
    let counters = transfers.counters;
    println!(
        "{} bytes: {} moved to the reader, {} copied to it; {} calls moved pages",
        got.bytes,
        counters.remapped,
        counters.copied,
        ours.calls + theirs.calls
    );
    Ok(got)
}
