//! What every translation layer does, whatever it keeps in RAM: so that the block device, the server and
//! the power-cut campaign are written once.

use crate::{Config, Ftl, FtlError, Health, Lpn, Small, Stats};
use vellum_nand::{Geometry, Nand, Page};

/// A translation layer over a chip: [`Ftl`], with tables in RAM, or [`Small`], with almost none.
///
/// Order of calls: [`Layer::format`] once in a chip's life, [`Layer::mount`] after each start; then anything.
/// [`Layer::into_nand`] at any moment is a loss of power.
pub trait Layer: Sized {
    /// The chip below.
    type Chip: Nand;
    /// The same layer over another chip.
    type Over<N: Nand>: Layer<Chip = N>;

    /// Makes an empty device of a chip. Everything on it is lost.
    ///
    /// # Errors
    /// When the chip's shape can't carry the layer, its good blocks so many logical pages, or the layer does
    /// not have what is asked for.
    fn format(nand: Self::Chip, config: Config) -> Result<Self, FtlError>;

    /// Mounts a formatted chip. What was fixed at formatting comes from the chip.
    ///
    /// # Errors
    /// When the chip was never formatted for this layer, for another geometry, or by another version; when
    /// nothing readable is left of it; the chip's failures.
    fn mount(nand: Self::Chip, config: Config) -> Result<Self, FtlError>;

    /// The most logical pages that a chip of this shape carries when no block is bad; 0 when it can't carry
    /// the layer at all.
    fn most_pages(geometry: &Geometry) -> u32;

    /// The parameters in force.
    fn config(&self) -> Config;

    /// Logical pages.
    fn pages(&self) -> u32 {
        self.config().logical_pages
    }

    /// Bytes of a page.
    fn page_bytes(&self) -> usize;

    /// Bytes beside each page that the layer writes.
    fn oob_bytes(&self) -> usize;

    /// Whether a write may be gone after a loss of power until a flush.
    fn writes_are_cached(&self) -> bool;

    /// Reads a logical page; what was never written, or was discarded, reads as zeros.
    ///
    /// # Errors
    /// [`FtlError::Unreadable`] when the content is lost; a wrong address or buffer.
    fn read(&mut self, lpn: Lpn, out: &mut [u8]) -> Result<(), FtlError>;

    /// Writes a logical page.
    ///
    /// # Errors
    /// [`FtlError::ReadOnly`] when the device is worn out; a wrong address or buffer; the chip's failures.
    fn write(&mut self, lpn: Lpn, data: &[u8]) -> Result<(), FtlError>;

    /// Whether pages that are handed over spare a copy here.
    const TAKES_PAGES: bool = false;

    /// A page's worth of bytes to fill for [`Layer::write_page`], of any content.
    fn page(&mut self) -> Page {
        Page::zeroed(self.page_bytes())
    }

    /// As [`Layer::read`], with a page that the layer below need not copy.
    ///
    /// # Errors
    /// As for reading.
    fn read_page(&mut self, lpn: Lpn) -> Result<Page, FtlError> {
        let mut page = self.page();
        self.read(lpn, page.bytes_mut())?;
        Ok(page)
    }

    /// As [`Layer::write`], with a page that the layer below may keep.
    ///
    /// # Errors
    /// As for writing.
    fn write_page(&mut self, lpn: Lpn, page: &Page) -> Result<(), FtlError> {
        self.write(lpn, page)
    }

    /// Discards logical pages: they read as zeros.
    ///
    /// # Errors
    /// As for writing.
    fn trim(&mut self, first: Lpn, count: u32) -> Result<(), FtlError>;

    /// Makes everything before durable.
    ///
    /// # Errors
    /// As for writing.
    fn flush(&mut self) -> Result<(), FtlError>;

    /// Reads up to `pages` pages from `from` on and has moved what was read with effort. Returns the page to
    /// go on from.
    ///
    /// # Errors
    /// The chip's failures.
    fn scrub(&mut self, from: Lpn, pages: u32) -> Result<Lpn, FtlError>;

    /// Flushes and gives the chip back.
    ///
    /// # Errors
    /// As for writing.
    fn shut_down(self) -> Result<Self::Chip, FtlError>;

    /// The most page moves that one host operation on one page waits for while no block fails.
    fn most_moves(&self) -> u32;

    /// What was done since the formatting or the mount, by cause.
    fn stats(&self) -> Stats;

    /// The state of health. O(blocks).
    fn health(&self) -> Health;

    /// The chip below.
    fn nand(&self) -> &Self::Chip;

    /// The chip below, for what only it can do.
    fn nand_mut(&mut self) -> &mut Self::Chip;

    /// Gives the chip back, as if the power went.
    fn into_nand(self) -> Self::Chip;
}

/// Both layers have these methods themselves, so that nobody needs the trait who uses one of them.
macro_rules! layer {
    ($layer:ident, $most_pages:path, { $($own:item)* }) => {
        impl<N: Nand> Layer for $layer<N> {
            type Chip = N;
            type Over<M: Nand> = $layer<M>;

            fn format(nand: N, config: Config) -> Result<Self, FtlError> {
                $layer::format(nand, config)
            }
            fn mount(nand: N, config: Config) -> Result<Self, FtlError> {
                $layer::mount(nand, config)
            }
            fn most_pages(geometry: &Geometry) -> u32 {
                $most_pages(geometry)
            }
            fn config(&self) -> Config {
                $layer::config(self)
            }
            fn page_bytes(&self) -> usize {
                $layer::page_bytes(self)
            }
            fn oob_bytes(&self) -> usize {
                $layer::oob_bytes(self)
            }
            fn writes_are_cached(&self) -> bool {
                $layer::writes_are_cached(self)
            }
            fn read(&mut self, lpn: Lpn, out: &mut [u8]) -> Result<(), FtlError> {
                $layer::read(self, lpn, out)
            }
            fn write(&mut self, lpn: Lpn, data: &[u8]) -> Result<(), FtlError> {
                $layer::write(self, lpn, data)
            }
            fn trim(&mut self, first: Lpn, count: u32) -> Result<(), FtlError> {
                $layer::trim(self, first, count)
            }
            fn flush(&mut self) -> Result<(), FtlError> {
                $layer::flush(self)
            }
            fn scrub(&mut self, from: Lpn, pages: u32) -> Result<Lpn, FtlError> {
                $layer::scrub(self, from, pages)
            }
            fn shut_down(self) -> Result<N, FtlError> {
                $layer::shut_down(self)
            }
            fn most_moves(&self) -> u32 {
                $layer::most_moves(self)
            }
            fn stats(&self) -> Stats {
                $layer::stats(self)
            }
            fn health(&self) -> Health {
                $layer::health(self)
            }
            fn nand(&self) -> &N {
                $layer::nand(self)
            }
            fn nand_mut(&mut self) -> &mut N {
                $layer::nand_mut(self)
            }
            fn into_nand(self) -> N {
                $layer::into_nand(self)
            }
            $($own)*
        }
    };
}

layer!(Ftl, Config::most_pages, {
    const TAKES_PAGES: bool = true;

    fn page(&mut self) -> Page {
        Ftl::page(self)
    }
    fn read_page(&mut self, lpn: Lpn) -> Result<Page, FtlError> {
        Ftl::read_page(self, lpn)
    }
    fn write_page(&mut self, lpn: Lpn, page: &Page) -> Result<(), FtlError> {
        Ftl::write_page(self, lpn, page)
    }
});
layer!(Small, Small::<N>::most_pages, {});
