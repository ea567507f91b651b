//! The contract every code of this crate meets: [`Codec`], what a decode came to ([`Outcome`]), and
//! how a call can be wrong ([`EccError`]).

use thiserror::Error;

/// What came of decoding one codeword. Not an error: an uncorrectable page is a normal event for
/// whoever stores data on flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Outcome {
    /// The buffers hold a codeword again. `bits` were wrong, in data and parity together; zero
    /// means that the codeword was read clean.
    Corrected {
        /// How many bits were flipped back.
        bits: u32,
    },
    /// The codeword was never programmed: it is all ones but for at most
    /// [`blank_threshold`](Codec::blank_threshold) bits. Both buffers now hold `0xFF` alone.
    Erased {
        /// How many bits read as zero and were set.
        bits: u32,
    },
    /// More bits are wrong than the code can say. The buffers hold what was read, unchanged.
    Uncorrectable,
}

impl Outcome {
    /// The bits set right, or `None` if the data is lost.
    #[must_use]
    pub fn bits(self) -> Option<u32> {
        match self {
            Self::Corrected { bits } | Self::Erased { bits } => Some(bits),
            Self::Uncorrectable => None,
        }
    }

    /// Whether the data buffer can be used.
    #[must_use]
    pub fn is_ok(self) -> bool {
        self != Self::Uncorrectable
    }
}

/// A call that no reading of the medium explains: a buffer of the wrong length, or a code that
/// cannot exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EccError {
    /// The data buffer does not fit the code.
    #[error("data of {found} bytes, the code takes {expected}")]
    DataLength {
        /// The length given.
        found: usize,
        /// The length the code takes.
        expected: usize,
    },
    /// The parity buffer does not fit the code.
    #[error("parity of {found} bytes, the code has {expected}")]
    ParityLength {
        /// The length given.
        found: usize,
        /// The length of the code's parity.
        expected: usize,
    },
    /// A batch whose data and parity hold different numbers of codewords.
    #[error(
        "batch of {data} data bytes and {parity} parity bytes is not whole codewords of {data_len} + {parity_len}"
    )]
    BatchLength {
        /// Length of the data given.
        data: usize,
        /// Length of the parity given.
        parity: usize,
        /// Data bytes of a codeword.
        data_len: usize,
        /// Parity bytes of a codeword.
        parity_len: usize,
    },
    /// The Galois field's order is outside 5..=15.
    #[error("field order {m} is outside 5..=15")]
    FieldOrder {
        /// The order asked for.
        m: u32,
    },
    /// The polynomial does not generate all of the field's non-zero elements.
    #[error("polynomial {polynomial:#x} is not primitive of degree {m}")]
    NotPrimitive {
        /// The polynomial asked for, bit *i* the coefficient of *x^i*.
        polynomial: u32,
        /// The degree it should have.
        m: u32,
    },
    /// A code that corrects `t` errors does not fit the field.
    #[error("{t} errors need {parity_bits} parity bits, the field of order {m} has {field_bits}")]
    Strength {
        /// Errors to correct.
        t: usize,
        /// Field order.
        m: u32,
        /// Parity bits that `t` asks for: *m·t*.
        parity_bits: usize,
        /// Bits of the longest codeword: *2^m − 1*.
        field_bits: usize,
    },
    /// Data and parity together are longer than the code allows.
    #[error(
        "codeword of {data_len} data bytes and {parity_bits} parity bits exceeds {max_bits} bits"
    )]
    TooLong {
        /// Data bytes asked for.
        data_len: usize,
        /// Parity bits of the code.
        parity_bits: usize,
        /// The longest codeword in bits.
        max_bits: usize,
    },
    /// A [`FixedBch`](crate::FixedBch) whose sizes do not fit its code.
    #[error("{found} {what}, the code takes {expected}")]
    Fixed {
        /// Which size.
        what: &'static str,
        /// The size given.
        found: usize,
        /// The size that the code takes.
        expected: usize,
    },
    /// More pages than a stripe can have.
    #[error("stripe of {pages} pages, at most 255 are possible")]
    Stripe {
        /// Pages given.
        pages: usize,
    },
    /// More pages of a stripe are lost than its parity can bring back.
    #[error("{pages} pages lost with {parity} pages of parity at hand")]
    Lost {
        /// Pages lost.
        pages: usize,
        /// Pages of parity at hand.
        parity: usize,
    },
    /// A quasi-cyclic code with these dimensions cannot be built.
    #[error("no quasi-cyclic code of {rows} x {columns} circulants of {circulant} bits: {why}")]
    Construction {
        /// Block rows asked for.
        rows: usize,
        /// Block columns asked for.
        columns: usize,
        /// Circulant size asked for.
        circulant: usize,
        /// What is wrong with them.
        why: &'static str,
    },
}

/// An error-correcting code over whole bytes: so much data, so much parity beside it.
///
/// Implementations are immutable after construction and take `&self`, so that one codec serves
/// every page of a chip, from any thread.
pub trait Codec {
    /// Data bytes of a codeword.
    fn data_len(&self) -> usize;

    /// Parity bytes of a codeword.
    fn parity_len(&self) -> usize;

    /// Bit errors in a codeword that are corrected for certain. Zero if the code promises no number
    /// (an LDPC code corrects by probability).
    fn strength(&self) -> usize;

    /// Zero bits up to which an otherwise all-ones codeword counts as [`Outcome::Erased`].
    fn blank_threshold(&self) -> usize {
        self.strength()
    }

    /// Writes the parity of `data`.
    ///
    /// # Errors
    /// [`EccError::DataLength`] or [`EccError::ParityLength`] if a buffer does not fit.
    fn encode(&self, data: &[u8], parity: &mut [u8]) -> Result<(), EccError>;

    /// Sets wrong bits of `data` and `parity` right, in place.
    ///
    /// # Errors
    /// [`EccError::DataLength`] or [`EccError::ParityLength`] if a buffer does not fit. Too many
    /// wrong bits are an [`Outcome`], not an error.
    fn decode(&self, data: &mut [u8], parity: &mut [u8]) -> Result<Outcome, EccError>;

    /// Encodes every codeword of a page: `data` holds them one after the other, `parity` likewise.
    ///
    /// # Errors
    /// [`EccError::BatchLength`] if the buffers do not hold the same number of whole codewords.
    fn encode_batch(&self, data: &[u8], parity: &mut [u8]) -> Result<(), EccError> {
        check_batch(self, data.len(), parity.len())?;
        let words = data.chunks_exact(self.data_len());
        for (data, parity) in words.zip(parity.chunks_exact_mut(self.parity_len())) {
            self.encode(data, parity)?;
        }
        Ok(())
    }

    /// Decodes every codeword of a page and tells `each` what came of it, in order.
    ///
    /// # Errors
    /// [`EccError::BatchLength`] if the buffers do not hold the same number of whole codewords.
    fn decode_batch(
        &self,
        data: &mut [u8],
        parity: &mut [u8],
        each: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), EccError> {
        check_batch(self, data.len(), parity.len())?;
        let words = data.chunks_exact_mut(self.data_len());
        for (i, (data, parity)) in words.zip(parity.chunks_exact_mut(self.parity_len())).enumerate()
        {
            each(i, self.decode(data, parity)?);
        }
        Ok(())
    }
}

/// Flips a bit of a codeword, counted from the data's first on.
pub(crate) fn flip(data: &mut [u8], parity: &mut [u8], place: usize) {
    let (bytes, place) = match place.checked_sub(data.len() * 8) {
        None => (data, place),
        Some(place) => (parity, place),
    };
    bytes[place / 8] ^= 0x80 >> (place % 8);
}

/// Checks both buffers of one codeword.
pub(crate) fn check_lengths<C: Codec + ?Sized>(
    codec: &C,
    data: usize,
    parity: usize,
) -> Result<(), EccError> {
    if data != codec.data_len() {
        return Err(EccError::DataLength { found: data, expected: codec.data_len() });
    }
    if parity != codec.parity_len() {
        return Err(EccError::ParityLength { found: parity, expected: codec.parity_len() });
    }
    Ok(())
}

/// Checks both buffers of a batch.
pub(crate) fn check_batch<C: Codec + ?Sized>(
    codec: &C,
    data: usize,
    parity: usize,
) -> Result<(), EccError> {
    let (data_len, parity_len) = (codec.data_len(), codec.parity_len());
    let whole = data.is_multiple_of(data_len) && parity.is_multiple_of(parity_len);
    if whole && data / data_len == parity / parity_len {
        Ok(())
    } else {
        Err(EccError::BatchLength { data, parity, data_len, parity_len })
    }
}
