//! Slicing tables for remainders of six to nine words: the first word of each row in a table of its
//! own, the rest a cache line.
//!
//! A step of [`super::remainder`] can begin as soon as the remainder's first word is known, and that
//! takes only the first words of the rows, from 16 KiB that stay in the nearest cache. The other words
//! are needed a step later and longer: that their 128 KiB lie further away costs no waiting, and a row
//! of one aligned line is fetched at once.

use alloc::vec::Vec;

/// Words of a row beside its first.
const TAIL: usize = 8;
/// Rows: eight slices of 256 values.
const ROWS: usize = 2048;

/// A row but for its first word, zeros behind.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Line([u64; TAIL]);

/// Byte tables of one generator.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    words: usize,
    heads: Vec<u64>,
    tails: Vec<Line>,
}

impl Lines {
    /// Tables from rows of `words` words each, if they are of a length that this is for.
    pub(super) fn new(words: usize, rows: &[u64]) -> Option<Self> {
        if !(6..=TAIL + 1).contains(&words) || rows.len() != ROWS * words {
            return None;
        }
        let rows = || rows.chunks_exact(words);
        let tail = |row: &[u64]| {
            let mut line = Line([0; TAIL]);
            line.0[..words - 1].copy_from_slice(&row[1..]);
            line
        };
        Some(Self {
            words,
            heads: rows().map(|r| r[0]).collect(),
            tails: rows().map(tail).collect(),
        })
    }

    /// Goes on from `state` with `data`, a word a step.
    pub(super) fn divide(&self, data: &[u8], state: &mut [u64]) {
        match self.words {
            6 => self.sized::<5>(data, state),
            7 => self.sized::<6>(data, state),
            8 => self.sized::<7>(data, state),
            _ => self.sized::<8>(data, state),
        }
    }

    /// With T words behind the first.
    fn sized<const T: usize>(&self, data: &[u8], state: &mut [u64]) {
        let heads = <&[u64; ROWS]>::try_from(&self.heads[..]);
        let tails = <&[Line; ROWS]>::try_from(&self.tails[..]);
        let (Ok(heads), Ok(tails), Some((first, rest))) = (heads, tails, state.split_first_mut())
        else {
            return;
        };
        let Some(mut tail) = rest.first_chunk::<T>().copied() else { return };
        let mut top = *first;
        super::remainder::step_words(data, |word| {
            let word = word ^ top;
            let at = |slice: usize| slice * 256 + (word >> (8 * slice) & 0xFF) as usize;
            // Sums as trees: the next step waits for this one.
            let head = |slice| heads[at(slice)] ^ heads[at(slice + 1)];
            top = tail[0] ^ (head(0) ^ head(2)) ^ (head(4) ^ head(6));
            let rows: [&Line; 8] = core::array::from_fn(|slice| &tails[at(slice)]);
            for i in 0..T {
                let pair = |s: usize| rows[s].0[i] ^ rows[s + 1].0[i];
                let above = tail.get(i + 1).copied().unwrap_or(0);
                tail[i] = above ^ (pair(0) ^ pair(2)) ^ (pair(4) ^ pair(6));
            }
        });
        *first = top;
        rest.copy_from_slice(&tail);
    }
}
