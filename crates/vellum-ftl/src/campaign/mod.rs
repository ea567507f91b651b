//! The power-cut campaign: lives of a small device, cut at any program or erase, in any of the model's
//! five modes, also while it recovers; and what is promised, checked after each mount.
//!
//! Promised: a page that was flushed reads as it was at the flush, or as something that the host
//! wrote to it later; what was read once after a cut stays; an atomic batch is there whole or not at
//! all; nothing that the host never wrote is served; a discard that was flushed stays; a snapshot shows
//! what it showed when it was taken, until it is dropped or has no room. Tests run a
//! short campaign, `cargo xtask powercut --device flash` a long one.

mod chip;
mod enumerate;
mod life;
mod random;
mod steady;
mod subject;

pub use enumerate::exhaustive;
pub use random::random;
pub use steady::{Steady, steady};

use crate::layout::Layout;
use crate::{Config, FtlError, MapMode, Small};
use alloc::string::String;
use alloc::vec::Vec;
use vellum_nand::{CellKind, CutMode, Geometry, Model, ModelConfig, Nand, Superblocks};

/// Which layer is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`crate::Ftl`].
    Tables,
    /// [`crate::Small`].
    Small,
}

/// Cuts that fall on the recovery after a cut, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nested {
    /// Up to so many.
    UpTo(u32),
    /// Three times one, and one on the first or second thing that the recovery after it does: which is to
    /// erase what it finds half done.
    Pairs,
}

/// What a campaign runs on.
#[derive(Debug, Clone, Copy)]
pub struct Campaign {
    /// The chip.
    pub chip: ModelConfig,
    /// The layer.
    pub layer: Kind,
    /// Its parameters.
    pub config: Config,
    /// Blocks of a superblock, one of which holds parity; 0: the bare chip.
    pub superblock: u32,
    /// Cuts of its recoveries.
    pub nested: Nested,
}

impl Campaign {
    /// A small device, as full as it can be: 40 blocks of 16 pages of 512 B.
    pub fn small(cell: CellKind, map: MapMode) -> Campaign {
        Campaign::full(Geometry::tiny(40, 16).with_cell(cell), map, Nested::UpTo(2))
    }

    /// A very small one, for trying everything: 27 blocks of 16 pages.
    pub fn tiny(cell: CellKind, map: MapMode) -> Campaign {
        Campaign::full(Geometry::tiny(27, 16).with_cell(cell), map, Nested::UpTo(1))
    }

    /// The same with the layer for little RAM, also as full as it can be. Where pages share cells blocks have
    /// twice as many, for it uses those only that no later one endangers.
    pub fn with_small_layer(self) -> Campaign {
        let mut geometry = self.chip.geometry;
        geometry.pages_per_block *= 1 + u32::from(geometry.cell != CellKind::Slc);
        Campaign {
            chip: ModelConfig::perfect(geometry),
            layer: Kind::Small,
            config: Config::new(Small::<Model>::most_pages(&geometry)),
            superblock: 0,
            nested: self.nested,
        }
    }

    /// The same with room for a snapshot of so many pages, which lives take and drop.
    pub fn with_snapshots(self, pages: u32) -> Campaign {
        Campaign::fitting(self.chip.geometry, self.config.map, self.nested, pages)
    }

    /// The same with days that pass: blocks of so many days are moved, and some pages read by scrubbing.
    pub fn with_days(mut self, retention: u8) -> Campaign {
        self.config.scrub.retention_days = retention;
        self
    }

    /// The same behind a write cache of so many pages.
    pub fn with_cache(mut self, pages: u32) -> Campaign {
        self.config.cached_pages = pages;
        self
    }

    /// The same with recoveries cut in pairs.
    pub fn with_pairs(self) -> Campaign {
        Campaign { nested: Nested::Pairs, ..self }
    }

    /// The same on superblocks of so many blocks.
    ///
    /// # Panics
    /// When such superblocks can't be; 2 to 8 can.
    pub fn with_superblocks(self, width: u32) -> Campaign {
        let plain = self.chip.geometry;
        let chip = ModelConfig::perfect(Geometry { blocks: plain.blocks * width, ..plain });
        let seen = Model::new(chip).and_then(|m| Superblocks::new(m, width));
        let seen = seen.map(|s| *s.geometry()).expect("a width between 2 and 8");
        let fitting = Campaign::fitting(seen, self.config.map, self.nested, 0);
        Campaign { chip, superblock: width, ..fitting }
    }

    /// As many logical pages as the geometry carries. A demand-paged map has the short interval that
    /// little RAM asks for.
    fn full(geometry: Geometry, map: MapMode, nested: Nested) -> Campaign {
        Campaign::fitting(geometry, map, nested, 0)
    }

    fn fitting(geometry: Geometry, map: MapMode, nested: Nested, snapshot_pages: u32) -> Campaign {
        let most = Config::most_pages(&geometry).max(1);
        let mut config = Config { map, snapshot_pages, ..Config::new(most) };
        if map != MapMode::Flat {
            config.meta_interval = 8;
        }
        let fits = |c: &Config| {
            let layout = Layout::new(&geometry, c);
            layout.is_ok_and(|l| l.capacity(geometry.blocks) >= l.held.into())
        };
        while config.logical_pages > 1 && !fits(&config) {
            config.logical_pages -= 1;
        }
        let chip = ModelConfig::perfect(geometry);
        Campaign { chip, layer: Kind::Tables, config, superblock: 0, nested }
    }
}

/// What a campaign came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Cuts, nested ones included.
    pub cuts: u64,
    /// Cuts by mode, in the order of [`CutMode::ALL`].
    pub by_mode: [u64; 5],
    /// Cuts that fell on a recovery.
    pub nested: u64,
    /// Pages read back and compared.
    pub checked: u64,
    /// Most page moves that a host operation waited for, and the bound that held it.
    pub moves: (u32, u32),
    /// Most page reads of a mount.
    pub mount_reads: u64,
    /// Mounts that found a snapshot, which was compared.
    pub snapshots: u64,
    /// Metadata pages rebuilt.
    pub meta_rebuilt: u64,
    /// Blocks opened that should have stayed free for recovery: the reserve did not hold.
    pub last_resorts: u64,
}

impl Tally {
    fn count(&mut self, mode: CutMode) {
        self.cuts += 1;
        self.by_mode[CutMode::ALL.iter().position(|&m| m == mode).unwrap_or(0)] += 1;
    }

    /// Adds `more`.
    pub fn merge(&mut self, more: &Tally) {
        self.cuts += more.cuts;
        self.nested += more.nested;
        self.checked += more.checked;
        self.snapshots += more.snapshots;
        self.meta_rebuilt += more.meta_rebuilt;
        self.last_resorts += more.last_resorts;
        self.moves = self.moves.max(more.moves);
        self.mount_reads = self.mount_reads.max(more.mount_reads);
        self.by_mode.iter_mut().zip(more.by_mode).for_each(|(a, b)| *a += b);
    }
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// Another content than any that was allowed.
    #[error("page {lpn} reads as version {found}, allowed were {allowed:?}; {life}")]
    Content {
        /// The page.
        lpn: u32,
        /// The version that was found; 0 is zeros.
        found: u32,
        /// Versions that would have been right.
        allowed: Vec<u32>,
        /// How to get there again.
        life: String,
    },
    /// A snapshot is there that must not be, or the other way round.
    #[error("a snapshot: {there}, that can't be; {life}")]
    Snapshot {
        /// Whether there is one.
        there: bool,
        /// How to get there again.
        life: String,
    },
    /// A host write waited for more moves than promised.
    #[error("a host write waited for {moves} page moves, {most} were promised; {life}")]
    Latency {
        /// Page moves.
        moves: u32,
        /// The bound.
        most: u32,
        /// How to get there again.
        life: String,
    },
    /// A batch was there in part.
    #[error("batch of {pages} pages is there in part: {found}; {life}")]
    Batch {
        /// Its pages.
        pages: usize,
        /// Those of them that are there.
        found: usize,
        /// How to get there again.
        life: String,
    },
    /// The layer failed.
    #[error("{error}; {life}")]
    Failed {
        /// Its error.
        error: FtlError,
        /// How to get there again.
        life: String,
    },
}
