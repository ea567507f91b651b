//! A bilinear algorithm for polynomials of words: points at which they are evaluated, and what takes
//! the products back. By the Chinese remainder theorem, with Karatsuba's products in each residue.
//!
//! A product of a polynomial of 10 words and one of 16 has 25 coefficients, as many as the degrees of
//! the moduli add up to; two thirds fewer products than 160 word by word:
//!
//! | points | modulus | products |
//! | --- | --- | --- |
//! | 0..9 | x⁴ + x + 1 | 9 |
//! | 9..18 | x⁴ + x³ + 1 | 9 |
//! | 18..24 | x³ + x + 1 | 6 |
//! | 24..30 | x³ + x² + 1 | 6 |
//! | 30..35 | (x + 1)³ | 5 |
//! | 35..38 | x² + x + 1 | 3 |
//! | 38..43 | x³ | 5 |
//! | 43..48 | infinity, three times | 5 |
//!
//! Which moduli are cheapest for a length: Cenk and Özbudak, "Improved polynomial multiplication
//! formulas over F₂ using Chinese remainder theorem" (IEEE Transactions on Computers, 2009).

/// Words of the shorter polynomial: rows of the transposed product.
pub(super) const ROWS: usize = 10;
/// Words of the longer polynomial: the data that one block takes.
pub(super) const BLOCK: usize = 16;
/// Words of the product: constants that a block multiplies with.
pub(super) const COEFFICIENTS: usize = ROWS + BLOCK - 1;
/// Products of words.
pub(super) const POINTS: usize = 48;

/// Where each modulus' points begin.
pub(super) const QUARTIC: [usize; 2] = [0, 9];
pub(super) const CUBIC: [usize; 2] = [18, 24];
pub(super) const ONE: usize = 30;
pub(super) const THIRD: usize = 35;
pub(super) const ZERO: usize = 38;
pub(super) const INFINITY: usize = 43;

/// For each point, which of `len` coefficients it is the sum of: bit *i* for that of xⁱ.
fn evaluation(len: usize) -> [u32; POINTS] {
    // Coefficients as sets of themselves: sums are symmetric differences.
    let word = |i: usize| 1u32 << i;
    // What x^power leaves modulo a polynomial: bit j if x^j is in it.
    let residue = |modulus: u32, power: usize| {
        let degree = modulus.ilog2();
        (0..power).fold(1u32, |rest, _| {
            let next = rest << 1;
            if next >> degree & 1 == 1 { next ^ modulus } else { next }
        })
    };
    let remainder = |modulus: u32| {
        let mut rest = [0; 4];
        for i in 0..len {
            let bits = residue(modulus, i);
            for (j, to) in rest.iter_mut().enumerate() {
                *to ^= if bits >> j & 1 == 1 { word(i) } else { 0 };
            }
        }
        rest
    };
    let mut points = [0; POINTS];
    let mut put = |at: usize, values: &[u32]| points[at..at + values.len()].copy_from_slice(values);
    for (at, modulus) in QUARTIC.into_iter().zip([0b10011, 0b11001]) {
        let [a, b, c, d] = remainder(modulus);
        put(at, &[a, b, c, d, a ^ b, c ^ d, a ^ c, b ^ d, a ^ b ^ c ^ d]);
    }
    for (at, modulus) in CUBIC.into_iter().zip([0b1011, 0b1101]) {
        let [a, b, c, _] = remainder(modulus);
        put(at, &[a, b, c, a ^ b, a ^ c, b ^ c]);
    }
    let short = |[a, b, c]: [u32; 3]| [a, b, c, a ^ b, a ^ c];
    // In powers of x + 1, from x = (x + 1) + 1: the binomial theorem.
    let shifted = [|_| true, |i| i % 2 == 1, |i| i % 4 >= 2]
        .map(|odd: fn(usize) -> bool| (0..len).filter(|i| odd(*i)).fold(0, |sum, i| sum ^ word(i)));
    put(ONE, &short(shifted));
    let [a, b, ..] = remainder(0b111);
    put(THIRD, &[a, b, a ^ b]);
    put(ZERO, &short([0, 1, 2].map(word)));
    put(INFINITY, &short([1, 2, 3].map(|i| word(len - i))));
    points
}

/// For each coefficient of the product, the products that it is the sum of: bit *s* for point *s*.
///
/// Found by elimination: that of xᵏ must sum the products in which aᵢ·bⱼ stands with i + j = k, and
/// no others.
pub(super) fn interpolation() -> [u64; COEFFICIENTS] {
    let (a, b) = (evaluation(ROWS), evaluation(BLOCK));
    let mut equations: Vec<(u64, u32)> = (0..ROWS)
        .flat_map(|i| (0..BLOCK).map(move |j| (i, j)))
        .map(|(i, j)| {
            let both = |s: &usize| a[*s] >> i & b[*s] >> j & 1 == 1;
            ((0..POINTS).filter(both).fold(0, |set, s| set | 1 << s), 1 << (i + j))
        })
        .collect();
    let mut coefficients = [0; COEFFICIENTS];
    for s in 0..POINTS {
        let Some(at) = (s..equations.len()).find(|at| equations[*at].0 >> s & 1 == 1) else {
            continue;
        };
        equations.swap(s, at);
        let (products, sums) = equations[s];
        for (other, equation) in equations.iter_mut().enumerate() {
            if other != s && equation.0 >> s & 1 == 1 {
                *equation = (equation.0 ^ products, equation.1 ^ sums);
            }
        }
    }
    for (s, (_, sums)) in equations.iter().take(POINTS).enumerate() {
        for (k, products) in coefficients.iter_mut().enumerate() {
            *products |= u64::from(sums >> k & 1) << s;
        }
    }
    coefficients
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_words_are_taken_back() {
        let (a, b, coefficients) = (evaluation(ROWS), evaluation(BLOCK), interpolation());
        for (i, j) in (0..ROWS).flat_map(|i| (0..BLOCK).map(move |j| (i, j))) {
            let products = (0..POINTS)
                .filter(|s| a[*s] >> i & b[*s] >> j & 1 == 1)
                .fold(0u64, |set, s| set | 1 << s);
            for (k, sum) in coefficients.iter().enumerate() {
                let times = (sum & products).count_ones() % 2;
                assert_eq!(times == 1, k == i + j, "a{i}·b{j} in x^{k}");
            }
        }
    }
}
