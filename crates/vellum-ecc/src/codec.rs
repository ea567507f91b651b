//! The contract every code of this crate meets: [`Codec`], and what a decode came to ([`Outcome`]).

pub use crate::error::EccError;

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

    /// Decodes what `data` and `parity` hold with the help of further reads of the same cells at shifted voltages:
    /// `reads` are data and parity in one piece each, the first of them what the buffers hold. A code that takes
    /// soft decisions believes the less of a bit the less the reads agree on it; one that does not tries one read
    /// after the other. The buffers change only where a codeword is found; the bits are those wrong in the buffers.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), and [`EccError::DataLength`] for a read that is not as long as a codeword.
    #[cfg(feature = "alloc")]
    fn decode_reads(
        &self,
        reads: &[&[u8]],
        data: &mut [u8],
        parity: &mut [u8],
    ) -> Result<Outcome, EccError> {
        check_reads(self, reads, data.len(), parity.len())?;
        for read in reads {
            let mut word = read.to_vec();
            let (trial, check) = word.split_at_mut(data.len());
            let outcome = self.decode(trial, check)?;
            if outcome.is_ok() {
                let bits = differences(data, trial) + differences(parity, check);
                data.copy_from_slice(trial);
                parity.copy_from_slice(check);
                return Ok(match outcome {
                    Outcome::Erased { .. } => Outcome::Erased { bits },
                    _ => Outcome::Corrected { bits },
                });
            }
        }
        Ok(Outcome::Uncorrectable)
    }

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

/// Bits in which two buffers differ.
#[cfg(feature = "alloc")]
fn differences(one: &[u8], other: &[u8]) -> u32 {
    one.iter().zip(other).map(|(a, b)| (a ^ b).count_ones()).sum()
}

/// Checks the buffers of one codeword, and that reads of it are as long.
#[cfg(feature = "alloc")]
fn check_reads<C: Codec + ?Sized>(
    codec: &C,
    reads: &[&[u8]],
    data: usize,
    parity: usize,
) -> Result<(), EccError> {
    check_lengths(codec, data, parity)?;
    let expected = data + parity;
    match reads.iter().find(|read| read.len() != expected) {
        Some(read) => Err(EccError::DataLength { found: read.len(), expected }),
        None => Ok(()),
    }
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
