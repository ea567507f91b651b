//! What lies beside each page: enough to find the page's meaning without any table.
//!
//! Nineteen fixed bytes, then the logical pages of as many pages before it in the same block as fit.
//! So recovery reads every eighth page of what was written last, not every page.

use crate::bits::{BitReader, BitWriter};

/// Bytes before the history.
pub(crate) const FIXED: usize = 19;
/// Bytes before the check, which is the last of the fixed fields.
const BEFORE: usize = FIXED - 2;
/// Most bytes of a record.
pub(crate) const MOST: usize = 64;
/// Most predecessors that are kept.
pub(crate) const MAX_HISTORY: usize = 12;
/// A page without a logical page: padding. In a history: "look yourself".
pub(crate) const NO_LPN: u32 = u32::MAX;

/// What a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Data,
    Meta,
    Parity,
    Anchor,
}

/// The out-of-band record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Oob {
    pub kind: Kind,
    /// The last page of an atomic batch.
    pub commit: bool,
    /// The content was already lost when it was moved here.
    pub lost: bool,
    /// Position in an atomic batch, from 1; 0 outside of one. Parity: pages covered.
    pub batch: u8,
    /// Logical page, or ordinal of a metadata page.
    pub lpn: u32,
    /// Number of the program, 40 bits.
    pub seq: u64,
    /// When the host wrote it, in ticks of the placement clock.
    pub birth: u16,
    /// CRC-32 of the data.
    pub data_crc: u32,
    /// Logical pages of the pages before it in the block, nearest first.
    pub history: [u32; MAX_HISTORY],
}

impl Oob {
    /// A record without predecessors.
    #[inline]
    pub fn plain(kind: Kind, lpn: u32, seq: u64, data_crc: u32) -> Oob {
        let history = [NO_LPN; MAX_HISTORY];
        Oob { kind, commit: false, lost: false, batch: 0, lpn, seq, birth: 0, data_crc, history }
    }

    /// Predecessors that fit `bytes` of out-of-band space.
    #[inline]
    pub fn history_len(bytes: usize, lpn_bits: u32) -> usize {
        (bytes.saturating_sub(FIXED) * 8 / lpn_bits as usize).min(MAX_HISTORY)
    }

    /// Writes the record over all of `out`, at least [`FIXED`] bytes.
    #[inline]
    pub fn encode(&self, out: &mut [u8], lpn_bits: u32) {
        let kind = match self.kind {
            Kind::Data => 0,
            Kind::Meta => 1,
            Kind::Parity => 2,
            Kind::Anchor => 3,
        };
        // Without the check, in one piece, over which it goes.
        let mut image = [0; MOST];
        image[0] = kind | u8::from(self.commit) << 4 | u8::from(self.lost) << 5;
        image[1] = self.batch;
        image[2..6].copy_from_slice(&self.lpn.to_le_bytes());
        image[6..11].copy_from_slice(&self.seq.to_le_bytes()[..5]);
        image[11..13].copy_from_slice(&self.birth.to_le_bytes());
        image[13..BEFORE].copy_from_slice(&self.data_crc.to_le_bytes());
        let n = Self::history_len(out.len(), lpn_bits);
        if lpn_bits == 16 {
            // All that a record may have, those past its end as zeros: a loop without a condition.
            let places = image[BEFORE..].chunks_exact_mut(2);
            for ((i, h), to) in self.history.iter().enumerate().zip(places) {
                let h = if i < n { *h as u16 } else { 0 };
                to.copy_from_slice(&h.to_le_bytes());
            }
        } else {
            let mut bits = BitWriter::new(&mut image[BEFORE..]);
            self.history[..n].iter().for_each(|&h| bits.put(h.into(), lpn_bits));
        }
        let image = &image[..out.len() - 2];
        let crc = Self::crc(image);
        out[..BEFORE].copy_from_slice(&image[..BEFORE]);
        out[BEFORE..FIXED].copy_from_slice(&crc.to_le_bytes());
        out[FIXED..].copy_from_slice(&image[BEFORE..]);
    }

    /// Reads a record; `None` when it is not one, or damaged.
    pub fn decode(bytes: &[u8], lpn_bits: u32) -> Option<Oob> {
        let mut oob = Oob::decode_own(bytes)?;
        let n = Self::history_len(bytes.len(), lpn_bits);
        let mut bits = BitReader::new(&bytes[FIXED..]);
        let nothing = (1u64 << lpn_bits) - 1;
        for h in &mut oob.history[..n] {
            let lpn = bits.take(lpn_bits);
            *h = if lpn == nothing { NO_LPN } else { lpn as u32 };
        }
        Some(oob)
    }

    /// The same without the pages before it, for who moves or reads the page.
    #[inline]
    pub fn decode_own(bytes: &[u8]) -> Option<Oob> {
        if bytes.len() < FIXED || bytes.len() > MOST {
            return None;
        }
        let mut image = [0; MOST];
        image[..BEFORE].copy_from_slice(&bytes[..BEFORE]);
        image[BEFORE..bytes.len() - 2].copy_from_slice(&bytes[FIXED..]);
        if Self::crc(&image[..bytes.len() - 2]).to_le_bytes() != bytes[BEFORE..FIXED] {
            return None;
        }
        let kind = match bytes[0] & 3 {
            0 => Kind::Data,
            1 => Kind::Meta,
            2 => Kind::Parity,
            _ => Kind::Anchor,
        };
        let le32 = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let mut seq = [0; 8];
        seq[..5].copy_from_slice(&bytes[6..11]);
        Some(Oob {
            kind,
            commit: bytes[0] & 0x10 != 0,
            lost: bytes[0] & 0x20 != 0,
            batch: bytes[1],
            lpn: le32(2),
            seq: u64::from_le_bytes(seq),
            birth: u16::from_le_bytes([bytes[11], bytes[12]]),
            data_crc: le32(13),
            history: [NO_LPN; MAX_HISTORY],
        })
    }

    /// The kind alone, of bytes that are a record.
    pub fn decode_kind(bytes: &[u8]) -> Option<Kind> {
        Oob::decode_own(bytes).map(|oob| oob.kind)
    }

    /// CRC-32 of a record without its check, folded to 16 bits.
    #[inline]
    fn crc(image: &[u8]) -> u16 {
        // A seed, so that a page of zeros is no record.
        let mut hasher = crc32fast::Hasher::new_with_initial(0x5646_544c);
        hasher.update(image);
        let crc = hasher.finalize();
        (crc ^ crc >> 16) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_comes_back_and_damage_shows(
            lpn in 0u32..0x0fff_ffff,
            seq in 0u64..1 << 40,
            batch: u8,
            birth: u16,
            crc: u32,
            commit: bool,
            lpn_bits in 9u32..29,
            len in FIXED..64,
            flip in 0usize..FIXED * 8,
        ) {
            let mut oob = Oob::plain(Kind::Data, lpn, seq, crc);
            (oob.batch, oob.birth, oob.commit) = (batch, birth, commit);
            let n = Oob::history_len(len, lpn_bits);
            for (i, h) in oob.history[..n].iter_mut().enumerate() {
                *h = if i % 3 == 1 { NO_LPN } else { (lpn >> i) & ((1 << (lpn_bits - 1)) - 1) };
            }
            let mut bytes = vec![0; len];
            oob.encode(&mut bytes, lpn_bits);
            prop_assert_eq!(Oob::decode(&bytes, lpn_bits), Some(oob));
            bytes[flip / 8] ^= 1 << (flip % 8);
            prop_assert_eq!(Oob::decode(&bytes, lpn_bits), None);
        }
    }

    #[test]
    fn blank_and_zero_are_no_records() {
        assert_eq!(Oob::decode(&[0xff; 34], 16), None);
        assert_eq!(Oob::decode(&[0; 34], 16), None);
    }
}
