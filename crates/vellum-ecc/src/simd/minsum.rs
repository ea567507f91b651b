//! The min-sum iteration of [`Beliefs`] with 64 checks in a register: the same arithmetic, the same
//! bits. [`half`](super::half) does the same with two registers of AVX2.

use super::half;
use crate::kernels::Kernels;
use crate::ldpc::{Beliefs, Edge, Graph, HARD_BELIEF, LANES, is_codeword, place};
use core::arch::x86_64::*;
use core::ops::Range;

/// Which of the kernels below; the proof that the processor can.
#[derive(Debug, Clone)]
pub(crate) struct MinSum {
    wide: bool,
}

impl MinSum {
    pub(crate) fn new(kernels: Kernels) -> Option<Self> {
        let kernels = kernels.min(Kernels::detect());
        (kernels >= Kernels::Avx2).then_some(Self { wide: kernels >= Kernels::Avx512 })
    }

    /// Whether `bits` are a codeword.
    pub(crate) fn is_codeword(&self, graph: &Graph, bits: &[u64]) -> bool {
        if self.wide {
            // SAFETY: `wide` is set only if `Kernels::detect` found every feature that the function
            // is compiled for.
            unsafe { wide_is_codeword(graph, bits) }
        } else {
            // SAFETY: a value of this type exists only if `Kernels::detect` found AVX2.
            unsafe { half::is_codeword(graph, bits) }
        }
    }

    /// Starts from the bits as read.
    pub(crate) fn start_hard(&self, graph: &Graph, beliefs: &mut Beliefs, bits: &[u64]) {
        if self.wide {
            // SAFETY: `wide` is set only if `Kernels::detect` found every feature that the function
            // is compiled for.
            unsafe { wide_start(graph, beliefs, bits) }
        } else {
            // SAFETY: a value of this type exists only if `Kernels::detect` found AVX2.
            unsafe { half::start(graph, beliefs, bits) }
        }
    }

    /// Goes through some rows of an iteration; `bits` become the signs.
    pub(crate) fn iterate(
        &self,
        graph: &Graph,
        beliefs: &mut Beliefs,
        bits: &mut [u64],
        rows: Range<usize>,
    ) {
        if self.wide {
            // SAFETY: `wide` is set only if `Kernels::detect` found every feature that the function
            // is compiled for.
            unsafe { wide(graph, beliefs, bits, rows) }
        } else {
            // SAFETY: a value of this type exists only if `Kernels::detect` found AVX2.
            unsafe { half::iterate(graph, beliefs, bits, rows) }
        }
    }
}

/// The portable loops, compiled for longer words.
#[target_feature(enable = "avx512f,avx512bw")]
fn wide_is_codeword(graph: &Graph, bits: &[u64]) -> bool {
    is_codeword(graph, bits)
}

#[target_feature(enable = "avx512f,avx512bw")]
fn wide_start(graph: &Graph, beliefs: &mut Beliefs, bits: &[u64]) {
    beliefs.fresh = true;
    let (zero, one) = (_mm512_set1_epi8(HARD_BELIEF as i8), _mm512_set1_epi8(-(HARD_BELIEF as i8)));
    let columns = beliefs.columns.chunks_exact_mut(beliefs.stride);
    for (column, bits) in columns.zip(bits.chunks_exact(graph.z / 64)) {
        let words = bits.iter().chain(&bits[..1]);
        for (lanes, word) in column.as_chunks_mut::<LANES>().0.iter_mut().zip(words) {
            store(lanes, _mm512_mask_blend_epi8(*word, zero, one));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn wide(graph: &Graph, beliefs: &mut Beliefs, bits: &mut [u64], rows: Range<usize>) {
    iterate(graph, beliefs, rows);
    signs(graph, beliefs, bits);
}

#[target_feature(enable = "avx512f,avx512bw")]
fn iterate(graph: &Graph, beliefs: &mut Beliefs, rows: Range<usize>) {
    let mut first = Beliefs::first_message(graph, rows.start);
    let last = rows.end == graph.rows.len();
    for row in &graph.rows[rows] {
        for z in (0..graph.z).step_by(LANES) {
            let messages = &mut beliefs.messages[first..first + row.len()];
            first += row.len();
            let ones = _mm512_set1_epi8(-1);
            let (mut least, mut second, mut parity) = (ones, ones, _mm512_setzero_si512());
            let circulants = row.iter().zip(messages.iter());
            for ((edge, said), scratch) in circulants.zip(&mut beliefs.scratch) {
                let belief = load(lanes(&beliefs.columns, place(graph, beliefs.stride, *edge, z)));
                let said = if beliefs.fresh { _mm512_setzero_si512() } else { load(said) };
                let rest = _mm512_subs_epi8(belief, said);
                let size = _mm512_abs_epi8(rest);
                store(scratch, rest);
                second = _mm512_min_epu8(second, _mm512_max_epu8(least, size));
                least = _mm512_min_epu8(least, size);
                parity = _mm512_xor_si512(parity, rest);
            }
            let (small, large) = (scaled(least), scaled(second));
            let circulants = row.iter().zip(messages);
            for ((edge, said), scratch) in circulants.zip(&beliefs.scratch) {
                let rest = load(scratch);
                let is_least = _mm512_cmpeq_epi8_mask(_mm512_abs_epi8(rest), least);
                let size = _mm512_mask_blend_epi8(is_least, small, large);
                let sign = _mm512_movepi8_mask(_mm512_xor_si512(parity, rest));
                let says = _mm512_mask_sub_epi8(size, sign, _mm512_setzero_si512(), size);
                store(said, says);
                let at = place(graph, beliefs.stride, *edge, z);
                store(lanes_mut(&mut beliefs.columns, at), _mm512_adds_epi8(rest, says));
            }
        }
        mend(graph, beliefs, row);
    }
    beliefs.fresh &= !last;
}

/// [`Beliefs::mend`] by masks.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn mend(graph: &Graph, beliefs: &mut Beliefs, row: &[Edge]) {
    for edge in row {
        let column = &mut beliefs.columns[usize::from(edge.column) * beliefs.stride..];
        let crossed = !(u64::MAX << (edge.shift % 64));
        let (front, behind) = (load(lanes(column, 0)), load(lanes(column, graph.z)));
        let both = _mm512_mask_blend_epi8(crossed, front, behind);
        store(lanes_mut(column, 0), both);
        store(lanes_mut(column, graph.z), both);
    }
}

/// ¾ of unsigned bytes, rounded up.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn scaled(v: __m512i) -> __m512i {
    let quarter = _mm512_and_si512(_mm512_srli_epi16::<2>(v), _mm512_set1_epi8(0x3F));
    _mm512_sub_epi8(v, quarter)
}

#[target_feature(enable = "avx512f,avx512bw")]
fn signs(graph: &Graph, beliefs: &Beliefs, bits: &mut [u64]) {
    let columns = beliefs.columns.chunks_exact(beliefs.stride);
    for (to, column) in bits.chunks_exact_mut(graph.z / 64).zip(columns) {
        for (i, to) in to.iter_mut().enumerate() {
            *to = _mm512_movepi8_mask(load(lanes(column, i * LANES)));
        }
    }
}

/// 64 bytes from `at`.
#[inline]
pub(super) fn lanes(bytes: &[i8], at: usize) -> &[i8; LANES] {
    bytes[at..].first_chunk().expect("a column is followed by 64 bytes more")
}

/// 64 bytes from `at`.
#[inline]
pub(super) fn lanes_mut(bytes: &mut [i8], at: usize) -> &mut [i8; LANES] {
    bytes[at..].first_chunk_mut().expect("a column is followed by 64 bytes more")
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[i8; LANES]) -> __m512i {
    // SAFETY: the reference covers 64 readable bytes; the load has no alignment to keep.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(bytes: &mut [i8; LANES], v: __m512i) {
    // SAFETY: the reference covers 64 writable bytes; the store has no alignment to keep.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), v) }
}
