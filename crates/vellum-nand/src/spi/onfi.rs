//! The ONFI parameter page: what a chip says of itself.
//!
//! Three copies or more of 256 bytes each, every one with its CRC-16 (ONFI 5.1, section 5.7.1: the
//! polynomial x¹⁶ + x¹⁵ + x² + 1, from 0x4F4E). The first copy whose CRC is right is taken; if none
//! is, each bit is what most of the first three say, as the standard tells hosts to do.

use crate::{CellKind, EccSpec, Geometry, NandError};

/// Bytes of a copy.
pub const PARAMETER_BYTES: usize = 256;

/// What a parameter page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Data bytes of a page.
    pub page_bytes: u32,
    /// Out-of-band bytes of a page.
    pub oob_bytes: u16,
    /// Pages of a block.
    pub pages_per_block: u32,
    /// Blocks of a logical unit.
    pub blocks_per_unit: u32,
    /// Logical units.
    pub units: u8,
    /// Bits of a cell.
    pub bits_per_cell: u8,
    /// Most blocks of a unit that are bad when it leaves the factory and over its life.
    pub max_bad_blocks: u16,
    /// Times that a page may be programmed.
    pub programs_per_page: u8,
    /// Errors that the host must correct in 512 bytes; 0 where the chip does, 0xff for more.
    pub host_ecc_bits: u8,
    /// Planes, as a power of two.
    pub plane_bits: u8,
}

/// The CRC-16 of ONFI over the first 254 bytes of a copy.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0x4f4e, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
            if crc & 0x8000 != 0 { crc << 1 ^ 0x8005 } else { crc << 1 }
        })
    })
}

fn whole(copy: &[u8]) -> bool {
    copy.starts_with(b"ONFI") && crc16(&copy[..254]).to_le_bytes() == copy[254..256]
}

impl Parameters {
    /// Reads `copies`, one after the other.
    ///
    /// # Errors
    /// When no copy is whole, nor what most of them say.
    pub fn from_copies(copies: &[u8]) -> Result<Parameters, NandError> {
        if let Some(copy) = copies.chunks_exact(PARAMETER_BYTES).find(|c| whole(c)) {
            return Ok(Parameters::fields(copy));
        }
        let n = PARAMETER_BYTES;
        let mut most = [0; PARAMETER_BYTES];
        if copies.len() >= 3 * n {
            for (i, byte) in most.iter_mut().enumerate() {
                let (a, b, c) = (copies[i], copies[n + i], copies[2 * n + i]);
                *byte = a & b | b & c | a & c;
            }
        }
        if whole(&most) {
            return Ok(Parameters::fields(&most));
        }
        let found = copies.get(..4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        Err(NandError::Chip { what: "the parameter page's signature", found })
    }

    fn fields(p: &[u8]) -> Parameters {
        let half = |at: usize| u16::from_le_bytes([p[at], p[at + 1]]);
        let word = |at: usize| u32::from(half(at)) | u32::from(half(at + 2)) << 16;
        Parameters {
            page_bytes: word(80),
            oob_bytes: half(84),
            pages_per_block: word(92),
            blocks_per_unit: word(96),
            units: p[100],
            bits_per_cell: p[102],
            max_bad_blocks: half(103),
            programs_per_page: p[110],
            host_ecc_bits: p[112],
            plane_bits: p[113] & 0xf,
        }
    }

    /// A copy as a chip would hold it, names blank; for tests and doubles.
    pub fn to_copy(&self) -> [u8; PARAMETER_BYTES] {
        let mut p = [0; PARAMETER_BYTES];
        p[..4].copy_from_slice(b"ONFI");
        p[32..64].fill(b' ');
        p[80..84].copy_from_slice(&self.page_bytes.to_le_bytes());
        p[84..86].copy_from_slice(&self.oob_bytes.to_le_bytes());
        p[92..96].copy_from_slice(&self.pages_per_block.to_le_bytes());
        p[96..100].copy_from_slice(&self.blocks_per_unit.to_le_bytes());
        (p[100], p[102]) = (self.units, self.bits_per_cell);
        p[103..105].copy_from_slice(&self.max_bad_blocks.to_le_bytes());
        (p[110], p[112], p[113]) = (self.programs_per_page, self.host_ecc_bits, self.plane_bits);
        let crc = crc16(&p[..254]);
        p[254..].copy_from_slice(&crc.to_le_bytes());
        p
    }

    /// The shape, with the error correction `ecc`.
    ///
    /// # Errors
    /// [`NandError::Geometry`] when the numbers do not fit together.
    pub fn geometry(&self, ecc: EccSpec) -> Result<Geometry, NandError> {
        let units = u32::from(self.units);
        let blocks = self.blocks_per_unit.checked_mul(units);
        let value = self.blocks_per_unit.into();
        let g = Geometry {
            blocks: blocks.ok_or(NandError::Geometry { field: "blocks", value })?,
            pages_per_block: self.pages_per_block,
            page_bytes: self.page_bytes,
            oob_bytes: self.oob_bytes.into(),
            planes: 1 << self.plane_bits.min(7),
            units: self.units,
            cell: match self.bits_per_cell {
                0 | 1 => CellKind::Slc,
                2 => CellKind::Mlc,
                3 => CellKind::Tlc,
                _ => CellKind::Qlc,
            },
            programs_per_page: self.programs_per_page.max(1),
            row: 1,
            ecc,
        };
        g.check()?;
        Ok(g)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const W25N01GV: Parameters = Parameters {
        page_bytes: 2048,
        oob_bytes: 64,
        pages_per_block: 64,
        blocks_per_unit: 1024,
        units: 1,
        bits_per_cell: 1,
        max_bad_blocks: 20,
        programs_per_page: 4,
        host_ecc_bits: 0,
        plane_bits: 0,
    };

    #[test]
    fn the_crc_is_that_of_the_standard() {
        // CRC-16/UMTS and its kin with ONFI's start: an own long division, bit by bit.
        let bytes: Vec<u8> = (0..254).map(|i| (i * 7) as u8).collect();
        let mut bits: Vec<bool> = Vec::new();
        bits.extend(bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1 == 1)));
        for (i, bit) in bits.iter_mut().take(16).enumerate() {
            *bit ^= 0x4f4eu16 >> (15 - i) & 1 == 1;
        }
        bits.extend([false; 16]);
        for at in 0..bits.len() - 16 {
            if bits[at] {
                for (i, set) in (0..=16).map(|i| (i, 0x1_8005u32 >> (16 - i) & 1 == 1)) {
                    bits[at + i] ^= set;
                }
            }
        }
        let rest = bits[bits.len() - 16..].iter().fold(0u16, |r, &b| r << 1 | u16::from(b));
        assert_eq!(crc16(&bytes), rest);
    }

    #[test]
    fn a_whole_copy_is_found_and_three_broken_ones_vote() {
        let copy = W25N01GV.to_copy();
        let mut three: Vec<u8> = [copy, copy, copy].concat();
        three[80] ^= 1;
        assert_eq!(Parameters::from_copies(&three), Ok(W25N01GV));
        three[256 + 92] ^= 0x40;
        three[512 + 96] ^= 0x02;
        assert_eq!(Parameters::from_copies(&three), Ok(W25N01GV));
        three[256 + 80] ^= 1;
        assert!(matches!(Parameters::from_copies(&three), Err(NandError::Chip { .. })));
        assert!(Parameters::from_copies(&[]).is_err());
    }

    #[test]
    fn a_shape_that_cant_be_is_refused() {
        let ecc = EccSpec { codeword_bytes: 512, correctable: 1, parity_bytes: 12 };
        assert!(W25N01GV.geometry(ecc).is_ok());
        let wrong = Parameters { blocks_per_unit: u32::MAX, units: 3, ..W25N01GV };
        assert!(matches!(wrong.geometry(ecc), Err(NandError::Geometry { .. })));
        let wrong = Parameters { page_bytes: 0, ..W25N01GV };
        assert!(wrong.geometry(ecc).is_err());
    }
}
