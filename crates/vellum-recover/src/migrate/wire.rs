//! Messages: a header of 16 bytes (kind, length, number, CRC-32 of all that), then the payload.

use super::MigrateError;
use std::io::{Read, Write};

/// Version of the stream.
pub(super) const VERSION: u32 = 2;
/// Longest payload: 64 KiB of pages, which compression can make a little longer.
const PAYLOAD_MAX: u32 = 1 << 24;
const HEADER: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Source: version, pages.
    Hello = 1,
    /// Source: page number, LZ4 of its bytes (empty: zeros).
    Page = 2,
    /// Source: a round is over. Receiver: all of it was taken in.
    Round = 3,
    /// Source: the owner stands still; its state, and the runs of pages that are still to come.
    Switch = 4,
    /// Receiver: everything was received so far.
    Ready = 5,
    /// Receiver: send this page.
    Want = 6,
    /// Receiver: nothing more is needed.
    Done = 7,
    /// Either: giving up, for this reason.
    Abort = 8,
}

impl Kind {
    fn from_code(code: u8) -> Option<Self> {
        let all = [
            Self::Hello,
            Self::Page,
            Self::Round,
            Self::Switch,
            Self::Ready,
            Self::Want,
            Self::Done,
            Self::Abort,
        ];
        all.into_iter().find(|kind| *kind as u8 == code)
    }
}

/// One end of a link, counting what goes through.
pub(super) struct Wire<T> {
    link: T,
    sent: u32,
    received: u32,
    pub(super) bytes: u64,
    buffer: Vec<u8>,
}

impl<T: Read + Write> Wire<T> {
    pub(super) fn new(link: T) -> Self {
        Self { link, sent: 0, received: 0, bytes: 0, buffer: Vec::new() }
    }

    /// Queues a message; it goes out with [`Wire::flush`] or when there is enough.
    pub(super) fn put(&mut self, kind: Kind, parts: &[&[u8]]) -> Result<(), MigrateError> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if length > PAYLOAD_MAX as usize {
            let (message, limit) = (self.sent, PAYLOAD_MAX);
            let why = format!("{kind:?} of {length} bytes is over the limit of {limit}");
            return Err(MigrateError::Protocol { message, why });
        }
        let mut header = [0; HEADER];
        header[0] = kind as u8;
        header[4..8].copy_from_slice(&(length as u32).to_le_bytes());
        header[8..12].copy_from_slice(&self.sent.to_le_bytes());
        let mut crc = crc32fast::Hasher::new();
        crc.update(&header[..12]);
        parts.iter().for_each(|part| crc.update(part));
        header[12..].copy_from_slice(&crc.finalize().to_le_bytes());
        self.buffer.extend_from_slice(&header);
        parts.iter().for_each(|part| self.buffer.extend_from_slice(part));
        self.bytes += (HEADER + length) as u64;
        self.sent = self.sent.wrapping_add(1);
        if self.buffer.len() > 1 << 16 { self.flush() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> Result<(), MigrateError> {
        let sent = self.link.write_all(&self.buffer).and_then(|()| self.link.flush());
        self.buffer.clear();
        sent.map_err(|source| MigrateError::Link { what: "sending", source })
    }

    /// The next message. Memory: its length, which is checked first.
    pub(super) fn get(&mut self) -> Result<(Kind, Vec<u8>), MigrateError> {
        let failed = |source| MigrateError::Link { what: "receiving", source };
        let message = self.received;
        let wrong = |why: String| MigrateError::Protocol { message, why };
        let mut header = [0; HEADER];
        self.link.read_exact(&mut header).map_err(failed)?;
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let kind = Kind::from_code(header[0])
            .ok_or_else(|| wrong(format!("kind {} is not known", header[0])))?;
        if word(4) > PAYLOAD_MAX {
            return Err(wrong(format!("{} bytes are over the limit of {PAYLOAD_MAX}", word(4))));
        }
        if word(8) != message {
            return Err(wrong(format!("it has number {}", word(8))));
        }
        let mut payload = vec![0; word(4) as usize];
        self.link.read_exact(&mut payload).map_err(failed)?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(&header[..12]);
        crc.update(&payload);
        if crc.finalize() != word(12) {
            return Err(wrong("its checksum doesn't fit".to_owned()));
        }
        self.received = message.wrapping_add(1);
        if kind == Kind::Abort {
            let why = String::from_utf8_lossy(&payload).into_owned();
            return Err(MigrateError::Aborted { why });
        }
        Ok((kind, payload))
    }

    /// The next message, which must be of `kind`.
    pub(super) fn expect(&mut self, kind: Kind) -> Result<Vec<u8>, MigrateError> {
        let message = self.received;
        match self.get()? {
            (found, payload) if found == kind => Ok(payload),
            (found, _) => Err(MigrateError::Protocol {
                message,
                why: format!("{found:?} instead of {kind:?}"),
            }),
        }
    }

    pub(super) fn wrong(&self, why: impl Into<String>) -> MigrateError {
        MigrateError::Protocol { message: self.received.wrapping_sub(1), why: why.into() }
    }

    /// Tells the other side to give up, if it can still hear.
    pub(super) fn abort(&mut self, why: &str) {
        self.buffer.clear();
        let _ = self.put(Kind::Abort, &[why.as_bytes()]).and_then(|()| self.flush());
    }
}

/// The `u64` at `at`, if there are enough bytes.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
