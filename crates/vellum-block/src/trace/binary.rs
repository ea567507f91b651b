//! Binary formats: VMware's vscsiStats and HP Labs' SRT.

use super::{Reader, Record, TraceError};
use crate::{Duration, Instant, Lba, Op, PS_PER_US};
use std::io::BufRead;

/// Version of a vscsi trace by its first record: version 1 keeps it at byte 14, version 2 at byte 2.
pub(super) fn vscsi_version(start: &[u8]) -> Option<u8> {
    let half = |at: usize| start.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let command = |c: u16| matches!(c, 0x28 | 0x2a | 0x88 | 0x8a | 0x08 | 0x0a | 0xa8 | 0xaa);
    if half(14)? >> 8 == 1 && command(half(12)?) {
        return Some(1);
    }
    (half(2)? >> 8 == 2 && command(half(0)?)).then_some(2)
}

impl<R: BufRead> Reader<R> {
    /// Fills `out`; false at the end of the input.
    fn fill(&mut self, out: &mut [u8]) -> Result<bool, TraceError> {
        let mut n = 0;
        while n < out.len() {
            match self.input.read(&mut out[n..]) {
                Ok(0) => break,
                Ok(more) => n += more,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.io(e)),
            }
        }
        self.offset += n as u64;
        match n {
            0 => Ok(false),
            n if n == out.len() => Ok(true),
            n => Err(self.bad(format!("a record cut off after {n} of {} bytes", out.len()))),
        }
    }

    /// Version 1: sn, length, segments: u32; command, version: u16; LBN, microseconds: u64.
    /// Version 2: command, version: u16; sn, length, segments: u32; LBN, microseconds, response: u64.
    pub(super) fn vscsi(&mut self) -> Result<Option<Record>, TraceError> {
        let mut b = [0; 40];
        let size = if self.version == 1 { 32 } else { 40 };
        loop {
            self.line += 1;
            if !self.fill(&mut b[..size])? {
                return Ok(None);
            }
            let half = |at: usize| u16::from_le_bytes([b[at], b[at + 1]]);
            let word = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
            let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
            let (command, length) =
                if self.version == 1 { (half(12), word(4)) } else { (half(0), word(8)) };
            let op = match command {
                0x08 | 0x28 | 0x88 | 0xa8 => Op::Read,
                0x0a | 0x2a | 0x8a | 0xaa => Op::Write,
                _ => continue,
            };
            if length == 0 {
                continue;
            }
            let us = long(24);
            let start = *self.clock.get_or_insert(us);
            return Ok(Some(Record {
                at: Instant::from_ps(us.saturating_sub(start).saturating_mul(PS_PER_US)),
                device: 0,
                op,
                lba: Lba::new(long(16)),
                sectors: length.div_ceil(512),
                service: (self.version == 2).then(|| Duration::from_us(long(32))),
                gap: None,
            }));
        }
    }

    /// Big-endian words: size, id, seconds, microseconds, start, stop, bytes, block, device, driver,
    /// cylinder, flags, info, and more according to size. Bit 0 of the flags is a read.
    pub(super) fn srt(&mut self) -> Result<Option<Record>, TraceError> {
        self.line += 1;
        let mut b = [0; 52];
        if !self.fill(&mut b)? {
            return Ok(None);
        }
        let word =
            |i: usize| u32::from_be_bytes([b[4 * i], b[4 * i + 1], b[4 * i + 2], b[4 * i + 3]]);
        let (size, id, bytes) = (word(0), word(1), word(6));
        if !(1..=4).contains(&(id >> 16)) || !(52..=64).contains(&size) || size % 4 != 0 {
            return Err(self.bad(format!("no record: size {size}, id {id:#x}")));
        }
        if bytes == 0 || bytes % 512 != 0 {
            return Err(self.bad(format!("{bytes} bytes are no whole sectors")));
        }
        let at = u64::from(word(2)) * 1_000_000 + u64::from(word(3));
        let start = *self.clock.get_or_insert(at);
        let (begun, ended, block, device, flags) = (word(4), word(5), word(7), word(8), word(11));
        let mut rest = [0; 12];
        let more = (size - 52) as usize;
        if more > 0 && !self.fill(&mut rest[..more])? {
            return Err(self.bad("a record cut off"));
        }
        Ok(Some(Record {
            at: Instant::from_ps(at.saturating_sub(start).saturating_mul(PS_PER_US)),
            device: device >> 8 & 0xff,
            op: if flags & 1 == 1 { Op::Read } else { Op::Write },
            // Blocks of 1 KiB, as HP-UX counts them.
            lba: Lba::new(u64::from(block) * 2),
            sectors: bytes / 512,
            service: Some(Duration::from_us(ended.saturating_sub(begun).into())),
            gap: None,
        }))
    }
}
