//! Division by the generator, portable: slicing tables, eight bytes of data a step.
//!
//! A remainder is kept *left-aligned* in 64-bit words, most significant first: its first bit is the
//! coefficient of x^(r−1), so its big-endian bytes are the parity bytes that the Linux kernel
//! stores. With L words the arithmetic is modulo g·x^(64L−r), whose degree 64L is a whole number of
//! words.
//!
//! One step takes the top word *w* = state ⊕ data and replaces the state by (state ≪ 64) ⊕ w·x^(64L)
//! mod g; the second term is a sum of table rows, one a byte of *w*, or one a nibble where memory is
//! dear or the remainder long. Remainders of six to nine words have tables of their own shape
//! ([`super::lines`]). The technique is Sarwate's with "slicing-by-8" (Kounavis and Berry,
//! 2005) widened to a remainder of any length.

use super::generator::BitPoly;
use super::lines::Lines;
use alloc::vec;
use alloc::vec::Vec;

/// Remainders of more words than this always use nibble tables.
const MAX_BYTE_WORDS: usize = 16;

/// What one table row covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slice {
    /// A byte: 16 KiB of tables a word of remainder; 144 KiB for six to nine words.
    Byte,
    /// A nibble: 2 KiB of tables a word of remainder.
    Nibble,
}

/// Slicing tables of one generator.
#[derive(Debug, Clone)]
pub(crate) struct Divider {
    /// Words of a remainder.
    words: usize,
    slice: Slice,
    /// `rows[(s · values + value) * words..]`: value·x^(bits·s)·x^(64·words) mod g' for slice s of
    /// *w*, the lowest bits first.
    rows: Vec<u64>,
    /// What takes the place of `rows`.
    lines: Option<Lines>,
}

impl Divider {
    /// Tables for division by `generator`.
    pub(crate) fn new(generator: &BitPoly, slice: Slice) -> Self {
        let words = generator.degree().div_ceil(64);
        let slice = if words > MAX_BYTE_WORDS { Slice::Nibble } else { slice };
        let bits = bit_remainders(generator, words);
        let width = match slice {
            Slice::Byte => 8,
            Slice::Nibble => 4,
        };
        let (slices, values) = (64 / width, 1usize << width);
        let mut rows = vec![0u64; slices * values * words];
        for s in 0..slices {
            for value in 1..values {
                // Rows are linear: a value is its lowest bit plus the rest, already tabulated.
                let low = value.trailing_zeros() as usize;
                let rest = ((s * values) + (value & (value - 1))) * words;
                let bit = (s * width + low) * words;
                let at = (s * values + value) * words;
                for i in 0..words {
                    rows[at + i] = rows[rest + i] ^ bits[bit + i];
                }
            }
        }
        let lines = match slice {
            Slice::Byte => Lines::new(words, &rows),
            Slice::Nibble => None,
        };
        if lines.is_some() {
            rows = Vec::new();
        }
        Self { words, slice, rows, lines }
    }

    /// Words of a remainder.
    #[cfg(any(test, all(feature = "std", target_arch = "x86_64")))]
    pub(crate) fn words(&self) -> usize {
        self.words
    }

    /// data·x^(64·words) mod g' into `state`, which is `words` long and goes on from what it holds.
    /// (From zero, the division of `data` alone.)
    pub(crate) fn divide(&self, data: &[u8], state: &mut [u64]) {
        if let Some(lines) = &self.lines {
            return lines.divide(data, state);
        }
        match (self.slice, self.words) {
            (Slice::Byte, 1) => self.bytes::<1>(data, state),
            (Slice::Byte, 2) => self.bytes::<2>(data, state),
            (Slice::Byte, 3) => self.bytes::<3>(data, state),
            (Slice::Byte, 4) => self.bytes::<4>(data, state),
            (Slice::Byte, 5) => self.bytes::<5>(data, state),
            (Slice::Byte, 10) => self.bytes::<10>(data, state),
            (Slice::Byte, 11) => self.bytes::<11>(data, state),
            (Slice::Byte, 12) => self.bytes::<12>(data, state),
            (Slice::Byte, 13) => self.bytes::<13>(data, state),
            (Slice::Byte, 14) => self.bytes::<14>(data, state),
            (Slice::Byte, 15) => self.bytes::<15>(data, state),
            (Slice::Byte, 16) => self.bytes::<16>(data, state),
            _ => self.nibbles(data, state),
        }
    }

    /// Byte tables, a remainder of L words.
    fn bytes<const L: usize>(&self, data: &[u8], state: &mut [u64]) {
        let (rows, _) = self.rows.as_chunks::<L>();
        let Ok(tables) = <&[[u64; L]; 2048]>::try_from(rows) else { return };
        let Some(mut acc) = state.first_chunk::<L>().copied() else { return };
        step_words(data, |w| {
            let w = w ^ acc[0];
            let row = |s: usize| &tables[s * 256 + (w >> (8 * s) & 0xFF) as usize];
            acc = shifted(&acc);
            if L <= 2 {
                for s in 0..8 {
                    acc = core::array::from_fn(|i| acc[i] ^ row(s)[i]);
                }
            } else {
                add_rows(&mut acc, core::array::from_fn(row));
            }
        });
        state.copy_from_slice(&acc);
    }

    /// Nibble tables, a remainder of any length.
    fn nibbles(&self, data: &[u8], state: &mut [u64]) {
        let words = self.words;
        step_words(data, |w| {
            let w = w ^ state[0];
            state.copy_within(1.., 0);
            state[words - 1] = 0;
            for s in 0..16 {
                let at = (s * 16 + (w >> (4 * s) & 0xF) as usize) * words;
                for (to, row) in state.iter_mut().zip(&self.rows[at..at + words]) {
                    *to ^= row;
                }
            }
        });
    }
}

/// Adds all rows to `acc`. Not inlined: with `acc` in memory the sums of a long remainder become
/// vectors, in registers they would be words.
#[inline(never)]
fn add_rows<const L: usize>(acc: &mut [u64; L], rows: [&[u64; L]; 8]) {
    for i in 0..L {
        acc[i] = rows.iter().fold(acc[i], |sum, row| sum ^ row[i]);
    }
}

/// state ≪ 64: the words move up by one.
fn shifted<const L: usize>(state: &[u64; L]) -> [u64; L] {
    core::array::from_fn(|i| if i + 1 < L { state[i + 1] } else { 0 })
}

/// Hands out `data` as big-endian words, the first one padded with zeros in front (a shortened
/// code: leading zeros change no remainder).
#[inline(always)]
pub(super) fn step_words(data: &[u8], mut step: impl FnMut(u64)) {
    let (head, body) = data.split_at(data.len() % 8);
    let first = head.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let first = (!head.is_empty()).then_some(first);
    let words = body.as_chunks::<8>().0.iter().map(|word| u64::from_be_bytes(*word));
    // One place that calls `step`, so that it is compiled into the loop and keeps its state in
    // registers.
    for word in first.into_iter().chain(words) {
        step(word);
    }
}

/// x^(64·words + i) mod g' for i < 64, left-aligned, `words` each.
fn bit_remainders(generator: &BitPoly, words: usize) -> Vec<u64> {
    let r = generator.degree();
    // g' without its leading term, left-aligned: the coefficient of x^(r−1) is the first bit.
    let mut low = vec![0u64; words];
    for i in (0..r).filter(|i| generator.bit(*i)) {
        let at = r - 1 - i;
        low[at / 64] |= 1 << (63 - at % 64);
    }
    let mut rows = vec![0; 64 * words];
    let mut row = low.clone();
    for at in rows.chunks_exact_mut(words) {
        at.copy_from_slice(&row);
        let carry = row[0] >> 63 == 1;
        for i in 0..words {
            row[i] = row[i] << 1 | if i + 1 < words { row[i + 1] >> 63 } else { 0 };
            if carry {
                row[i] ^= low[i];
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::generator::generator;
    use super::*;
    use crate::field::Field;

    /// A shift register of r bits, one bit of data a step.
    fn plain(generator: &BitPoly, data: &[u8]) -> Vec<u64> {
        let r = generator.degree();
        let mut register = vec![false; r];
        for bit in 0..data.len() * 8 {
            let input = data[bit / 8] >> (7 - bit % 8) & 1 == 1;
            let feedback = input ^ register[r - 1];
            for i in (0..r).rev() {
                let below = i > 0 && register[i - 1];
                register[i] = below ^ (feedback && generator.bit(i));
            }
        }
        let mut words = vec![0; r.div_ceil(64)];
        for at in 0..r {
            words[at / 64] |= u64::from(register[r - 1 - at]) << (63 - at % 64);
        }
        words
    }

    #[test]
    fn divides_like_a_shift_register() {
        let data: Vec<u8> = (0..97u32).map(|i| (i * i * 7 + 5 * i + 1) as u8).collect();
        for (m, t) in [
            (5, 1),
            (8, 3),
            (13, 4),
            (13, 8),
            (13, 10),
            (13, 28),
            (13, 32),
            (14, 36),
            (14, 40),
            (13, 48),
            (15, 64),
            (12, 100),
        ] {
            let poly = generator(&Field::new(m, None).unwrap(), t);
            for slice in [Slice::Byte, Slice::Nibble] {
                let divider = Divider::new(&poly, slice);
                for len in [0, 1, 7, 8, 9, 16, 63, 97] {
                    let mut state = vec![0; divider.words()];
                    divider.divide(&data[..len], &mut state);
                    let expected = plain(&poly, &data[..len]);
                    assert_eq!(state, expected, "m {m} t {t} {slice:?} len {len}");
                }
            }
        }
    }
}
