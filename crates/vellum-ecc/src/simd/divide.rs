//! Division by the generator with carry-less multiplication: no serial chain through the data.
//!
//! The remainder of D(x)·x^(64L) is Σ d_j·(x^(64j+64L) mod g') over the data's words d_j, counted
//! from the end. Each term is a product of 64 by 64L bits; all of them add up in L accumulators of
//! 128 bits (times the lanes of a vector), one a word of the constants. What comes out has 64 bits
//! too many, which one Barrett step takes off. The constants take 8·L bytes a word of data.

use crate::bch::Divider;
use crate::kernels::Kernels;
use alloc::vec;
use alloc::vec::Vec;
use core::arch::x86_64::*;

/// The longest remainder, in words, that the accumulators hold in registers.
const MAX_WORDS: usize = 16;

/// Bytes of data that one step takes.
const STEP: usize = 64;

/// Constants for one generator and data length.
#[derive(Debug, Clone)]
pub(crate) struct ClmulDivider {
    /// Words of a remainder, L.
    words: usize,
    /// For each 64 bytes of data from the end, L rows of eight words: row *p* holds word *p* of the
    /// constants of the eight words of data, in the data's order but swapped in pairs.
    constants: Vec<[u64; 8]>,
    /// For each row, the sum of c₀·c₁ over all pairs: low word, high word.
    pairs: Vec<[u64; 2]>,
    /// g' without its leading term.
    low: Vec<u64>,
    /// ⌊x^(64L+64)/g'⌋ without its leading term.
    barrett: u64,
    width: Width,
}

/// Bytes that one multiplication takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Narrow,
    Middle,
    Wide,
}

impl ClmulDivider {
    /// Constants for data of `data_len` bytes, if the processor can and the remainder is short
    /// enough.
    pub(crate) fn new(kernels: Kernels, divider: &Divider, data_len: usize) -> Option<Self> {
        let words = divider.words();
        let kernels = kernels.min(Kernels::detect());
        if kernels < Kernels::Clmul || words > MAX_WORDS {
            return None;
        }
        let mut low = vec![0; words];
        divider.divide(&[1], &mut low);
        let steps = data_len.div_ceil(STEP);
        let mut constants = vec![[0; 8]; steps * words];
        let mut power = low.clone();
        for step in 0..steps {
            for lane in (0..8).rev() {
                for (p, word) in power.iter().enumerate() {
                    constants[step * words + p][lane ^ 1] = *word;
                }
                divider.divide(&[0; 8], &mut power);
            }
        }
        let mut pairs = vec![[0; 2]; words];
        for (i, row) in constants.iter().enumerate() {
            for pair in row.as_chunks::<2>().0 {
                let [lo, hi] = plain_product(pair[0], pair[1]);
                pairs[i % words][0] ^= lo;
                pairs[i % words][1] ^= hi;
            }
        }
        let barrett = quotient(&low, 1)[0];
        let width = match kernels {
            Kernels::Avx512 => Width::Wide,
            Kernels::Vpclmul => Width::Middle,
            _ => Width::Narrow,
        };
        Some(Self { words, constants, pairs, low, barrett, width })
    }

    /// data·x^(64L) mod g' into `state`, which is L words long. `data` is as long as promised.
    pub(crate) fn divide(&self, data: &[u8], state: &mut [u64]) {
        assert!(data.len().div_ceil(STEP) * self.words == self.constants.len());
        assert!(state.len() == self.words && self.low.len() == self.words);
        match self.words {
            1 => self.sized::<1>(data, state),
            2 => self.sized::<2>(data, state),
            3 => self.sized::<3>(data, state),
            4 => self.sized::<4>(data, state),
            5 => self.sized::<5>(data, state),
            6 => self.sized::<6>(data, state),
            7 => self.sized::<7>(data, state),
            8 => self.sized::<8>(data, state),
            9 => self.sized::<9>(data, state),
            10 => self.sized::<10>(data, state),
            11 => self.sized::<11>(data, state),
            12 => self.sized::<12>(data, state),
            13 => self.sized::<13>(data, state),
            14 => self.sized::<14>(data, state),
            15 => self.sized::<15>(data, state),
            _ => self.sized::<16>(data, state),
        }
    }

    fn sized<const L: usize>(&self, data: &[u8], state: &mut [u64]) {
        let (rows, _) = self.constants.as_chunks::<L>();
        let (Some(low), Some(pairs), Some(state)) =
            (self.low.first_chunk(), self.pairs.first_chunk(), state.first_chunk_mut())
        else {
            return;
        };
        let constants = Constants { rows, pairs, low, barrett: self.barrett };
        match self.width {
            // SAFETY: `Wide` is set only if `Kernels::detect` found every feature that the function
            // is compiled for.
            Width::Wide => unsafe { wide::<L>(data, &constants, state) },
            // SAFETY: `Middle` is set only if `Kernels::detect` found AVX2 and VPCLMULQDQ beside
            // PCLMULQDQ and SSSE3.
            Width::Middle => unsafe { middle::<L>(data, &constants, state) },
            // SAFETY: a value of this type exists only if `Kernels::detect` found PCLMULQDQ and
            // SSSE3.
            Width::Narrow => unsafe { narrow::<L>(data, &constants, state) },
        }
    }
}

/// A view of the constants with the remainder's length known.
struct Constants<'a, const L: usize> {
    rows: &'a [[[u64; 8]; L]],
    pairs: &'a [[u64; 2]; L],
    low: &'a [u64; L],
    barrett: u64,
}

/// a·b over GF(2), bit by bit: low word, high word.
pub(super) fn plain_product(a: u64, b: u64) -> [u64; 2] {
    (0..64).filter(|i| b >> i & 1 == 1).fold([0, 0], |[lo, hi], i| {
        let wide = u128::from(a) << i;
        [lo ^ wide as u64, hi ^ (wide >> 64) as u64]
    })
}

/// ⌊x^(64L+64n)/g'⌋ without its leading term, n = `words`, the highest word first: by long division.
pub(super) fn quotient(low: &[u64], words: usize) -> Vec<u64> {
    let mut state = low.to_vec();
    let mut next_bit = |word: u64| {
        let carry = state[0] >> 63;
        for i in 0..state.len() {
            state[i] = state[i] << 1 | state.get(i + 1).map_or(0, |next| next >> 63);
            if carry == 1 {
                state[i] ^= low[i];
            }
        }
        word << 1 | carry
    };
    (0..words).map(|_| (0..64).fold(0, |word, _| next_bit(word))).collect()
}

/// Calls `step` with 64 bytes of data at a time and their constants, the first ones padded with
/// zeros in front.
#[inline(always)]
fn steps<'c, const L: usize>(
    data: &[u8],
    constants: &'c [[[u64; 8]; L]],
    mut step: impl FnMut(&[u8; STEP], &'c [[u64; 8]; L]),
) {
    let (head, body) = data.split_at(data.len() % STEP);
    let (chunks, _) = body.as_chunks::<STEP>();
    if !head.is_empty()
        && let Some(constants) = constants.get(chunks.len())
    {
        let mut padded = [0; STEP];
        padded[STEP - head.len()..].copy_from_slice(head);
        step(&padded, constants);
    }
    for (chunk, constants) in chunks.iter().zip(constants[..chunks.len()].iter().rev()) {
        step(chunk, constants);
    }
}

/// Loads 512 bits.
#[inline]
#[target_feature(enable = "avx512f")]
fn load512(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the reference covers 64 readable bytes; the load has no alignment to keep.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// Loads eight words.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_words(words: &[u64; 8]) -> __m512i {
    // SAFETY: the reference covers 64 readable bytes; the load has no alignment to keep.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// Sums the four 128-bit lanes: (low word, high word).
#[inline]
#[target_feature(enable = "avx512f")]
fn sum_lanes(v: __m512i) -> __m128i {
    let half = _mm256_xor_si256(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v));
    _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half))
}

#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq,pclmulqdq,ssse3")]
fn wide<const L: usize>(data: &[u8], constants: &Constants<'_, L>, state: &mut [u64; L]) {
    let swap = _mm512_broadcast_i32x4(byte_swap());
    let mut acc = [_mm512_setzero_si512(); L];
    let mut common = _mm512_setzero_si512();
    steps(data, constants.rows, |chunk, rows| {
        let d = _mm512_shuffle_epi8(load512(chunk), swap);
        common = _mm512_xor_si512(common, _mm512_clmulepi64_epi128::<0x01>(d, d));
        for p in 0..L {
            let x = _mm512_xor_si512(d, load_words(&rows[p]));
            acc[p] = _mm512_xor_si512(acc[p], _mm512_clmulepi64_epi128::<0x01>(x, x));
        }
    });
    let mut sums = [_mm_setzero_si128(); L];
    for p in 0..L {
        sums[p] = sum_lanes(_mm512_xor_si512(acc[p], common));
    }
    reduce(sums, constants, state);
}

/// Loads 256 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn load256(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the reference covers 32 readable bytes; the load has no alignment to keep.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// Loads four words.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_four(words: &[u64; 4]) -> __m256i {
    // SAFETY: the reference covers 32 readable bytes; the load has no alignment to keep.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx2,vpclmulqdq,pclmulqdq,ssse3")]
fn middle<const L: usize>(data: &[u8], constants: &Constants<'_, L>, state: &mut [u64; L]) {
    let swap = _mm256_broadcastsi128_si256(byte_swap());
    let mut acc = [_mm256_setzero_si256(); L];
    let mut common = _mm256_setzero_si256();
    steps(data, constants.rows, |chunk, rows| {
        for (half, bytes) in chunk.as_chunks::<32>().0.iter().enumerate() {
            let d = _mm256_shuffle_epi8(load256(bytes), swap);
            common = _mm256_xor_si256(common, _mm256_clmulepi64_epi128::<0x01>(d, d));
            for p in 0..L {
                let four = &rows[p].as_chunks::<4>().0[half];
                let x = _mm256_xor_si256(d, load_four(four));
                acc[p] = _mm256_xor_si256(acc[p], _mm256_clmulepi64_epi128::<0x01>(x, x));
            }
        }
    });
    let mut sums = [_mm_setzero_si128(); L];
    for p in 0..L {
        let all = _mm256_xor_si256(acc[p], common);
        sums[p] = _mm_xor_si128(_mm256_castsi256_si128(all), _mm256_extracti128_si256::<1>(all));
    }
    reduce(sums, constants, state);
}

#[target_feature(enable = "pclmulqdq,ssse3")]
fn narrow<const L: usize>(data: &[u8], constants: &Constants<'_, L>, state: &mut [u64; L]) {
    let swap = byte_swap();
    let mut acc = [_mm_setzero_si128(); L];
    let mut common = _mm_setzero_si128();
    steps(data, constants.rows, |chunk, rows| {
        for (quarter, bytes) in chunk.as_chunks::<16>().0.iter().enumerate() {
            let d = _mm_shuffle_epi8(load128(bytes), swap);
            common = _mm_xor_si128(common, _mm_clmulepi64_si128::<0x01>(d, d));
            for p in 0..L {
                let pair = rows[p].as_chunks::<2>().0[quarter];
                let x = _mm_xor_si128(d, pack(pair));
                acc[p] = _mm_xor_si128(acc[p], _mm_clmulepi64_si128::<0x01>(x, x));
            }
        }
    });
    for sum in &mut acc {
        *sum = _mm_xor_si128(*sum, common);
    }
    reduce(acc, constants, state);
}

/// Two words in a vector: low, high.
#[inline]
#[target_feature(enable = "sse2")]
fn pack([lo, hi]: [u64; 2]) -> __m128i {
    _mm_set_epi64x(hi.cast_signed(), lo.cast_signed())
}

/// Reverses the bytes of each 64-bit word.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn byte_swap() -> __m128i {
    _mm_set_epi64x(0x0809_0A0B_0C0D_0E0F, 0x0001_0203_0405_0607)
}

/// Loads 128 bits.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn load128(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference covers 16 readable bytes; the load has no alignment to keep.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// Both words of a vector: low, high.
#[inline]
#[target_feature(enable = "sse2")]
fn words(v: __m128i) -> (u64, u64) {
    let high = _mm_unpackhi_epi64(v, v);
    (_mm_cvtsi128_si64(v).cast_unsigned(), _mm_cvtsi128_si64(high).cast_unsigned())
}

/// Takes Σ (sums[p] + pairs[p])·x^(64(L−1−p)), which has one word too many, modulo g'.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
fn reduce<const L: usize>(
    mut sums: [__m128i; L],
    constants: &Constants<'_, L>,
    state: &mut [u64; L],
) {
    for (sum, pair) in sums.iter_mut().zip(constants.pairs) {
        *sum = _mm_xor_si128(*sum, pack(*pair));
    }
    let word = |w: u64| _mm_cvtsi64_si128(w.cast_signed());
    // The excess word times the rounded inverse of g' is the quotient.
    let (_, excess) = words(sums[0]);
    let (_, product) = words(_mm_clmulepi64_si128::<0x00>(word(excess), word(constants.barrett)));
    let quotient = word(excess ^ product);
    for p in 0..L {
        let fold = _mm_clmulepi64_si128::<0x00>(quotient, word(constants.low[p]));
        let (lo, hi) = words(_mm_xor_si128(sums[p], fold));
        // Row p's low word is the remainder's word p, its high word belongs to the one before.
        state[p] = lo;
        if p > 0 {
            state[p - 1] ^= hi;
        }
    }
}
