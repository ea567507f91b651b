//! The format of a batch of pages as one object: `docs/src/formats/page-pack.md`.

use crate::{PAGE, Page, PageNo};
use std::ops::Range;
use thiserror::Error as ThisError;

const MAGIC: [u8; 4] = *b"VPPK";
const VERSION: u16 = 1;
const HEADER: usize = 16;
/// Pages of a pack: 4 MiB.
pub(super) const MOST: usize = 1024;

/// What is in a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// Its number; of two packs with the same page, the larger has the newer content.
    pub sequence: u64,
    /// Its pages, in order: page `i` stands at `bytes(i)` of the object.
    pub pages: Vec<PageNo>,
}

/// Why an object is no pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum PackError {
    /// It is shorter than what it should have.
    #[error("a pack of {bytes} bytes, {needed} are needed")]
    Short {
        /// Its length.
        bytes: usize,
        /// What it should have.
        needed: usize,
    },
    /// It begins with something else.
    #[error("begins with {found:02x?}, a pack with {MAGIC:02x?}")]
    Magic {
        /// What it begins with.
        found: [u8; 4],
    },
    /// A version that is not known.
    #[error("version {found}; {VERSION} is known")]
    Version {
        /// Its version.
        found: u16,
    },
    /// A count of pages that no pack has.
    #[error("{found} pages; a pack has 1 to {MOST}")]
    Count {
        /// Its count.
        found: u16,
    },
    /// The checksum of header and table is another.
    #[error("checksum {found:#010x}, {expected:#010x} is said at byte {at}")]
    Checksum {
        /// What the bytes give.
        found: u32,
        /// What is said.
        expected: u32,
        /// Where.
        at: usize,
    },
}

impl Pack {
    /// Bytes before the first page, of a pack of so many.
    pub(super) const fn table(pages: usize) -> usize {
        HEADER + 4 * pages + 4
    }

    /// Where a page's content stands in the object.
    pub fn bytes(&self, at: usize) -> Range<u64> {
        let start = (Self::table(self.pages.len()) + at * PAGE) as u64;
        start..start + PAGE as u64
    }

    /// Reads header and table from the beginning of an object.
    ///
    /// # Errors
    /// When it is no pack, or damaged.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackError> {
        let short = |needed| PackError::Short { bytes: bytes.len(), needed };
        let (head, rest) = bytes.split_first_chunk::<HEADER>().ok_or(short(HEADER))?;
        let found = [head[0], head[1], head[2], head[3]];
        if found != MAGIC {
            return Err(PackError::Magic { found });
        }
        let version = u16::from_le_bytes([head[4], head[5]]);
        if version != VERSION {
            return Err(PackError::Version { found: version });
        }
        let count = u16::from_le_bytes([head[6], head[7]]);
        if count == 0 || usize::from(count) > MOST {
            return Err(PackError::Count { found: count });
        }
        let count = usize::from(count);
        if rest.len() < 4 * count + 4 {
            return Err(short(Self::table(count)));
        }
        let at = HEADER + 4 * count;
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let (found, expected) = (crc32fast::hash(&bytes[..at]), word(at));
        if found != expected {
            return Err(PackError::Checksum { found, expected, at });
        }
        let mut sequence = [0; 8];
        sequence.copy_from_slice(&head[8..]);
        let pages = (0..count).map(|i| PageNo::new(word(HEADER + 4 * i))).collect();
        Ok(Pack { sequence: u64::from_le_bytes(sequence), pages })
    }

    /// The whole object.
    pub fn build(sequence: u64, pages: &[(PageNo, &Page)]) -> Vec<u8> {
        let pages = &pages[..pages.len().min(MOST)];
        let mut out = Vec::with_capacity(Self::table(pages.len()) + pages.len() * PAGE);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(pages.len() as u16).to_le_bytes());
        out.extend_from_slice(&sequence.to_le_bytes());
        pages.iter().for_each(|(page, _)| out.extend_from_slice(&page.get().to_le_bytes()));
        let sum = crc32fast::hash(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        pages.iter().for_each(|(_, content)| out.extend_from_slice(&content[..]));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_pack_is_named() {
        let content = [7; PAGE];
        let pages = [(PageNo::new(3), &content), (PageNo::new(900), &content)];
        let whole = Pack::build(5, &pages);
        let pack = Pack::parse(&whole).unwrap();
        assert_eq!((pack.sequence, pack.pages.len()), (5, 2));
        assert_eq!(pack.bytes(1), 28 + 4096..28 + 2 * 4096);
        for at in 0..Pack::table(2) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            Pack::parse(&bytes).unwrap_err();
        }
        for len in 0..Pack::table(2) {
            Pack::parse(&whole[..len]).unwrap_err();
        }
    }
}
