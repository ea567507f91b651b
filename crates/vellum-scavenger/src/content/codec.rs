//! The codecs that pages are kept in, behind one type that owns their buffers.
//!
//! | codec | what it is | kept for |
//! | --- | --- | --- |
//! | `Same` | the 8 bytes that the page repeats | always |
//! | `DeltaFast` | own copy/insert delta against a reference | pages that are new to the store |
//! | `Lz4` | LZ4 block (`lz4_flex`) of few copies | pages that are new to the store |
//! | `DeltaTight` | the own dense codec ([`tight`](super::tight)) beside a reference | pages at rest |
//! | `Brisk` | the own dense codec, at the pace of a reference | references at rest |
//! | `Tight` | the own dense codec | other pages at rest |
//! | `DeltaDense` | zstd with the reference as its prefix | pages at rest that may take longer |
//! | `Zstd` | zstd | pages at rest that may take longer |
//! | `Raw` | the page | what nothing makes smaller |
//!
//! A zstd frame of exactly one page opens with the same seven bytes each time (RFC 8878, 3.1.1:
//! magic, a descriptor with single segment and a content size of two bytes, the size less 256); they
//! are not stored.

use super::tight::{Pace, Tight};
use super::{Delta, Page, lz4, same_filled};
use crate::Error;
use core::fmt;
use vellum_frames::PAGE_SIZE;
use zstd::zstd_safe::{CCtx, DCtx};

/// What every zstd frame of one page begins with.
const HEAD: [u8; 7] = [0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x00, 0x0f];
/// Copies that an LZ4 block may have: what takes the decoder longer than a page is to take is literals
/// instead.
const LZ4_COPIES: usize = 80;
/// A page that opens with this would be taken for a trained dictionary, not for a prefix (RFC 8878, 5).
const DICTIONARY_MAGIC: [u8; 4] = [0x37, 0xa4, 0x30, 0xec];

/// How a page's bytes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Codec {
    /// Eight bytes, repeated.
    Same = 1,
    /// As they are.
    Raw = 2,
    /// LZ4.
    Lz4 = 3,
    /// zstd.
    Zstd = 4,
    /// The own delta against a reference.
    DeltaFast = 5,
    /// zstd with a reference as prefix.
    DeltaDense = 6,
    /// The own dense codec.
    Tight = 7,
    /// The own dense codec at the pace of a reference.
    Brisk = 8,
    /// The own dense codec beside a reference.
    DeltaTight = 9,
}

impl Codec {
    /// All of them.
    pub const ALL: [Codec; 9] = [
        Codec::Same,
        Codec::Raw,
        Codec::Lz4,
        Codec::Zstd,
        Codec::DeltaFast,
        Codec::DeltaDense,
        Codec::Tight,
        Codec::Brisk,
        Codec::DeltaTight,
    ];

    /// The codec with this number.
    pub fn from_number(number: u8) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| *codec as u8 == number)
    }

    /// Whether a reference is needed to read it.
    pub fn is_delta(self) -> bool {
        matches!(self, Codec::DeltaFast | Codec::DeltaDense | Codec::DeltaTight)
    }

    /// Its name, as reports print it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Same => "same-filled",
            Codec::Raw => "raw",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
            Codec::DeltaFast => "delta",
            Codec::DeltaDense => "delta+zstd",
            Codec::Tight => "tight",
            Codec::Brisk => "brisk",
            Codec::DeltaTight => "delta+tight",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Encodes and decodes pages; owns the contexts and buffers that this takes (some 500 KiB).
pub struct Coder {
    compress: CCtx<'static>,
    decompress: DCtx<'static>,
    delta: Delta,
    level: i32,
    buffer: Vec<u8>,
    room: Box<lz4::Room>,
    tight: Tight,
}

impl fmt::Debug for Coder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coder").field("level", &self.level).finish_non_exhaustive()
    }
}

impl Coder {
    /// A coder whose zstd works at `level`.
    pub fn new(level: i32) -> Self {
        Coder {
            compress: CCtx::create(),
            decompress: DCtx::create(),
            delta: Delta::default(),
            level,
            buffer: Vec::with_capacity(2 * PAGE_SIZE),
            room: lz4::room(),
            tight: Tight::default(),
        }
    }

    /// Appends `page` to `out` in `codec`; the bytes it took, or `None` when that would be more than
    /// `limit`, or the codec can't hold the page. `base` is the reference of a delta.
    ///
    /// Of equal arguments the result is equal, on every machine.
    pub fn encode(
        &mut self,
        codec: Codec,
        page: &Page,
        base: Option<&Page>,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let start = out.len();
        match (codec, base) {
            (Codec::Same, _) => out.extend_from_slice(&same_filled(page)?.to_le_bytes()),
            (Codec::Raw, _) => out.extend_from_slice(page),
            (Codec::Lz4, _) => {
                self.buffer.resize(lz4_flex::block::get_maximum_output_size(PAGE_SIZE), 0);
                let len = lz4_flex::block::compress_into(page, &mut self.buffer).ok()?;
                lz4::thin(page, self.buffer.get(..len)?, LZ4_COPIES, out)?;
            }
            (Codec::Zstd, _) => self.dense(page, &[], out)?,
            (Codec::DeltaFast, Some(base)) => {
                return self.delta.encode(base, page, limit, out);
            }
            (Codec::DeltaDense, Some(base)) if !base.starts_with(&DICTIONARY_MAGIC) => {
                self.dense(page, base, out)?;
            }
            (Codec::Tight, _) => {
                return self.tight.encode(page, None, Pace::ALONE, limit, out);
            }
            (Codec::Brisk, _) => {
                return self.tight.encode(page, None, Pace::REFERENCE, limit, out);
            }
            (Codec::DeltaTight, Some(base)) => {
                return self.tight.encode(page, Some(base), Pace::DELTA, limit, out);
            }
            (Codec::DeltaFast | Codec::DeltaDense | Codec::DeltaTight, None)
            | (Codec::DeltaDense, Some(_)) => return None,
        }
        if out.len() - start > limit {
            out.truncate(start);
            return None;
        }
        Some(out.len() - start)
    }

    fn dense(&mut self, page: &Page, base: &[u8], out: &mut Vec<u8>) -> Option<()> {
        self.buffer.resize(zstd::zstd_safe::compress_bound(PAGE_SIZE), 0);
        let to = &mut self.buffer[..];
        let len = if base.is_empty() {
            self.compress.compress(to, page, self.level)
        } else {
            self.compress.compress_using_dict(to, page, base, self.level)
        };
        let frame = self.buffer.get(..len.ok()?)?;
        out.extend_from_slice(frame.strip_prefix(&HEAD)?);
        Some(())
    }

    /// Rebuilds a page.
    ///
    /// # Errors
    /// When the bytes are not a page in `codec`, or a delta comes without its reference.
    pub fn decode(
        &mut self,
        codec: Codec,
        bytes: &[u8],
        base: Option<&Page>,
        page: &mut Page,
    ) -> Result<(), Error> {
        let damaged = || Error::Damaged { codec: codec.name(), bytes: bytes.len() };
        let whole = |len: usize| if len == PAGE_SIZE { Ok(()) } else { Err(damaged()) };
        match (codec, base) {
            (Codec::Same, _) => {
                let pattern: &[u8; 8] = bytes.try_into().map_err(|_| damaged())?;
                page.as_chunks_mut::<8>().0.fill(*pattern);
                Ok(())
            }
            (Codec::Raw, _) => {
                *page = *<&Page>::try_from(bytes).map_err(|_| damaged())?;
                Ok(())
            }
            (Codec::Lz4, _) => lz4::decode(bytes, &mut self.room, page).ok_or_else(damaged),
            (Codec::DeltaFast, Some(base)) => {
                Delta::decode(base, bytes, page).map_err(|_| damaged())
            }
            (Codec::Zstd, _) | (Codec::DeltaDense, Some(_)) => {
                self.buffer.clear();
                self.buffer.extend_from_slice(&HEAD);
                self.buffer.extend_from_slice(bytes);
                let to = &mut page[..];
                let len = match base {
                    Some(base) if codec == Codec::DeltaDense => {
                        self.decompress.decompress_using_dict(to, &self.buffer, base)
                    }
                    _ => self.decompress.decompress(to, &self.buffer),
                };
                whole(len.map_err(|_| damaged())?)
            }
            (Codec::Tight | Codec::Brisk, _) => {
                self.tight.decode(bytes, None, page).ok_or_else(damaged)
            }
            (Codec::DeltaTight, Some(base)) => {
                self.tight.decode(bytes, Some(base), page).ok_or_else(damaged)
            }
            (Codec::DeltaDense | Codec::DeltaFast | Codec::DeltaTight, None) => Err(damaged()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(seed: u64) -> Page {
        core::array::from_fn(|at| {
            b"the pages of one guest "[(at * at + seed as usize) % 23] ^ (seed >> (at % 29)) as u8
        })
    }

    #[test]
    fn every_codec_gives_the_page_back() {
        let base = text(0);
        let mut coder = Coder::new(1);
        let mut similar = base;
        similar[100..140].fill(0x55);
        for (page, codecs) in [(similar, &Codec::ALL[1..]), ([0xcc; PAGE_SIZE], &Codec::ALL[..])] {
            for &codec in codecs {
                let mut out = vec![1];
                let len = coder.encode(codec, &page, Some(&base), 2 * PAGE_SIZE, &mut out);
                assert_eq!(len, Some(out.len() - 1), "{codec}");
                let mut back = [0; PAGE_SIZE];
                coder.decode(codec, &out[1..], Some(&base), &mut back).unwrap();
                assert!(back == page, "{codec}");
                let short = coder.decode(codec, &out[1..out.len() - 1], Some(&base), &mut back);
                assert!(short.is_err(), "{codec} without its last byte");
            }
        }
        let mut out = Vec::new();
        assert_eq!(coder.encode(Codec::Same, &base, None, PAGE_SIZE, &mut out), None);
        assert_eq!(coder.encode(Codec::DeltaFast, &base, None, PAGE_SIZE, &mut out), None);
        assert!(coder.decode(Codec::DeltaDense, &[0; 9], None, &mut [0; PAGE_SIZE]).is_err());
    }

    #[test]
    fn a_reference_that_looks_like_a_dictionary_is_refused() {
        let mut base = text(3);
        base[..4].copy_from_slice(&DICTIONARY_MAGIC);
        let mut out = Vec::new();
        let mut coder = Coder::new(3);
        assert_eq!(coder.encode(Codec::DeltaDense, &text(3), Some(&base), 4096, &mut out), None);
        assert!(coder.encode(Codec::DeltaFast, &text(3), Some(&base), 4096, &mut out).is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn noise_never_harms(
            number in 1_u8..10,
            noise in prop::collection::vec(any::<u8>(), 0..900),
        ) {
            let codec = Codec::from_number(number).unwrap();
            let mut page = [0; PAGE_SIZE];
            // Noise may happen to be a page; what counts is that nothing panics.
            let read = Coder::new(1).decode(codec, &noise, Some(&[3; PAGE_SIZE]), &mut page);
            let fine = read.is_ok() || matches!(read, Err(Error::Damaged { .. }));
            prop_assert!(fine);
        }
    }
}
