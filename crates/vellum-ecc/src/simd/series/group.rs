//! The vector side: blocks evaluated and multiplied, products taken back, the fraction times g.
//!
//! The multiplier is what is short (a product every second cycle on Zen 3), so sums stand between the
//! products wherever they can: each modulus is evaluated, multiplied and taken back before the next.

use super::super::divide::{byte_swap, load_four, load128};
use super::finish::Finish;
use super::points::{BLOCK, CUBIC, INFINITY, ONE, POINTS, QUARTIC, ROWS, THIRD, ZERO};
use super::{Constants, GROUP, WORDS};
use core::arch::x86_64::*;
use core::mem::MaybeUninit;

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: __m256i, b: __m256i) -> __m256i {
    _mm256_xor_si256(a, b)
}

/// The same value, made here: the compiler would sum behind the last product what can be summed
/// between products.
#[inline]
#[target_feature(enable = "avx2")]
fn summed_here(mut v: __m256i) -> __m256i {
    // SAFETY: no instruction stands in it.
    unsafe {
        core::arch::asm!("/* {0} */", inout(ymm_reg) v, options(pure, nomem, nostack, preserves_flags));
    }
    v
}

/// Two words of each of four blocks: number `i` from the end, and the one before it in memory.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(data: &[u8; GROUP], i: usize) -> [__m256i; 2] {
    let swap = _mm256_broadcastsi128_si256(byte_swap());
    let (pairs, _) = data.as_chunks::<16>();
    let at = (BLOCK - 2 - i) / 2;
    let pair = |block: usize| load128(&pairs[block * BLOCK / 2 + at]);
    let even = _mm256_shuffle_epi8(_mm256_set_m128i(pair(2), pair(0)), swap);
    let odd = _mm256_shuffle_epi8(_mm256_set_m128i(pair(3), pair(1)), swap);
    [_mm256_unpackhi_epi64(even, odd), _mm256_unpacklo_epi64(even, odd)]
}

/// Sums at each point, which the first group sets.
type Sums = [MaybeUninit<__m256i>; POINTS];

/// What a group of blocks multiplies with, and what it adds to.
struct Products<'a, const FIRST: bool, const LAST: bool> {
    rows: &'a Constants,
    sums: &'a mut Sums,
}

impl<const FIRST: bool, const LAST: bool> Products<'_, FIRST, LAST> {
    /// Adds one product of each block at each of some points; the sums up to now.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    fn at<const N: usize>(&mut self, first: usize, values: [__m256i; N]) -> [__m256i; N] {
        let mut sums = values;
        for i in 0..N {
            let row = load_four(&self.rows.0[first + i]);
            let low = _mm256_clmulepi64_epi128::<0x00>(values[i], row);
            let high = _mm256_clmulepi64_epi128::<0x11>(values[i], row);
            sums[i] = add(low, high);
            if !FIRST {
                // SAFETY: the first group was there, and it set all sums.
                sums[i] = add(unsafe { self.sums[first + i].assume_init() }, sums[i]);
            }
            if !LAST {
                self.sums[first + i].write(sums[i]);
            }
        }
        sums
    }

    /// Karatsuba's nine products of four coefficients, and their transpose.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    fn four(&mut self, first: usize, [a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
        let (ab, cd) = (add(a, b), add(c, d));
        let [a, b, c, d, ab, cd, ac, bd, all] =
            self.at(first, [a, b, c, d, ab, cd, add(a, c), add(b, d), add(ab, cd)]);
        let (ab, cd) = (add(ab, all), add(cd, all));
        [add(add(a, ab), ac), add(add(b, ab), bd), add(add(c, cd), ac), add(add(d, cd), bd)]
    }

    /// The six products of three coefficients.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    fn three(&mut self, first: usize, [a, b, c]: [__m256i; 3]) -> [__m256i; 3] {
        let [a, b, c, ab, ac, bc] = self.at(first, [a, b, c, add(a, b), add(a, c), add(b, c)]);
        [add(add(a, ab), ac), add(add(b, ab), bc), add(add(c, ac), bc)]
    }

    /// The five of three coefficients where only the lowest three of the product count.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    fn short(&mut self, first: usize, [a, b, c]: [__m256i; 3]) -> [__m256i; 3] {
        let [a, b, c, ab, ac] = self.at(first, [a, b, c, add(a, b), add(a, c)]);
        [add(add(a, ab), ac), add(b, ab), add(c, ac)]
    }
}

/// Sums of the words whose numbers leave the same rest.
#[inline]
#[target_feature(enable = "avx2")]
fn folded<const N: usize>(words: &[__m256i; BLOCK]) -> [__m256i; N] {
    let mut sums = [_mm256_setzero_si256(); N];
    sums.copy_from_slice(&words[..N]);
    for i in N..BLOCK {
        sums[i % N] = add(sums[i % N], words[i]);
    }
    sums
}

/// The words modulo x⁴ + x^`tap` + 1.
#[inline]
#[target_feature(enable = "avx2")]
fn modulo_quartic(words: &[__m256i; BLOCK], tap: usize) -> [__m256i; 4] {
    let mut rest = *words;
    for i in (4..BLOCK).rev() {
        rest[i - 4] = add(rest[i - 4], rest[i]);
        rest[i - 4 + tap] = add(rest[i - 4 + tap], rest[i]);
    }
    [rest[0], rest[1], rest[2], rest[3]]
}

/// The transpose of the above for ten words: a sequence that the polynomial continues.
#[inline]
#[target_feature(enable = "avx2")]
fn continued<const N: usize, const LEN: usize>(first: [__m256i; N], tap: usize) -> [__m256i; LEN] {
    let mut all = [_mm256_setzero_si256(); LEN];
    all[..N].copy_from_slice(&first);
    for i in N..LEN {
        all[i] = add(all[i - N], all[i - N + tap]);
    }
    all
}

/// Adds the products of four blocks to `sums`, or has them be the sums for the first group; for the last
/// group instead the rows that these make.
///
/// # Safety
/// If it is not the first group, that was there before it with the same `sums`.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
unsafe fn group<const FIRST: bool, const LAST: bool>(
    data: &[u8; GROUP],
    rows: &Constants,
    sums: &mut Sums,
) -> [__m256i; ROWS] {
    let mut products = Products::<FIRST, LAST> { rows, sums };
    // Two moduli need three words alone. Products with them keep the multiplier busy while the rest is
    // loaded; but at the very end they are the ones after which least is left to be summed.
    let [m, n] = transposed(data, 12);
    let [o, p] = transposed(data, 14);
    let mut low = [_mm256_setzero_si256(); 3];
    let mut high = [_mm256_setzero_si256(); 3];
    if !LAST {
        high = products.short(INFINITY, [p, o, n]);
    }
    let [a, b] = transposed(data, 0);
    let [c, d] = transposed(data, 2);
    if !LAST {
        low = products.short(ZERO, [a, b, c]);
    }
    let [e, f] = transposed(data, 4);
    let [g, h] = transposed(data, 6);
    let [i, j] = transposed(data, 8);
    let [k, l] = transposed(data, 10);
    let words = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
    let mut out: [__m256i; ROWS] =
        continued(products.four(QUARTIC[0], modulo_quartic(&words, 1)), 1);
    let other: [__m256i; ROWS] = continued(products.four(QUARTIC[1], modulo_quartic(&words, 3)), 3);
    for i in 0..ROWS {
        out[i] = summed_here(add(out[i], other[i]));
    }
    // Both cubics divide x⁷ + 1.
    let [a, b, c, d, e, f, g] = folded::<7>(&words);
    let (df, ef) = (add(d, f), add(e, f));
    let rest = [add(add(a, df), g), add(add(b, df), e), add(add(c, ef), g)];
    let first: [__m256i; 7] = continued(products.three(CUBIC[0], rest), 1);
    let (de, eg) = (add(d, e), add(e, g));
    let rest = [add(add(a, de), f), add(add(b, eg), f), add(add(c, de), g)];
    let second: [__m256i; 7] = continued(products.three(CUBIC[1], rest), 2);
    for i in 0..ROWS {
        out[i] = summed_here(add(out[i], add(first[i % 7], second[i % 7])));
    }
    // (x + 1)³ divides x⁴ + 1.
    let [a, b, c, d] = folded::<4>(&words);
    let cd = add(c, d);
    let [one, odd, top] = products.short(ONE, [add(add(a, b), cd), add(b, d), cd]);
    let both = add(one, odd);
    let fourth = [one, both, add(one, top), add(both, top)];
    // x² + x + 1 divides x³ + 1.
    let [a, b, c] = folded::<3>(&words);
    let (a, b) = (add(a, c), add(b, c));
    let [a, b, ab] = products.at(THIRD, [a, b, add(a, b)]);
    let (a, b) = (add(a, ab), add(b, ab));
    let third = [a, b, add(a, b)];
    for i in 0..ROWS {
        out[i] = summed_here(add(out[i], add(fourth[i % 4], third[i % 3])));
    }
    if LAST {
        low = products.short(ZERO, [words[0], words[1], words[2]]);
        high = products.short(INFINITY, [words[15], words[14], words[13]]);
    }
    for i in 0..3 {
        out[i] = add(out[i], low[i]);
        out[ROWS - 1 - i] = add(out[ROWS - 1 - i], high[i]);
    }
    out
}

/// The remainder's words, the highest first.
#[target_feature(enable = "avx2,vpclmulqdq,pclmulqdq")]
pub(super) fn remainder(data: &[[u8; GROUP]], rows: &[Constants], finish: &Finish) -> [u64; WORDS] {
    let mut sums = [MaybeUninit::uninit(); POINTS];
    let (Some((last, before)), Some((last_rows, before_rows))) =
        (data.split_last(), rows.split_last())
    else {
        return [0; WORDS];
    };
    let mut before = before.iter().zip(before_rows);
    let Some((data, rows)) = before.next() else {
        // SAFETY: it is the first group.
        return finish.multiply(unsafe { group::<true, true>(last, last_rows, &mut sums) });
    };
    // SAFETY: it is the first group, and the others come after it.
    unsafe {
        group::<true, false>(data, rows, &mut sums);
        for (data, rows) in before {
            group::<false, false>(data, rows, &mut sums);
        }
        finish.multiply(group::<false, true>(last, last_rows, &mut sums))
    }
}
