//! A CRC beside a code, so that a miscorrection is caught: [`Checked`].

use crate::codec::{Codec, EccError, Outcome, check_lengths};
use alloc::vec;

/// Bytes of the CRC.
const CRC: usize = 4;

/// Another code with a CRC-32 (IEEE 802.3) of the data inside each codeword.
///
/// The codec within guards data and CRC alike, so the CRC costs four bytes of its data and corrects
/// with the rest. Data that comes out wrong passes with probability 2⁻³², whatever the code within
/// made of it: what reaches the caller unseen is at most its
/// [miscorrection](crate::Bch::miscorrection) × 2⁻³².
///
/// Bytes within are data then CRC, stored inverted so that all-ones data has an all-ones CRC; the
/// parity buffer is the CRC followed by the parity of the code within.
///
/// ```
/// use vellum_ecc::{Bch, BchParams, Checked, Codec, Outcome};
///
/// let code = Checked::new(Bch::new(BchParams::nand(13, 4, 516))?);
/// assert_eq!((code.data_len(), code.parity_len()), (512, 4 + 7));
/// let mut data = [7; 512];
/// let mut parity = [0; 11];
/// code.encode(&data, &mut parity)?;
/// data[9] ^= 1;
/// parity[1] ^= 1;
/// assert_eq!(code.decode(&mut data, &mut parity)?, Outcome::Corrected { bits: 2 });
/// # Ok::<(), vellum_ecc::EccError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Checked<C> {
    within: C,
    /// CRC of all-ones data, inverted: what makes it all ones.
    mask: u32,
}

impl<C: Codec> Checked<C> {
    /// Guards `within`, whose data is four bytes longer than the data of the whole.
    #[must_use]
    pub fn new(within: C) -> Self {
        let blank = crc32fast::hash(&vec![0xFF; within.data_len().saturating_sub(CRC)]);
        Self { within, mask: !blank }
    }

    /// The code within.
    #[must_use]
    pub fn within(&self) -> &C {
        &self.within
    }

    /// Decodes by the code within, and believes it if the CRC agrees.
    fn decode_within(
        &self,
        data: &mut [u8],
        parity: &mut [u8],
        decode: impl FnOnce(&mut [u8], &mut [u8]) -> Result<Outcome, EccError>,
    ) -> Result<Outcome, EccError> {
        check_lengths(self, data.len(), parity.len())?;
        let (crc, rest) = parity.split_at_mut(CRC);
        let mut message = [&*data, &*crc].concat();
        let mut trial = rest.to_vec();
        let outcome = decode(&mut message, &mut trial)?;
        let (decoded, stored) = message.split_at(data.len());
        if !outcome.is_ok() || self.crc(decoded) != stored {
            return Ok(Outcome::Uncorrectable);
        }
        data.copy_from_slice(decoded);
        crc.copy_from_slice(stored);
        rest.copy_from_slice(&trial);
        Ok(outcome)
    }

    /// The CRC as it is stored.
    fn crc(&self, data: &[u8]) -> [u8; CRC] {
        (crc32fast::hash(data) ^ self.mask).to_le_bytes()
    }
}

impl<C: Codec> Codec for Checked<C> {
    fn data_len(&self) -> usize {
        self.within.data_len().saturating_sub(CRC)
    }

    fn parity_len(&self) -> usize {
        self.within.parity_len() + CRC
    }

    fn strength(&self) -> usize {
        self.within.strength()
    }

    fn blank_threshold(&self) -> usize {
        self.within.blank_threshold()
    }

    fn encode(&self, data: &[u8], parity: &mut [u8]) -> Result<(), EccError> {
        check_lengths(self, data.len(), parity.len())?;
        let (crc, parity) = parity.split_at_mut(CRC);
        crc.copy_from_slice(&self.crc(data));
        self.within.encode(&[data, crc].concat(), parity)
    }

    fn decode(&self, data: &mut [u8], parity: &mut [u8]) -> Result<Outcome, EccError> {
        self.decode_within(data, parity, |data, parity| self.within.decode(data, parity))
    }

    /// Data and CRC are the data of the code within, so a read is the same to it.
    fn decode_reads(
        &self,
        reads: &[&[u8]],
        data: &mut [u8],
        parity: &mut [u8],
    ) -> Result<Outcome, EccError> {
        self.decode_within(data, parity, |data, parity| {
            self.within.decode_reads(reads, data, parity)
        })
    }
}
