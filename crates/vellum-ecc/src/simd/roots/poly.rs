//! Polynomials over the field: division, and splitting by a greatest common divisor.

use super::coefficients::{Reducer, add_products, load, product, reduce, store, times};
use crate::field::Field;
use core::arch::x86_64::*;

/// A polynomial over the field: coefficients, lowest first, without leading zeros; zero from the
/// length on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Poly<const ROOM: usize> {
    pub(super) c: [u32; ROOM],
    pub(super) len: usize,
}

impl<const ROOM: usize> Poly<ROOM> {
    pub(super) const ZERO: Self = Poly { c: [0; ROOM], len: 0 };

    pub(super) fn trim(&mut self) {
        while self.len > 0 && self.c[self.len - 1] == 0 {
            self.len -= 1;
        }
    }
}

/// Divides by the leading coefficient.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
pub(super) fn monic<const ROOM: usize>(p: &mut Poly<ROOM>, field: &Field, r: &Reducer) {
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
pub(super) fn divide<const ROOM: usize>(
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
pub(super) fn split<const ROOM: usize>(
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
