//! A write cache: pages wait in RAM, bounded, until a flush or until there is no room for them.
//!
//! What is written again while it waits costs no program. The price is that a loss of power takes what was not
//! flushed, as with a disk's volatile cache: [`Layer::writes_are_cached`] says so, and block devices over it ask for flushes.
//! The order in which pages were first written is the order in which they go to flash, and a page takes its place
//! in that only once; so a page that is written all the time is not in the way of the others.

use crate::{Config, FtlError, Health, Layer, Lpn, Stats};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;
use vellum_nand::{Geometry, Nand, Page};

/// A layer behind a write cache of [`Config::cached_pages`] pages; with none of them it is the layer itself.
///
/// ```
/// use vellum_ftl::{Cached, Config, Ftl, Layer, Lpn};
/// use vellum_nand::{Geometry, Model, ModelConfig};
///
/// let chip = Model::new(ModelConfig::perfect(Geometry::slc_1gbit()))?;
/// let config = Config { cached_pages: 64, ..Config::new(52_428) };
/// let mut ftl = Cached::<Ftl<Model>>::format(chip, config)?;
/// for version in 0..100 {
///     ftl.write(Lpn(7), &[version; 2048])?;
/// }
/// ftl.flush()?;
/// assert_eq!((ftl.stats().host_writes, ftl.stats().programs_host), (100, 1));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cached<L> {
    layer: L,
    limit: u32,
    /// The pages that wait, each with its turn.
    pages: BTreeMap<u32, (u64, Page)>,
    /// The same by turn.
    turns: BTreeMap<u64, u32>,
    turn: u64,
    /// Host writes that cost none of the layer below, reads that it was not asked for.
    absorbed: u64,
    reads: u64,
}

impl<L: Layer> Cached<L> {
    /// A layer behind a cache of as many pages as its configuration says.
    pub fn new(layer: L, config: Config) -> Cached<L> {
        Cached {
            layer,
            limit: config.cached_pages,
            pages: BTreeMap::new(),
            turns: BTreeMap::new(),
            turn: 0,
            absorbed: 0,
            reads: 0,
        }
    }

    /// Pages that wait.
    pub fn waiting(&self) -> usize {
        self.pages.len()
    }

    /// Writes all that waits to the layer and lends it, for what only it can do: batches, snapshots. Not a flush.
    ///
    /// # Errors
    /// As for writing.
    pub fn written_out(&mut self) -> Result<&mut L, FtlError> {
        while !self.turns.is_empty() {
            self.write_oldest()?;
        }
        Ok(&mut self.layer)
    }

    /// The layer below; it does not know of what waits.
    pub fn layer(&self) -> &L {
        &self.layer
    }

    /// The layer below, without what waits, for what does not depend on it.
    #[cfg(feature = "campaign")]
    pub(crate) fn layer_mut(&mut self) -> &mut L {
        &mut self.layer
    }

    /// Writes the page that waits longest. It waits on if that fails.
    fn write_oldest(&mut self) -> Result<(), FtlError> {
        let Some((&turn, &lpn)) = self.turns.first_key_value() else { return Ok(()) };
        if let Some((_, page)) = self.pages.get(&lpn) {
            self.layer.write_page(Lpn(lpn), page)?;
        }
        self.turns.remove(&turn);
        self.pages.remove(&lpn);
        Ok(())
    }

    fn check(&self, lpn: Lpn, found: usize) -> Result<(), FtlError> {
        let (pages, expected) = (self.pages(), self.page_bytes());
        if lpn.0 >= pages {
            return Err(FtlError::PastEnd { lpn: lpn.0.into(), pages: pages.into() });
        }
        if found == expected { Ok(()) } else { Err(FtlError::Length { found, expected }) }
    }

    /// Has a page wait in another's place, or in a new one.
    fn hold(&mut self, lpn: Lpn, page: Page) -> Result<(), FtlError> {
        if let Some((_, held)) = self.pages.get_mut(&lpn.0) {
            *held = page;
            self.absorbed += 1;
            return Ok(());
        }
        while self.pages.len() >= self.limit as usize {
            self.write_oldest()?;
        }
        self.turn += 1;
        self.turns.insert(self.turn, lpn.0);
        self.pages.insert(lpn.0, (self.turn, page));
        Ok(())
    }

    /// What waits for discarded pages goes nowhere.
    fn forget(&mut self, lpns: Range<u32>) {
        let gone: Vec<u32> = self.pages.range(lpns).map(|(&lpn, _)| lpn).collect();
        for lpn in gone {
            if let Some((turn, _)) = self.pages.remove(&lpn) {
                self.turns.remove(&turn);
                self.absorbed += 1;
            }
        }
    }
}

impl<L: Layer> Layer for Cached<L> {
    type Chip = L::Chip;
    type Over<N: Nand> = Cached<L::Over<N>>;
    const TAKES_PAGES: bool = L::TAKES_PAGES;

    fn format(nand: L::Chip, config: Config) -> Result<Self, FtlError> {
        Ok(Cached::new(L::format(nand, config)?, config))
    }

    fn mount(nand: L::Chip, config: Config) -> Result<Self, FtlError> {
        Ok(Cached::new(L::mount(nand, config)?, config))
    }

    fn most_pages(geometry: &Geometry) -> u32 {
        L::most_pages(geometry)
    }

    fn config(&self) -> Config {
        Config { cached_pages: self.limit, ..self.layer.config() }
    }

    fn page_bytes(&self) -> usize {
        self.layer.page_bytes()
    }

    fn oob_bytes(&self) -> usize {
        self.layer.oob_bytes()
    }

    fn writes_are_cached(&self) -> bool {
        self.limit > 0 || self.layer.writes_are_cached()
    }

    fn read(&mut self, lpn: Lpn, out: &mut [u8]) -> Result<(), FtlError> {
        self.check(lpn, out.len())?;
        match self.pages.get(&lpn.0) {
            Some((_, page)) => {
                out.copy_from_slice(page);
                self.reads += 1;
                Ok(())
            }
            None => self.layer.read(lpn, out),
        }
    }

    /// A page that waits is overwritten there. An error may be that of an earlier page, which had to make room: that
    /// waits on, and this one was not taken.
    fn write(&mut self, lpn: Lpn, data: &[u8]) -> Result<(), FtlError> {
        if self.limit == 0 {
            return self.layer.write(lpn, data);
        }
        self.check(lpn, data.len())?;
        let mut page = self.layer.page();
        page.bytes_mut().copy_from_slice(data);
        self.hold(lpn, page)
    }

    fn page(&mut self) -> Page {
        self.layer.page()
    }

    fn read_page(&mut self, lpn: Lpn) -> Result<Page, FtlError> {
        match self.pages.get(&lpn.0) {
            Some((_, page)) => {
                self.reads += 1;
                Ok(page.clone())
            }
            None => self.layer.read_page(lpn),
        }
    }

    fn write_page(&mut self, lpn: Lpn, page: &Page) -> Result<(), FtlError> {
        if self.limit == 0 {
            return self.layer.write_page(lpn, page);
        }
        self.check(lpn, page.len())?;
        self.hold(lpn, page.clone())
    }

    fn trim(&mut self, first: Lpn, count: u32) -> Result<(), FtlError> {
        self.layer.trim(first, count)?;
        self.forget(first.0..first.0.saturating_add(count));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), FtlError> {
        self.written_out()?.flush()
    }

    fn scrub(&mut self, from: Lpn, pages: u32) -> Result<Lpn, FtlError> {
        self.layer.scrub(from, pages)
    }

    fn shut_down(mut self) -> Result<L::Chip, FtlError> {
        self.written_out()?;
        self.layer.shut_down()
    }

    fn most_moves(&self) -> u32 {
        self.layer.most_moves()
    }

    fn stats(&self) -> Stats {
        let below = self.layer.stats();
        Stats {
            host_writes: below.host_writes + self.absorbed + self.pages.len() as u64,
            host_reads: below.host_reads + self.reads,
            ..below
        }
    }

    fn health(&self) -> Health {
        let below = self.layer.health();
        // A page, and two entries.
        let each = self.page_bytes() + 2 * size_of::<(u32, u64)>() + size_of::<Page>();
        Health { ram_bytes: below.ram_bytes + self.limit as usize * each, ..below }
    }

    fn nand(&self) -> &L::Chip {
        self.layer.nand()
    }

    fn nand_mut(&mut self) -> &mut L::Chip {
        self.layer.nand_mut()
    }

    fn into_nand(self) -> L::Chip {
        self.layer.into_nand()
    }
}
