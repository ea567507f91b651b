//! The image: pages of memory in one object, checked piece by piece. Bytes in
//! `docs/src/formats/checkpoint.md`.
//!
//! ```text
//! header · index (a hash for each leaf) · state · leaves (where each page is, and its hash) · frames
//! ```
//! The image's name is the hash of header, index and state; the index has the hash of each leaf, a
//! leaf the hash of each page. So one page can be read and checked without reading the rest.

use super::{Captured, CheckpointError};
use crate::memory::PAGE;
use std::collections::BTreeMap;
use std::fmt;

pub(super) const MAGIC: [u8; 8] = *b"VELLUMIM";
pub(super) const VERSION: u32 = 1;
/// Bytes of the header.
pub(super) const HEADER: usize = 128;
/// Pages that a leaf is about.
pub(super) const LEAF_PAGES: u64 = 1024;
/// Bytes of an index entry: leaf number, entries, offset, hash.
pub(super) const INDEX_ENTRY: usize = 56;
/// Bytes of a leaf's entry.
pub(super) const LEAF_ENTRY: usize = 60;
/// Pages in a frame: 64 KiB.
pub(super) const FRAME_PAGES: usize = 16;
/// Slot of a page of zeros.
pub(super) const ZERO: u32 = u32::MAX;
/// Most pages of an image (4 TiB).
pub const PAGES_MAX: u64 = 1 << 30;
/// Most bytes of state in an image.
pub const STATE_MAX: u64 = 1 << 28;

/// The name of an image: a BLAKE3 hash that covers all of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(pub [u8; 32]);

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How frames are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4 blocks: fast enough for the pause's shadow.
    #[default]
    Lz4,
    /// Zstandard (RFC 8878), level 1: a third smaller, for images that stay. Feature `zstd`.
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Compression {
    /// Its number in an image's header.
    fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Lz4 => 1,
            #[cfg(feature = "zstd")]
            Self::Zstd => 2,
        }
    }

    /// The reverse; the error says what is lacking.
    pub(super) fn from_code(code: u32) -> Result<Self, String> {
        match code {
            0 => Ok(Self::None),
            1 => Ok(Self::Lz4),
            #[cfg(feature = "zstd")]
            2 => Ok(Self::Zstd),
            #[cfg(not(feature = "zstd"))]
            2 => Err("it is compressed by Zstandard, which needs the feature `zstd`".to_owned()),
            other => Err(format!("compression {other} is not known")),
        }
    }

    fn pack(self, raw: Vec<u8>) -> Vec<u8> {
        match self {
            Self::None => raw,
            Self::Lz4 => lz4_flex::block::compress(&raw),
            // It can't fail: the output is as large as it may get. If it did, the frame would not
            // have its length, and a reader would say so.
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::bulk::compress(&raw, 1).unwrap_or_default(),
        }
    }

    /// Unpacks into `raw`; the bytes that were there, or `None` when they don't unpack.
    pub(super) fn unpack(self, packed: &[u8], raw: &mut [u8]) -> Option<usize> {
        match self {
            Self::None => {
                raw.get_mut(..packed.len())?.copy_from_slice(packed);
                Some(packed.len())
            }
            Self::Lz4 => lz4_flex::block::decompress_into(packed, raw).ok(),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::bulk::decompress_to_buffer(packed, raw).ok(),
        }
    }
}

impl Captured {
    /// Encodes an image: pages of zeros cost an entry, equal pages are stored once, the rest in
    /// compressed frames of 64 KiB. `parent` is what the pages are a change of.
    ///
    /// # Errors
    /// When there are more pages or more state than an image may have.
    pub fn encode(
        &self,
        parent: Option<ImageId>,
        state: &[u8],
        compression: Compression,
    ) -> Result<(ImageId, Vec<u8>), CheckpointError> {
        limit("pages", self.total, PAGES_MAX)?;
        limit("state bytes", state.len() as u64, STATE_MAX)?;
        let leaves = self.pages.chunk_by(|a, b| a / LEAF_PAGES == b / LEAF_PAGES).count();
        let table = HEADER + leaves * INDEX_ENTRY + state.len();
        let frames_at = (table + self.pages.len() * LEAF_ENTRY) as u64;
        let (entries, frames) = self.place(frames_at, compression);
        let mut index = Vec::with_capacity(leaves * INDEX_ENTRY);
        let mut body = Vec::with_capacity(entries.len() * LEAF_ENTRY);
        for leaf in self.pages.chunk_by(|a, b| a / LEAF_PAGES == b / LEAF_PAGES) {
            let from = body.len() / LEAF_ENTRY;
            let bytes: Vec<u8> = entries[from..from + leaf.len()].concat();
            index.extend_from_slice(&(leaf[0] / LEAF_PAGES).to_le_bytes());
            index.extend_from_slice(&(leaf.len() as u64).to_le_bytes());
            index.extend_from_slice(&((table + body.len()) as u64).to_le_bytes());
            index.extend_from_slice(blake3::hash(&bytes).as_bytes());
            body.extend_from_slice(&bytes);
        }
        let mut out = vec![0; HEADER];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&compression.code().to_le_bytes());
        out[16..24].copy_from_slice(&self.total.to_le_bytes());
        out[24..32].copy_from_slice(&(leaves as u64).to_le_bytes());
        out[32..40].copy_from_slice(&(state.len() as u64).to_le_bytes());
        out[40..48].copy_from_slice(&(frames_at + frames.len() as u64).to_le_bytes());
        if let Some(parent) = parent {
            out[48..80].copy_from_slice(&parent.0);
        }
        out.extend_from_slice(&index);
        out.extend_from_slice(state);
        let id = ImageId(*blake3::hash(&out).as_bytes());
        out.extend_from_slice(&body);
        out.extend_from_slice(&frames);
        Ok((id, out))
    }

    /// Fills frames and says where each page is: the entries of the leaves, and the frames.
    fn place(&self, frames_at: u64, compression: Compression) -> (Vec<[u8; LEAF_ENTRY]>, Vec<u8>) {
        let mut known: BTreeMap<[u8; 32], usize> = BTreeMap::new();
        // Unique pages, by their place in `bytes`; an entry's hash and unique page.
        let (mut unique, mut places) = (Vec::new(), Vec::new());
        for page in self.bytes.chunks_exact(PAGE) {
            let hash = *blake3::hash(page).as_bytes();
            let place = if page.iter().all(|byte| *byte == 0) {
                None
            } else {
                Some(*known.entry(hash).or_insert_with(|| {
                    unique.push(page);
                    unique.len() - 1
                }))
            };
            places.push((hash, place));
        }
        let (mut frames, mut frame_places) = (Vec::new(), Vec::new());
        for group in unique.chunks(FRAME_PAGES) {
            let raw = group.concat();
            let packed = compression.pack(raw);
            let at = frames_at + frames.len() as u64;
            frame_places.push((at, packed.len() as u32, crc32fast::hash(&packed)));
            frames.extend_from_slice(&packed);
        }
        let entry = |(page, (hash, place)): (&u64, &([u8; 32], Option<usize>))| {
            let mut out = [0; LEAF_ENTRY];
            out[0..8].copy_from_slice(&page.to_le_bytes());
            let (at, len, crc) = place.map_or((0, 0, 0), |at| frame_places[at / FRAME_PAGES]);
            let slot = place.map_or(ZERO, |at| (at % FRAME_PAGES) as u32);
            out[8..16].copy_from_slice(&at.to_le_bytes());
            out[16..20].copy_from_slice(&len.to_le_bytes());
            out[20..24].copy_from_slice(&crc.to_le_bytes());
            out[24..28].copy_from_slice(&slot.to_le_bytes());
            out[28..60].copy_from_slice(hash);
            out
        };
        (self.pages.iter().zip(&places).map(entry).collect(), frames)
    }
}

pub(super) fn limit(what: &'static str, found: u64, limit: u64) -> Result<(), CheckpointError> {
    if found > limit { Err(CheckpointError::Limit { what, found, limit }) } else { Ok(()) }
}
