//! Binary BCH codes, bit for bit those of the Linux kernel's BCH library.
//!
//! Data is read most significant bit first and divided, shifted by the parity's length, by the
//! generator; the remainder, left-aligned in ⌈m·t/8⌉ bytes, is the parity. A decode divides again
//! and compares, so that a clean codeword costs one encode; otherwise syndromes come from the
//! difference of the remainders ([`syndrome`]), the error locator from Berlekamp–Massey
//! ([`locator`]) and its roots from closed forms, the trace algorithm ([`roots`]) or, where the
//! processor can, norms or a search over all places.
//!
//! # Beyond t
//! A word with more than t errors is refused or, rarely, taken for another codeword's: a random
//! word lies within t of a codeword with probability [`Bch::miscorrection`]. [`Checked`]
//! bounds what slips through by a CRC.
//!
//! [`Checked`]: crate::Checked

mod closed;
mod division;
mod find;
mod generator;
mod lines;
mod locator;
mod remainder;
mod roots;
mod syndrome;

use crate::blank;
use crate::codec::{Codec, EccError, Outcome, check_lengths, flip};
use crate::field::Field;
use crate::kernels::Kernels;
use crate::params::{BchParams, Blank};
use alloc::vec;
use alloc::vec::Vec;
use division::Division;
use find::Finder;
#[cfg(all(test, feature = "std", target_arch = "x86_64"))]
pub(crate) use locator::locator as plain_locator;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub(crate) use remainder::Divider;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub(crate) use roots::{CLOSED, Solver};

/// A binary BCH code with its tables.
///
/// ```
/// use vellum_ecc::{Bch, BchParams, Codec, Outcome};
///
/// let code = Bch::new(BchParams::new(13, 4, 512))?;
/// let mut data = [0xC3; 512];
/// let mut parity = vec![0; code.parity_len()];
/// code.encode(&data, &mut parity)?;
/// for bit in [5, 700, 2048, 4000] {
///     data[bit / 8] ^= 1 << (bit % 8);
/// }
/// assert_eq!(code.decode(&mut data, &mut parity)?, Outcome::Corrected { bits: 4 });
/// assert_eq!(data, [0xC3; 512]);
/// # Ok::<(), vellum_ecc::EccError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bch {
    params: BchParams,
    kernels: Kernels,
    field: Field,
    /// Bits of parity: the generator's degree.
    parity_bits: usize,
    division: Division,
    finder: Finder,
    /// What parity is inverted by, left-aligned words.
    mask: Vec<u64>,
}

impl Bch {
    /// Builds the code and its tables: 6·2^m bytes for the field; for division 16 KiB a 64 bits of
    /// parity (144 KiB for 321 to 576 bits), or 2 KiB (compact kernels), or with carry-less
    /// multiplication as many bytes as the data has a 64 bits of parity, at most; 256·t bytes for the
    /// search; at most 128 KiB for syndromes.
    ///
    /// # Errors
    /// [`EccError::FieldOrder`], [`EccError::NotPrimitive`], [`EccError::Strength`] or
    /// [`EccError::TooLong`] if there is no such code.
    pub fn new(params: BchParams) -> Result<Self, EccError> {
        Self::with_kernels(params, Kernels::detect())
    }

    /// The same with a choice of kernels; what the processor lacks is not used.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_kernels(params: BchParams, kernels: Kernels) -> Result<Self, EccError> {
        let BchParams { m, t, data_len, .. } = params;
        let kernels = kernels.min(Kernels::detect());
        let field = Field::new(m, params.polynomial)?;
        let asked = t.saturating_mul(m as usize);
        if t == 0 || asked >= field.n() {
            return Err(EccError::Strength { t, m, parity_bits: asked, field_bits: field.n() });
        }
        let generator = generator::generator(&field, t);
        let parity_bits = generator.degree();
        let bits = data_len.saturating_mul(8).saturating_add(parity_bits);
        if data_len == 0 || bits > field.n() {
            return Err(EccError::TooLong { data_len, parity_bits, max_bits: field.n() });
        }
        let division = Division::new(&generator, kernels, data_len);
        let mut mask = vec![0; parity_bits.div_ceil(64)];
        if params.blank == Blank::Codeword {
            division.divide(&vec![0xFF; data_len], &mut mask);
            mask.iter_mut().for_each(|word| *word = !*word);
        }
        Ok(Self {
            params,
            kernels,
            parity_bits,
            division,
            finder: Finder::new(kernels, &field, t, bits, parity_bits),
            mask,
            field,
        })
    }

    /// What the code was built from; `polynomial` is filled in.
    #[must_use]
    pub fn params(&self) -> BchParams {
        BchParams { polynomial: Some(self.field.polynomial()), ..self.params }
    }

    /// Bits of parity: at most m·t, and what is left of the parity's last byte is filler.
    #[must_use]
    pub fn parity_bits(&self) -> usize {
        self.parity_bits
    }

    /// The probability that a word at random is taken for a codeword with errors: the share of all
    /// words that lie within t of one, Σ C(n, i)/2^r for i ≤ t, n the codeword's bits and r the
    /// parity's. It bounds what more than t errors make of a page that a decode accepts, closely
    /// once they are well beyond t.
    #[must_use]
    pub fn miscorrection(&self) -> f64 {
        let n = self.bits() as f64;
        // Σ C(n, i)·2^−r, each term from the one before; scaled by halves to stay in range.
        let mut halvings = self.parity_bits;
        let (mut term, mut sum) = (1.0f64, 1.0f64);
        for i in 1..=self.params.t {
            term *= (n - i as f64 + 1.0) / i as f64;
            sum += term;
            while sum > 1.0 && halvings > 0 {
                (term, sum, halvings) = (term / 2.0, sum / 2.0, halvings - 1);
            }
        }
        for _ in 0..halvings {
            sum /= 2.0;
        }
        sum
    }

    /// What parity bits beyond the generator's degree hold.
    fn filler(&self) -> u8 {
        match self.params.blank {
            Blank::Plain => 0,
            Blank::Codeword => 0xFF,
        }
    }

    /// The kernels in use.
    #[must_use]
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Calls `then` with room for a remainder, which is zero.
    #[inline]
    fn with_remainder<R>(&self, then: impl FnOnce(&mut [u64]) -> R) -> R {
        let words = self.mask.len();
        let mut short = [0; SHORT_WORDS];
        match short.get_mut(..words) {
            Some(state) => then(state),
            None => then(&mut vec![0; words]),
        }
    }

    /// Adds `parity` ⊕ mask to the computed remainder; filler bits do not count. Tells whether
    /// anything is left.
    fn subtract(&self, computed: &mut [u64], parity: &[u8]) -> bool {
        let (whole, tail) = parity.as_chunks::<8>();
        let mut words = computed.iter_mut().zip(&self.mask);
        for (stored, (word, mask)) in whole.iter().zip(words.by_ref()) {
            *word ^= mask ^ u64::from_be_bytes(*stored);
        }
        if let (Some((word, mask)), [_, ..]) = (words.next(), tail) {
            *word ^= mask ^ first_bytes(tail);
        }
        if let (Some(word), bits @ 1..) = (computed.last_mut(), self.parity_bits % 64) {
            *word &= !(u64::MAX >> bits);
        }
        computed.iter().fold(0, |all, word| all | word) != 0
    }

    /// Bits of a codeword.
    fn bits(&self) -> usize {
        self.params.data_len * 8 + self.parity_bits
    }
}

/// Remainders up to this many words live on the stack.
const SHORT_WORDS: usize = 16;

/// Fewer than eight bytes as the highest of a word: one by one, cheaper than a copy of unknown length.
fn first_bytes(bytes: &[u8]) -> u64 {
    bytes.iter().zip(0..).fold(0, |word, (byte, i)| word | u64::from(*byte) << (56 - 8 * i))
}

impl Codec for Bch {
    fn data_len(&self) -> usize {
        self.params.data_len
    }

    fn parity_len(&self) -> usize {
        (self.params.m as usize * self.params.t).div_ceil(8)
    }

    fn strength(&self) -> usize {
        self.params.t
    }

    fn encode(&self, data: &[u8], parity: &mut [u8]) -> Result<(), EccError> {
        check_lengths(self, data.len(), parity.len())?;
        if self.division.encode(data, &self.mask, parity) {
            return Ok(());
        }
        self.with_remainder(|remainder| {
            self.division.divide(data, remainder);
            let mut words = remainder.iter().zip(&self.mask).map(|(word, mask)| word ^ mask);
            let (whole, tail) = parity.as_chunks_mut::<8>();
            // A degenerate code has fewer parity bits than the bytes that m·t asks for.
            let filler = [self.filler(); 8];
            for to in whole {
                *to = words.next().map_or(filler, u64::to_be_bytes);
            }
            let last = words.next().unwrap_or(u64::from_ne_bytes(filler));
            // Few bytes: cheaper one by one than a copy of unknown length.
            for (to, i) in tail.iter_mut().zip(0..) {
                *to = (last >> (56 - 8 * i)) as u8;
            }
        });
        Ok(())
    }

    fn decode(&self, data: &mut [u8], parity: &mut [u8]) -> Result<Outcome, EccError> {
        check_lengths(self, data.len(), parity.len())?;
        if let Some(erased) = blank::restore(data, parity, self.blank_threshold()) {
            return Ok(erased);
        }
        let located = self.with_remainder(|remainder| {
            let clean = self.division.divide_unless(data, &self.mask, parity, remainder)
                || !self.subtract(remainder, parity);
            if clean { Some(Vec::new()) } else { self.finder.places(&self.field, remainder) }
        });
        let Some(places) = located else { return Ok(Outcome::Uncorrectable) };
        for place in &places {
            flip(data, parity, *place);
        }
        Ok(Outcome::Corrected { bits: places.len() as u32 })
    }
}
