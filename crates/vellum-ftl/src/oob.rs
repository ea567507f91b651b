//! What lies beside each page: enough to find the page's meaning without any table.
//!
//! Nineteen fixed bytes, then as many (page, distance) pairs of the programs before it on the same
//! frontier as fit. So recovery reads every fifth page, not every page.

use crate::bits::{BitReader, BitWriter};

/// Bytes before the history.
pub(crate) const FIXED: usize = 19;
/// Most predecessors that are kept.
pub(crate) const MAX_HISTORY: usize = 12;
/// Bits of a predecessor's distance; the largest value says "further".
const DISTANCE: u32 = 7;
/// A page without a logical page: padding.
pub(crate) const NO_LPN: u32 = u32::MAX;

/// What a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Data,
    Meta,
    Parity,
    Anchor,
}

/// A predecessor on the same frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Before {
    pub lpn: u32,
    /// Programs ago; saturated.
    pub ago: u8,
}

/// The out-of-band record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Oob {
    pub kind: Kind,
    /// The frontier of a data page.
    pub frontier: u8,
    /// The last page of an atomic batch.
    pub commit: bool,
    /// The content was already lost when it was moved here.
    pub lost: bool,
    /// Position in an atomic batch, from 1; 0 outside of one.
    pub batch: u8,
    /// Logical page, or number of a metadata page.
    pub lpn: u32,
    /// Number of the program, 40 bits.
    pub seq: u64,
    /// When the host wrote it, in ticks of the placement clock.
    pub birth: u16,
    /// CRC-32 of the data.
    pub data_crc: u32,
    pub history: [Before; MAX_HISTORY],
}

impl Oob {
    /// Predecessors that fit `bytes` of out-of-band space.
    pub fn history_len(bytes: usize, lpn_bits: u32) -> usize {
        (bytes.saturating_sub(FIXED) * 8 / (lpn_bits + DISTANCE) as usize).min(MAX_HISTORY)
    }

    /// Writes the record over all of `out`, at least [`FIXED`] bytes.
    pub fn encode(&self, out: &mut [u8], lpn_bits: u32) {
        out.fill(0);
        let kind = match self.kind {
            Kind::Data => 0,
            Kind::Meta => 1,
            Kind::Parity => 2,
            Kind::Anchor => 3,
        };
        out[0] =
            kind | (self.frontier & 3) << 2 | u8::from(self.commit) << 4 | u8::from(self.lost) << 5;
        out[1] = self.batch;
        out[2..6].copy_from_slice(&self.lpn.to_le_bytes());
        out[6..11].copy_from_slice(&self.seq.to_le_bytes()[..5]);
        out[11..13].copy_from_slice(&self.birth.to_le_bytes());
        out[13..17].copy_from_slice(&self.data_crc.to_le_bytes());
        let n = Self::history_len(out.len(), lpn_bits);
        let mut bits = BitWriter::new(&mut out[FIXED..]);
        for b in &self.history[..n] {
            bits.put(b.lpn.into(), lpn_bits);
            bits.put(b.ago.min(127).into(), DISTANCE);
        }
        let crc = Self::crc(out);
        out[17..19].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a record; `None` when it is not one, or damaged.
    pub fn decode(bytes: &[u8], lpn_bits: u32) -> Option<Oob> {
        if bytes.len() < FIXED || Self::crc(bytes).to_le_bytes() != bytes[17..19] {
            return None;
        }
        let kind = match bytes[0] & 3 {
            0 => Kind::Data,
            1 => Kind::Meta,
            2 => Kind::Parity,
            _ => Kind::Anchor,
        };
        let mut seq = [0; 8];
        seq[..5].copy_from_slice(&bytes[6..11]);
        let mut history = [Before::default(); MAX_HISTORY];
        let mut bits = BitReader::new(&bytes[FIXED..]);
        for b in &mut history[..Self::history_len(bytes.len(), lpn_bits)] {
            *b = Before { lpn: bits.take(lpn_bits) as u32, ago: bits.take(DISTANCE) as u8 };
        }
        Some(Oob {
            kind,
            frontier: bytes[0] >> 2 & 3,
            commit: bytes[0] >> 4 & 1 != 0,
            lost: bytes[0] >> 5 & 1 != 0,
            batch: bytes[1],
            lpn: u32::from_le_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]),
            seq: u64::from_le_bytes(seq),
            birth: u16::from_le_bytes([bytes[11], bytes[12]]),
            data_crc: u32::from_le_bytes([bytes[13], bytes[14], bytes[15], bytes[16]]),
            history,
        })
    }

    /// CRC-32 of everything but its own place, folded to 16 bits. Seeded, so that all zeros and all
    /// ones are no records.
    fn crc(bytes: &[u8]) -> u16 {
        let mut h = crc32fast::Hasher::new_with_initial(0x5646_544c);
        h.update(&bytes[..17]);
        h.update(&bytes[FIXED..]);
        let crc = h.finalize();
        (crc ^ crc >> 16) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_damage_is_seen() {
        let mut history = [Before::default(); MAX_HISTORY];
        history[0] = Before { lpn: 65_000, ago: 3 };
        history[3] = Before { lpn: 2, ago: 127 };
        let oob = Oob {
            kind: Kind::Data,
            frontier: 2,
            commit: true,
            lost: false,
            batch: 9,
            lpn: 58_981,
            seq: 0xff_1234_5678,
            birth: 77,
            data_crc: 0xdead_beef,
            history,
        };
        let mut bytes = [0; 34];
        oob.encode(&mut bytes, 17);
        assert_eq!(Oob::history_len(34, 17), 5);
        assert_eq!(Oob::decode(&bytes, 17), Some(oob));
        for bit in 0..34 * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Oob::decode(&bytes, 17), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(Oob::decode(&[0xff; 34], 17), None);
        assert_eq!(Oob::decode(&[0; 34], 17), None);
    }
}
