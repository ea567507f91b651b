//! What differs from part to part and is in no parameter page: how the chip reports its error
//! correction, and where it leaves out-of-band bytes to the user.

use crate::Codeword;

/// How a chip reports what its error correction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EccReport {
    /// Two bits of the status register for the whole page: 00 clean, 01 corrected, else lost. Every
    /// codeword is given the page's outcome, with the worst count it may stand for.
    TwoBits,
    /// Three bits (Micron's M70A and later): 000 clean, 001 up to 3, 011 up to 6, 101 up to 8 bits
    /// corrected, 010 lost.
    ThreeBits,
    /// The two bits, and a count for each codeword in four bits of the feature registers from this
    /// address on, 16 addresses apart, two codewords a register (Kioxia's bit-flip report).
    Nibbles {
        /// Address of the first register.
        first: u8,
    },
}

impl EccReport {
    /// The page's outcome in the status register, for chips that say no more.
    pub(super) fn page(self, status: u8, correctable: u8) -> Codeword {
        match (self, status >> 4 & 7) {
            (_, 0) => Codeword::Corrected(0),
            (EccReport::ThreeBits, 1) => Codeword::Corrected(3.min(correctable)),
            (EccReport::ThreeBits, 3) => Codeword::Corrected(6.min(correctable)),
            (EccReport::ThreeBits, 5) => Codeword::Corrected(correctable),
            (EccReport::ThreeBits, _) => Codeword::Uncorrectable,
            (_, n) if n & 3 == 0 => Codeword::Corrected(0),
            (_, n) if n & 3 == 1 => Codeword::Corrected(correctable),
            _ => Codeword::Uncorrectable,
        }
    }
}

/// A kind of chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Manufacturer and device, as READ ID gives them; 0 stands for any device.
    pub id: (u8, u8),
    /// Its name.
    pub name: &'static str,
    /// How it reports corrections.
    pub report: EccReport,
    /// Errors that its code corrects in a codeword.
    pub correctable: u8,
    /// Bytes of a codeword.
    pub codeword_bytes: u16,
    /// Out-of-band bytes of each codeword that are not the user's.
    pub parity_bytes: u8,
    /// Where the user's bytes lie: first byte of the first run, length of a run, distance of runs.
    pub user: (u16, u16, u16),
}

/// Parts that are known, by their data sheets. Others are taken for [`Part::GENERIC`].
pub const PARTS: [Part; 4] = [
    // Of 16 bytes a codeword, 4 to 7 are the user's and under the code; 14 of the 16 are used.
    Part {
        id: (0xef, 0xaa),
        name: "Winbond W25N01GV",
        report: EccReport::TwoBits,
        correctable: 1,
        codeword_bytes: 512,
        parity_bytes: 12,
        user: (4, 4, 16),
    },
    Part {
        id: (0x2c, 0x14),
        name: "Micron MT29F1G01AB",
        report: EccReport::ThreeBits,
        correctable: 8,
        codeword_bytes: 512,
        parity_bytes: 24,
        user: (32, 32, 32),
    },
    Part {
        id: (0x2c, 0x24),
        name: "Micron MT29F2G01AB",
        report: EccReport::ThreeBits,
        correctable: 8,
        codeword_bytes: 512,
        parity_bytes: 24,
        user: (32, 32, 32),
    },
    // The code's own bytes are hidden; all that the host sees is its.
    Part {
        id: (0x98, 0xc2),
        name: "Kioxia TC58CVG0S3",
        report: EccReport::Nibbles { first: 0x40 },
        correctable: 8,
        codeword_bytes: 512,
        parity_bytes: 0,
        user: (2, 62, 64),
    },
];

impl Part {
    /// What is assumed of a chip that is not in the table: two bits of status, and the quarter of
    /// the out-of-band bytes behind the marker left alone.
    pub const GENERIC: Part = Part {
        id: (0, 0),
        name: "a SPI-NAND chip",
        report: EccReport::TwoBits,
        correctable: 4,
        codeword_bytes: 512,
        parity_bytes: 8,
        user: (2, u16::MAX, u16::MAX),
    };

    /// The part with this identity.
    pub fn find(id: (u8, u8)) -> Part {
        PARTS.into_iter().find(|p| p.id == id).unwrap_or(Part::GENERIC)
    }

    /// Place in the out-of-band area of the user's `i`-th byte.
    pub fn place(&self, i: usize) -> usize {
        let (first, run, apart) = self.user;
        let run = usize::from(run.max(1));
        usize::from(apart) * (i / run) + i % run + usize::from(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_report_has_its_outcomes() {
        use Codeword::{Corrected, Uncorrectable};
        let two = |s: u8| EccReport::TwoBits.page(s << 4, 1);
        assert_eq!(
            [two(0), two(1), two(2), two(3)],
            [Corrected(0), Corrected(1), Uncorrectable, Uncorrectable]
        );
        let three = |s: u8| EccReport::ThreeBits.page(s << 4, 8);
        assert_eq!(
            [three(0), three(1), three(2), three(3), three(5)],
            [Corrected(0), Corrected(3), Uncorrectable, Corrected(6), Corrected(8)]
        );
    }

    #[test]
    fn user_bytes_stay_inside_and_off_the_marker() {
        for part in PARTS {
            let g = crate::Geometry {
                oob_bytes: if part.name.starts_with("Micron") { 128 } else { 64 },
                ecc: crate::EccSpec {
                    codeword_bytes: part.codeword_bytes.into(),
                    correctable: part.correctable,
                    parity_bytes: part.parity_bytes,
                },
                ..crate::Geometry::slc_1gbit()
            };
            g.check().unwrap();
            let last = part.place(g.user_oob_bytes() as usize - 1);
            assert!(part.place(0) >= 2 && last < g.oob_bytes as usize, "{}: {last}", part.name);
        }
    }
}
