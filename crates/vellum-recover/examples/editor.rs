//! An editor's buffer that comes back with the last keystroke: every line typed is kept at once,
//! without a save command, by a region that is captured by pages.
//!
//! `cargo run -p vellum-recover --example editor -- DIRECTORY`, type, kill it, run it again.

mod support;

use std::io::BufRead;
use vellum_recover::{Options, Store};

const ROOM: u64 = 1 << 20;

fn main() -> std::process::ExitCode {
    support::say(run())
}

fn run() -> support::Outcome {
    let path = std::env::args().nth(1).ok_or("usage: editor DIRECTORY")?;
    let store = Store::open(path, Options::default())?;
    let mut buffer = store.paged_region("buffer", ROOM, None)?;
    let mut used = buffer.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)) as usize;
    used = used.min(ROOM as usize - 8);
    print!("{}", String::from_utf8_lossy(&buffer[8..8 + used]));
    eprintln!("({used} bytes are back; pages are captured by {})", buffer.capture().name());
    for line in std::io::stdin().lock().lines() {
        let line = line? + "\n";
        // Byte by byte, as keys are pressed; each is durable before the next.
        for key in line.bytes().take(ROOM as usize - 8 - used) {
            buffer[8 + used] = key;
            used += 1;
            buffer[..8].copy_from_slice(&(used as u64).to_le_bytes());
            buffer.commit()?;
        }
    }
    Ok(())
}
