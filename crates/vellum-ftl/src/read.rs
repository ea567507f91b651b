//! Reading: where a logical page is, what is checked of it, and three ways to give it to the host: copied,
//! shared, lent.

use crate::ftl::Ftl;
use crate::map::UNMAPPED;
use crate::oob::Oob;
use crate::{Config, FtlError, Lpn};
use core::hint::black_box;
use vellum_nand::{Nand, NandError, Page, Ppa, ReadStatus};

impl<N: Nand> Ftl<N> {
    /// Reads a page of the chip, counted.
    pub(crate) fn chip_read(
        &mut self,
        ppn: u32,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<ReadStatus, NandError> {
        self.stats.chip_reads += 1;
        self.nand.read(Ppa(ppn.into()), 0, data, oob)
    }

    /// Where a logical page is, or [`UNMAPPED`]; reads its slice if need be.
    #[inline]
    pub(crate) fn lookup(&mut self, lpn: u32) -> Result<u32, FtlError> {
        match self.map.get(&self.l, lpn) {
            Some(ppn) => Ok(ppn),
            None => self.look_on_flash(lpn),
        }
    }

    #[cold]
    fn look_on_flash(&mut self, lpn: u32) -> Result<u32, FtlError> {
        self.load_slice(self.l.slice_of(lpn).0)?;
        Ok(self.map.get(&self.l, lpn).unwrap_or(UNMAPPED))
    }

    /// Reads a logical page; what was never written, or was discarded, reads as zeros.
    ///
    /// One chip read with a flat map (one more for the first touch of a slice after a mount). After a
    /// loss of power, reading what was written last first secures it.
    ///
    /// # Errors
    /// [`FtlError::Unreadable`] when the content is lost; a wrong address or buffer.
    pub fn read(&mut self, lpn: Lpn, out: &mut [u8]) -> Result<(), FtlError> {
        self.check_lpn(lpn)?;
        self.check_page(out.len())?;
        self.counted(lpn, |ftl, place| match place {
            UNMAPPED => {
                out.fill(0);
                Ok(())
            }
            ppn => ftl.read_physical(lpn, ppn, out),
        })
    }

    /// As [`Ftl::read`], with a page that a chip in memory need not copy: it and the reader then hold the
    /// same bytes until one of them writes.
    ///
    /// # Errors
    /// As for reading.
    pub fn read_page(&mut self, lpn: Lpn) -> Result<Page, FtlError> {
        self.check_lpn(lpn)?;
        self.counted(lpn, |ftl, place| match place {
            UNMAPPED => Ok(Page::zeroed(ftl.page_bytes())),
            ppn => ftl.read_physical_page(lpn, ppn),
        })
    }

    /// As [`Ftl::read`], for a look at the content: where the chip's memory can be lent, no byte is copied.
    ///
    /// # Errors
    /// As for reading; `look` is not called then.
    pub fn read_with<T>(&mut self, lpn: Lpn, look: impl FnOnce(&[u8]) -> T) -> Result<T, FtlError> {
        self.check_lpn(lpn)?;
        self.counted(lpn, |ftl, place| match place {
            UNMAPPED => {
                ftl.page.fill(0);
                Ok(look(&ftl.page))
            }
            ppn => ftl.look_at(lpn, ppn, look),
        })
    }

    /// A read by the host of where the page lies, with the chip's reads that it takes.
    fn counted<T>(
        &mut self,
        lpn: Lpn,
        read: impl FnOnce(&mut Self, u32) -> Result<T, FtlError>,
    ) -> Result<T, FtlError> {
        let before = self.stats.chip_reads;
        let result = self.find(lpn).and_then(|place| read(self, place));
        self.stats.read_reads += self.stats.chip_reads - before;
        result
    }

    fn look_at<T>(
        &mut self,
        lpn: Lpn,
        ppn: u32,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, FtlError> {
        let mut oob = [0; 64];
        let oob = &mut oob[..self.l.oob];
        self.stats.chip_reads += 1;
        let (status, data) = self.nand.view(Ppa(ppn.into()), oob, &mut self.page)?;
        if status.is_readable() {
            // All lines of memory are asked for at once; the checksum would wait for one after the other.
            black_box(data.iter().step_by(64).fold(0, |all, byte| all ^ byte));
            check_content(&self.config, lpn, ppn, data, oob)?;
            let seen = look(data);
            self.after_read(ppn, status.worst());
            return Ok(seen);
        }
        let mut page = core::mem::take(&mut self.page);
        let result = self.read_physical(lpn, ppn, &mut page);
        self.page = page;
        result.map(|()| look(&self.page))
    }

    /// Where the page is that the host reads. What the last cut left of it is secured first.
    fn find(&mut self, lpn: Lpn) -> Result<u32, FtlError> {
        if self.debt.as_ref().is_some_and(|d| d.concerns(lpn.0)) {
            self.settle()?;
        }
        self.stats.host_reads += 1;
        self.lookup(lpn.0)
    }

    fn read_physical_page(&mut self, lpn: Lpn, ppn: u32) -> Result<Page, FtlError> {
        let mut oob = [0; 64];
        let oob = &mut oob[..self.l.oob];
        self.stats.chip_reads += 1;
        let (status, mut page) = self.nand.read_page(Ppa(ppn.into()), oob)?;
        if !status.is_readable() {
            self.read_physical(lpn, ppn, page.bytes_mut())?;
            return Ok(page);
        }
        check_content(&self.config, lpn, ppn, &page, oob)?;
        self.after_read(ppn, status.worst());
        Ok(page)
    }

    /// Reads a data page with everything that may help.
    pub(crate) fn read_physical(
        &mut self,
        lpn: Lpn,
        ppn: u32,
        out: &mut [u8],
    ) -> Result<(), FtlError> {
        let mut oob = [0; 64];
        let oob = &mut oob[..self.l.oob];
        let status = self.read_ladder(ppn, out, oob)?;
        if !status.is_readable() {
            return Err(FtlError::Unreadable { lpn, ppa: Ppa(ppn.into()) });
        }
        check_content(&self.config, lpn, ppn, out, oob)?;
        self.after_read(ppn, status.worst());
        Ok(())
    }
}

/// Whether what was read is the logical page's, whole.
fn check_content(
    config: &Config,
    lpn: Lpn,
    ppn: u32,
    data: &[u8],
    oob: &[u8],
) -> Result<(), FtlError> {
    let unreadable = FtlError::Unreadable { lpn, ppa: Ppa(ppn.into()) };
    let record = Oob::decode_own(oob).filter(|r| r.lpn == lpn.0 && !r.lost);
    let record = record.ok_or(unreadable)?;
    if config.verify_reads && crc32fast::hash(data) != record.data_crc {
        return Err(unreadable);
    }
    Ok(())
}
