//! Any messages to either side of a migration. Input: a byte that says to which side, then messages
//! (kind, length (2), payload), which get their numbers and checksums here; or, after a third value,
//! bytes as they come.

use super::Input;
use std::io::{Cursor, Read, Write};
use std::ops::Range;
use vellum_recover::PAGE;
use vellum_recover::checkpoint::Pages;
use vellum_recover::migrate::{SendOptions, Strategy, receive, send};

const TO_RECEIVER: u8 = 0;
const TO_SOURCE: u8 = 1;
const PAGES: u64 = 40;

/// A link that says what it was told to, and swallows the rest.
struct Tape(Cursor<Vec<u8>>);

impl Read for Tape {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Tape {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn message(number: u32, kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 0, 0, 0];
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&out);
    crc.update(payload);
    out.extend_from_slice(&crc.finalize().to_le_bytes());
    out.extend_from_slice(payload);
    out
}

struct Memory;

impl Pages for Memory {
    fn pages(&self) -> u64 {
        PAGES
    }

    fn read_page(&self, page: u64, out: &mut [u8]) {
        assert!(page < PAGES, "a page that there is not was asked for");
        out.fill(page as u8);
    }

    fn take_dirty(&mut self) -> Result<Vec<Range<u64>>, vellum_recover::Error> {
        Ok(std::iter::once(3..5).collect())
    }
}

/// Runs one.
///
/// # Panics
/// When a side does, or takes a page that there is not.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let side = input.byte();
    let mut bytes = Vec::new();
    if side <= TO_SOURCE {
        let mut number = 0;
        while !input.is_empty() {
            let kind = input.byte();
            let length = usize::from(u16::from_le_bytes(input.take()));
            bytes.extend(message(number, kind, input.bytes(length)));
            number += 1;
        }
    } else {
        bytes = input.rest().to_vec();
    }
    let tape = Tape(Cursor::new(bytes));
    if side == TO_SOURCE {
        let options = SendOptions { strategy: Strategy::Hybrid, ..SendOptions::default() };
        let _ = send(&mut Memory, tape, options, |_| b"state".to_vec());
        return;
    }
    let prepare = |pages| if pages <= PAGES { Ok(()) } else { Err("too many".to_owned()) };
    let mut put = |page: u64, bytes: &[u8]| assert!(page < PAGES && bytes.len() == PAGE);
    if let Ok((arrived, pending)) = receive(tape, prepare, &mut put) {
        assert!(arrived.pages <= PAGES && pending.missing() <= PAGES);
        let _ = pending.finish(&mut put);
    }
}

/// A whole migration to the receiver, and the answers to the source.
pub fn seeds() -> Vec<Vec<u8>> {
    let part = |kind: u8, payload: &[u8]| {
        [&[kind][..], &(payload.len() as u16).to_le_bytes(), payload].concat()
    };
    let hello = [&2_u32.to_le_bytes()[..], &PAGES.to_le_bytes()].concat();
    let zeros = 7_u64.to_le_bytes();
    let words =
        |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let switch = [&words(&[2])[..], b"ok", &words(&[3, 5])].concat();
    let to_receiver = [part(1, &hello), part(2, &zeros), part(3, b""), part(4, &switch)];
    let pulled = [part(2, &words(&[3])), part(2, &words(&[4]))];
    let to_source = [part(3, b""), part(5, b""), part(6, &words(&[3])), part(7, b"")];
    vec![
        [&[TO_RECEIVER][..], &to_receiver.concat(), &pulled.concat()].concat(),
        [&[TO_SOURCE][..], &to_source.concat()].concat(),
        [&[2][..], &message(0, 1, &hello)].concat(),
    ]
}
