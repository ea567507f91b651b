//! Parity across pages, for a superblock: P and Q, which rebuild any one or two lost pages.
//!
//! P is the exclusive or of all pages, Q = Σ 2^i·page_i over GF(2^8) modulo *x⁸ + x⁴ + x³ + x² + 1*;
//! the arithmetic and the polynomial are those of RAID-6 (H. P. Anvin, *The mathematics of RAID-6*,
//! 2004). With P alone, one page; with both, two, or one and P. Time: one pass over the pages;
//! eight bytes at a time.

use crate::codec::EccError;
use alloc::vec;
use alloc::vec::Vec;

/// Most pages of a stripe: 2 has that order in the field.
pub const MAX_PAGES: usize = 255;

/// Each byte of a word times 2.
fn double(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let high = word >> 7 & EACH;
    ((word & (0x7F * EACH)) << 1) ^ (high * 0x1D)
}

/// a·b in GF(2^8).
fn mul(a: u8, b: u8) -> u8 {
    let (mut product, mut a) = (0, a);
    for i in 0..8 {
        if b >> i & 1 == 1 {
            product ^= a;
        }
        a = a << 1 ^ if a >> 7 == 1 { 0x1D } else { 0 };
    }
    product
}

/// 2^i.
fn power(i: usize) -> u8 {
    (0..i % MAX_PAGES).fold(1, |x, _| mul(x, 2))
}

/// 1/a = a^254; a is not zero.
fn inverse(a: u8) -> u8 {
    (0..253).fold(a, |x, _| mul(x, a))
}

/// Checks that all pages are as long as the first parity buffer and not too many.
fn check(
    pages: usize,
    lengths: impl Iterator<Item = usize>,
    expected: usize,
) -> Result<(), EccError> {
    if pages > MAX_PAGES {
        return Err(EccError::Stripe { pages });
    }
    for found in lengths {
        if found != expected {
            return Err(EccError::DataLength { found, expected });
        }
    }
    Ok(())
}

/// Writes P and Q of `pages`.
///
/// # Errors
/// [`EccError::DataLength`] if the pages, `p` and `q` are not of one length; [`EccError::Stripe`]
/// if there are more than [`MAX_PAGES`].
///
/// ```
/// use vellum_ecc::stripe;
///
/// let pages = [[1u8; 16], [2; 16], [3; 16]];
/// let (mut p, mut q) = ([0; 16], [0; 16]);
/// stripe::encode(&pages.each_ref().map(|page| &page[..]), &mut p, &mut q)?;
/// // Pages 0 and 2 are lost.
/// let held = [None, Some(&pages[1][..]), None];
/// let lost = stripe::rebuild(&held, Some(&p), Some(&q))?;
/// assert_eq!(lost, [(0, vec![1; 16]), (2, vec![3; 16])]);
/// # Ok::<(), vellum_ecc::EccError>(())
/// ```
pub fn encode(pages: &[&[u8]], p: &mut [u8], q: &mut [u8]) -> Result<(), EccError> {
    check(pages.len(), pages.iter().map(|page| page.len()).chain([q.len()]), p.len())?;
    p.fill(0);
    q.fill(0);
    // Horner: the last page first, doubled once for each page before it.
    for page in pages.iter().rev() {
        add(p, page);
        double_all(q);
        add(q, page);
    }
    Ok(())
}

/// Rebuilds the pages that are `None`, from the others and what is left of the parity; they come
/// back with their numbers.
///
/// # Errors
/// [`EccError::DataLength`] if what is held is not of one length; [`EccError::Lost`] if more is lost
/// than the parity at hand can bring back.
pub fn rebuild(
    pages: &[Option<&[u8]>],
    p: Option<&[u8]>,
    q: Option<&[u8]>,
) -> Result<Vec<(usize, Vec<u8>)>, EccError> {
    let lost: Vec<usize> = (0..pages.len()).filter(|i| pages[*i].is_none()).collect();
    let parity = usize::from(p.is_some()) + usize::from(q.is_some());
    let held = || pages.iter().flatten().chain(&p).chain(&q);
    let Some(len) = held().next().map(|page| page.len()) else {
        return Err(EccError::Lost { pages: lost.len(), parity });
    };
    check(pages.len(), held().map(|page| page.len()), len)?;
    // What the pages at hand leave of P and Q: the sums over the lost pages.
    let (mut sum_p, mut sum_q) = (vec![0; len], vec![0; len]);
    for page in pages.iter().rev() {
        double_all(&mut sum_q);
        if let Some(page) = page {
            add(&mut sum_p, page);
            add(&mut sum_q, page);
        }
    }
    p.into_iter().for_each(|p| add(&mut sum_p, p));
    q.into_iter().for_each(|q| add(&mut sum_q, q));
    match (&lost[..], p.is_some(), q.is_some()) {
        ([], ..) => Ok(Vec::new()),
        ([a], true, _) => Ok(vec![(*a, sum_p)]),
        ([a], false, true) => {
            let scale = inverse(power(*a));
            Ok(vec![(*a, sum_q.iter().map(|x| mul(*x, scale)).collect())])
        }
        ([a, b], true, true) => {
            // P = x + y and Q = 2^a·x + 2^b·y.
            let (power_b, scale) = (power(*b), inverse(power(*a) ^ power(*b)));
            let solve = |(p, q): (&u8, &u8)| mul(q ^ mul(*p, power_b), scale);
            let x: Vec<u8> = sum_p.iter().zip(&sum_q).map(solve).collect();
            add(&mut sum_p, &x);
            Ok(vec![(*a, x), (*b, sum_p)])
        }
        _ => Err(EccError::Lost { pages: lost.len(), parity }),
    }
}

/// to ⊕= from.
fn add(to: &mut [u8], from: &[u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to ^= from);
}

/// Every byte times 2.
fn double_all(bytes: &mut [u8]) {
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = double(u64::from_le_bytes(*word)).to_le_bytes();
    }
    for byte in rest {
        *byte = mul(*byte, 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(i: usize, len: usize) -> Vec<u8> {
        (0..len).map(|at| (i * 131 + at * at * 7 + at * i) as u8).collect()
    }

    #[test]
    fn any_two_of_a_stripe_come_back() {
        for (count, len) in [(1, 5), (2, 16), (7, 33), (12, 64)] {
            let pages: Vec<Vec<u8>> = (0..count).map(|i| page(i, len)).collect();
            let slices: Vec<&[u8]> = pages.iter().map(Vec::as_slice).collect();
            let (mut p, mut q) = (vec![0; len], vec![0; len]);
            encode(&slices, &mut p, &mut q).unwrap();
            for a in 0..count {
                for b in a..count {
                    let mut held: Vec<Option<&[u8]>> = slices.iter().copied().map(Some).collect();
                    (held[a], held[b]) = (None, None);
                    let mut wanted = vec![(a, pages[a].clone())];
                    if a != b {
                        wanted.push((b, pages[b].clone()));
                    } else {
                        assert_eq!(rebuild(&held, Some(&p), None).unwrap(), wanted);
                        assert_eq!(rebuild(&held, None, Some(&q)).unwrap(), wanted);
                    }
                    assert_eq!(rebuild(&held, Some(&p), Some(&q)).unwrap(), wanted);
                }
            }
        }
    }

    #[test]
    fn the_field_is_a_field() {
        for a in 1..=255 {
            assert_eq!(mul(a, inverse(a)), 1);
            assert_eq!(double(u64::from_le_bytes([a; 8])), u64::from_le_bytes([mul(a, 2); 8]));
        }
        let mut powers: Vec<u8> = (0..MAX_PAGES).map(power).collect();
        powers.sort_unstable();
        powers.dedup();
        assert_eq!(powers.len(), MAX_PAGES);
    }

    #[test]
    fn what_cannot_be_rebuilt_is_an_error() {
        let pages: Vec<Vec<u8>> = (0..4).map(|i| page(i, 8)).collect();
        let (mut p, mut q) = (vec![0; 8], vec![0; 8]);
        let slices: Vec<&[u8]> = pages.iter().map(Vec::as_slice).collect();
        encode(&slices, &mut p, &mut q).unwrap();
        let held = [None, Some(slices[1]), None, None];
        assert_eq!(rebuild(&held, Some(&p), Some(&q)), Err(EccError::Lost { pages: 3, parity: 2 }));
        let held = [None, Some(slices[1]), None, Some(slices[3])];
        assert_eq!(rebuild(&held, Some(&p), None), Err(EccError::Lost { pages: 2, parity: 1 }));
        assert_eq!(rebuild(&[None], None, None), Err(EccError::Lost { pages: 1, parity: 0 }));
        let short = EccError::DataLength { found: 7, expected: 8 };
        assert_eq!(encode(&slices, &mut p, &mut q[..7]), Err(short));
        let many = vec![&[0u8; 8][..]; 256];
        assert_eq!(encode(&many, &mut p, &mut q), Err(EccError::Stripe { pages: 256 }));
    }
}
