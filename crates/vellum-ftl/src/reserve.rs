//! The reserve: room that collection and recovery can always count on.
//!
//! *A block is opened only when another stays free* ([`Ftl::floor`]): that one is recovery's, which
//! exchanges each frontier's block for a fresh one and gives the old one back. And *while no more may
//! be opened, the frontiers' rooms hold what is left of a victim*: so the victim can be emptied, and
//! gives a block. Both together mean that collection never runs aground, however often the power goes
//! on the way:
//!
//! * With more free blocks than the floor, opening one makes room for any victim.
//! * At the floor, a victim is taken only if it fits, and the host's pages wait when its rest would no
//!   longer fit beside them ([`Ftl::make_room`]).
//! * A recovery copies the valid pages of a frontier's block, never more than were programmed there, so
//!   rooms don't shrink where a cell holds one bit. Where pages share cells, the copy endangers at
//!   most a pair's distance of pages, however often it is done again: victims are taken with that
//!   margin. A cut may also bring one overwritten page back, and with it a block that had become free:
//!   the floor is one more there.
//!
//! A batch may take up half of the block that it opens at once: another one is free before it does.
//!
//! The metadata log keeps room for two recoveries ([`Ftl::relax_log`]), so that it asks for no block
//! in the midst of one. Mounts that are cut one after another may use that room up; the block that the log
//! takes then is given back before the host changes anything.
//!
//! An erase or program that fails takes a block away without notice; then, and only then, the last
//! block may be opened ([`crate::Stats::last_resorts`]).

use crate::FtlError;
use crate::blocks::Role;
use crate::ftl::Ftl;
use crate::layout::{LOG_SLACK, NONE};
use crate::record::Head;
use vellum_nand::Nand;

/// What collection and recovery can count on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reserve {
    /// Blocks that hold nothing that a cut could bring back.
    pub free: u32,
    /// Free blocks that no frontier may open.
    pub floor: u32,
    /// Pages that the open blocks still take.
    pub room: u32,
    /// Valid pages left in the block that is being emptied; if none is, and at the floor, in the
    /// emptiest closed block.
    pub left: u32,
}

impl Reserve {
    /// Whether the block that is being emptied can be, and recovery has its block.
    pub fn holds(&self) -> bool {
        self.free > self.floor || (self.free >= 1 && self.room >= self.left)
    }
}

impl<N: Nand> Ftl<N> {
    /// The reserve, for a look from outside: after each host operation it holds, unless a block
    /// failed. O(blocks) at the floor.
    pub fn reserve(&self) -> Reserve {
        let valid = |b: u32| u32::from(self.blocks.valid[b as usize]);
        let (free, floor) = (self.sure_free(), self.floor());
        let closed = |b: &u32| matches!(self.blocks.role(*b), Role::Data(_));
        let left = match self.gc {
            Some(victim) => valid(victim.block),
            None if free > floor => 0,
            None => (0..self.l.g.blocks).filter(closed).map(valid).min().unwrap_or(0),
        };
        Reserve { free, floor, room: self.room(), left }
    }

    pub(crate) fn shared(&self) -> bool {
        self.l.g.pair_distance() > 0
    }

    /// Free blocks that stay when a frontier opens one.
    pub(crate) fn floor(&self) -> u32 {
        1 + u32::from(self.shared())
    }

    /// Free blocks whose old content no cut can bring back.
    pub(crate) fn sure_free(&self) -> u32 {
        self.blocks.free().0
    }

    /// Free blocks, those included that wait for discards to be durable.
    pub(crate) fn all_free(&self) -> u32 {
        let (sure, later) = self.blocks.free();
        sure + later
    }

    /// Pages that the frontiers' blocks still take, if they were sealed now.
    pub(crate) fn room(&self) -> u32 {
        if !self.shared() {
            let open = self.heads.iter().filter(|h| h.block != NONE);
            return open.map(|h| self.l.g.pages_per_block - h.next).sum();
        }
        self.heads.iter().map(|h| self.room_of(h)).sum()
    }

    /// The same of one block, where pages share cells.
    fn room_of(&self, head: &Head) -> u32 {
        let g = &self.l.g;
        if head.block == NONE {
            return 0;
        }
        let safe = |p: &u32| g.paired_with(*p).is_none_or(|lower| lower >= head.next);
        (head.next..g.pages_per_block).filter(safe).count() as u32
    }

    /// The most valid pages that a victim may have now.
    pub(crate) fn fits(&self) -> u32 {
        let open = self.sure_free().saturating_sub(self.floor());
        (self.room() + open * self.l.fresh()).saturating_sub(self.l.g.pair_distance())
    }

    /// Whether the next turn of the log would come soon and take a block.
    pub(crate) fn tight(&self) -> bool {
        self.log.left < LOG_SLACK
    }

    /// Has the log take up no more blocks than it needs: cuts leave its latest pages scattered, and
    /// each page written anew replaces the oldest one. A block that it took while mounts were cut one after
    /// another goes back as soon as the log can do without: collection counts on it.
    pub(crate) fn relax_log(&mut self) -> Result<(), FtlError> {
        let mut most = self.l.slices + 1;
        while (self.tight() || self.ring_is_long()) && most > 0 {
            if !self.shrink_ring()? {
                self.write_meta(false)?;
                most -= 1;
            }
        }
        Ok(())
    }

    /// Checks the reserve where it must hold: wherever no block failed.
    pub(crate) fn check_reserve(&self) {
        debug_assert!(
            !self.counted
                || self.stats.program_fails + self.stats.erase_fails > 0
                || self.anchor.bad.iter().any(|&b| b != 0)
                || self.reserve().holds(),
            "{:?}, heads {:?}",
            self.reserve(),
            self.heads,
        );
    }
}
