//! Roots of the error locator by the trace algorithm, as the plain version in `bch::roots` finds them,
//! with carry-less multiplication.
//!
//! [`coefficients`] is the arithmetic, [`poly`] division and greatest common divisors.

mod coefficients;
mod poly;

use super::locator::MAX_ERRORS;
use crate::bch::{CLOSED, Solver};
use crate::field::Field;
use crate::kernels::Kernels;
use alloc::vec::Vec;
use coefficients::{Reducer, fours, load, reduce, squared, store, times, weighted};
use core::arch::x86_64::*;
use poly::{Poly, monic, split};

/// Coefficients that polynomials of up to this many roots have room for: with zeros up to a whole
/// vector beyond. Few errors are the usual case, and clearing room for many would cost more than
/// finding them.
const FEW: usize = 12;
const FEW_ROOM: usize = FEW + 12;
const MANY_ROOM: usize = MAX_ERRORS + 9;

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
