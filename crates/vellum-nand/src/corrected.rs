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

use crate::Page;
use crate::{
    Codeword, EccSpec, EraseBlock, Geometry, MARKER_BYTES, Nand, NandError, Ppa, ReadStatus,
};
use alloc::vec;
use alloc::vec::Vec;
use vellum_ecc::{Bch, BchParams, Checked, Codec, EccError, Outcome};

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
    /// User bytes of the whole page, and of one codeword.
    user: usize,
    share: usize,
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
            parity_bytes: u8::try_from(parity)
                .map_err(|_| NandError::Geometry { field: "parity bytes", value: parity as u64 })?,
        };
        geometry.check()?;
        let (page, spare) = (vec![0; geometry.page_bytes as usize], vec![0; free(&geometry)]);
        let word = vec![0; code.data_len()];
        Ok(Corrected { chip, code, geometry, user, share, page, spare, word })
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

    fn words(&self) -> usize {
        self.geometry.codewords() as usize
    }

    /// The user bytes of codeword `i`.
    fn share_of(&self, i: usize) -> core::ops::Range<usize> {
        (i * self.share).min(self.user)..((i + 1) * self.share).min(self.user)
    }

    /// Puts codeword `i` of the page buffers together; what the user does not fill is 0xff.
    fn gather(&mut self, i: usize) {
        let bytes = self.geometry.ecc.codeword_bytes as usize;
        let share = self.share_of(i);
        self.word.fill(0xff);
        self.word[..bytes].copy_from_slice(&self.page[i * bytes..][..bytes]);
        self.word[bytes..bytes + share.len()].copy_from_slice(&self.spare[share]);
    }

    /// Decodes codeword `i` in place.
    fn decode(&mut self, i: usize) -> Result<Codeword, NandError> {
        self.gather(i);
        let (bytes, parity) = (self.geometry.ecc.codeword_bytes as usize, self.code.parity_len());
        let at = self.user + i * parity;
        let outcome = self.code.decode(&mut self.word, &mut self.spare[at..at + parity]);
        let outcome = outcome.map_err(wrong_code)?;
        let share = self.share_of(i);
        self.page[i * bytes..][..bytes].copy_from_slice(&self.word[..bytes]);
        let n = share.len();
        self.spare[share].copy_from_slice(&self.word[bytes..bytes + n]);
        Ok(match outcome {
            Outcome::Corrected { bits } => Codeword::Corrected(bits.min(250) as u8),
            Outcome::Erased { .. } => Codeword::Erased,
            Outcome::Uncorrectable => Codeword::Uncorrectable,
        })
    }

    /// Fills the out-of-band area for a program: the user's bytes, then the parity.
    fn encode(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError> {
        let g = self.geometry;
        g.check_program(ppa, data.len(), oob.len())?;
        self.page.copy_from_slice(data);
        self.spare.fill(0xff);
        self.spare[..oob.len()].copy_from_slice(oob);
        let parity = self.code.parity_len();
        for i in 0..self.words() {
            self.gather(i);
            let at = self.user + i * parity;
            self.code.encode(&self.word, &mut self.spare[at..at + parity]).map_err(wrong_code)?;
        }
        Ok(())
    }

    /// Reads and decodes the codewords `from..to`, and all out-of-band bytes.
    fn load(&mut self, ppa: Ppa, from: usize, to: usize) -> Result<ReadStatus, NandError> {
        let bytes = self.geometry.ecc.codeword_bytes as usize;
        let part = &mut self.page[from * bytes..to * bytes];
        self.chip.read(ppa, (from * bytes) as u32, part, &mut self.spare)?;
        let first = self.decode(from)?;
        let mut status = ReadStatus::all(self.words() as u32, first);
        for i in from + 1..to {
            let word = self.decode(i)?;
            status.set(i, word);
        }
        Ok(status)
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
            (0, self.words())
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
        let status = self.load(from, 0, self.words())?;
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
