//! What the user chooses.

use crate::FtlError;
use crate::blocks::{Blocks, Keep};
use crate::layout::Layout;
use crate::map::Map;
use vellum_nand::Geometry;

/// How the map is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MapMode {
    /// All of it in RAM, 4 bytes a logical page: one flash read a host read.
    Flat,
    /// Slices of it on flash, read when needed; what changed since a slice was written is in RAM. A
    /// host read then reads up to one page more.
    Demand {
        /// Slices kept in RAM, the one that was read first out first; at least one is.
        cached_slices: u16,
        /// Pages whose new place is kept in RAM, at 9½ bytes each, until their slice is written. The
        /// fewer, the more metadata: under random writes about `slices / (2 · changed)` pages a
        /// program. At least a block's pages and 16.
        changed: u32,
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

impl WearPolicy {
    /// Eight erases, thirty programs in a thousand.
    pub const USUAL: WearPolicy = WearPolicy { spread: 8, budget_permille: 30 };
}

impl Default for WearPolicy {
    fn default() -> Self {
        WearPolicy::USUAL
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

impl ScrubPolicy {
    /// What fits a code that corrects four bits.
    pub const USUAL: ScrubPolicy =
        ScrubPolicy { corrected_bits: 3, block_reads: 100_000, retention_days: 0, retry: true };
}

impl Default for ScrubPolicy {
    fn default() -> Self {
        ScrubPolicy::USUAL
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

/// The board's own bad-block table, as Linux' MTD layer and U-Boot keep it in the chip's last four blocks
/// (`Bbt0`, `1tbB`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BadBlockTable {
    /// One that is there when the chip is formatted is believed, kept, and told of blocks that go bad; its four
    /// blocks count as bad ones here.
    #[default]
    Keep,
    /// The same, and formatting makes one where there is none.
    Create,
}

/// Parameters of a translation layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Config {
    /// Logical pages. Fixed at formatting.
    pub logical_pages: u32,
    /// Pages that a snapshot may keep beside the live ones, at most as many as there are; 0: no snapshots.
    /// They count as if they were logical pages, and the map becomes twice as large. Fixed at formatting.
    pub snapshot_pages: u32,
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
    /// Pages that wait in RAM before they are written, in a layer behind [`crate::Cached`]; 0: none. What waits is
    /// gone after a loss of power until a flush. May differ from mount to mount.
    pub cached_pages: u32,
    /// The board's bad-block table. Counts at formatting.
    pub bad_block_table: BadBlockTable,
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

    /// The usual parameters with the map that fits `bytes` of RAM: flat if it does, else demand-paged
    /// with as many changes as have room, and placement without its statistics when that is what it
    /// takes. [`Config::ram_bytes`] says what a choice needs.
    ///
    /// # Errors
    /// [`FtlError::Ram`] when not even the smallest map fits; as for formatting when the shape can't
    /// carry the layer.
    pub fn for_ram(
        geometry: &Geometry,
        logical_pages: u32,
        bytes: usize,
    ) -> Result<Config, FtlError> {
        let flat = Config::new(logical_pages);
        if flat.ram_bytes(geometry)? <= bytes {
            return Ok(flat);
        }
        let mut needed = 0;
        for placement in [Placement::Adaptive, Placement::Greedy] {
            // The longer the interval, the more records a metadata page holds and the fewer entries of
            // the map: worth it while changes don't ask for pages sooner anyway.
            for meta_interval in [70, 32, 16, 8] {
                let demand = |changed| {
                    let map = MapMode::Demand { cached_slices: 1, changed };
                    Config { map, placement, meta_interval, ..flat }
                };
                let l = Layout::new(geometry, &demand(0))?;
                needed = demand(0).ram_bytes(geometry)?;
                // Statistics are worth less than a map that is seldom written.
                let last = placement == Placement::Greedy && meta_interval == 8;
                let wanted = if last { 0 } else { l.slices * u32::from(meta_interval) / 2 };
                let least = wanted.max(l.least_changed());
                let (mut low, mut high) = (least, logical_pages.max(least));
                while low < high {
                    let middle = low + (high - low).div_ceil(2);
                    if demand(middle).ram_bytes(geometry)? <= bytes {
                        low = middle;
                    } else {
                        high = middle - 1;
                    }
                }
                if demand(low).ram_bytes(geometry)? <= bytes {
                    return Ok(demand(low));
                }
            }
        }
        Err(FtlError::Ram { found: bytes, needed })
    }

    /// Bytes of RAM that the layer needs for a chip of this shape, buffers and tables included, while
    /// nothing fails: what [`crate::Health::ram_bytes`] comes to. Beside that a mount, a recovery or a
    /// failing block takes up to three pages for as long as it lasts.
    ///
    /// # Errors
    /// When the shape can't carry the layer.
    pub fn ram_bytes(&self, geometry: &Geometry) -> Result<usize, FtlError> {
        let l = Layout::new(geometry, self)?;
        let blocks = l.g.blocks as usize;
        let flat = self.map == MapMode::Flat;
        let adaptive = self.placement == Placement::Adaptive;
        let table = Blocks::bytes(l.g.blocks, l.g.pages_per_block, Keep::of(self));
        Ok(size_of::<crate::Ftl<()>>()
            + Map::bytes(&l, self.map)
            + table
            + if adaptive { crate::place::SAMPLE_BYTES } else { 0 }
            + crate::places::Places::bytes(l.slices + 1)
            + 4 * (l.records as usize + 1)
            + 2 * l.page_bytes()
            + blocks.div_ceil(8)
            // Short lists, whose room doubles: the ring's blocks, twice, and blocks that wait.
            + 24 * (l.ring() as usize + 1)
            + 64
            + if flat { l.slices as usize } else { 0 })
    }

    /// `logical_pages` with everything else as usual.
    pub const fn new(logical_pages: u32) -> Config {
        Config {
            logical_pages,
            snapshot_pages: 0,
            map: MapMode::Flat,
            meta_interval: 70,
            placement: Placement::Adaptive,
            wear: WearPolicy::USUAL,
            scrub: ScrubPolicy::USUAL,
            cached_pages: 0,
            bad_block_table: BadBlockTable::Keep,
            verify_reads: true,
            torture: true,
        }
    }
}
