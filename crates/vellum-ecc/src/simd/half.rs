//! The min-sum iteration with AVX2: 64 checks in two registers.

use super::minsum::{lanes, lanes_mut};
use crate::ldpc::{self, Beliefs, Edge, Graph, HARD_BELIEF, LANES, place};
use core::arch::x86_64::*;
use core::ops::Range;

/// 64 beliefs.
type Pair = [__m256i; 2];

/// The portable loops, compiled for longer words.
#[target_feature(enable = "avx2")]
pub(super) fn is_codeword(graph: &Graph, bits: &[u64]) -> bool {
    ldpc::is_codeword(graph, bits)
}

/// Starts from the bits as read.
#[target_feature(enable = "avx2")]
pub(super) fn start(graph: &Graph, beliefs: &mut Beliefs, bits: &[u64]) {
    beliefs.fresh = true;
    let columns = beliefs.columns.chunks_exact_mut(beliefs.stride);
    for (column, bits) in columns.zip(bits.chunks_exact(graph.z / 64)) {
        let words = bits.iter().chain(&bits[..1]);
        for (lanes, word) in column.as_chunks_mut::<LANES>().0.iter_mut().zip(words) {
            store(lanes, [hard(*word as u32), hard((*word >> 32) as u32)]);
        }
    }
}

/// A belief for each of 32 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn hard(bits: u32) -> __m256i {
    // Byte i gets the byte that holds bit i, then that bit alone.
    let from =
        _mm256_set_epi64x(0x0303_0303_0303_0303, 0x0202_0202_0202_0202, 0x0101_0101_0101_0101, 0);
    let own = _mm256_set1_epi64x(0x8040_2010_0804_0201u64.cast_signed());
    let spread = _mm256_shuffle_epi8(_mm256_set1_epi32(bits.cast_signed()), from);
    let ones = _mm256_cmpeq_epi8(_mm256_and_si256(spread, own), own);
    let size = _mm256_set1_epi8(HARD_BELIEF.cast_signed());
    // −x is !x + 1.
    _mm256_sub_epi8(_mm256_xor_si256(size, ones), ones)
}

/// Goes through some rows of an iteration; `bits` become the signs.
#[target_feature(enable = "avx2")]
pub(super) fn iterate(graph: &Graph, beliefs: &mut Beliefs, bits: &mut [u64], rows: Range<usize>) {
    let mut first = Beliefs::first_message(graph, rows.start);
    let last = rows.end == graph.rows.len();
    for row in &graph.rows[rows] {
        for z in (0..graph.z).step_by(LANES) {
            if beliefs.fresh {
                checks::<true>(graph, beliefs, row, first, z);
            } else {
                checks::<false>(graph, beliefs, row, first, z);
            }
            first += row.len();
        }
        mend(graph, beliefs, row);
    }
    beliefs.fresh &= !last;
    let columns = beliefs.columns.chunks_exact(beliefs.stride);
    for (to, column) in bits.chunks_exact_mut(graph.z / 64).zip(columns) {
        for (to, lanes) in to.iter_mut().zip(column.as_chunks::<LANES>().0) {
            let [low, high] = load(lanes).map(|v| _mm256_movemask_epi8(v).cast_unsigned());
            *to = u64::from(low) | u64::from(high) << 32;
        }
    }
}

/// The checks z … z + 63 of `row`, whose messages begin at `first`; FRESH if they said nothing yet.
#[inline]
#[target_feature(enable = "avx2")]
fn checks<const FRESH: bool>(
    graph: &Graph,
    beliefs: &mut Beliefs,
    row: &[Edge],
    first: usize,
    z: usize,
) {
    let messages = &mut beliefs.messages[first..first + row.len()];
    let ones = _mm256_set1_epi8(-1);
    let (mut least, mut second, mut parity) = ([ones; 2], [ones; 2], [_mm256_setzero_si256(); 2]);
    // What a bit is believed but for what this check said; once more below, which is cheaper than to
    // keep it.
    let without = |belief: &[i8; LANES], said: &[i8; LANES]| -> Pair {
        let belief = load(belief);
        if FRESH {
            return belief;
        }
        let said = load(said);
        core::array::from_fn(|h| _mm256_subs_epi8(belief[h], said[h]))
    };
    for (edge, said) in row.iter().zip(messages.iter()) {
        let at = place(graph, beliefs.stride, *edge, z);
        let rest = without(lanes(&beliefs.columns, at), said);
        for h in 0..2 {
            let size = _mm256_abs_epi8(rest[h]);
            second[h] = _mm256_min_epu8(second[h], _mm256_max_epu8(least[h], size));
            least[h] = _mm256_min_epu8(least[h], size);
            parity[h] = _mm256_xor_si256(parity[h], rest[h]);
        }
    }
    // The sign that makes the parity even, once for all bits; a one more, so that none is zero.
    let one = _mm256_set1_epi8(1);
    let signed = |size: Pair| -> Pair {
        core::array::from_fn(|h| _mm256_sign_epi8(scaled(size[h]), _mm256_or_si256(parity[h], one)))
    };
    let (small, large) = (signed(least), signed(second));
    for (edge, said) in row.iter().zip(messages) {
        let column = lanes_mut(&mut beliefs.columns, place(graph, beliefs.stride, *edge, z));
        let rest = without(column, said);
        let (mut says, mut sum) = (rest, rest);
        for h in 0..2 {
            let is_least = _mm256_cmpeq_epi8(_mm256_abs_epi8(rest[h]), least[h]);
            let size = _mm256_blendv_epi8(small[h], large[h], is_least);
            says[h] = _mm256_sign_epi8(size, _mm256_or_si256(rest[h], one));
            sum[h] = _mm256_adds_epi8(rest[h], says[h]);
        }
        store(said, says);
        store(column, sum);
    }
}

/// As many ones as lanes, then as many zeros.
const CROSSED: [i8; 2 * LANES] = {
    let mut lanes = [0; 2 * LANES];
    let mut i = 0;
    while i < LANES {
        lanes[i] = -1;
        i += 1;
    }
    lanes
};

/// [`Beliefs::mend`] by blending.
#[inline]
#[target_feature(enable = "avx2")]
fn mend(graph: &Graph, beliefs: &mut Beliefs, row: &[Edge]) {
    for edge in row {
        let column = &mut beliefs.columns[usize::from(edge.column) * beliefs.stride..];
        let crossed = load(lanes(&CROSSED, LANES - usize::from(edge.shift) % LANES));
        let (front, behind) = (load(lanes(column, 0)), load(lanes(column, graph.z)));
        let mut both = front;
        for h in 0..2 {
            both[h] = _mm256_blendv_epi8(front[h], behind[h], crossed[h]);
        }
        store(lanes_mut(column, 0), both);
        store(lanes_mut(column, graph.z), both);
    }
}

/// ¾ of unsigned bytes, rounded up.
#[inline]
#[target_feature(enable = "avx2")]
fn scaled(v: __m256i) -> __m256i {
    let quarter = _mm256_and_si256(_mm256_srli_epi16::<2>(v), _mm256_set1_epi8(0x3F));
    _mm256_sub_epi8(v, quarter)
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[i8; LANES]) -> Pair {
    let (halves, _) = bytes.as_chunks::<32>();
    // SAFETY: each reference covers 32 readable bytes; the load has no alignment to keep.
    core::array::from_fn(|h| unsafe { _mm256_loadu_si256(halves[h].as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(bytes: &mut [i8; LANES], pair: Pair) {
    for (half, v) in bytes.as_chunks_mut::<32>().0.iter_mut().zip(pair) {
        // SAFETY: the reference covers 32 writable bytes; the store has no alignment to keep.
        unsafe { _mm256_storeu_si256(half.as_mut_ptr().cast(), v) };
    }
}
