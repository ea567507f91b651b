//! The order of the tails' pages, as far as it matters, and the batches among them that were cut.

use super::Found;
use crate::FtlError;
use crate::ftl::Ftl;
use crate::oob::NO_LPN;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use vellum_nand::Nand;

impl<N: Nand> Ftl<N> {
    /// Makes the numbers right where they matter: of pages with one logical page in two frontiers whose
    /// order the numbers around them don't tell.
    pub(super) fn order(&mut self, tails: &mut [Vec<Found>]) -> Result<(), FtlError> {
        // The least number that each page may have: one more than the page before it.
        let mut least: Vec<Vec<u64>> = Vec::new();
        for tail in tails.iter_mut() {
            bound_above(tail);
            let mut low = self.seq;
            let mut lows = Vec::with_capacity(tail.len());
            for p in tail.iter() {
                low = if p.exact { p.seq } else { low };
                lows.push(low);
                low += u64::from(p.lpn != NO_LPN);
            }
            least.push(lows);
        }
        // By logical page: frontier, place in its tail, and the numbers that it may have.
        let mut all: BTreeMap<u32, Vec<(usize, usize, u64, u64)>> = BTreeMap::new();
        for (f, tail) in tails.iter().enumerate() {
            for (i, p) in tail.iter().enumerate().filter(|(_, p)| p.lpn != NO_LPN) {
                let low = least[f][i].min(p.seq);
                all.entry(p.lpn).or_default().push((f, i, low, p.seq));
            }
        }
        let mut unclear = Vec::new();
        for places in all.values() {
            for a in places {
                let meets = |b: &&(usize, usize, u64, u64)| a.0 != b.0 && a.2 <= b.3 && b.2 <= a.3;
                if places.iter().any(|b| meets(&b)) {
                    unclear.push((a.0, a.1));
                }
            }
        }
        for (f, i) in unclear {
            let p = tails[f][i];
            if !p.exact
                && let Some(found) = self.look(p.f, self.heads[f], p.page)?
            {
                tails[f][i] = found;
            }
        }
        tails.iter_mut().for_each(|tail| bound_above(tail));
        Ok(())
    }
}

/// Each number that is not exact becomes the largest that it may be: one less than the next one's.
fn bound_above(tail: &mut [Found]) {
    let mut bound = u64::MAX;
    for p in tail.iter_mut().rev() {
        if !p.exact {
            p.seq = p.seq.min(bound.saturating_sub(1));
        }
        if p.lpn != NO_LPN {
            bound = p.seq;
        }
    }
}

/// Pages of a batch count only when all of it is there.
pub(super) fn drop_broken_batches(tail: &mut [Found]) {
    let mut i = 0;
    while i < tail.len() {
        if tail[i].batch == 0 {
            i += 1;
            continue;
        }
        // Members follow each other, but for pages that were passed over.
        let (mut expected, mut j, mut whole) = (1, i, false);
        while j < tail.len() && !whole {
            let p = tail[j];
            if p.lpn == NO_LPN && p.batch == 0 {
                j += 1;
                continue;
            }
            if p.batch != expected {
                break;
            }
            whole = p.commit;
            expected = expected.saturating_add(1);
            j += 1;
        }
        if !whole {
            j = j.max(i + 1);
            tail[i..j].iter_mut().for_each(|p| (p.lpn, p.batch) = (NO_LPN, 0));
        }
        i = j.max(i + 1);
    }
}
