//! An editor's buffer that comes back with the last keystroke: every key is kept at once, without a save
//! command, by a region that is captured by pages.
//!
//! `cargo run -p vellum-recover --example editor -- DIRECTORY`, type, kill it, run it again. Backspace
//! takes back a character, Ctrl-D ends.

mod support;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{Read, Write, stdin, stdout};
use vellum_recover::{Options, Store};

const ROOM: u64 = 1 << 20;
/// Bytes before the text: its length.
const TEXT: usize = 8;
const BACKSPACE: [u8; 2] = [8, 0x7F];
const END: u8 = 4;

/// A terminal that hands out keys and not lines, until this is dropped.
struct Keys(Option<Termios>);

impl Keys {
    /// What isn't a terminal stays as it is.
    fn new() -> Self {
        let Ok(before) = tcgetattr(stdin()) else { return Self(None) };
        let mut keys = before.clone();
        keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        let set = tcsetattr(stdin(), OptionalActions::Now, &keys);
        Self(set.is_ok().then_some(before))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}

fn main() -> std::process::ExitCode {
    support::say(run())
}

fn run() -> support::Outcome {
    let usage = "usage: editor DIRECTORY";
    let path = support::arguments(usage)?.into_iter().next().ok_or(usage)?;
    let store = Store::open(path, Options::default())?;
    let mut buffer = store.paged_region("buffer", ROOM, None)?;
    let used = buffer.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
    let mut end = TEXT + used.min(ROOM - TEXT as u64) as usize;
    eprintln!("({used} bytes are back; pages are captured by {})", buffer.capture().name());
    stdout().write_all(&buffer[TEXT..end])?;
    stdout().flush()?;
    let keys = Keys::new();
    for key in stdin().lock().bytes() {
        let key = key?;
        if keys.0.is_some() {
            match key {
                END => break,
                // On the screen as well.
                key if BACKSPACE.contains(&key) => stdout().write_all(b"\x08 \x08")?,
                key => stdout().write_all(&[key])?,
            }
            stdout().flush()?;
        }
        if BACKSPACE.contains(&key) {
            // The bytes of a character that follow its first begin with the bits 10.
            while end > TEXT {
                end -= 1;
                if buffer[end] & 0xC0 != 0x80 {
                    break;
                }
            }
        } else if end < ROOM as usize {
            buffer[end] = key;
            end += 1;
        }
        buffer[..TEXT].copy_from_slice(&((end - TEXT) as u64).to_le_bytes());
        buffer.commit()?;
    }
    Ok(())
}
