//! Looks over all blocks: O(blocks), several an instruction where it is done often.

use super::{Blocks, Class, ERASES, Role};

/// Blocks that a search for one looks at together.
const RUN: usize = 64;

impl Blocks {
    /// Blocks that hold nothing, whether or not a cut could bring their content back. O(blocks), 64 at a
    /// time.
    pub fn empty(&self) -> impl Iterator<Item = u32> + '_ {
        let runs = (0u32..).step_by(64).zip(self.empty.iter().copied());
        runs.flat_map(|(first, run)| {
            let rest = |left: &u64| Some(left & (left - 1)).filter(|&left| left != 0);
            let left = core::iter::successors(Some(run).filter(|&run| run != 0), rest);
            left.map(move |left| first + left.trailing_zeros())
        })
    }

    /// Among the closed blocks with the fewest valid pages the least worn, what wrote it, and those
    /// pages. O(blocks), a few at a time.
    pub fn emptiest(&self) -> Option<(u32, Class, u32)> {
        let both = self.roles.iter().zip(&self.valid);
        // Without branches: several blocks an instruction. What holds no data is as full as can be.
        let full = i16::MAX.cast_unsigned();
        let of = |(r, v): (&Role, &u16)| {
            (v | if matches!(r, Role::Data(_)) { 0 } else { full }).cast_signed()
        };
        let least = both.map(of).fold(i16::MAX, i16::min).cast_unsigned();
        let mut best: Option<(u32, Class, u32)> = None;
        for (first, run) in (0..).step_by(RUN).zip(self.valid.chunks(RUN)) {
            // Most runs hold none.
            if run.iter().fold(false, |any, &v| any | (v == least)) {
                for (block, _) in (first..).zip(run).filter(|(_, v)| **v == least) {
                    if let Role::Data(class) = self.role(block)
                        && best.is_none_or(|b| self.erases(block) < self.erases(b.0))
                    {
                        best = Some((block, class, least.into()));
                    }
                }
            }
        }
        best
    }

    /// The fewest erases of a closed block, if one that data may lie in has `gap` more at least. O(1) where the
    /// bounds of the last look rule that out, else O(blocks).
    pub fn laggard(&mut self, gap: u32) -> Option<u32> {
        if self.bounds.1 - self.bounds.0 < gap {
            return None;
        }
        self.bounds = self.extremes()?;
        let (least, most) = self.bounds;
        (most - least >= gap).then_some(least)
    }

    /// The bounds hold for a block of so many erases as well.
    pub(super) fn widen(&mut self, erases: u32) {
        self.bounds = (self.bounds.0.min(erases), self.bounds.1.max(erases));
    }

    /// The fewest erases of a closed block, and the most of those that data may lie in. O(blocks).
    fn extremes(&self) -> Option<(u32, u32)> {
        let both = || self.roles.iter().zip(&self.worn);
        let closed = |r: &Role| matches!(r, Role::Data(_));
        let used = |r: &Role| closed(r) || matches!(r, Role::Free | Role::FreeLater | Role::Open);
        let least = both().map(|(r, w)| if closed(r) { w & ERASES } else { u32::MAX });
        let most = both().map(|(r, w)| if used(r) { w & ERASES } else { 0 });
        let least = least.fold(u32::MAX, u32::min);
        (least != u32::MAX).then(|| (least, most.fold(0, u32::max)))
    }

    /// Mean erases of all blocks.
    pub fn mean(&self) -> u32 {
        (self.sum / self.worn.len() as u64) as u32
    }

    /// Erase counts of all blocks but bad ones and the anchors, which are hardly ever erased: least,
    /// mean, most.
    pub fn spread(&self) -> (u32, u32, u32) {
        let (mut least, mut most, mut sum, mut n) = (u32::MAX, 0, 0u64, 0u64);
        for (block, role) in self.roles() {
            if !matches!(role, Role::Bad | Role::Anchor) {
                let e = self.erases(block);
                (least, most, sum, n) = (least.min(e), most.max(e), sum + u64::from(e), n + 1);
            }
        }
        sum.checked_div(n).map_or((0, 0, 0), |mean| (least, mean as u32, most))
    }
}
