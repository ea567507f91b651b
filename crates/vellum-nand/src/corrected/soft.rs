//! What one read does not decode, from several: soft reads.

use super::{Corrected, told, wrong_code};
use crate::{Codeword, Nand, NandError, Ppa};
use alloc::vec;
use alloc::vec::Vec;
use vellum_ecc::Codec;

/// Steps of the references between one pair of reads and the next: half a state's width in the model.
const SPACING: u8 = 2;

/// A page and its out-of-band bytes as the cells gave them once.
struct Read {
    page: Vec<u8>,
    spare: Vec<u8>,
}

impl<N: Nand, C: Codec> Corrected<N, C> {
    /// Reads a page again when a codeword of it does not decode, up to `pairs` times twice: with the references above
    /// and below where they were, each pair further away. A code of soft decisions weighs by them how sure each bit is,
    /// one of hard decisions tries each. With none (but for LDPC codes, that is so from the start) such a codeword is lost
    /// at once.
    ///
    /// No more pairs are read than the chip has offsets for.
    pub fn set_soft_reads(&mut self, pairs: u8) {
        self.soft = pairs.min(self.chip.read_offsets() / SPACING);
    }

    /// Decodes those of the codewords from `from` on that `came` calls uncorrectable. They lie in the page buffers as
    /// they were read.
    pub(super) fn decode_softly(
        &mut self,
        ppa: Ppa,
        from: usize,
        came: &mut [Codeword],
    ) -> Result<(), NandError> {
        let mut reads = Vec::new();
        for pair in 1..=self.soft {
            let away = (pair * SPACING).cast_signed();
            for offset in [-away, away] {
                self.chip.set_read_offset(offset)?;
                let read = self.read_bare(ppa, from, came.len());
                // Whatever came of it, the next read is an ordinary one.
                self.chip.set_read_offset(0)?;
                reads.push(read?);
            }
            for (i, came) in (from..).zip(came.iter_mut()) {
                if *came == Codeword::Uncorrectable {
                    *came = self.decode_from(&reads, i)?;
                }
            }
            if !came.contains(&Codeword::Uncorrectable) {
                break;
            }
        }
        Ok(())
    }

    /// The bytes of some codewords as the cells give them.
    fn read_bare(&mut self, ppa: Ppa, from: usize, words: usize) -> Result<Read, NandError> {
        let bytes = self.words.bytes;
        let (mut page, mut spare) = (vec![0; self.page.len()], vec![0; self.spare.len()]);
        let part = &mut page[from * bytes..(from + words) * bytes];
        self.chip.read(ppa, (from * bytes) as u32, part, &mut spare)?;
        Ok(Read { page, spare })
    }

    /// Codeword `i` of the page buffers, from them and further reads.
    fn decode_from(&mut self, reads: &[Read], i: usize) -> Result<Codeword, NandError> {
        let Corrected { words, code, page, spare, word, .. } = self;
        let (data, parity) = (code.data_len(), words.parity);
        let whole = |page: &[u8], spare: &[u8]| {
            let mut bytes = vec![0; data + parity];
            words.gather(i, page, spare, &mut bytes[..data]);
            bytes[data..].copy_from_slice(&spare[words.user + i * parity..][..parity]);
            bytes
        };
        let mut each = vec![whole(page, spare)];
        each.extend(reads.iter().map(|read| whole(&read.page, &read.spare)));
        let each: Vec<&[u8]> = each.iter().map(Vec::as_slice).collect();
        words.gather(i, page, spare, word);
        let outcome = code.decode_reads(&each, word, words.parity_of(i, spare));
        let outcome = outcome.map_err(wrong_code)?;
        words.scatter(i, word, page, spare);
        Ok(told(outcome))
    }
}
