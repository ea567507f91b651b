//! Arithmetic that takes more than an operator.

/// The high half of a product.
#[inline(always)]
pub(super) fn high(product: i128) -> u64 {
    (product >> 64) as u64
}

#[inline(always)]
pub(super) fn word(value: u64) -> u64 {
    value as i32 as u64
}

/// `div` (unprivileged specification, section "Division Operations"): by zero all ones, overflow
/// the dividend.
#[inline]
pub(super) fn div(a: i64, b: i64) -> u64 {
    if b == 0 { u64::MAX } else { a.wrapping_div(b) as u64 }
}

#[inline]
pub(super) fn rem(a: i64, b: i64) -> u64 {
    if b == 0 { a as u64 } else { a.wrapping_rem(b) as u64 }
}

/// `orc.b`: each byte that is not zero becomes all ones.
#[inline]
pub(super) fn or_combine(a: u64) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let mut bits = a | a >> 4 & 0x0f0f_0f0f_0f0f_0f0f;
    bits |= bits >> 2 & 0x3f3f_3f3f_3f3f_3f3f;
    bits |= bits >> 1 & 0x7f7f_7f7f_7f7f_7f7f;
    (bits & LOW) * 0xff
}
