//! The fast delta of one page against another: what the guest waits for when a similar page is
//! packed or brought back.
//!
//! ```text
//! token   LLL S CCCC   L literal bytes (7: more follow), S: same displacement as the copy before,
//!                      C + 4 copied bytes (15: more follow)
//! more                 bytes that add up, the last one below 255
//! literals
//! source  u16          only without S: where in the reference the copy starts
//! ```
//! Tokens follow until the page is full; the last may end in its literals. Lengths and sources are
//! checked before use, so a damaged delta is an error and never more than a page of work.

use super::Page;
use super::copy::copy;
use thiserror::Error as ThisError;
use vellum_frames::PAGE_SIZE;

/// Positions of the reference that are indexed: every fourth.
const STEP: usize = 4;
/// Slots of the index, twice as many as positions.
const SLOTS: usize = 2048;
const EMPTY: u16 = u16::MAX;
/// The shortest copy.
const SHORTEST: usize = 4;

/// A delta that does not describe a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("damaged delta: byte {at} of {len} leads out of the page")]
#[non_exhaustive]
pub struct DeltaError {
    /// Where reading stopped.
    pub at: usize,
    /// Bytes of the delta.
    pub len: usize,
}

/// The encoder, with its index of the reference.
pub struct Delta {
    slots: Box<[u16; SLOTS]>,
}

impl core::fmt::Debug for Delta {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Delta")
    }
}

impl Default for Delta {
    fn default() -> Self {
        Delta { slots: Box::new([EMPTY; SLOTS]) }
    }
}

#[inline]
fn word(page: &Page, at: usize) -> u64 {
    u64::from_le_bytes(*page[at..].first_chunk().expect("at most 8 before the end"))
}

#[inline]
fn half(page: &Page, at: usize) -> u32 {
    u32::from_le_bytes(*page[at..].first_chunk().expect("at most 4 before the end"))
}

#[inline]
fn slot(word: u64) -> usize {
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS.ilog2())) as usize
}

/// Bytes that agree from here on.
#[inline]
fn agree(base: &Page, from: usize, page: &Page, at: usize) -> usize {
    let most = PAGE_SIZE - from.max(at);
    let mut len = 0;
    while len + 8 <= most {
        let differ = word(base, from + len) ^ word(page, at + len);
        if differ != 0 {
            return len + differ.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    len + (len..most).take_while(|&n| base[from + n] == page[at + n]).count()
}

impl Delta {
    /// Indexes a reference. The calls of [`Delta::encode`] that follow are against it.
    fn index(&mut self, base: &Page) {
        self.slots.fill(EMPTY);
        // From the end, so that of equal words the first is kept.
        for at in (0..=PAGE_SIZE - 8).rev().step_by(STEP) {
            self.slots[slot(word(base, at))] = at as u16;
        }
    }

    /// Appends the delta of `page` against `base` to `out`; its length, or `None` when it would be
    /// longer than `limit` (`out` is then as it was).
    pub fn encode(
        &mut self,
        base: &Page,
        page: &Page,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        self.index(base);
        let start = out.len();
        let (mut at, mut literals) = (0, 0);
        let mut displacement = 0_isize;
        while at + SHORTEST <= PAGE_SIZE {
            let Some(mut from) = self.find(base, page, at, displacement) else {
                at += 1;
                continue;
            };
            let mut len = agree(base, from, page, at);
            while at > literals && from > 0 && base[from - 1] == page[at - 1] {
                (at, from, len) = (at - 1, from - 1, len + 1);
            }
            let now = from as isize - at as isize;
            let source = (now != displacement).then_some(from as u16);
            emit(out, &page[literals..at], len, source);
            displacement = now;
            at += len;
            literals = at;
            if out.len() - start > limit {
                out.truncate(start);
                return None;
            }
        }
        if literals < PAGE_SIZE {
            emit(out, &page[literals..], SHORTEST, Some(0));
            // The last token's copy is never read.
            out.truncate(out.len() - 2);
        }
        if out.len() - start > limit {
            out.truncate(start);
            return None;
        }
        Some(out.len() - start)
    }

    /// Where in the reference the bytes at `at` may be copied from.
    #[inline]
    fn find(&self, base: &Page, page: &Page, at: usize, displacement: isize) -> Option<usize> {
        let here = half(page, at);
        let same = at.wrapping_add_signed(displacement);
        if same <= PAGE_SIZE - SHORTEST && half(base, same) == here {
            return Some(same);
        }
        if at + 8 > PAGE_SIZE {
            return None;
        }
        let wide = word(page, at);
        if word(base, at) == wide {
            return Some(at);
        }
        let from = self.slots[slot(wide)];
        (from != EMPTY && word(base, usize::from(from)) == wide).then_some(usize::from(from))
    }

    /// Rebuilds the page that `delta` describes.
    ///
    /// # Errors
    /// When the bytes are not a delta of a page.
    pub fn decode(base: &Page, delta: &[u8], page: &mut Page) -> Result<(), DeltaError> {
        let mut read = Bytes { delta, at: 0 };
        let (mut to, mut displacement) = (0, 0_isize);
        while to < PAGE_SIZE {
            let token = read.byte()?;
            let literals = read.length(usize::from(token >> 5), 7)?;
            let copied = read.length(usize::from(token & 15), 15)? + SHORTEST;
            copy(delta, read.at, page, to, literals).ok_or(read.error())?;
            (read.at, to) = (read.at + literals, to + literals);
            if to == PAGE_SIZE {
                break;
            }
            if token & 16 == 0 {
                let from = read.take(2)?;
                displacement = isize::from(i16::from_le_bytes([from[0], from[1]])) - to as isize;
            }
            let from = to.wrapping_add_signed(displacement);
            let inside = from < PAGE_SIZE && copied <= PAGE_SIZE - from;
            inside.then(|| copy(base, from, page, to, copied)).flatten().ok_or(read.error())?;
            to += copied;
        }
        if read.at == delta.len() { Ok(()) } else { Err(read.error()) }
    }
}

fn emit(out: &mut Vec<u8>, literals: &[u8], copied: usize, source: Option<u16>) {
    let copied = copied - SHORTEST;
    let token = literals.len().min(7) << 5 | usize::from(source.is_none()) << 4 | copied.min(15);
    out.push(token as u8);
    more(out, literals.len(), 7);
    more(out, copied, 15);
    out.extend_from_slice(literals);
    if let Some(from) = source {
        out.extend_from_slice(&from.to_le_bytes());
    }
}

fn more(out: &mut Vec<u8>, length: usize, full: usize) {
    if length >= full {
        let mut rest = length - full;
        while rest >= 255 {
            out.push(255);
            rest -= 255;
        }
        out.push(rest as u8);
    }
}

struct Bytes<'a> {
    delta: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    fn error(&self) -> DeltaError {
        DeltaError { at: self.at, len: self.delta.len() }
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, DeltaError> {
        let byte = *self.delta.get(self.at).ok_or(self.error())?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'a [u8], DeltaError> {
        let bytes = self.delta[self.at..].get(..len).ok_or(self.error())?;
        self.at += len;
        Ok(bytes)
    }

    #[inline]
    fn length(&mut self, short: usize, full: usize) -> Result<usize, DeltaError> {
        if short < full {
            return Ok(short);
        }
        let mut length = full;
        loop {
            let byte = self.byte()?;
            length += usize::from(byte);
            if byte < 255 || length > PAGE_SIZE {
                return Ok(length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(base: &Page, page: &Page) -> usize {
        let mut out = vec![9];
        let len = Delta::default().encode(base, page, 2 * PAGE_SIZE, &mut out).unwrap();
        assert_eq!(len + 1, out.len());
        let mut back = [0; PAGE_SIZE];
        Delta::decode(base, &out[1..], &mut back).unwrap();
        assert!(back == *page);
        len
    }

    #[test]
    fn what_is_alike_takes_a_few_bytes() {
        let base: Page = core::array::from_fn(|at| (at * at / 7) as u8);
        assert!(round_trip(&base, &base) < 24, "the page itself");
        let mut one = base;
        one[2000] ^= 0xff;
        assert!(round_trip(&base, &one) < 32, "one byte changed");
        let mut moved = base;
        moved.copy_within(..4000, 96);
        assert!(round_trip(&base, &moved) < 160, "moved by 96 bytes");
        let noise: Page =
            core::array::from_fn(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]);
        assert!(round_trip(&[0; PAGE_SIZE], &noise) <= PAGE_SIZE + 20, "nothing alike");
    }

    #[test]
    fn a_limit_leaves_nothing_behind() {
        let noise: Page =
            core::array::from_fn(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]);
        let mut out = vec![1, 2];
        assert_eq!(Delta::default().encode(&[0; PAGE_SIZE], &noise, 500, &mut out), None);
        assert_eq!(out, [1, 2]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn every_page_comes_back(
            seed in any::<u64>(),
            edits in prop::collection::vec((0..4096_usize, any::<u8>()), 0..200),
            (from, to, len) in (0..4096_usize, 0..4096_usize, 0..4096_usize),
        ) {
            let base: Page = core::array::from_fn(|at| (seed.rotate_left(at as u32) >> (at % 13)) as u8);
            let mut page = base;
            let len = len.min(4096 - from.max(to));
            page.copy_within(from..from + len, to);
            for (at, byte) in edits {
                page[at] = byte;
            }
            round_trip(&base, &page);
        }

        #[test]
        fn noise_is_refused_or_fills_a_page(noise in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut page = [0; PAGE_SIZE];
            if let Err(error) = Delta::decode(&[1; PAGE_SIZE], &noise, &mut page) {
                prop_assert!(error.at <= noise.len());
            }
        }
    }
}
