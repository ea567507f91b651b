//! Hamming SEC-DED for 256 and 512 bytes: three bytes of parity correct one wrong bit and detect
//! two, as on SmartMedia cards and in Linux's software ECC.
//!
//! The code is a product of parities: for each bit *k* of a byte's index, one parity over the bytes
//! whose index has it clear and one over those that have it set (line parity, LP), and the same for
//! the index of a bit within its byte (column parity, CP). One wrong bit flips exactly one parity
//! of each pair, and the odd ones spell its address. Parities are stored inverted, so that an
//! erased page is a codeword.
//!
//! ```text
//!  SmartMedia order      byte 0: LP07…LP00   byte 1: LP15…LP08   byte 2: CP5…CP0 LP17 LP16
//!  Linux' usual order    byte 0: LP15…LP08   byte 1: LP07…LP00   byte 2: CP5…CP0 LP17 LP16
//! ```
//! With 256 bytes LP17 and LP16 do not exist and read as ones.

use crate::blank;
use crate::codec::{Codec, EccError, Outcome, check_lengths};

/// The order of the two bytes of line parity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ByteOrder {
    /// Low line parities first, as SmartMedia has it.
    SmartMedia,
    /// High line parities first: Linux without `sm-order`.
    #[default]
    Linux,
}

/// How much data three parity bytes guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Step {
    /// 256 bytes, 22 parity bits.
    #[default]
    Bytes256,
    /// 512 bytes, 24 parity bits.
    Bytes512,
}

/// The Hamming code. Encode reads each byte once; decode adds constant work.
///
/// ```
/// use vellum_ecc::{Codec, Hamming, HammingOrder, HammingStep, Outcome};
///
/// let code = Hamming::new(HammingStep::Bytes256, HammingOrder::Linux);
/// let mut data = [0x5A; 256];
/// let mut parity = [0; 3];
/// code.encode(&data, &mut parity)?;
/// data[100] ^= 0x10;
/// assert_eq!(code.decode(&mut data, &mut parity)?, Outcome::Corrected { bits: 1 });
/// assert_eq!(data, [0x5A; 256]);
/// # Ok::<(), vellum_ecc::EccError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hamming {
    step: Step,
    order: ByteOrder,
}

/// Bits of the first or second line parity byte, and of the third, that belong to odd parities
/// (index bit set).
const ODD: u32 = 0xAAAA_AAAA;

impl Hamming {
    /// The code over `step` bytes with its line parity in `order`.
    #[must_use]
    pub fn new(step: Step, order: ByteOrder) -> Self {
        Self { step, order }
    }

    /// Index bits of a byte: 8 or 9.
    fn index_bits(self) -> usize {
        match self.step {
            Step::Bytes256 => 8,
            Step::Bytes512 => 9,
        }
    }

    /// All parities of `data`, uninverted: bits 0…17 are LP00…LP17, bits 18…23 are CP0…CP5.
    fn parities(self, data: &[u8]) -> u32 {
        // The lowest three index bits are the byte's place in a 64-bit word, the rest the word's.
        let (mut all, mut set) = (0u64, [0u64; 6]);
        for (i, word) in data.chunks_exact(8).enumerate() {
            let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
            all ^= word;
            for (k, set) in set.iter_mut().enumerate() {
                *set ^= word & 0u64.wrapping_sub(i as u64 >> k & 1);
            }
        }
        let odd = |word: u64| word.count_ones() & 1;
        let mut parities = 0;
        let mut pair = |k: usize, set: u32| {
            parities |= (odd(all) ^ set) << (2 * k) | set << (2 * k + 1);
        };
        for (k, mask) in LANES.into_iter().enumerate() {
            pair(k, odd(all & mask));
        }
        for k in 3..self.index_bits() {
            pair(k, odd(set[k - 3]));
        }
        for (k, mask) in [0xAA, 0xCC, 0xF0].into_iter().enumerate() {
            pair(9 + k, odd(all & (mask * 0x0101_0101_0101_0101)));
        }
        parities
    }

    /// Parities as they are stored: inverted, in this code's byte order.
    fn pack(self, parities: u32) -> [u8; 3] {
        let inverted = !parities;
        let (low, high) = (inverted as u8, (inverted >> 8) as u8);
        let column = (inverted >> 16) as u8;
        match self.order {
            ByteOrder::SmartMedia => [low, high, column],
            ByteOrder::Linux => [high, low, column],
        }
    }

    /// The reverse of [`pack`](Self::pack).
    fn unpack(self, stored: &[u8]) -> u32 {
        let (low, high) = match self.order {
            ByteOrder::SmartMedia => (stored[0], stored[1]),
            ByteOrder::Linux => (stored[1], stored[0]),
        };
        !u32::from_le_bytes([low, high, stored[2], 0xFF])
    }
}

/// Bytes of a little-endian word whose index has bit 0, 1 or 2 set.
const LANES: [u64; 3] = [0xFF00_FF00_FF00_FF00, 0xFFFF_0000_FFFF_0000, 0xFFFF_FFFF_0000_0000];

/// Gathers the odd bits of `syndrome` (1, 3, 5…) into a number.
fn odd_bits(syndrome: u32) -> usize {
    (0..12).fold(0, |n, k| n | (syndrome as usize >> (2 * k + 1) & 1) << k)
}

impl Codec for Hamming {
    fn data_len(&self) -> usize {
        1 << self.index_bits()
    }

    fn parity_len(&self) -> usize {
        3
    }

    fn strength(&self) -> usize {
        1
    }

    fn encode(&self, data: &[u8], parity: &mut [u8]) -> Result<(), EccError> {
        check_lengths(self, data.len(), parity.len())?;
        parity.copy_from_slice(&self.pack(self.parities(data)));
        Ok(())
    }

    fn decode(&self, data: &mut [u8], parity: &mut [u8]) -> Result<Outcome, EccError> {
        check_lengths(self, data.len(), parity.len())?;
        if let Some(erased) = blank::restore(data, parity, self.blank_threshold()) {
            return Ok(erased);
        }
        let computed = self.parities(data);
        let syndrome = self.unpack(parity) ^ computed;
        if syndrome == 0 {
            return Ok(Outcome::Corrected { bits: 0 });
        }
        // Pairs that exist: all but LP16 and LP17 with 256 bytes.
        let pairs: u32 = match self.step {
            Step::Bytes256 => 0x00FC_FFFF,
            Step::Bytes512 => 0x00FF_FFFF,
        };
        if (syndrome ^ syndrome >> 1) & !ODD & pairs == !ODD & pairs {
            let address = odd_bits(syndrome);
            data[address & (self.data_len() - 1)] ^= 1 << (address >> 9);
            // A flipped filler bit may come with it; the parity is made whole again.
            parity.copy_from_slice(&self.pack(self.parities(data)));
            return Ok(Outcome::Corrected { bits: 1 });
        }
        if syndrome.count_ones() == 1 {
            parity.copy_from_slice(&self.pack(computed));
            return Ok(Outcome::Corrected { bits: 1 });
        }
        Ok(Outcome::Uncorrectable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    const CODES: [(Step, ByteOrder); 4] = [
        (Step::Bytes256, ByteOrder::Linux),
        (Step::Bytes256, ByteOrder::SmartMedia),
        (Step::Bytes512, ByteOrder::Linux),
        (Step::Bytes512, ByteOrder::SmartMedia),
    ];

    fn sample(len: usize) -> Vec<u8> {
        (0..len).map(|i| ((i * i * 31 + i * 7 + 3) >> 2) as u8).collect()
    }

    /// The definition, bit by bit: parity *p* over all bits whose index has (or lacks) a bit.
    fn plain(data: &[u8], order: ByteOrder) -> [u8; 3] {
        let index_bits = data.len().ilog2();
        let parity = |of: &dyn Fn(usize, usize) -> bool| {
            let mut odd = false;
            for (i, byte) in data.iter().enumerate() {
                for bit in 0..8 {
                    odd ^= byte >> bit & 1 == 1 && of(i, bit);
                }
            }
            odd
        };
        let mut lines = u32::MAX;
        for k in 0..index_bits {
            for set in 0..2 {
                if parity(&|i, _| i >> k & 1 == set) {
                    lines ^= 1 << (2 * k as usize + set);
                }
            }
        }
        let mut column = 0xFC | (lines >> 16 & 3) as u8;
        for k in 0..3 {
            for set in 0..2 {
                if parity(&|_, bit| bit >> k & 1 == set) {
                    column ^= 1 << (2 + 2 * k + set);
                }
            }
        }
        let [low, high, ..] = lines.to_le_bytes();
        match order {
            ByteOrder::SmartMedia => [low, high, column],
            ByteOrder::Linux => [high, low, column],
        }
    }

    #[test]
    fn parity_is_the_definition() {
        for (step, order) in CODES {
            let code = Hamming::new(step, order);
            let mut data = sample(code.data_len());
            let mut parity = [0; 3];
            for i in 0..data.len() {
                data[i] ^= 0x81;
                if i % 37 == 0 {
                    code.encode(&data, &mut parity).unwrap();
                    assert_eq!(parity, plain(&data, order), "{code:?} at {i}");
                }
            }
        }
    }

    #[test]
    fn every_single_bit_is_corrected() {
        for (step, order) in CODES {
            let code = Hamming::new(step, order);
            let data = sample(code.data_len());
            let mut parity = [0; 3];
            code.encode(&data, &mut parity).unwrap();
            for bit in 0..(data.len() + 3) * 8 {
                let (mut d, mut p) = (data.clone(), parity);
                match d.get_mut(bit / 8) {
                    Some(byte) => *byte ^= 1 << (bit % 8),
                    None => p[bit / 8 - data.len()] ^= 1 << (bit % 8),
                }
                let outcome = code.decode(&mut d, &mut p).unwrap();
                assert_eq!(outcome, Outcome::Corrected { bits: 1 }, "{code:?} bit {bit}");
                assert_eq!((d, p), (data.clone(), parity), "{code:?} bit {bit}");
            }
        }
    }

    #[test]
    fn two_wrong_data_bits_are_detected() {
        for (step, order) in CODES {
            let code = Hamming::new(step, order);
            let data = sample(code.data_len());
            let mut parity = [0; 3];
            code.encode(&data, &mut parity).unwrap();
            for (a, b) in [(0, 1), (0, 8), (7, 1000), (3, 2047), (1024, 1025), (511, 513)] {
                let (mut d, mut p) = (data.clone(), parity);
                d[a / 8] ^= 1 << (a % 8);
                d[b / 8] ^= 1 << (b % 8);
                assert_eq!(code.decode(&mut d, &mut p).unwrap(), Outcome::Uncorrectable);
            }
        }
    }

    #[test]
    fn erased_with_a_leak() {
        for (step, order) in CODES {
            let code = Hamming::new(step, order);
            let (mut data, mut parity) = (vec![0xFF; code.data_len()], [0xFF; 3]);
            assert_eq!(code.decode(&mut data, &mut parity).unwrap(), Outcome::Erased { bits: 0 });
            for at in [0, 77] {
                data[at] = 0xFB;
                let outcome = code.decode(&mut data, &mut parity).unwrap();
                assert_eq!(outcome, Outcome::Erased { bits: 1 });
                assert!(data.iter().chain(&parity).all(|b| *b == 0xFF));
            }
        }
    }

    #[test]
    fn wrong_lengths_are_errors() {
        let code = Hamming::default();
        let expected = EccError::DataLength { found: 255, expected: 256 };
        assert_eq!(code.encode(&[0; 255], &mut [0; 3]), Err(expected));
        let expected = EccError::ParityLength { found: 4, expected: 3 };
        assert_eq!(code.decode(&mut [0; 256], &mut [0; 4]), Err(expected));
    }
}
