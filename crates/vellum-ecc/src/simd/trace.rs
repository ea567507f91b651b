//! Roots of the error locator by the trace algorithm, as the plain version in `bch::roots` finds them,
//! with carry-less multiplication.
//!
//! A coefficient takes 32 bits. One instruction multiplies two of them by a factor, and the products,
//! 2m − 1 ≤ 29 bits long, do not meet. Sums of products are reduced once, at their end, by Barrett's
//! method: two more multiplications, for any field polynomial. Squaring a pair of coefficients is one
//! multiplication of the pair by itself.

use super::locator::MAX_ERRORS;
use crate::bch::{CLOSED, Solver};
use crate::field::Field;
use crate::kernels::Kernels;
use alloc::vec::Vec;
use core::arch::x86_64::*;

/// Coefficients that polynomials of up to this many roots have room for: with zeros up to a whole
/// vector beyond. Few errors are the usual case, and clearing room for many would cost more than
/// finding them.
const FEW: usize = 12;
const FEW_ROOM: usize = FEW + 12;
const MANY_ROOM: usize = MAX_ERRORS + 9;

/// A polynomial over the field: coefficients, lowest first, without leading zeros; zero from the
/// length on.
#[derive(Debug, Clone, Copy)]
struct Poly<const ROOM: usize> {
    c: [u32; ROOM],
    len: usize,
}

/// Finds roots of polynomials over one field.
#[derive(Debug, Clone)]
pub(crate) struct TraceRoots {
    m: i32,
    /// The field's polynomial p, and ⌊x^(2m)/p⌋.
    polynomial: u32,
    quotient: u32,
}

impl TraceRoots {
    /// If the processor can and `t` is not too large.
    pub(crate) fn new(kernels: Kernels, field: &Field, t: usize) -> Option<Self> {
        if kernels.min(Kernels::detect()) < Kernels::Clmul || t > MAX_ERRORS {
            return None;
        }
        let (m, p) = (field.order(), field.polynomial());
        let (mut rest, mut quotient) = (1u64 << (2 * m), 0);
        for i in (0..=m).rev() {
            if rest >> (i + m) & 1 == 1 {
                quotient |= 1 << i;
                rest ^= u64::from(p) << i;
            }
        }
        Some(Self { m: m.cast_signed(), polynomial: p, quotient })
    }

    /// All roots of `poly`, of degree 5 or more, if it has as many distinct ones in the field as its
    /// degree says.
    pub(crate) fn roots(&self, field: &Field, solver: &Solver, poly: &[u16]) -> Option<Vec<u16>> {
        assert!(poly.len() > CLOSED && poly.len() <= MAX_ERRORS + 1);
        // Each factor on the way has at least CLOSED roots.
        const FACTORS: usize = MAX_ERRORS / CLOSED;
        // SAFETY: a value of this type exists only if `Kernels::detect` found PCLMULQDQ and SSSE3.
        unsafe {
            if poly.len() <= FEW + 1 {
                self.by_trace::<FEW_ROOM, { FEW / 2 }, { FEW / CLOSED }>(field, solver, poly)
            } else {
                self.by_trace::<MANY_ROOM, { MAX_ERRORS / 2 }, FACTORS>(field, solver, poly)
            }
        }
    }

    #[target_feature(enable = "pclmulqdq,ssse3")]
    fn by_trace<const ROOM: usize, const ROWS: usize, const FACTORS: usize>(
        &self,
        field: &Field,
        solver: &Solver,
        poly: &[u16],
    ) -> Option<Vec<u16>> {
        let (m, reducer) = (self.m as usize, self.reducer());
        let mut roots = Vec::with_capacity(poly.len());
        let mut factors = [Poly::<ROOM>::ZERO; FACTORS];
        let whole = &mut factors[0];
        whole.len = poly.len();
        whole.c.iter_mut().zip(poly).for_each(|(to, c)| *to = u32::from(*c));
        monic(whole, field, &reducer);
        let degree = whole.len - 1;
        let mut powers = [[0; ROOM]; 15];
        if !frobenius::<ROOM, ROWS>(whole, &mut powers[..m], &reducer) {
            return None;
        }
        let mut parts = factors;
        let mut count = 1;
        for i in 0..m {
            let trace = trace_of(field, &powers[..m], degree, i, &reducer);
            let mut next = 0;
            for factor in &factors[..count] {
                let (a, b) = split(factor, &trace, field, &reducer);
                for part in core::iter::once(a).chain(b) {
                    if part.len <= CLOSED {
                        let few: [u16; CLOSED] = core::array::from_fn(|k| part.c[k] as u16);
                        solver.closed(field, &few[..part.len], &mut roots)?;
                    } else {
                        *parts.get_mut(next)? = part;
                        next += 1;
                    }
                }
            }
            if next == 0 {
                return Some(roots);
            }
            count = next;
            factors[..count].copy_from_slice(&parts[..count]);
        }
        None
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn reducer(&self) -> Reducer {
        let word = |w: u32| _mm_cvtsi32_si128(w.cast_signed());
        Reducer {
            m: _mm_cvtsi32_si128(self.m),
            polynomial: word(self.polynomial),
            quotient: word(self.quotient),
        }
    }
}

/// What reduces products.
#[derive(Debug, Clone, Copy)]
struct Reducer {
    m: __m128i,
    polynomial: __m128i,
    quotient: __m128i,
}

/// Four coefficients, times the factor in the low word of `k`, not reduced.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
fn times(v: __m128i, k: __m128i) -> __m128i {
    _mm_unpacklo_epi64(_mm_clmulepi64_si128::<0x00>(v, k), _mm_clmulepi64_si128::<0x01>(v, k))
}

/// Products modulo the field's polynomial.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
fn reduce(v: __m128i, r: &Reducer) -> __m128i {
    let high = _mm_srl_epi32(v, r.m);
    let quotient = _mm_srl_epi32(times(high, r.quotient), r.m);
    _mm_xor_si128(v, times(quotient, r.polynomial))
}

/// The product of two elements.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
fn product(a: u32, b: u32, r: &Reducer) -> u32 {
    let both = [a, b].map(|x| _mm_cvtsi32_si128(x.cast_signed()));
    let v = _mm_clmulepi64_si128::<0x00>(both[0], both[1]);
    _mm_cvtsi128_si32(reduce(v, r)).cast_unsigned()
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(four: &[u32; 4]) -> __m128i {
    // SAFETY: the reference covers 16 readable bytes; the load has no alignment to keep.
    unsafe { _mm_loadu_si128(four.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn store(four: &mut [u32; 4], v: __m128i) {
    // SAFETY: the reference covers 16 writable bytes; the store has no alignment to keep.
    unsafe { _mm_storeu_si128(four.as_mut_ptr().cast(), v) }
}

/// Vectors that hold `n` coefficients.
#[inline]
fn fours(lanes: &[u32], n: usize) -> &[[u32; 4]] {
    &lanes.as_chunks::<4>().0[..n.div_ceil(4)]
}

/// to\[i\] ⊕= q0·b\[i\] ⊕ q1·b\[i − 1\] for i ≤ `n`, where b\[n\] and what follows it is zero.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn add_products(to: &mut [u32], b: &[u32], n: usize, q0: u32, q1: u32, r: &Reducer) {
    let k = _mm_set_epi64x(q1.into(), q0.into());
    let mut before = _mm_setzero_si128();
    for (to, b) in to.as_chunks_mut::<4>().0.iter_mut().zip(fours(b, n + 1)) {
        let here = load(b);
        let below = _mm_alignr_epi8::<12>(here, before);
        before = here;
        let low = _mm_xor_si128(
            _mm_clmulepi64_si128::<0x00>(here, k),
            _mm_clmulepi64_si128::<0x10>(below, k),
        );
        let high = _mm_xor_si128(
            _mm_clmulepi64_si128::<0x01>(here, k),
            _mm_clmulepi64_si128::<0x11>(below, k),
        );
        let sum = reduce(_mm_unpacklo_epi64(low, high), r);
        store(to, _mm_xor_si128(load(to), sum));
    }
}

impl<const ROOM: usize> Poly<ROOM> {
    const ZERO: Self = Poly { c: [0; ROOM], len: 0 };

    fn trim(&mut self) {
        while self.len > 0 && self.c[self.len - 1] == 0 {
            self.len -= 1;
        }
    }
}

/// Divides by the leading coefficient.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn monic<const ROOM: usize>(p: &mut Poly<ROOM>, field: &Field, r: &Reducer) {
    let k = _mm_cvtsi32_si128(field.inverse(p.c[p.len - 1] as u16).into());
    for four in p.c.as_chunks_mut::<4>().0.iter_mut().take(p.len.div_ceil(4)) {
        let v = reduce(times(load(four), k), r);
        store(four, v);
    }
}

/// `a` becomes its remainder by `b`, of degree 1 or more, two terms of the quotient a step; the
/// quotient's terms go to `quotient`.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn divide<const ROOM: usize>(
    a: &mut Poly<ROOM>,
    b: &Poly<ROOM>,
    field: &Field,
    r: &Reducer,
    mut quotient: impl FnMut(usize, u32),
) {
    let inverse = u32::from(field.inverse(b.c[b.len - 1] as u16));
    while a.len >= b.len {
        let apart = a.len - b.len;
        let q1 = product(a.c[a.len - 1], inverse, r);
        quotient(apart, q1);
        if apart == 0 {
            add_products(&mut a.c, &b.c, b.len, q1, 0, r);
        } else {
            let second = a.c[a.len - 2] ^ product(q1, b.c[b.len - 2], r);
            let q0 = product(second, inverse, r);
            quotient(apart - 1, q0);
            add_products(&mut a.c[apart - 1..], &b.c, b.len, q0, q1, r);
        }
        a.trim();
    }
}

/// Splits `factor` into gcd(factor, trace) and what is left of it, or leaves it whole.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn split<const ROOM: usize>(
    factor: &Poly<ROOM>,
    trace: &Poly<ROOM>,
    field: &Field,
    r: &Reducer,
) -> (Poly<ROOM>, Option<Poly<ROOM>>) {
    let (mut a, mut b) = (*factor, *trace);
    divide(&mut b, factor, field, r, |_, _| ());
    if b.len == 0 {
        return (a, None);
    }
    while b.len > 1 {
        divide(&mut a, &b, field, r, |_, _| ());
        core::mem::swap(&mut a, &mut b);
    }
    if b.len == 1 {
        // A constant divides everything: nothing in common.
        return (*factor, None);
    }
    let (mut rest, mut quotient) = (*factor, Poly::ZERO);
    divide(&mut rest, &a, field, r, |at, q| quotient.c[at] = q);
    quotient.len = factor.len - a.len + 1;
    (a, Some(quotient))
}

/// x^(2^k) mod monic `poly` into `powers`, k = 0 and on; false if the last one's square is not x.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn frobenius<const ROOM: usize, const ROWS: usize>(
    poly: &Poly<ROOM>,
    powers: &mut [[u32; ROOM]],
    r: &Reducer,
) -> bool {
    let degree = poly.len - 1;
    let rows = overflow_rows::<ROOM, ROWS>(poly, r);
    let mut power = [0u32; ROOM];
    power[1] = 1;
    for to in powers {
        *to = power;
        let mut squares = [0u32; ROOM];
        for (to, c) in squares.as_chunks_mut::<4>().0.iter_mut().zip(fours(&power, degree)) {
            store(to, reduce(squared(load(c)), r));
        }
        // The low half's squares stand at even places, the others' where the rows say.
        let low = degree.div_ceil(2);
        for (pair, c) in power.as_chunks_mut::<8>().0.iter_mut().zip(fours(&squares, low)) {
            let (v, zero) = (load(c), _mm_setzero_si128());
            let [first, second] = pair.as_chunks_mut::<4>().0 else { continue };
            store(first, _mm_unpacklo_epi32(v, zero));
            store(second, _mm_unpackhi_epi32(v, zero));
        }
        power[2 * low..].fill(0);
        let high = &squares[low..degree];
        let vectors = power.as_chunks_mut::<4>().0.iter_mut().take(poly.len.div_ceil(4));
        for (i, to) in vectors.enumerate() {
            let sum = weighted(rows.iter().map(|row| &row.as_chunks::<4>().0[i]), high);
            store(to, _mm_xor_si128(load(to), reduce(sum, r)));
        }
    }
    power.iter().enumerate().all(|(j, c)| *c == u32::from(j == 1))
}

/// x^e mod monic `poly` for the even e from the degree to twice as much, which squares overflow to.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn overflow_rows<const ROOM: usize, const ROWS: usize>(
    poly: &Poly<ROOM>,
    r: &Reducer,
) -> [[u32; ROOM]; ROWS] {
    let degree = poly.len - 1;
    let mut rows = [[0u32; ROOM]; ROWS];
    let mut row = poly.c;
    row[degree] = 0;
    for exponent in degree..2 * degree - 1 {
        if exponent.is_multiple_of(2) {
            rows[(exponent - degree) / 2] = row;
        }
        // Times x; the leading coefficient of `poly` takes the overflow away.
        let top = _mm_cvtsi32_si128(row[degree - 1].cast_signed());
        let mut before = _mm_setzero_si128();
        for (to, c) in row.as_chunks_mut::<4>().0.iter_mut().zip(fours(&poly.c, poly.len)) {
            let here = load(to);
            let up = _mm_alignr_epi8::<12>(here, before);
            before = here;
            store(to, _mm_xor_si128(up, reduce(times(load(c), top), r)));
        }
    }
    rows
}

/// Four squares, not reduced.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
fn squared(v: __m128i) -> __m128i {
    let low = _mm_castsi128_ps(_mm_clmulepi64_si128::<0x00>(v, v));
    let high = _mm_castsi128_ps(_mm_clmulepi64_si128::<0x11>(v, v));
    _mm_castps_si128(_mm_shuffle_ps::<0b10_00_10_00>(low, high))
}

/// Σ vector·weight, not reduced.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
fn weighted<'a>(vectors: impl Iterator<Item = &'a [u32; 4]>, weights: &[u32]) -> __m128i {
    let mut low = _mm_setzero_si128();
    let mut high = _mm_setzero_si128();
    for (vector, weight) in vectors.zip(weights) {
        let (v, k) = (load(vector), _mm_cvtsi32_si128(weight.cast_signed()));
        low = _mm_xor_si128(low, _mm_clmulepi64_si128::<0x00>(v, k));
        high = _mm_xor_si128(high, _mm_clmulepi64_si128::<0x01>(v, k));
    }
    _mm_unpacklo_epi64(low, high)
}

/// Tr(α^i·x) mod the polynomial of this degree, from the powers x^(2^k) modulo it.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn trace_of<const ROOM: usize>(
    field: &Field,
    powers: &[[u32; ROOM]],
    degree: usize,
    i: usize,
    r: &Reducer,
) -> Poly<ROOM> {
    let mut weights = [0u32; 15];
    for (k, weight) in weights.iter_mut().enumerate().take(powers.len()) {
        *weight = field.alpha(i << k).into();
    }
    let mut trace = Poly { len: degree, ..Poly::ZERO };
    for (n, to) in trace.c.as_chunks_mut::<4>().0.iter_mut().enumerate().take(degree.div_ceil(4)) {
        let sum = weighted(powers.iter().map(|p| &p.as_chunks::<4>().0[n]), &weights);
        store(to, reduce(sum, r));
    }
    trace.trim();
    trace
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Products of distinct linear factors, and the same with a coefficient changed.
        #[test]
        fn agrees_with_the_plain_version(
            m in 7u32..=15,
            seeds in proptest::collection::btree_set(1u32..32_767, 5..=MAX_ERRORS),
            change in 0usize..200,
        ) {
            let field = Field::new(m, None).unwrap();
            let solver = Solver::new(&field);
            let Some(fast) = TraceRoots::new(Kernels::detect(), &field, MAX_ERRORS) else {
                return Ok(());
            };
            let mut roots: Vec<u16> =
                seeds.into_iter().map(|s| (1 + s % field.n() as u32) as u16).collect();
            roots.sort_unstable();
            roots.dedup();
            prop_assume!(roots.len() >= CLOSED);
            let mut poly = vec![3u16];
            for root in &roots {
                poly.push(0);
                for k in (0..poly.len()).rev() {
                    let below = if k == 0 { 0 } else { poly[k - 1] };
                    poly[k] = below ^ field.mul(poly[k], *root);
                }
            }
            if let Some(c) = poly.get_mut(change) {
                *c ^= 1;
            }
            if *poly.last().unwrap() == 0 {
                return Ok(());
            }
            let sorted = |found: Option<Vec<u16>>| found.map(|mut f| {
                f.sort_unstable();
                f
            });
            let found = sorted(fast.roots(&field, &solver, &poly));
            prop_assert_eq!(&found, &sorted(solver.roots(&field, &poly)));
            if change >= poly.len() {
                prop_assert_eq!(found, Some(roots));
            }
        }
    }
}
