//! A TLB as words: where nothing else decides what a guest that omits a fence sees, its entries are a
//! part of the machine's state. Frames are not among them; the host is asked again.
//!
//! ```text
//! space count · satp of each · the space that goes next · regions with pieces · giants
//! data count · (index, tags: 1 read, 2 write, tag, page and flags)*
//! code count · (index, tag, page, flags)*
//! ```

use super::{CODE_ENTRIES, CodeEntry, DATA_ENTRIES, DataEntry, NO_TAG, PageFlags, SPACES, Tlb};
use crate::riscv::Satp;
use crate::{FrameId, Gfn, Rights};
use alloc::vec::Vec;

/// The host's word on a page that a TLB is to have again: frame and host address, with this right.
pub type AskHost<'a> = dyn FnMut(Gfn, Rights) -> Option<(FrameId, u64)> + 'a;

impl Tlb {
    /// Everything that decides what will hit.
    pub fn to_words(&self) -> Vec<u64> {
        let mut out = Vec::new();
        out.push(self.spaces.len() as u64);
        out.extend(&self.spaces);
        out.extend([self.next_space as u64, self.pieces, u64::from(self.giants)]);
        let data =
            self.data.iter().enumerate().filter(|(_, e)| e.read != NO_TAG || e.write != NO_TAG);
        out.push(data.clone().count() as u64);
        for (index, entry) in data {
            let tags = u64::from(entry.read != NO_TAG) | u64::from(entry.write != NO_TAG) << 1;
            out.extend([index as u64, tags, entry.read.min(entry.write), entry.page]);
        }
        let code = self.code.iter().enumerate().filter(|(_, e)| e.tag != NO_TAG);
        out.push(code.clone().count() as u64);
        for (index, entry) in code {
            out.extend([index as u64, entry.tag, entry.gfn.get(), entry.flags.bits()]);
        }
        out
    }

    /// Takes over what [`Tlb::to_words`] gave. Entries whose page the host does not have are left
    /// out.
    ///
    /// # Errors
    /// With a word on what is wrong; the TLB is then empty.
    pub fn from_words(
        &mut self,
        words: &[u64],
        host: &mut AskHost<'_>,
    ) -> Result<(), &'static str> {
        let satp = self.satp;
        self.flush();
        let read = self.read(&mut words.iter().copied(), host);
        if read.is_err() {
            self.flush();
            self.spaces.clear();
            self.next_space = 0;
        }
        // Its number may be another one now.
        self.set_satp(satp);
        read
    }

    fn read(
        &mut self,
        words: &mut impl Iterator<Item = u64>,
        host: &mut AskHost<'_>,
    ) -> Result<(), &'static str> {
        let mut next = || words.next().ok_or("it ends too early");
        self.spaces.clear();
        for _ in 0..next()? {
            let bits = next()?;
            if self.spaces.len() == SPACES || Satp::from_bits(bits).is_none() {
                return Err("an address space that can't be");
            }
            self.spaces.push(bits);
        }
        self.next_space = next()? as usize % SPACES;
        self.pieces = next()?;
        self.giants = next()? != 0;
        let spaces = self.spaces.len() as u64;
        let known = |tag: u64| (tag & super::KEY_MASK) >> (super::KEY_SHIFT + 3) < spaces;
        let strange = |tag: u64| tag & !(crate::PAGE_MASK | super::KEY_MASK) != 0 || !known(tag);
        for _ in 0..next()? {
            let (index, tags, tag, page) = (next()? as usize, next()?, next()?, next()?);
            let va = tag & crate::PAGE_MASK;
            if index >= DATA_ENTRIES
                || index != Self::data_index(va >> 12)
                || !(1..=3).contains(&tags)
                || strange(tag)
            {
                return Err("an entry in the wrong place");
            }
            let right = if tags & 2 != 0 { Rights::WRITE } else { Rights::READ };
            let Some((_, at)) = host(Gfn::new(page >> 12), right) else { continue };
            let tag_if = |bit| if tags & bit != 0 { tag } else { NO_TAG };
            self.data[index] =
                DataEntry { read: tag_if(1), write: tag_if(2), host: at.wrapping_sub(va), page };
        }
        for _ in 0..next()? {
            let (index, tag, gfn, flags) = (next()? as usize, next()?, next()?, next()?);
            let va = tag & crate::PAGE_MASK;
            if index >= CODE_ENTRIES || index != (va >> 12) as usize % CODE_ENTRIES || strange(tag)
            {
                return Err("a code entry in the wrong place");
            }
            let gfn = Gfn::new(gfn);
            let Some((frame, _)) = host(gfn, Rights::EXECUTE) else { continue };
            let flags = PageFlags::from_bits_truncate(flags);
            self.code[index] = CodeEntry { tag, frame, gfn, flags };
        }
        if next().is_ok() { Err("something follows its end") } else { Ok(()) }
    }
}
