//! The layers as media of `vellum-block`: sectors are logical pages. So the NBD server, a file
//! system in a test, or an overlay can stand on flash.

use crate::{Cached, Ftl, FtlError, Layer, Lpn, Small};
use vellum_block::{Lba, Media, MediaError, Op};
use vellum_nand::{Nand, Page};

/// The contract is foreign, so it can't be given to every [`Layer`] at once.
macro_rules! media {
    ($over:ident: $bound:ident, $layer:ident) => {
        impl<$over: $bound> Media for $layer<$over> {
            fn sector_bytes(&self) -> u32 {
                self.page_bytes() as u32
            }
            fn sectors(&self) -> u64 {
                self.pages().into()
            }
            fn read(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
                self.check(lba, out.len())?;
                read(self, lba, out)
            }
            fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediaError> {
                self.check(lba, data.len())?;
                write(self, lba, data)
            }
            fn takes_pages(&self) -> bool {
                <Self as Layer>::TAKES_PAGES
            }
            fn page(&mut self) -> Page {
                Layer::page(self)
            }
            fn read_page(&mut self, lba: Lba) -> Result<Page, MediaError> {
                self.check_sectors(lba, 1)?;
                let lpn = lba.get() as u32;
                Layer::read_page(self, Lpn(lpn)).map_err(|e| refused(e, Op::Read, lpn))
            }
            fn write_page(&mut self, lba: Lba, page: &Page) -> Result<(), MediaError> {
                self.check(lba, page.len())?;
                self.check_sectors(lba, 1)?;
                let lpn = lba.get() as u32;
                Layer::write_page(self, Lpn(lpn), page).map_err(|e| refused(e, Op::Write, lpn))
            }
            fn discard(&mut self, lba: Lba, sectors: u64) -> Result<(), MediaError> {
                self.check_sectors(lba, sectors)?;
                // The range lies inside the device, whose pages are numbered in 32 bits.
                let (first, count) = (lba.get() as u32, sectors as u32);
                Layer::trim(self, Lpn(first), count).map_err(|e| refused(e, Op::Discard, first))
            }
            fn flush(&mut self) -> Result<(), MediaError> {
                Layer::flush(self).map_err(|e| refused(e, Op::Flush, 0))
            }
        }
    };
}

media!(N: Nand, Ftl);
media!(N: Nand, Small);
media!(L: Layer, Cached);

fn read(layer: &mut impl Layer, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
    let bytes = layer.page_bytes();
    for (lpn, page) in (lba.get() as u32..).zip(out.chunks_mut(bytes)) {
        layer.read(Lpn(lpn), page).map_err(|e| refused(e, Op::Read, lpn))?;
    }
    Ok(())
}

fn write(layer: &mut impl Layer, lba: Lba, data: &[u8]) -> Result<(), MediaError> {
    let bytes = layer.page_bytes();
    for (lpn, page) in (lba.get() as u32..).zip(data.chunks(bytes)) {
        layer.write(Lpn(lpn), page).map_err(|e| refused(e, Op::Write, lpn))?;
    }
    Ok(())
}

/// What the contract calls a refusal.
fn refused(error: FtlError, op: Op, lpn: u32) -> MediaError {
    match error {
        FtlError::ReadOnly { .. } => MediaError::ReadOnly,
        FtlError::Unreadable { lpn, .. } => MediaError::Unreadable { lba: Lba::new(lpn.0.into()) },
        _ => MediaError::Device { op, lba: Lba::new(lpn.into()) },
    }
}
