//! What the user chooses.

use crate::layout::Layout;
use vellum_nand::Geometry;

/// How the map is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MapMode {
    /// All of it in RAM, 4 bytes a logical page: one flash read a host read.
    Flat,
    /// Slices of it on flash, read when needed; what changed since a slice was written is in RAM.
    Demand {
        /// Slices kept in RAM, least recently used first out.
        cached_slices: u16,
    },
}

/// Wear levelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WearPolicy {
    /// Erases by which the least worn data block may lag behind the most worn one.
    pub spread: u32,
    /// Programs in a thousand that may move pages for levelling; beyond that the spread gives way. Most
    /// of them save collection later, for cold pages are gathered in blocks of their own.
    pub budget_permille: u32,
}

impl Default for WearPolicy {
    fn default() -> Self {
        WearPolicy { spread: 8, budget_permille: 30 }
    }
}

/// Keeping data readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScrubPolicy {
    /// Move a block's pages when a read corrected this many bits in one codeword; 0: never. The
    /// usual choice is three quarters of what the code corrects.
    pub corrected_bits: u8,
    /// Move a block's pages after this many reads of it; 0: never.
    pub block_reads: u32,
    /// Move a block's pages so many days after it was opened, by the days that
    /// [`crate::Ftl::set_day`] tells, at most 200; 0: never.
    pub retention_days: u8,
    /// Climb the chip's read-retry levels before a page is given up.
    pub retry: bool,
}

impl Default for ScrubPolicy {
    fn default() -> Self {
        ScrubPolicy { corrected_bits: 3, block_reads: 100_000, retention_days: 0, retry: true }
    }
}

/// How pages are placed and blocks collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Placement {
    /// One frontier and greedy collection while the traffic looks uniform; three frontiers by age
    /// and cost-benefit collection while it does not.
    #[default]
    Adaptive,
    /// One frontier, greedy collection.
    Greedy,
}

/// Parameters of a translation layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Config {
    /// Logical pages. Fixed at formatting.
    pub logical_pages: u32,
    /// How the map is held. May differ from mount to mount.
    pub map: MapMode,
    /// Programs between two metadata pages, when the page has room for their records. Fewer make
    /// mounting cheaper, more make writing cheaper. Fixed at formatting.
    pub meta_interval: u16,
    /// Placement.
    pub placement: Placement,
    /// Wear levelling.
    pub wear: WearPolicy,
    /// Scrubbing.
    pub scrub: ScrubPolicy,
    /// Check each page's CRC when the host reads it.
    pub verify_reads: bool,
    /// Erase and program a block that failed before giving it up, and keep it if it passes.
    pub torture: bool,
}

impl Config {
    /// The most logical pages that a chip of this shape carries when no block is bad; 0 when it can't
    /// carry the layer at all.
    pub fn most_pages(geometry: &Geometry) -> u32 {
        // More logical pages mean more metadata: the largest number that still fits.
        let fits = |pages: u32| {
            Layout::new(geometry, &Config::new(pages))
                .is_ok_and(|l| l.capacity(geometry.blocks) >= pages.into())
        };
        let (mut low, mut high) = (0, geometry.pages().min(1 << 28) as u32);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if fits(middle) { low = middle } else { high = middle - 1 }
        }
        low
    }

    /// `logical_pages` with everything else as usual.
    pub fn new(logical_pages: u32) -> Config {
        Config {
            logical_pages,
            map: MapMode::Flat,
            meta_interval: 70,
            placement: Placement::default(),
            wear: WearPolicy::default(),
            scrub: ScrubPolicy::default(),
            verify_reads: true,
            torture: true,
        }
    }
}
