//! A chip that leaves error correction to the host, with a code of `vellum-ecc` in front.
//!
//! A codeword covers its part of the page's data and its share of the user's out-of-band bytes; its
//! parity stands behind them in the chip's out-of-band area:
//!
//! ```text
//! out-of-band: | marker | user bytes of all codewords | parity of codeword 0 | 1 | … |
//! ```
//!
//! What the cells give is decoded word by word, so that a read tells for each whether it was
//! corrected (and how many bits), lost, or never programmed up to a few flipped bits. With a
//! [`Checked`] code a CRC-32 stands inside each word: what more errors than the code corrects turn
//! into another codeword then passes with a probability of 2⁻³².
//!
//! What one read does not decode may be decoded from several, between which the chip's references are moved
//! ([`Corrected::set_soft_reads`]).

mod soft;
mod words;

use crate::Page;
use crate::{
    Codeword, EccSpec, EraseBlock, Geometry, MARKER_BYTES, MAX_CODEWORDS, Nand, NandError, Ppa,
    ReadStatus,
};
use alloc::vec;
use alloc::vec::Vec;
use vellum_ecc::{Bch, BchParams, Checked, Codec, EccError, Ldpc, LdpcParams, Outcome};
use words::Words;

/// A chip behind a code.
///
/// `chip` is one whose own geometry has no correction (`correctable` 0, `parity_bytes` 0): the whole
/// out-of-band area behind the marker is the host's. Reading a part of a page reads the codewords
/// that it touches; those it does not touch have the outcome of the first that it does.
#[derive(Debug, Clone)]
pub struct Corrected<N, C> {
    chip: N,
    code: C,
    geometry: Geometry,
    words: Words,
    /// Pairs of further reads for what one read does not decode.
    soft: u8,
    page: Vec<u8>,
    spare: Vec<u8>,
    word: Vec<u8>,
}

impl<N: Nand> Corrected<N, Checked<Bch>> {
    /// BCH over GF(2^m) with a CRC: codewords of `bytes` of data that survive `t` errors.
    ///
    /// # Errors
    /// When such a code does not exist, or the out-of-band area has no room for it.
    pub fn bch(chip: N, bytes: u32, m: u32, t: usize) -> Result<Self, NandError> {
        // The user gets what the parity leaves; the code's length follows from that.
        let words = chip.geometry().page_bytes.checked_div(bytes).unwrap_or(0);
        let field = NandError::Geometry { field: "codeword bytes", value: bytes.into() };
        if words == 0 {
            return Err(field);
        }
        let parity = (m as usize * t).div_ceil(8) + 4;
        let room = free(chip.geometry()).checked_sub(words as usize * parity);
        let value = (words as usize * parity) as u64;
        let room = room.ok_or(NandError::Geometry { field: "parity bytes of a page", value })?;
        let data = bytes as usize + room.div_ceil(words as usize) + 4;
        let code = Bch::new(BchParams::nand(m, t, data)).map_err(|_| field)?;
        Corrected::new(chip, Checked::new(code), bytes)
    }
}

impl<N: Nand> Corrected<N, Checked<Ldpc>> {
    /// A quasi-cyclic LDPC code with a CRC: codewords of `bytes` of data (1, 2 or 4 KiB), with an eighth of that for
    /// parity. What one read does not decode is decoded from up to four more, if the chip can move its references.
    ///
    /// # Errors
    /// When there is no such code, or the out-of-band area has no room for it.
    pub fn ldpc(chip: N, bytes: u32) -> Result<Self, NandError> {
        let field = NandError::Geometry { field: "codeword bytes", value: bytes.into() };
        let params = match bytes {
            1024 => LdpcParams::KIB_1,
            2048 => LdpcParams::KIB_2,
            4096 => LdpcParams::KIB_4,
            _ => return Err(field),
        };
        let words = chip.geometry().page_bytes.checked_div(bytes).unwrap_or(0) as usize;
        if words == 0 {
            return Err(field);
        }
        let parity = params.rows * params.circulant / 8 + 4;
        let value = (words * parity) as u64;
        let room = free(chip.geometry()).checked_sub(words * parity);
        let room = room.ok_or(NandError::Geometry { field: "parity bytes of a page", value })?;
        // Columns enough for the data, its share of the user's bytes and the CRC.
        let data = bytes as usize + room.div_ceil(words) + 4;
        let columns = params.rows + (8 * data).div_ceil(params.circulant);
        let code = Ldpc::new(LdpcParams { columns, ..params }).map_err(|_| field)?;
        let mut corrected = Corrected::new(chip, Checked::new(code), bytes)?;
        corrected.set_soft_reads(2);
        Ok(corrected)
    }
}

/// Bytes behind the marker.
fn free(g: &Geometry) -> usize {
    g.oob_bytes.saturating_sub(MARKER_BYTES) as usize
}

impl<N: Nand, C: Codec> Corrected<N, C> {
    /// Puts `code` in front of `chip`; `bytes` of a page's data go into each codeword, and the rest of
    /// the code's data bytes is its share of the user's out-of-band bytes.
    ///
    /// # Errors
    /// [`NandError::Geometry`] when the code does not fit the chip.
    pub fn new(chip: N, code: C, bytes: u32) -> Result<Self, NandError> {
        let mut geometry = *chip.geometry();
        let bad = |field, value| Err::<Self, _>(NandError::Geometry { field, value });
        if geometry.ecc.correctable > 0 || geometry.ecc.parity_bytes > 0 {
            return bad("errors that the chip corrects itself", geometry.ecc.correctable.into());
        }
        let words = geometry.page_bytes.checked_div(bytes).unwrap_or(0) as usize;
        let parity = code.parity_len();
        let Some(user) = free(&geometry).checked_sub(words * parity) else {
            return bad("parity bytes of a page", (words * parity) as u64);
        };
        let share = code.data_len().saturating_sub(bytes as usize);
        if words == 0 || code.data_len() < bytes as usize || share * words < user {
            return bad("data bytes of the code", code.data_len() as u64);
        }
        geometry.ecc = EccSpec {
            codeword_bytes: bytes,
            correctable: u8::try_from(code.strength()).unwrap_or(u8::MAX - 2),
            parity_bytes: u16::try_from(parity)
                .map_err(|_| NandError::Geometry { field: "parity bytes", value: parity as u64 })?,
        };
        geometry.check()?;
        let (page, spare) = (vec![0; geometry.page_bytes as usize], vec![0; free(&geometry)]);
        let word = vec![0; code.data_len()];
        let words = Words { bytes: bytes as usize, share, user, parity };
        Ok(Corrected { chip, code, geometry, words, soft: 0, page, spare, word })
    }

    /// The chip below.
    pub fn chip(&mut self) -> &mut N {
        &mut self.chip
    }

    /// The code.
    pub fn code(&self) -> &C {
        &self.code
    }

    /// The chip below, for good.
    pub fn into_chip(self) -> N {
        self.chip
    }

    /// Codewords of a page.
    fn count(&self) -> usize {
        self.geometry.codewords() as usize
    }

    /// Decodes codeword `i` of the page buffers in place.
    fn decode(&mut self, i: usize) -> Result<Codeword, NandError> {
        let Corrected { words, code, page, spare, word, .. } = self;
        words.gather(i, page, spare, word);
        let outcome = code.decode(word, words.parity_of(i, spare)).map_err(wrong_code)?;
        words.scatter(i, word, page, spare);
        Ok(told(outcome))
    }

    /// Fills the out-of-band area for a program: the user's bytes, then the parity.
    fn encode(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError> {
        self.geometry.check_program(ppa, data.len(), oob.len())?;
        self.page.copy_from_slice(data);
        self.spare.fill(0xff);
        self.spare[..oob.len()].copy_from_slice(oob);
        for i in 0..self.count() {
            let Corrected { words, code, page, spare, word, .. } = self;
            words.gather(i, page, spare, word);
            code.encode(word, words.parity_of(i, spare)).map_err(wrong_code)?;
        }
        Ok(())
    }

    /// Reads and decodes the codewords `from..to`, and all out-of-band bytes.
    fn load(&mut self, ppa: Ppa, from: usize, to: usize) -> Result<ReadStatus, NandError> {
        let bytes = self.words.bytes;
        let part = &mut self.page[from * bytes..to * bytes];
        self.chip.read(ppa, (from * bytes) as u32, part, &mut self.spare)?;
        let mut came = [Codeword::Uncorrectable; MAX_CODEWORDS];
        for (i, came) in came.iter_mut().enumerate().take(to).skip(from) {
            *came = self.decode(i)?;
        }
        if self.soft > 0 && came[from..to].contains(&Codeword::Uncorrectable) {
            self.decode_softly(ppa, from, &mut came[from..to])?;
        }
        let mut status = ReadStatus::all(self.count() as u32, came[from]);
        (from..to).for_each(|i| status.set(i, came[i]));
        Ok(status)
    }
}

/// What became of a codeword, in the chip's words.
fn told(outcome: Outcome) -> Codeword {
    match outcome {
        Outcome::Corrected { bits } => Codeword::Corrected(bits.min(250) as u8),
        Outcome::Erased { .. } => Codeword::Erased,
        Outcome::Uncorrectable => Codeword::Uncorrectable,
    }
}

/// The lengths were checked when the code was joined to the chip.
fn wrong_code(_: EccError) -> NandError {
    NandError::Unsupported { what: "a code that does not fit the page" }
}

impl<N: Nand, C: Codec> Nand for Corrected<N, C> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn read(
        &mut self,
        ppa: Ppa,
        at: u32,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<ReadStatus, NandError> {
        let g = self.geometry;
        g.check_read(ppa, at, data.len(), oob.len())?;
        let (at, bytes) = (at as usize, g.ecc.codeword_bytes as usize);
        let (from, to) = if data.is_empty() || !oob.is_empty() {
            (0, self.count())
        } else {
            (at / bytes, (at + data.len()).div_ceil(bytes))
        };
        let status = self.load(ppa, from, to)?;
        data.copy_from_slice(&self.page[at..][..data.len()]);
        oob.copy_from_slice(&self.spare[..oob.len()]);
        Ok(status)
    }

    fn program(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError> {
        self.encode(ppa, data, oob)?;
        self.chip.program(ppa, data, &self.spare)
    }

    fn page(&mut self) -> Page {
        self.chip.page()
    }

    fn program_page(&mut self, ppa: Ppa, page: &Page, oob: &[u8]) -> Result<(), NandError> {
        self.encode(ppa, page, oob)?;
        self.chip.program_page(ppa, page, &self.spare)
    }

    fn erase(&mut self, block: EraseBlock) -> Result<(), NandError> {
        self.chip.erase(block)
    }

    /// By way of the host: the parity covers the out-of-band bytes, and errors must not be copied on.
    fn copy_back(&mut self, from: Ppa, to: Ppa, oob: &[u8]) -> Result<ReadStatus, NandError> {
        self.geometry.check_copy(from, to, oob.len())?;
        let status = self.load(from, 0, self.count())?;
        if status.is_readable() {
            let data = core::mem::take(&mut self.page);
            self.page = vec![0; data.len()];
            self.program(to, &data, oob)?;
        }
        Ok(status)
    }

    fn is_marked_bad(&mut self, block: EraseBlock) -> Result<bool, NandError> {
        self.chip.is_marked_bad(block)
    }

    fn mark_bad(&mut self, block: EraseBlock) -> Result<(), NandError> {
        self.chip.mark_bad(block)
    }

    fn retry_levels(&self) -> u8 {
        self.chip.retry_levels()
    }

    fn set_retry(&mut self, level: u8) -> Result<(), NandError> {
        self.chip.set_retry(level)
    }
}
