//! Few roots by the trace algorithm, as the plain version in `bch::roots` finds them.

use super::coefficients::{
    Barrett, Reducer, by_place, fours, load, reduce, store, times, weighted,
};
use super::poly::{Poly, monic, split};
use crate::bch::{CLOSED, Solver};
use crate::field::Field;
use alloc::vec::Vec;
use core::arch::x86_64::*;

/// The highest degree.
pub(super) const FEW: usize = 12;
/// Coefficients that polynomials have room for: with zeros up to a whole vector beyond.
const ROOM: usize = FEW + 12;
/// Even exponents that squares overflow to.
const ROWS: usize = FEW / 2;
/// Each factor on the way has at least CLOSED roots.
const FACTORS: usize = FEW / CLOSED;

/// All roots of `poly`, of degree CLOSED to FEW, if it has as many distinct ones in the field as its
/// degree says.
#[target_feature(enable = "pclmulqdq,ssse3")]
pub(super) fn by_trace(
    barrett: &Barrett,
    field: &Field,
    solver: &Solver,
    poly: &[u16],
) -> Option<Vec<u16>> {
    let (m, reducer) = (field.order() as usize, barrett.reducer());
    let mut roots = Vec::with_capacity(poly.len());
    let mut factors = [Poly::<ROOM>::ZERO; FACTORS];
    let whole = &mut factors[0];
    whole.len = poly.len();
    whole.c.iter_mut().zip(poly).for_each(|(to, c)| *to = u32::from(*c));
    monic(whole, field, &reducer);
    let degree = whole.len - 1;
    let mut powers = [[0; ROOM]; 15];
    if !frobenius(whole, &mut powers[..m], &reducer) {
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

/// x^(2^k) mod monic `poly` into `powers`, k = 0 and on; false if the last one's square is not x.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn frobenius(poly: &Poly<ROOM>, powers: &mut [[u32; ROOM]], r: &Reducer) -> bool {
    let degree = poly.len - 1;
    let rows = overflow_rows(poly, r);
    let mut power = [0u32; ROOM];
    power[1] = 1;
    for to in powers {
        *to = power;
        let mut squares = [0u32; ROOM];
        for (to, c) in squares.as_chunks_mut::<4>().0.iter_mut().zip(fours(&power, degree)) {
            store(to, reduce(by_place(load(c), load(c)), r));
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
fn overflow_rows(poly: &Poly<ROOM>, r: &Reducer) -> [[u32; ROOM]; ROWS] {
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
fn trace_of(
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
