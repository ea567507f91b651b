//! A TLB as words: where nothing else decides what a guest that omits a fence sees, the guest's word in
//! its entries is a part of the machine's state. The host's is not, so whatever a host does leaves the
//! state as it is; a restored TLB has parked entries, and the host is asked again at the next access.
//!
//! ```text
//! space count · satp of each · the space that goes next · regions with pieces · giants
//! data count · (index, tag, page and flags)*
//! code count · (index, tag, page and flags)*
//! ```

use super::entry::{CodeEntry, DataEntry};
use super::{CODE_ENTRIES, DATA_ENTRIES, KEY_MASK, KEY_SHIFT, NO_TAG, SPACES, Tlb};
use crate::riscv::Satp;
use crate::{Gva, PAGE_MASK};
use alloc::vec::Vec;

impl Tlb {
    /// Everything that decides what will hit.
    pub fn to_words(&self) -> Vec<u64> {
        let mut out = Vec::new();
        out.push(self.spaces.len() as u64);
        out.extend(&self.spaces);
        out.extend([self.next_space as u64, self.pieces, u64::from(self.giants)]);
        put(&mut out, self.data.iter().map(|e| (e.tag(), e.page)));
        put(&mut out, self.code.iter().map(|e| (e.tag, e.page)));
        out
    }

    /// Takes over what [`Tlb::to_words`] gave.
    ///
    /// # Errors
    /// With a word on what is wrong; the TLB is then empty.
    pub fn from_words(&mut self, words: &[u64]) -> Result<(), &'static str> {
        let satp = self.satp;
        self.flush();
        let read = self.read(&mut words.iter().copied());
        if read.is_err() {
            self.flush();
            self.spaces.clear();
            self.next_space = 0;
        }
        // Its number may be another one now.
        self.set_satp(satp);
        read
    }

    fn read(&mut self, words: &mut impl Iterator<Item = u64>) -> Result<(), &'static str> {
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
        for _ in 0..next()? {
            let (index, tag, page) = (next()? as usize, next()?, next()?);
            check(index, DATA_ENTRIES, tag, spaces)?;
            self.data[index] = DataEntry::parked(tag, page);
        }
        for _ in 0..next()? {
            let (index, tag, page) = (next()? as usize, next()?, next()?);
            check(index, CODE_ENTRIES, tag, spaces)?;
            self.code[index] = CodeEntry::parked(tag, page);
        }
        if next().is_ok() { Err("something follows its end") } else { Ok(()) }
    }
}

/// Whether an entry may stand where it says.
fn check(index: usize, entries: usize, tag: u64, spaces: u64) -> Result<(), &'static str> {
    if tag & !(PAGE_MASK | KEY_MASK) != 0 || (tag & KEY_MASK) >> (KEY_SHIFT + 3) >= spaces {
        return Err("an entry of no address space");
    }
    if index >= entries || Gva::new(tag).page() as usize % entries != index {
        return Err("an entry in the wrong place");
    }
    Ok(())
}

/// The entries that say something, with their places.
fn put(out: &mut Vec<u64>, entries: impl Iterator<Item = (u64, u64)> + Clone) {
    let entries = entries.enumerate().filter(|(_, (tag, _))| *tag != NO_TAG);
    out.push(entries.clone().count() as u64);
    out.extend(entries.flat_map(|(index, (tag, page))| [index as u64, tag, page]));
}
