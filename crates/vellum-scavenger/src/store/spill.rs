//! Where packed pages go when the store is full: whole pages in numbered slots.

use crate::content::Page;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileExt;
use vellum_frames::PAGE_SIZE;

/// A place for pages outside memory. A failure is reported to whoever wants the page; nothing is
/// ever taken for zeros.
pub trait Spill: core::fmt::Debug + Send {
    /// Pages that fit.
    fn capacity(&self) -> u64;

    /// Writes a page to a slot below [`Spill::capacity`].
    ///
    /// # Errors
    /// When the medium refuses.
    fn write(&mut self, slot: u64, page: &Page) -> Result<()>;

    /// Reads a page back.
    ///
    /// # Errors
    /// When the medium refuses, or has lost the page.
    fn read(&mut self, slot: u64, page: &mut Page) -> Result<()>;
}

/// Slots in a file.
#[derive(Debug)]
pub struct FileSpill {
    file: File,
    pages: u64,
}

impl FileSpill {
    /// Room for `pages` pages in `file`, which is reserved now: a disk that is full says so here and
    /// not when a page has nowhere to go.
    ///
    /// # Errors
    /// When the file system has not that much room.
    pub fn new(file: File, pages: u64) -> Result<Self> {
        let bytes = pages.checked_mul(PAGE_SIZE as u64).ok_or(ErrorKind::InvalidInput)?;
        if bytes > 0 {
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
        }
        Ok(FileSpill { file, pages })
    }

    fn offset(&self, slot: u64) -> Result<u64> {
        if slot < self.pages {
            Ok(slot * PAGE_SIZE as u64)
        } else {
            Err(Error::new(ErrorKind::InvalidInput, format!("slot {slot} of {}", self.pages)))
        }
    }
}

impl Spill for FileSpill {
    fn capacity(&self) -> u64 {
        self.pages
    }

    fn write(&mut self, slot: u64, page: &Page) -> Result<()> {
        self.file.write_all_at(page, self.offset(slot)?)
    }

    fn read(&mut self, slot: u64, page: &mut Page) -> Result<()> {
        self.file.read_exact_at(page, self.offset(slot)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_pages_by_slot() {
        let mut spill = FileSpill::new(tempfile::tempfile().unwrap(), 3).unwrap();
        spill.write(2, &[2; PAGE_SIZE]).unwrap();
        spill.write(0, &[9; PAGE_SIZE]).unwrap();
        let mut page = [0; PAGE_SIZE];
        spill.read(2, &mut page).unwrap();
        assert!(page == [2; PAGE_SIZE]);
        assert!(spill.write(3, &page).unwrap_err().to_string().contains("slot 3 of 3"));
    }
}
