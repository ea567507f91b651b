//! A sketch as bytes: `docs/src/formats/sketch.md`.

use super::{SAMPLE, Sketch};
use crate::Domain;
use thiserror::Error as ThisError;

const MAGIC: [u8; 4] = *b"VMSK";
/// Changes with the hashes, too: a sketch says nothing beside one that was made with others.
const VERSION: u16 = 1;
const HEAD: usize = 64;
const CHECKSUM: usize = 4;
/// Pages of an address space of 64 bits.
const MOST: u64 = 1 << 52;

/// Why bytes are no sketch, or two sketches say nothing of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum SketchError {
    /// It does not begin as a sketch does.
    #[error("not a sketch: it begins with {found:02x?}")]
    Magic {
        /// The first bytes.
        found: [u8; 4],
    },
    /// Made by another version.
    #[error("a sketch of version {found}; this program reads {VERSION}")]
    Version {
        /// Its version.
        found: u16,
    },
    /// Its length is not what its head says.
    #[error("a sketch of {found} bytes should have {wanted}")]
    Length {
        /// Bytes that there are.
        found: usize,
        /// Bytes that there should be.
        wanted: usize,
    },
    /// Its checksum does not fit its bytes.
    #[error("the sketch has checksum {found:#010x}, not {stored:#010x}")]
    Checksum {
        /// Of the bytes as they are.
        found: u32,
        /// As it was written.
        stored: u32,
    },
    /// What it says can't be.
    #[error("the sketch is damaged at byte {at}: {why}")]
    Damaged {
        /// Where.
        at: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// Two sketches of two domains: their pages are never shared.
    #[error("a sketch of {this} has nothing in common with one of {other}")]
    Domains {
        /// The domain of the one.
        this: Domain,
        /// The domain of the other.
        other: Domain,
    },
    /// Two sketches of two keys: they can't be compared.
    #[error("the sketches were made with two different keys")]
    Keys,
}

impl Sketch {
    /// The most bytes that a sketch has.
    pub const MAX_BYTES: usize = HEAD + 2 * SAMPLE * 8 + CHECKSUM;

    /// Whether these may be the first bytes of a sketch.
    pub fn is_begun_by(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// The sketch as bytes, at most [`Sketch::MAX_BYTES`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::MAX_BYTES);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([self.domain.0, 0]);
        let counts = [self.key, self.pages, self.zeros, self.distinct, self.similar, self.first];
        counts.iter().for_each(|count| out.extend(count.to_le_bytes()));
        for list in [&self.contents, &self.features] {
            out.extend((list.len() as u32).to_le_bytes());
        }
        for entry in self.contents.iter().chain(&self.features) {
            out.extend(entry.to_le_bytes());
        }
        let checksum = crc32fast::hash(&out);
        out.extend(checksum.to_le_bytes());
        out
    }

    /// Reads what [`Sketch::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are no sketch, of another version, or damaged. Nothing is allocated before the length
    /// was found right.
    pub fn from_bytes(bytes: &[u8]) -> Result<Sketch, SketchError> {
        let Some(&magic) = bytes.first_chunk() else {
            return Err(SketchError::Length { found: bytes.len(), wanted: HEAD + CHECKSUM });
        };
        if magic != MAGIC {
            return Err(SketchError::Magic { found: magic });
        }
        let Some((head, _)) = bytes.split_first_chunk::<HEAD>() else {
            return Err(SketchError::Length { found: bytes.len(), wanted: HEAD + CHECKSUM });
        };
        let version = u16::from_le_bytes([head[4], head[5]]);
        if version != VERSION {
            return Err(SketchError::Version { found: version });
        }
        let words: Vec<u64> = words(&head[8..]).collect();
        let [key, pages, zeros, distinct, similar, first, lists] = words[..] else {
            unreachable!("56 bytes are seven words")
        };
        let (contents, features) = ((lists as u32) as usize, (lists >> 32) as usize);
        let damaged = |at, why| Err(SketchError::Damaged { at, why });
        if contents > SAMPLE || features > contents {
            return damaged(56, "more entries than a sketch has");
        }
        let wanted = HEAD + 8 * (contents + features) + CHECKSUM;
        if bytes.len() != wanted {
            return Err(SketchError::Length { found: bytes.len(), wanted });
        }
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>().expect("it is longer");
        let (found, stored) = (crc32fast::hash(body), u32::from_le_bytes(*checksum));
        if found != stored {
            return Err(SketchError::Checksum { found, stored });
        }
        if head[7] != 0 {
            return damaged(7, "a byte that must be zero is not");
        }
        if pages > MOST {
            return damaged(16, "more pages than an address space has");
        }
        if zeros > pages || distinct > pages - zeros || similar.max(first) > distinct {
            return damaged(16, "a part is larger than the whole");
        }
        if contents as u64 != distinct.min(SAMPLE as u64) {
            return damaged(56, "not as many hashes as there are contents");
        }
        let all: Vec<u64> = self::words(&body[HEAD..]).collect();
        let (contents, features) = all.split_at(contents);
        for (list, at) in [(contents, HEAD), (features, HEAD + 8 * contents.len())] {
            if !list.is_sorted_by(|a, b| a < b) {
                return damaged(at, "entries are not in ascending order");
            }
        }
        Ok(Sketch {
            domain: Domain(head[6]),
            key,
            pages,
            zeros,
            distinct,
            similar,
            first,
            contents: contents.to_vec(),
            features: features.to_vec(),
        })
    }
}

/// The words of a whole number of them.
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word))
}
