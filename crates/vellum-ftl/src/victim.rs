//! Which block is emptied next: one that must be, the least worn one when it lags, or the one whose collection is
//! worth most.

use crate::FtlError;
use crate::blocks::Role;
use crate::ftl::{Ftl, Victim};
use crate::layout::NONE;
use crate::stats::Cause;
use vellum_nand::Nand;

/// What a block gains in worth for each erase that it lags behind the mean under skewed traffic, in the
/// unit of [`crate::place::Placer::worth`]: an eighth of a doubling. Cold blocks come to collection a
/// little earlier, so levelling has less to do.
const WEAR_BIAS: i64 = 1 << 13;

impl<N: Nand> Ftl<N> {
    /// Picks the next block to be emptied, if one must be, or if fewer than `wanted` are free.
    pub(crate) fn choose(&mut self, wanted: u32) -> Result<(), FtlError> {
        while let Some((block, cause)) = self.pending.pop() {
            if self.blocks.role(block) == Role::Open && !self.leave(block)? {
                self.pending.insert(0, (block, cause));
                break;
            }
            let role = self.blocks.role(block);
            let class = match role {
                Role::Data(class) => class as u8,
                Role::Failing => 0,
                _ => continue,
            };
            self.count_all()?;
            let full = self.blocks.valid[block as usize].into();
            if full > self.fits() && role != Role::Failing {
                // Later: there is no room for it now.
                self.pending.push((block, cause));
                break;
            }
            return self.start(Victim { block, next: 0, class, cause, full });
        }
        self.settle_trims(wanted)?;
        if self.sure_free() >= wanted {
            return Ok(());
        }
        self.count_all()?;
        // Levelling frees little: every other victim at most, and only while there is room.
        let worn = if self.levelled { None } else { self.worn_victim() };
        let room = |v: &Victim| self.sure_free() > self.floor() || self.levels_at_floor(v.full);
        let worn = worn.filter(room);
        self.levelled = worn.is_some();
        match worn.or_else(|| self.best_victim()) {
            Some(victim) => self.start(victim),
            None => Ok(()),
        }
    }

    /// Opens another block in the place of an open one that is to be emptied; false while none can be spared.
    fn leave(&mut self, block: u32) -> Result<bool, FtlError> {
        match self.heads.iter().position(|head| head.block == block) {
            Some(f) => self.open(f as u8, self.floor()),
            None => Ok(false),
        }
    }

    /// Whether a block of so many valid pages may be moved for its wear while no frontier may open a
    /// block: under uniform traffic, which never leaves more free, if the open blocks take it all. The
    /// host's pages wait for it then, as for any victim.
    pub(crate) fn levels_at_floor(&self, valid: u32) -> bool {
        !self.placer.skewed && !self.shared() && valid < self.room()
    }

    fn start(&mut self, victim: Victim) -> Result<(), FtlError> {
        if self.shared() {
            // No metadata page in its midst, which would cost room.
            self.meta_if_due(victim.full + 8)?;
        }
        self.gc = Some(victim);
        Ok(())
    }

    /// The block whose collection is worth most. O(blocks), once a victim.
    pub(crate) fn best_victim(&self) -> Option<Victim> {
        let pages = self.l.g.pages_per_block;
        if !self.placer.skewed {
            // The emptiest, whatever its age.
            let (block, class, full) = self.blocks.emptiest().filter(|e| e.2 < pages)?;
            return Some(Victim {
                block,
                next: 0,
                class: class as u8,
                cause: Cause::Collect,
                full,
            });
        }
        let clock = self.clock as u32;
        // Of those that fit, and no fuller than the mean: so a host write never waits for more.
        let most = self.fits().min(pages - 1).min(self.mean_full());
        let levels = self.config.wear.spread > 0;
        let mean = if levels { i64::from(self.blocks.spread().1) } else { 0 };
        let bias = if levels { WEAR_BIAS } else { 0 };
        let mut best: Option<(i64, u32, Victim)> = None;
        let mut least: Option<(u32, Victim)> = None;
        for (block, role) in self.blocks.roles() {
            let Role::Data(class) = role else { continue };
            let full = u32::from(self.blocks.valid[block as usize]);
            let class = class as u8;
            let victim = || Victim { block, next: 0, class, cause: Cause::Collect, full };
            if least.is_none_or(|(f, _)| full < f) && full < pages {
                least = Some((full, victim()));
            }
            if full > most {
                continue;
            }
            let age = clock.wrapping_sub(self.blocks.birth(block));
            let erases = self.blocks.erases(block);
            let worth = self.placer.worth(pages, full, age) + bias * (mean - i64::from(erases));
            // Among equals the least worn.
            if best.is_none_or(|(w, e, _)| worth > w || (worth == w && erases < e)) {
                best = Some((worth, erases, victim()));
            }
        }
        best.map(|b| b.2).or(least.map(|l| l.1))
    }

    /// Valid pages of a closed block on average, rounded up.
    fn mean_full(&self) -> u32 {
        let closed = self.closed_blocks().max(1);
        let open = self.heads.iter().filter(|h| h.block != NONE);
        let open: u32 = open.map(|h| u32::from(self.blocks.valid[h.block as usize])).sum();
        (self.l.logical + self.snapshot.kept).saturating_sub(open).div_ceil(closed)
    }

    /// The least worn data block, when it lags too far behind and the budget allows.
    fn worn_victim(&mut self) -> Option<Victim> {
        let policy = self.config.wear;
        if policy.spread == 0 {
            return None;
        }
        let spent = self.stats.programs_wear + u64::from(self.l.g.pages_per_block);
        if spent * 1000 > self.stats.programs() * u64::from(policy.budget_permille) {
            return None;
        }
        // Below the bound, so that it holds while this block is emptied; under skewed traffic the gap
        // grows by itself and is closed early, under uniform traffic an early move is lost work.
        let margin = if self.placer.skewed { 6 } else { 2 };
        let erases = self.blocks.laggard((policy.spread + 1).saturating_sub(margin))?;
        let lagging = self.blocks.roles().find_map(|(block, role)| match role {
            Role::Data(class) if self.blocks.erases(block) == erases => Some((block, class as u8)),
            _ => None,
        });
        let (block, class) = lagging?;
        let full = self.blocks.valid[block as usize].into();
        let fits = full <= self.fits();
        fits.then_some(Victim { block, next: 0, class, cause: Cause::Wear, full })
    }
}
