//! Reading the cells: which codewords err, and by how much.

use super::block::Flaw;
use super::frames::Frame;
use super::{Model, Reliability, Stress, every, poisson};
use crate::{Codeword, EraseBlock, Ppa, ReadStatus};
use vellum_block::Rng;

impl Model {
    /// What the error correction says of a page now, and where its bytes are.
    #[inline]
    pub(super) fn sense(&mut self, block: EraseBlock, page: u32) -> (ReadStatus, Option<Frame>) {
        let slot = &self.block(block).pages[page as usize];
        let (frame, sound) = (slot.frame, slot.flaw == Flaw::None && slot.frame.is_some());
        if sound && self.config.reliability == Reliability::Perfect {
            return (self.clean, frame);
        }
        (self.sense_all(self.config.geometry.ppa(block, page)), frame)
    }

    /// The same of any page of any chip.
    fn sense_all(&mut self, ppa: Ppa) -> ReadStatus {
        let g = self.config.geometry;
        let (block, page) = (g.block_of(ppa), g.page_of(ppa) as usize);
        let slot = &self.block(block).pages[page];
        let (flaw, empty) = (slot.flaw, slot.frame.is_none());
        let erased = empty && flaw != Flaw::Unreadable;
        if erased {
            return every(&g, Codeword::Erased);
        }
        let mut status = every(&g, Codeword::Corrected(0));
        if self.config.reliability != Reliability::Perfect && !self.is_bare() {
            self.draw_errors(ppa, &mut status);
        }
        match flaw {
            Flaw::None | Flaw::Charged => {}
            Flaw::Unreadable => status = every(&g, Codeword::Uncorrectable),
            Flaw::Unstable(0) => status = every(&g, Codeword::Uncorrectable),
            Flaw::Unstable(n) => self.block_mut(block).pages[page].flaw = Flaw::Unstable(n - 1),
            Flaw::Partial(n) => {
                (n.into()..g.codewords() as usize).for_each(|i| status.set(i, Codeword::Erased));
            }
        }
        let lost = status.codewords().filter(|&w| w == Codeword::Uncorrectable).count();
        self.counters.uncorrectable += lost as u64;
        self.counters.corrected_bits += u64::from(status.corrected());
        status
    }

    /// What a page went through until now, this read with it.
    fn stress_of(&mut self, ppa: Ppa) -> Stress {
        let g = self.config.geometry;
        let block = g.block_of(ppa);
        let reads = &mut self.disturb[block.0 as usize];
        *reads = reads.saturating_add(1);
        let reads = *reads;
        let state = self.block(block);
        let born = state.born(g.page_of(ppa));
        let hours = self.aged.saturating_sub(born) as f64 / 1000.0;
        Stress { erases: state.erases, hours, reads, retry: self.retry, offset: self.offset }
    }

    /// Draws each codeword's errors. The draw hangs on the page and its program, so a page's
    /// errors stay the same from read to read and only grow with stress.
    fn draw_errors(&mut self, ppa: Ppa, status: &mut ReadStatus) {
        let ecc = self.config.geometry.ecc;
        let stress = self.stress_of(ppa);
        let bits = (ecc.codeword_bytes + u32::from(ecc.parity_bytes)) * 8;
        let mean = self.config.reliability.rber(&stress) * f64::from(bits);
        let mut rng = self.page_rng(ppa);
        for i in 0..self.config.geometry.codewords() as usize {
            let errors = poisson(mean, unit(&mut rng));
            status.set(
                i,
                if errors > u32::from(ecc.correctable) {
                    Codeword::Uncorrectable
                } else {
                    Codeword::Corrected(errors as u8)
                },
            );
        }
    }

    fn page_rng(&self, ppa: Ppa) -> Rng {
        let erases = self.block(self.config.geometry.block_of(ppa)).erases;
        let mut rng = Rng::new(self.config.seed ^ ppa.0.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Rng::new(rng.next_u64() ^ u64::from(erases))
    }

    /// Whether the chip leaves error correction to the host: its reads give what the cells hold.
    #[inline]
    pub fn is_bare(&self) -> bool {
        self.config.geometry.ecc.correctable == 0
    }

    /// Flips the wrong bits of a chip that corrects none. Where they are hangs on the page and its
    /// program alone; more stress adds to them. A page that is not programmed errs too.
    ///
    /// The cells that fell and those that rose stand in two rows, those furthest on the wrong side first. References
    /// that are moved find fewer of the one and more of the other: so soft reads agree on what is far from them.
    pub(super) fn flip(&mut self, ppa: Ppa, at: u32, data: &mut [u8], oob: &mut [u8]) {
        let g = self.config.geometry;
        let stress = self.stress_of(ppa);
        let chances = self.config.reliability.chances(&stress);
        let (word, at) = (g.ecc.codeword_bytes as usize, at as usize);
        let share = (g.user_oob_bytes() as usize).div_ceil(g.codewords() as usize);
        let bits = (word + share) as u64 * 8;
        let mut rng = Rng::new(self.page_rng(ppa).next_u64() ^ 0x5bd1_e995);
        for i in 0..g.codewords() as usize {
            for chance in [chances.fallen, chances.risen] {
                let mut row = Rng::new(rng.next_u64());
                for _ in 0..poisson(chance * bits as f64, unit(&mut rng)) {
                    let bit = row.below(bits) as usize;
                    let (byte, mask) = (bit / 8, 1 << (bit % 8));
                    let place = if byte < word {
                        (i * word + byte).checked_sub(at).and_then(|p| data.get_mut(p))
                    } else {
                        oob.get_mut(i * share + byte - word)
                    };
                    if let Some(place) = place {
                        *place ^= mask;
                    }
                }
            }
        }
    }

    /// Flips bits of what could not be corrected, and blanks what is not programmed.
    pub(super) fn spoil_buffers(
        &mut self,
        ppa: Ppa,
        at: u32,
        data: &mut [u8],
        oob: &mut [u8],
        status: &ReadStatus,
    ) {
        let word = self.config.geometry.ecc.codeword_bytes as usize;
        let mut rng = self.page_rng(ppa);
        for (i, outcome) in status.codewords().enumerate() {
            let start = (i * word).saturating_sub(at as usize).min(data.len());
            let end = ((i + 1) * word).saturating_sub(at as usize).min(data.len());
            let part = &mut data[start..end];
            match outcome {
                Codeword::Erased => part.fill(0xff),
                Codeword::Uncorrectable => spray(part, &mut rng),
                Codeword::Corrected(_) => {}
            }
            // The out-of-band bytes are spread over the codewords.
            let share = oob.len().div_ceil(self.config.geometry.codewords() as usize).max(1);
            let lo = (i * share).min(oob.len());
            let hi = ((i + 1) * share).min(oob.len());
            let part = &mut oob[lo..hi];
            match outcome {
                Codeword::Erased => part.fill(0xff),
                Codeword::Uncorrectable => spray(part, &mut rng),
                Codeword::Corrected(_) => {}
            }
        }
    }
}

/// A number from 0 to below 1.
fn unit(rng: &mut Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Flips one bit in each run of four bytes, and one at least: more than a code of any use carries.
fn spray(bytes: &mut [u8], rng: &mut Rng) {
    for run in bytes.chunks_mut(4) {
        let bit = rng.below(run.len() as u64 * 8) as usize;
        run[bit / 8] ^= 1 << (bit % 8);
    }
}
