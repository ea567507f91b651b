//! Layered normalised min-sum on eight-bit beliefs, portable.
//!
//! A belief is a saturated log-likelihood ratio: positive says zero, its size how sure. One
//! iteration goes through the block rows; the checks of a row are independent, so 64 of them are
//! done side by side. Each check subtracts what it said before from the beliefs of its bits, finds
//! the two smallest sizes and the parity of the signs, and says to each bit the smallest size of the
//! *others*, times ¾, with the sign that would make the parity even (Chen and Fossorier, 2002;
//! layering after Hocevar, 2004).
//!
//! A column's beliefs are Z bytes and a copy of their first 64 behind them, so that 64 bytes can be
//! read from any rotation in one piece.

use super::graph::{Edge, Graph};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// What a bit that was read once is believed: large enough that ¾ of it differs, small enough that
/// many checks together overrule it before the eight bits saturate.
pub(crate) const HARD_BELIEF: u8 = 16;

/// Checks side by side, and the bytes of a column that are kept twice.
pub(crate) const LANES: usize = 64;

/// Beliefs and messages of one decode.
#[derive(Debug, Clone)]
pub(crate) struct Beliefs {
    /// Bytes from one column to the next.
    pub(crate) stride: usize,
    /// What is believed of each bit.
    pub(crate) columns: Vec<i8>,
    /// What each check said to each of its bits: row after row and 64 checks after 64 checks, those of
    /// one circulant beside those of the next, so that they are read and written one after the other.
    pub(crate) messages: Vec<[i8; LANES]>,
    /// This is the first iteration: no row said anything before, whatever `messages` hold.
    pub(crate) fresh: bool,
    /// Room for the circulants of one row.
    pub(crate) scratch: Vec<[i8; LANES]>,
}

impl Beliefs {
    /// Room for one decode: about 6 bytes a bit of the codeword.
    pub(crate) fn new(graph: &Graph) -> Self {
        let stride = graph.z + LANES;
        let circulants = graph.rows.iter().map(Vec::len).sum::<usize>();
        let widest = graph.rows.iter().map(Vec::len).max().unwrap_or(0);
        Self {
            stride,
            columns: vec![0; graph.columns * stride],
            messages: vec![[0; LANES]; circulants * graph.z / LANES],
            fresh: true,
            scratch: vec![[0; LANES]; widest],
        }
    }

    /// Whether this is room for codewords of `graph`.
    pub(crate) fn fits(&self, graph: &Graph) -> bool {
        let widest = graph.rows.iter().map(Vec::len).max().unwrap_or(0);
        self.stride == graph.z + LANES
            && self.columns.len() == graph.columns * self.stride
            && self.messages.len() * LANES
                == graph.rows.iter().map(Vec::len).sum::<usize>() * graph.z
            && self.scratch.len() == widest
    }

    /// Starts from one belief a bit.
    pub(crate) fn start(&mut self, graph: &Graph, channel: &[i8]) {
        self.fresh = true;
        let columns = self.columns.chunks_exact_mut(self.stride);
        for (to, from) in columns.zip(channel.chunks_exact(graph.z)) {
            to[..graph.z].copy_from_slice(from);
            to[graph.z..].copy_from_slice(&from[..LANES]);
        }
    }

    /// Starts from the bits as read, each believed as much as the other.
    #[inline(always)]
    pub(crate) fn start_hard(&mut self, graph: &Graph, bits: &[u64]) {
        self.fresh = true;
        let columns = self.columns.chunks_exact_mut(self.stride);
        for (column, bits) in columns.zip(bits.chunks_exact(graph.z / 64)) {
            let bytes = bits.iter().chain(&bits[..1]).flat_map(|word| word.to_le_bytes());
            for (lanes, byte) in column.as_chunks_mut::<8>().0.iter_mut().zip(bytes) {
                *lanes = hard_beliefs(byte);
            }
        }
    }

    /// The signs of all beliefs, in words: what the bits are held to be.
    #[inline(always)]
    pub(crate) fn signs(&self, graph: &Graph, bits: &mut [u64]) {
        let words = graph.z / 64;
        let columns = self.columns.chunks_exact(self.stride);
        for (to, column) in bits.chunks_exact_mut(words).zip(columns) {
            for (to, lanes) in to.iter_mut().zip(column.as_chunks::<LANES>().0) {
                *to = sign_word(lanes);
            }
        }
    }

    /// Where the messages of row `row` begin.
    pub(crate) fn first_message(graph: &Graph, row: usize) -> usize {
        graph.rows[..row].iter().map(Vec::len).sum::<usize>() * graph.z / LANES
    }

    /// Goes through some rows of an iteration. Inlined, so that a caller compiled for wider vectors
    /// gets them.
    #[inline(always)]
    pub(crate) fn iterate(&mut self, graph: &Graph, rows: Range<usize>) {
        let mut first = Self::first_message(graph, rows.start);
        let last = rows.end == graph.rows.len();
        for row in &graph.rows[rows] {
            for z in (0..graph.z).step_by(LANES) {
                self.checks(graph, row, first, z);
                first += row.len();
            }
            self.mend(graph, row);
        }
        self.fresh &= !last;
    }

    /// The checks z … z + 63 of `row`, whose messages begin at `first`.
    #[inline(always)]
    fn checks(&mut self, graph: &Graph, row: &[Edge], first: usize, z: usize) {
        let (mut least, mut second, mut parity) = ([255u8; LANES], [255u8; LANES], [0i8; LANES]);
        for (i, (edge, scratch)) in row.iter().zip(&mut self.scratch).enumerate() {
            let at = place(graph, self.stride, *edge, z);
            let beliefs = &self.columns[at..at + LANES];
            let said = if self.fresh { &[0; LANES] } else { &self.messages[first + i] };
            for lane in 0..LANES {
                let rest = beliefs[lane].saturating_sub(said[lane]);
                let size = rest.unsigned_abs();
                scratch[lane] = rest;
                second[lane] = second[lane].min(least[lane].max(size));
                least[lane] = least[lane].min(size);
                parity[lane] ^= rest;
            }
        }
        for (i, (edge, scratch)) in row.iter().zip(&self.scratch).enumerate() {
            let at = place(graph, self.stride, *edge, z);
            let beliefs = &mut self.columns[at..at + LANES];
            let said = &mut self.messages[first + i];
            for lane in 0..LANES {
                let rest = scratch[lane];
                let other =
                    if rest.unsigned_abs() == least[lane] { second[lane] } else { least[lane] };
                let size = (other - (other >> 2)).cast_signed();
                let sign = (parity[lane] ^ rest) >> 7;
                let says = (size ^ sign).wrapping_sub(sign);
                said[lane] = says;
                beliefs[lane] = rest.saturating_add(says);
            }
        }
    }

    /// Makes the copies of a column's first bytes one again after a row: the lanes that crossed the
    /// end were written behind it, the others in front.
    #[inline(always)]
    fn mend(&mut self, graph: &Graph, row: &[Edge]) {
        for edge in row {
            let column = &mut self.columns[usize::from(edge.column) * self.stride..][..self.stride];
            let (front, behind) = column.split_at_mut(graph.z);
            let crossed = usize::from(edge.shift) % LANES;
            front[..crossed].copy_from_slice(&behind[..crossed]);
            behind[crossed..].copy_from_slice(&front[crossed..LANES]);
        }
    }
}

/// Where the beliefs of the bits that checks z … z + 63 meet through `edge` begin.
#[inline(always)]
pub(crate) fn place(graph: &Graph, stride: usize, edge: Edge, z: usize) -> usize {
    let at = z + usize::from(edge.shift);
    usize::from(edge.column) * stride + if at >= graph.z { at - graph.z } else { at }
}

/// Eight beliefs for the bits of a byte, the lowest first.
#[inline(always)]
fn hard_beliefs(byte: u8) -> [i8; 8] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Bit i stays in byte i, and becomes that byte's lowest.
    let spread = (EACH * u64::from(byte)) & 0x8040_2010_0804_0201;
    let ones = (spread + 0x7F * EACH) >> 7 & EACH;
    // Each one turns the belief of a zero into that of a one.
    let flip = u64::from(HARD_BELIEF ^ HARD_BELIEF.wrapping_neg());
    let beliefs = (EACH * u64::from(HARD_BELIEF)) ^ (ones * flip);
    beliefs.to_le_bytes().map(u8::cast_signed)
}

/// The signs of 64 beliefs, the first one lowest.
#[inline(always)]
fn sign_word(lanes: &[i8; LANES]) -> u64 {
    lanes.as_chunks::<8>().0.iter().enumerate().fold(0, |word, (i, eight)| {
        let bytes = u64::from_le_bytes(eight.map(i8::cast_unsigned));
        // Byte k's sign, moved by 56 − 7k, is bit 56 + k; nothing else meets in the highest byte.
        let signs = (bytes >> 7 & 0x0101_0101_0101_0101).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        word | signs << (8 * i)
    })
}
