//! What differs from part to part and is in no parameter page: how the chip reports its error
//! correction, where it leaves out-of-band bytes to the user, and what must be switched on or off.
//!
//! Sources: the manufacturers' data sheets (Winbond W25N01GV rev. O, W25N02KV rev. M; Micron
//! MT29F1G01/2G01 "M78A" and "M79A" and MT29F4G01 "M70A"; Kioxia TC58CVG0S3 and TC58CVG1S3 rev. 2.0),
//! checked against what Linux' drivers for them take for granted: identities, reports, and that the
//! user's bytes lie outside the code's.

use crate::Codeword;

/// How a chip reports what its error correction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EccReport {
    /// Two bits of the status register for the whole page: 00 clean, 01 corrected, else lost. Every
    /// codeword is given the page's outcome, with the worst count it may stand for.
    TwoBits,
    /// Three bits (Micron): 000 clean, 001 up to 3, 011 up to 6, 101 up to 8 bits corrected, 010 lost.
    ThreeBits,
    /// Two bits, 00 clean, 01 corrected, 10 lost, 11 corrected beyond a threshold; and the count of the
    /// worst codeword in the upper four bits of a feature register (Winbond's KV parts).
    Worst {
        /// Address of the register.
        register: u8,
    },
    /// The same two bits, and a count for each codeword in four bits of the feature registers from this
    /// address on, 16 addresses apart, two codewords a register (Kioxia's bit-flip report).
    Nibbles {
        /// Address of the first register.
        first: u8,
    },
}

impl EccReport {
    /// The page's outcome in the status register, for chips that say no more.
    pub(super) fn page(self, status: u8, correctable: u8) -> Codeword {
        let (two, three) = (status >> 4 & 3, status >> 4 & 7);
        match (self, two, three) {
            (EccReport::ThreeBits, _, 0) => Codeword::Corrected(0),
            (EccReport::ThreeBits, _, 1) => Codeword::Corrected(3.min(correctable)),
            (EccReport::ThreeBits, _, 3) => Codeword::Corrected(6.min(correctable)),
            (EccReport::ThreeBits, _, 5) => Codeword::Corrected(correctable),
            (EccReport::ThreeBits, ..) => Codeword::Uncorrectable,
            (_, 0, _) => Codeword::Corrected(0),
            (_, 1, _) => Codeword::Corrected(correctable),
            (EccReport::Worst { .. } | EccReport::Nibbles { .. }, 3, _) => {
                Codeword::Corrected(correctable)
            }
            _ => Codeword::Uncorrectable,
        }
    }
}

/// A kind of chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The beginning of what READ ID gives: manufacturer, device, and a third byte where chips of one
    /// device code differ. Empty stands for any.
    pub id: &'static [u8],
    /// Its name.
    pub name: &'static str,
    /// How it reports corrections.
    pub report: EccReport,
    /// Errors that its code corrects in a codeword.
    pub correctable: u8,
    /// Bytes of a codeword.
    pub codeword_bytes: u16,
    /// Out-of-band bytes of each codeword that are not the user's.
    pub parity_bytes: u16,
    /// Where the user's bytes lie: first byte of the first run, length of a run, distance of runs.
    pub user: (u16, u16, u16),
    /// Bits of the configuration register that must be set, and that must be clear.
    pub configuration: (u8, u8),
}

/// A Micron part: of the out-of-band half that the code leaves, the first half holds the marker and
/// bytes that the code does not cover; the user's are the other half's. Reading goes page by page.
const fn micron(id: &'static [u8], name: &'static str, quarter: u16) -> Part {
    Part {
        id,
        name,
        report: EccReport::ThreeBits,
        correctable: 8,
        codeword_bytes: 512,
        parity_bytes: 24,
        user: (quarter, quarter, quarter),
        configuration: (0, 1),
    }
}

/// A Kioxia part: the code's own bytes are hidden, and all 64 that the host sees are its.
const fn kioxia(id: &'static [u8], name: &'static str) -> Part {
    Part {
        id,
        name,
        report: EccReport::Nibbles { first: 0x40 },
        correctable: 8,
        codeword_bytes: 512,
        parity_bytes: 0,
        user: (2, 62, 64),
        configuration: (0, 0),
    }
}

/// Winbond's buffered reading; some parts wake up without it and would read on into the next page.
const BUFFERED: u8 = 1 << 3;

/// A Winbond part of the KV line: the code's bytes lie in the second half of the out-of-band bytes; of
/// each 16 in the first, the last 12 are taken.
const fn winbond_kv(id: &'static [u8], name: &'static str) -> Part {
    Part {
        id,
        name,
        report: EccReport::Worst { register: 0x30 },
        correctable: 8,
        codeword_bytes: 512,
        parity_bytes: 20,
        user: (4, 12, 16),
        configuration: (BUFFERED, 0),
    }
}

/// Parts that are known. Others are taken for [`Part::GENERIC`].
pub const PARTS: [Part; 8] = [
    // Of 16 bytes a codeword, 4 to 7 are the user's and under the code; 14 of the 16 are used.
    Part {
        id: &[0xef, 0xaa, 0x21],
        name: "Winbond W25N01GV",
        report: EccReport::TwoBits,
        correctable: 1,
        codeword_bytes: 512,
        parity_bytes: 12,
        user: (4, 4, 16),
        configuration: (BUFFERED, 0),
    },
    winbond_kv(&[0xef, 0xaa, 0x22], "Winbond W25N02KV"),
    winbond_kv(&[0xef, 0xaa, 0x23], "Winbond W25N04KV"),
    micron(&[0x2c, 0x14], "Micron MT29F1G01AB", 32),
    micron(&[0x2c, 0x24], "Micron MT29F2G01AB", 32),
    micron(&[0x2c, 0x34], "Micron MT29F4G01AB", 64),
    kioxia(&[0x98, 0xc2], "Kioxia TC58CVG0S3"),
    kioxia(&[0x98, 0xcb], "Kioxia TC58CVG1S3"),
];

impl Part {
    /// What is assumed of a chip that is not in the table: two bits of status, and the quarter of
    /// the out-of-band bytes behind the marker left alone.
    pub const GENERIC: Part = Part {
        id: &[],
        name: "a SPI-NAND chip",
        report: EccReport::TwoBits,
        correctable: 4,
        codeword_bytes: 512,
        parity_bytes: 8,
        user: (2, u16::MAX, u16::MAX),
        configuration: (0, 0),
    };

    /// The part whose identity `id`, as READ ID gives it, begins with.
    pub fn find(id: &[u8]) -> Part {
        PARTS.into_iter().find(|p| id.starts_with(p.id)).unwrap_or(Part::GENERIC)
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
        for report in [EccReport::Worst { register: 0x30 }, EccReport::Nibbles { first: 0x40 }] {
            let two = |s: u8| report.page(s << 4, 8);
            assert_eq!(
                [two(0), two(1), two(2), two(3)],
                [Corrected(0), Corrected(8), Uncorrectable, Corrected(8)]
            );
        }
    }

    #[test]
    fn chips_of_one_device_code_are_told_apart() {
        let name = |id: &[u8]| Part::find(id).name;
        assert_eq!(name(&[0xef, 0xaa, 0x21]), "Winbond W25N01GV");
        assert_eq!(name(&[0xef, 0xaa, 0x22]), "Winbond W25N02KV");
        assert_eq!(name(&[0xef, 0xaa, 0x77]), Part::GENERIC.name);
        assert_eq!(name(&[0x2c, 0x24, 0x2c]), "Micron MT29F2G01AB");
        for (i, a) in PARTS.iter().enumerate() {
            assert!(PARTS[i + 1..].iter().all(|b| !b.id.starts_with(a.id)), "{}", a.name);
        }
    }

    #[test]
    fn user_bytes_stay_inside_and_off_the_marker_and_the_code() {
        for part in PARTS {
            // Out-of-band bytes that the host sees, and the first that is the code's, if it sees those.
            let (page, spare, code) = match part.name {
                "Winbond W25N01GV" => (2048, 64, 64),
                "Micron MT29F4G01AB" => (4096, 256, 128),
                name if name.starts_with("Kioxia") => (2048, 64, 64),
                _ => (2048, 128, 64),
            };
            let g = crate::Geometry {
                page_bytes: page,
                oob_bytes: spare,
                ecc: crate::EccSpec {
                    codeword_bytes: part.codeword_bytes.into(),
                    correctable: part.correctable,
                    parity_bytes: part.parity_bytes,
                },
                ..crate::Geometry::slc_1gbit()
            };
            g.check().unwrap();
            let places: Vec<usize> =
                (0..g.user_oob_bytes() as usize).map(|i| part.place(i)).collect();
            assert!(places.iter().all(|&p| (2..code).contains(&p)), "{}: {places:?}", part.name);
            assert!(places.is_sorted_by(|a, b| a < b), "{}: {places:?}", part.name);
        }
        // The first of Winbond's codes: in each 16 bytes, 8 to 15.
        let part = PARTS[0];
        assert!((0..14).all(|i| part.place(i) % 16 < 8));
    }
}
