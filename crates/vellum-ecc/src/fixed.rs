//! BCH without a heap: a code whose tables are a constant, and whose decoder lives on the stack.
//!
//! The same codes as `Bch`, bit for bit, for firmware that has no allocator: [`FixedBch::new`] is a `const fn`, so
//! the tables lie beside the program. It is the plain decoder too: a nibble of data a step, syndromes power by
//! power, Berlekamp and Massey's locator, and a search over all places (Chien).

use crate::blank;
use crate::codec::{Codec, EccError, Outcome, check_lengths, flip};
use crate::params::{Blank, PRIMITIVE};

/// Words of a remainder, for [`FixedBch`]'s `W`: those that *m·t* bits take. (A code whose generator has a lower
/// degree may take fewer; [`FixedBch::new`] says so.)
#[must_use]
pub const fn remainder_words(m: u32, t: usize) -> usize {
    (m as usize * t).div_ceil(64)
}

/// A binary BCH code over a field of `N` = 2^m elements that corrects `T` errors, with a remainder of `W` words
/// ([`remainder_words`]) and the kernel's polynomial.
///
/// It takes 4·`N` + 136·`W` bytes, as a constant of the program's read-only memory; a decode takes about 30·`T` +
/// 24·`W` bytes of stack. An encode takes two steps of `W` words a byte; a decode without errors the same; one
/// with errors `W`·64·`T` table look-ups for the syndromes, 2·`T`² for the locator, and as many as there are
/// errors for each bit of the codeword.
///
/// ```
/// use vellum_ecc::{Blank, Codec, FixedBch, Outcome, remainder_words};
///
/// // Eight errors in 512 bytes.
/// static CODE: FixedBch<{ 1 << 13 }, 8, { remainder_words(13, 8) }> =
///     match FixedBch::new(512, Blank::Codeword) {
///         Ok(code) => code,
///         Err(_) => panic!("no such code"),
///     };
///
/// let mut data = [0x42; 512];
/// let mut parity = [0; 13];
/// CODE.encode(&data, &mut parity)?;
/// data[17] ^= 0b0100_0001;
/// parity[2] ^= 0b1000_0000;
/// assert_eq!(CODE.decode(&mut data, &mut parity)?, Outcome::Corrected { bits: 3 });
/// assert_eq!(data, [0x42; 512]);
/// # Ok::<(), vellum_ecc::EccError>(())
/// ```
#[derive(Debug, Clone)]
pub struct FixedBch<const N: usize, const T: usize, const W: usize> {
    data_len: usize,
    parity_bits: usize,
    blank: Blank,
    /// `exp[i]` = α^i for i < N − 1.
    exp: [u16; N],
    /// `log[x]` for x ≠ 0.
    log: [u16; N],
    /// value·x^(64·W) mod g·x^(64·W − r), left-aligned, for each nibble.
    rows: [[u64; W]; 16],
    /// What parity is inverted by, left-aligned.
    mask: [u64; W],
}

impl<const N: usize, const T: usize, const W: usize> FixedBch<N, T, W> {
    /// Order of the field.
    const M: u32 = N.ilog2();

    /// The code over `data_len` bytes. In a constant the work is the compiler's.
    ///
    /// # Errors
    /// [`EccError::FieldOrder`], [`EccError::Strength`] or [`EccError::TooLong`] if there is no such code;
    /// [`EccError::Fixed`] if `N` is no power of two or `W` not what the code takes.
    pub const fn new(data_len: usize, blank: Blank) -> Result<Self, EccError> {
        let m = Self::M;
        if m < 5 || m > 15 {
            return Err(EccError::FieldOrder { m });
        }
        if !N.is_power_of_two() {
            return Err(EccError::Fixed { what: "elements", found: N, expected: 1 << m });
        }
        let (n, parity_bits) = (N - 1, T.saturating_mul(m as usize));
        if T == 0 || parity_bits >= n {
            return Err(EccError::Strength { t: T, m, parity_bits, field_bits: n });
        }
        let (exp, log) = Self::field();
        let mut code =
            Self { data_len, parity_bits: 0, blank, exp, log, rows: [[0; W]; 16], mask: [0; W] };
        // Lowest coefficients first, without the leading one.
        let generator = match code.generator() {
            Ok(generator) => generator,
            Err(e) => return Err(e),
        };
        let r = code.parity_bits;
        if data_len == 0 || data_len.saturating_mul(8).saturating_add(r) > n {
            return Err(EccError::TooLong { data_len, parity_bits: r, max_bits: n });
        }
        let mut i = 0;
        while i < r {
            let at = r - 1 - i;
            code.rows[1][at / 64] |= (generator[i / 64] >> (i % 64) & 1) << (63 - at % 64);
            i += 1;
        }
        code.fill_rows();
        if matches!(blank, Blank::Codeword) {
            let mut i = 0;
            while i < 2 * data_len {
                code.mask = code.step(code.mask, 0xF);
                i += 1;
            }
            let mut i = 0;
            while i < W {
                code.mask[i] = !code.mask[i];
                i += 1;
            }
        }
        Ok(code)
    }

    const fn field() -> ([u16; N], [u16; N]) {
        let (mut exp, mut log, mut x, mut i) = ([0; N], [0; N], 1usize, 0);
        while i < N - 1 {
            exp[i] = x as u16;
            log[x] = i as u16;
            x <<= 1;
            if x >= N {
                x ^= PRIMITIVE[Self::M as usize - 5] as usize;
            }
            i += 1;
        }
        (exp, log)
    }

    /// The product of the minimal polynomials of α, α³, …, each once; sets its degree.
    const fn generator(&mut self) -> Result<[u64; W], EccError> {
        let most = remainder_words(Self::M, T);
        // Room for a leading one behind the last word.
        let (mut words, mut beyond) = ([0u64; W], 0u64);
        if W == 0 || W > most {
            return Err(EccError::Fixed { what: "words", found: W, expected: most });
        }
        words[0] = 1;
        let mut degree = 0;
        let mut root = 1;
        while root < 2 * T {
            let (factor, first) = self.minimal(root);
            if first {
                let more = factor.ilog2() as usize;
                degree += more;
                if degree > 64 * W {
                    return Err(EccError::Fixed { what: "words", found: W, expected: most });
                }
                let (old, mut sum, mut over) = (words, [0u64; W], beyond * factor as u64);
                let mut shift = 0;
                while shift <= more {
                    if factor >> shift & 1 == 1 {
                        let mut i = 0;
                        while i < W {
                            sum[i] ^= old[i] << shift;
                            if shift > 0 {
                                let carry = old[i] >> (64 - shift);
                                if i + 1 < W { sum[i + 1] ^= carry } else { over ^= carry }
                            }
                            i += 1;
                        }
                    }
                    shift += 1;
                }
                (words, beyond) = (sum, over);
            }
            root += 2;
        }
        let needed = degree.div_ceil(64);
        if needed != W {
            return Err(EccError::Fixed { what: "words", found: W, expected: needed });
        }
        self.parity_bits = degree;
        if degree % 64 != 0 {
            words[degree / 64] ^= 1 << (degree % 64);
        }
        Ok(words)
    }

    /// The minimal polynomial of α^`i`, and whether no smaller power is a root of it.
    const fn minimal(&self, i: usize) -> (u32, bool) {
        let n = N - 1;
        let (mut product, mut len) = ([0u16; 17], 1);
        product[0] = 1;
        let (mut conjugate, mut first) = (i % n, true);
        loop {
            let root = self.exp[conjugate];
            let mut k = len;
            loop {
                let below = if k == 0 { 0 } else { product[k - 1] };
                product[k] = below ^ self.mul(product[k], root);
                if k == 0 {
                    break;
                }
                k -= 1;
            }
            len += 1;
            conjugate = conjugate * 2 % n;
            if conjugate == i % n {
                break;
            }
            first = first && conjugate > i;
        }
        let (mut bits, mut k) = (0, 0);
        while k < len {
            bits |= (product[k] as u32) << k;
            k += 1;
        }
        (bits, first && i < n)
    }

    const fn mul(&self, a: u16, b: u16) -> u16 {
        if a == 0 || b == 0 {
            return 0;
        }
        self.exp[(self.log[a as usize] as usize + self.log[b as usize] as usize) % (N - 1)]
    }

    /// All rows from that of 1.
    const fn fill_rows(&mut self) {
        let mut value = 2;
        while value < 16 {
            let half = self.rows[value / 2];
            let mut row = [0; W];
            let carry = half[0] >> 63 == 1;
            let mut i = 0;
            while i < W {
                row[i] = half[i] << 1;
                if i + 1 < W {
                    row[i] |= half[i + 1] >> 63;
                }
                if carry {
                    row[i] ^= self.rows[1][i];
                }
                if value % 2 == 1 {
                    row[i] ^= self.rows[1][i];
                }
                i += 1;
            }
            self.rows[value] = row;
            value += 1;
        }
    }

    /// A nibble of data.
    const fn step(&self, state: [u64; W], nibble: u8) -> [u64; W] {
        let row = &self.rows[(state[0] >> 60) as usize ^ nibble as usize];
        let (mut next, mut i) = ([0; W], 0);
        while i < W {
            next[i] = state[i] << 4 ^ row[i];
            if i + 1 < W {
                next[i] ^= state[i + 1] >> 60;
            }
            i += 1;
        }
        next
    }

    /// The remainder as it is stored, left-aligned.
    fn parity(&self, data: &[u8]) -> [u64; W] {
        let state = data
            .iter()
            .fold([0; W], |state, byte| self.step(self.step(state, byte >> 4), byte & 0xF));
        core::array::from_fn(|i| state[i] ^ self.mask[i])
    }

    /// Byte `i` of a stored remainder.
    fn byte(&self, words: &[u64; W], i: usize) -> u8 {
        let filler = if self.blank == Blank::Codeword { 0xFF } else { 0 };
        words.get(i / 8).map_or(filler, |word| word.to_be_bytes()[i % 8])
    }

    /// Bit numbers of the errors, from the codeword's first bit, and how many; `None` if no `T` explain it.
    fn places(&self, difference: &[u64; W]) -> Option<([u16; T], usize)> {
        let n = N - 1;
        let mut syndromes = [[0u16; 2]; T];
        for at in 0..self.parity_bits {
            if difference[at / 64] >> (63 - at % 64) & 1 == 1 {
                let e = self.parity_bits - 1 - at;
                for (i, pair) in syndromes.iter_mut().enumerate() {
                    pair[0] ^= self.exp[e * (2 * i + 1) % n];
                }
            }
        }
        for j in 0..T {
            // S_2j = S_j².
            let half = syndromes.as_flattened()[j];
            syndromes.as_flattened_mut()[2 * j + 1] = self.mul(half, half);
        }
        let (locator, errors) = self.locator(syndromes.as_flattened())?;
        let mut places = [0; T];
        let mut found = 0;
        let bits = self.data_len * 8 + self.parity_bits;
        for e in 0..bits {
            // Λ(α^−e)
            let term = |(k, c): (usize, &u16)| match *c {
                0 => 0,
                c => self.exp[(usize::from(self.log[usize::from(c)]) + k * (n - e)) % n],
            };
            let value = locator.as_flattened()[..=errors]
                .iter()
                .enumerate()
                .map(term)
                .fold(0, |a, b| a ^ b);
            if value == 0 {
                *places.get_mut(found)? = (bits - 1 - e) as u16;
                found += 1;
            }
        }
        (found == errors).then_some((places, errors))
    }

    /// The error locator by Berlekamp and Massey, every second round left out, and its degree.
    fn locator(&self, syndromes: &[u16]) -> Option<([[u16; 4]; T], usize)> {
        let n = N - 1;
        // T + 2 coefficients at most.
        let mut polynomial = [[0; 4]; T];
        polynomial[0][0] = 1;
        let mut before = polynomial;
        let (mut errors, mut before_len, mut before_log, mut shift) = (0, 1, 0, 1);
        for k in (0..2 * T).step_by(2) {
            let (old, lambda) = (polynomial, polynomial.as_flattened_mut());
            let discrepancy = (1..=errors)
                .fold(syndromes[k], |sum, i| sum ^ self.mul(lambda[i], syndromes[k - i]));
            if discrepancy != 0 {
                let log = usize::from(self.log[usize::from(discrepancy)]);
                let factor = self.exp[(log + n - before_log) % n];
                for (i, c) in before.as_flattened()[..before_len].iter().enumerate() {
                    match (lambda.get_mut(i + shift), self.mul(factor, *c)) {
                        (_, 0) => {}
                        (Some(to), term) => *to ^= term,
                        (None, _) => return None,
                    }
                }
                if 2 * errors <= k {
                    (before, before_len, before_log) = (old, errors + 1, log);
                    (errors, shift) = (k + 1 - errors, 0);
                    if errors > T {
                        return None;
                    }
                }
            }
            shift += 2;
        }
        (polynomial.as_flattened()[errors] != 0).then_some((polynomial, errors))
    }
}

impl<const N: usize, const T: usize, const W: usize> Codec for FixedBch<N, T, W> {
    fn data_len(&self) -> usize {
        self.data_len
    }

    fn parity_len(&self) -> usize {
        (Self::M as usize * T).div_ceil(8)
    }

    fn strength(&self) -> usize {
        T
    }

    fn encode(&self, data: &[u8], parity: &mut [u8]) -> Result<(), EccError> {
        check_lengths(self, data.len(), parity.len())?;
        let words = self.parity(data);
        parity.iter_mut().enumerate().for_each(|(i, to)| *to = self.byte(&words, i));
        Ok(())
    }

    fn decode(&self, data: &mut [u8], parity: &mut [u8]) -> Result<Outcome, EccError> {
        check_lengths(self, data.len(), parity.len())?;
        if let Some(erased) = blank::restore(data, parity, self.blank_threshold()) {
            return Ok(erased);
        }
        let mut difference = self.parity(data);
        for at in 0..self.parity_bits {
            let bit = u64::from(parity[at / 8] >> (7 - at % 8) & 1);
            difference[at / 64] ^= bit << (63 - at % 64);
        }
        // What is behind the last bit does not count.
        let spare = (64 * W - self.parity_bits) as u32;
        difference[W - 1] = difference[W - 1] >> spare << spare;
        if difference == [0; W] {
            return Ok(Outcome::Corrected { bits: 0 });
        }
        let Some((places, errors)) = self.places(&difference) else {
            return Ok(Outcome::Uncorrectable);
        };
        for &place in &places[..errors] {
            flip(data, parity, place.into());
        }
        Ok(Outcome::Corrected { bits: errors as u32 })
    }
}
