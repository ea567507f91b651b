//! The layer itself: what it holds, and what it tells of itself. What the host asks of it is in `host.rs`.

use crate::anchor::Anchor;
use crate::blocks::{Blocks, Keep, Role};
use crate::copies::Copies;
use crate::layout::{FRONTIERS, Layout};
use crate::log::Log;
use crate::map::Map;
use crate::oob::{FIXED, MAX_HISTORY, NO_LPN};
use crate::place::Placer;
use crate::record::Head;
use crate::settle::Debt;
use crate::snapshot::Snapshot;
use crate::stats::Cause;
use crate::{Config, FtlError, Health, Lpn, Stats};
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use vellum_nand::{EraseBlock, Nand, Page};

/// A frontier beside its head: what programming it needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trail {
    /// Logical pages of the last programs in the block, latest first.
    pub before: [u32; MAX_HISTORY],
    /// Pages below must not be endangered: pages that share cells with them stay blank.
    pub sealed: u32,
    /// Sum of the pages' birth times, and how many they are.
    pub births: u64,
    pub count: u32,
}

impl Trail {
    pub const NEW: Trail = Trail { before: [NO_LPN; MAX_HISTORY], sealed: 0, births: 0, count: 0 };
}

/// A block whose valid pages are on the move.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Victim {
    pub block: u32,
    pub next: u32,
    pub class: u8,
    pub cause: Cause,
    /// Valid pages when it was chosen.
    pub full: u32,
}

/// A flash translation layer over a chip.
///
/// Every call finishes what it starts; there are no threads and no hidden buffers. A write is
/// durable when [`Ftl::flush`] returns (on cells that hold one bit, when the write returns); a
/// discard when `flush` returns.
#[derive(Debug, Clone)]
pub struct Ftl<N> {
    pub(crate) nand: N,
    pub(crate) l: Layout,
    pub(crate) config: Config,
    pub(crate) map: Map,
    pub(crate) blocks: Blocks,
    pub(crate) heads: [Head; FRONTIERS],
    pub(crate) trails: [Trail; FRONTIERS],
    /// The latest records, and the frontiers before the first of them.
    pub(crate) records: VecDeque<u32>,
    pub(crate) start: [Head; FRONTIERS],
    pub(crate) record_end: u64,
    pub(crate) since_meta: u32,
    pub(crate) log: Log,
    pub(crate) anchor: Anchor,
    pub(crate) copies: Copies,
    /// What a mount after a loss of power left to be done before anything changes.
    pub(crate) debt: Option<Debt>,
    pub(crate) gc: Option<Victim>,
    /// Blocks whose pages are to be moved: failing ones first.
    pub(crate) pending: Vec<(u32, Cause)>,
    pub(crate) placer: Placer,
    pub(crate) seq: u64,
    /// Host writes so far.
    pub(crate) clock: u64,
    /// The day that the host last told.
    pub(crate) day: u16,
    /// Whether valid pages are counted: not until the whole map was seen.
    pub(crate) counted: bool,
    /// Blocks opened in the records replayed, by record number.
    pub(crate) opened: Vec<(u64, u32)>,
    /// Program number at the first discard that only the next metadata page makes durable.
    pub(crate) trimmed: Option<u64>,
    /// The last victim was chosen for its wear.
    pub(crate) levelled: bool,
    /// Something failed once: one more block is kept free.
    pub(crate) careful: bool,
    pub(crate) read_only: bool,
    pub(crate) moves: u32,
    pub(crate) page: Vec<u8>,
    pub(crate) snapshot: Snapshot,
    /// The stream of the page that the host is writing, if it names one.
    pub(crate) stream: Option<u8>,
    pub(crate) stats: Stats,
}

impl<N: Nand> Ftl<N> {
    /// The layer over nothing yet; `format` and `mount` fill it.
    pub(crate) fn bare(nand: N, l: Layout, config: Config, anchor: Anchor) -> Ftl<N> {
        Ftl {
            map: Map::new(&l, config.map),
            blocks: Blocks::new(l.g.blocks, l.g.pages_per_block, Keep::of(&config)),
            heads: [Head::CLOSED; FRONTIERS],
            trails: [Trail::NEW; FRONTIERS],
            records: VecDeque::with_capacity(l.records as usize + 1),
            start: [Head::CLOSED; FRONTIERS],
            record_end: 0,
            since_meta: 0,
            log: Log::new(&l),
            anchor,
            copies: Copies::LOST,
            debt: None,
            gc: None,
            pending: Vec::new(),
            placer: Placer::new(config.placement, config.logical_pages),
            seq: 1,
            clock: 0,
            day: 0,
            counted: false,
            opened: Vec::new(),
            trimmed: None,
            levelled: false,
            careful: false,
            read_only: false,
            moves: 0,
            page: vec![0; l.page_bytes()],
            snapshot: Snapshot::default(),
            stream: None,
            stats: Stats::default(),
            nand,
            l,
            config,
        }
    }

    /// Logical pages.
    pub fn pages(&self) -> u32 {
        self.config.logical_pages
    }

    /// The parameters in force.
    pub fn config(&self) -> Config {
        self.config
    }

    /// Bytes of a page.
    pub fn page_bytes(&self) -> usize {
        self.l.page_bytes()
    }

    /// Bytes beside each page that the layer writes.
    pub fn oob_bytes(&self) -> usize {
        self.l.oob
    }

    /// Whether a write may be gone after a loss of power until [`Ftl::flush`]: where pages share cells.
    pub fn writes_are_cached(&self) -> bool {
        self.shared()
    }

    /// What was done so far, by cause.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The chip below.
    pub fn nand(&self) -> &N {
        &self.nand
    }

    /// The chip below, for what only it can do: aging a model, cutting its power.
    pub fn nand_mut(&mut self) -> &mut N {
        &mut self.nand
    }

    /// Gives the chip back as it is, as if the power went. What was flushed is there for
    /// [`Ftl::mount`].
    pub fn into_nand(self) -> N {
        self.nand
    }

    /// Flushes, notes that nothing is in flight, and gives the chip back: the next mount has nothing
    /// to repair.
    ///
    /// # Errors
    /// As for writing; a read-only device shuts down without a note.
    pub fn shut_down(mut self) -> Result<N, FtlError> {
        if !self.read_only {
            self.settle()?;
            self.write_meta(true)?;
        }
        Ok(self.nand)
    }

    /// Blocks that are bad, the factory's and grown ones.
    pub fn bad_blocks(&self) -> impl Iterator<Item = EraseBlock> + '_ {
        let bad = self.blocks.roles().filter(|(_, r)| *r == Role::Bad);
        bad.map(|(b, _)| EraseBlock(b))
    }

    /// Blocks that are closed and hold data: what collection chooses from. The others are theory's
    /// reserved blocks.
    pub fn closed_blocks(&self) -> u32 {
        self.blocks.closed()
    }

    /// The state of health. O(blocks).
    pub fn health(&self) -> Health {
        let good = self.blocks.good();
        let (erases_least, erases_mean, erases_most) = self.blocks.spread();
        Health {
            blocks: self.l.g.blocks,
            good,
            spares: good.saturating_sub(self.least_good()),
            erases_least,
            erases_mean,
            erases_most,
            read_only: self.read_only,
            ram_bytes: self.ram_bytes(),
        }
    }

    /// Bytes of RAM that the layer holds, buffers included.
    pub fn ram_bytes(&self) -> usize {
        size_of::<Self>() - size_of::<N>()
            + self.map.ram_bytes()
            + self.blocks.ram_bytes()
            + self.placer.ram_bytes()
            + self.log.ram_bytes()
            + self.records.capacity() * 4
            + self.page.capacity()
            + self.anchor.bad.capacity()
            + self.anchor.ring.capacity() * 4
            + self.pending.capacity() * size_of::<(u32, Cause)>()
            + self.opened.capacity() * size_of::<(u64, u32)>()
    }

    pub(crate) fn check_lpn(&self, lpn: Lpn) -> Result<(), FtlError> {
        if lpn.0 < self.pages() {
            return Ok(());
        }
        Err(FtlError::PastEnd { lpn: lpn.0.into(), pages: self.pages().into() })
    }

    pub(crate) fn check_page(&self, found: usize) -> Result<(), FtlError> {
        let expected = self.page_bytes();
        if found == expected { Ok(()) } else { Err(FtlError::Length { found, expected }) }
    }

    /// Ticks of the placement clock that a page's record carries.
    pub(crate) fn tick(&self, birth: u32) -> u16 {
        (birth / (self.pages() / 64).max(1)) as u16
    }

    /// The birth time behind a record's ticks: the latest one that they may mean.
    pub(crate) fn birth(&self, tick: u16) -> u32 {
        let unit = (self.pages() / 64).max(1);
        let now = self.clock as u32;
        let ago = self.tick(now).wrapping_sub(tick);
        now.saturating_sub(u32::from(ago).saturating_mul(unit))
    }
}

/// A page to be appended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewPage {
    pub lpn: u32,
    pub birth: u32,
    pub crc: u32,
    pub batch: u8,
    pub commit: bool,
    /// The content could not be read when it was moved.
    pub lost: bool,
}

impl NewPage {
    pub fn new(lpn: u32, birth: u32, crc: u32) -> NewPage {
        NewPage { lpn, birth, crc, batch: 0, commit: false, lost: false }
    }
}

/// Where an appended page's data comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    Data(&'a [u8]),
    /// A page that the chip may keep.
    Page(&'a Page),
    /// Another page of the chip.
    Copy(u32),
}

const _: () = assert!(FIXED <= 64);
