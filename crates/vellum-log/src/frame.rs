//! A frame: what is appended at once, checked at once, and believed or dropped at once.
//!
//! ```text
//!  0        4        8            12       16    18    20
//!  ├────────┼────────┼────────────┼────────┼─────┼─────┼─ index ─┬─ body ─┬─ tag ─┤
//!  │ check  │ prev   │ body·more  │ seq    │ lag │index│         │        │ 0, 16 │
//! ```
//! `check` is the CRC-32 of the log's id, the segment's generation and all of the frame behind
//! `check`. `prev` is the `check` of the frame before, across segments: the chain. `seq` counts
//! frames in the segment. `lag` says what the writer knew to be durable: frame `seq − lag` and all
//! before it (0xFFFF: nothing is said). All little endian.

use crate::cipher::{SegmentKey, TAG};

/// Bytes before the index.
pub const FRAME_HEADER: usize = 20;
/// Most bytes of an index.
pub const INDEX_MAX: usize = u16::MAX as usize;
/// Most bytes of a body.
pub const BODY_MAX: usize = (1 << 24) - 1;
const MORE: u32 = 1 << 31;
const RESERVED: u32 = 0x7F00_0000;
/// `lag` says nothing.
pub(crate) const LAG_UNKNOWN: u16 = u16::MAX;

/// The fields of a frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) check: u32,
    pub(crate) prev: u32,
    pub(crate) body: usize,
    /// The record goes on in the next frame.
    pub(crate) more: bool,
    pub(crate) seq: u32,
    pub(crate) lag: u16,
    pub(crate) index: usize,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl FrameHeader {
    /// Reads a header; `None` when reserved bits are set or there are too few bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..FRAME_HEADER)?;
        let length = word(bytes, 8);
        (length & RESERVED == 0).then(|| Self {
            check: word(bytes, 0),
            prev: word(bytes, 4),
            body: (length & !MORE) as usize,
            more: length & MORE != 0,
            seq: word(bytes, 12),
            lag: u16::from_le_bytes([bytes[16], bytes[17]]),
            index: usize::from(u16::from_le_bytes([bytes[18], bytes[19]])),
        })
    }

    fn encode(&self) -> [u8; FRAME_HEADER] {
        let mut out = [0; FRAME_HEADER];
        out[0..4].copy_from_slice(&self.check.to_le_bytes());
        out[4..8].copy_from_slice(&self.prev.to_le_bytes());
        let more = if self.more { MORE } else { 0 };
        out[8..12].copy_from_slice(&(self.body as u32 | more).to_le_bytes());
        out[12..16].copy_from_slice(&self.seq.to_le_bytes());
        out[16..18].copy_from_slice(&self.lag.to_le_bytes());
        out[18..20].copy_from_slice(&(self.index as u16).to_le_bytes());
        out
    }

    /// Bytes of the whole frame.
    pub(crate) fn total(&self, tag: usize) -> usize {
        FRAME_HEADER + self.index + self.body + tag
    }
}

/// Bytes that a frame with such an index and body takes, with or without a tag.
pub(crate) fn frame_len(index: usize, body: usize, tag: usize) -> usize {
    FRAME_HEADER + index + body + tag
}

/// The checksum of a frame's bytes behind `check`.
pub(crate) fn checksum(seed: &crc32fast::Hasher, frame: &[u8]) -> u32 {
    let mut hasher = seed.clone();
    hasher.update(&frame[4..]);
    hasher.finalize()
}

/// What a frame's CRC starts from: the log's id and the segment's generation.
pub(crate) fn seed(id: &[u8; 16], generation: Option<u64>) -> crc32fast::Hasher {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(id);
    hasher.update(&generation.unwrap_or(0).to_le_bytes());
    hasher
}

/// Appends a frame to `out`; the `check` field of `header` is ignored. Returns the frame's check.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    header: &FrameHeader,
    index: &[u8],
    body: &[&[u8]],
    key: &SegmentKey,
    seed: &crc32fast::Hasher,
) -> u32 {
    let start = out.len();
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(index);
    for part in body {
        out.extend_from_slice(part);
    }
    let frame = &mut out[start..];
    let (front, body) = frame.split_at_mut(FRAME_HEADER + index.len());
    key.index(header.seq, &mut front[FRAME_HEADER..]);
    if let Some(tag) = key.seal(header.seq, &front[4..], body) {
        out.extend_from_slice(&tag);
    }
    let check = checksum(seed, &out[start..]);
    out[start..start + 4].copy_from_slice(&check.to_le_bytes());
    check
}

/// A frame taken apart in place: the index and the body as they were before encryption.
pub(crate) fn open<'a>(
    frame: &'a mut [u8],
    header: &FrameHeader,
    key: &SegmentKey,
) -> Option<(&'a [u8], &'a [u8])> {
    let (front, body) = frame.split_at_mut(FRAME_HEADER + header.index);
    if !key.open(header.seq, &front[4..], body) {
        return None;
    }
    key.index(header.seq, &mut front[FRAME_HEADER..]);
    Some((&front[FRAME_HEADER..], &body[..header.body]))
}

const _: () = assert!(FRAME_HEADER + INDEX_MAX + BODY_MAX + TAG < u32::MAX as usize);
