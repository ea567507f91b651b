//! What a device delivered and nobody has looked at yet: whoever looks at one page of it goes on to the
//! next, so a miss on one gives the TLB those behind it too, and has the processor fetch them.
//!
//! Only what nobody has to be asked for: a page whose frame is there and may be read. Where TLBs are
//! state, where a policy is not in step and where a pager counts uses, a page is filled by its own miss.

use crate::VmMemory;
use crate::leaf::{flags_of, granted};
use core::ops::Range;
use vellum_translate::host::Resolved;
use vellum_translate::riscv::Leaf;
use vellum_translate::shadow::Found;
use vellum_translate::tlb::{Tlb, Translation};
use vellum_translate::{Access, Gfn, Gva, PAGE_SIZE, Rights};

/// Pages behind the one that missed. Linux' faults map sixteen pages around one too
/// (`fault_around_bytes`, 64 KiB).
const AHEAD: u64 = 15;

/// Pages that were delivered and not looked at since: a bit a page of RAM, once any was.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    words: Vec<u64>,
    first: u64,
}

impl Arrivals {
    /// A run of pages of `ram` was delivered.
    pub(crate) fn add(&mut self, ram: &Range<u64>, first: Gfn, count: usize) {
        if self.words.is_empty() {
            self.words = vec![0; (ram.end - ram.start).div_ceil(64) as usize];
            self.first = ram.start;
        }
        let mut at = (first.get() - self.first) as usize;
        let end = at + count;
        while at < end {
            let here = (64 - at % 64).min(end - at);
            self.words[at / 64] |= u64::MAX >> (64 - here) << (at % 64);
            at += here;
        }
    }

    /// Whether a page was delivered and not looked at since; it is now.
    #[inline]
    pub(crate) fn take(&mut self, page: Gfn) -> bool {
        let at = page.get().wrapping_sub(self.first);
        let Some(word) = self.words.get_mut((at / 64) as usize) else { return false };
        let was = *word;
        *word &= !(1 << (at % 64));
        was != *word
    }
}

impl VmMemory {
    /// A hart looked at a delivered page: the ones behind it, as far as they were delivered too, are its
    /// TLB's before it gets there.
    #[cold]
    pub(crate) fn fill_ahead(&mut self, hart: usize, tlb: &mut Tlb, va: Gva) {
        let in_step = !tlb.translates() || self.policy.in_step();
        if self.pager.is_some() || self.paging.tlb_is_state() || !in_step {
            return;
        }
        for page in 1..=AHEAD {
            let va = Gva::new(va.get().wrapping_add(page * PAGE_SIZE as u64));
            let Some(to) = self.known_ahead(hart, tlb, va) else { break };
            if !self.arrivals.take(to.gfn) {
                break;
            }
            self.pool.prefetch_line(to.frame, va.page_offset() / 64);
            self.tag(tlb, va, Access::Load, to);
        }
    }

    /// Where a load would go without anyone being asked.
    fn known_ahead(&mut self, hart: usize, tlb: &Tlb, va: Gva) -> Option<Translation> {
        let environment = tlb.environment();
        let to = if tlb.translates() {
            let (generation, references) =
                (self.host.generation(), &mut self.counters.shadow_references);
            match self.policy.lookup(hart, tlb.satp(), va, generation, references) {
                Found::Leaf(known) => granted(&known, environment),
                Found::Continue(..) | Found::Nothing => return None,
            }
        } else {
            let leaf = Leaf::bare(va, environment);
            let Resolved::Frame { frame, mut rights, stamped } = self.host.resolve(leaf.gfn) else {
                return None;
            };
            // As for a load that misses: no right to write unless it was granted in this epoch.
            rights.set(Rights::WRITE, stamped && rights.contains(Rights::WRITE));
            Translation { gfn: leaf.gfn, frame, rights, flags: flags_of(&leaf, environment) }
        };
        to.rights.contains(Rights::READ).then_some(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_arrives_once() {
        let ram = 100..1000;
        let mut arrivals = Arrivals::default();
        assert!(!arrivals.take(Gfn::new(100)), "nothing has arrived");
        arrivals.add(&ram, Gfn::new(130), 200);
        arrivals.add(&ram, Gfn::new(999), 1);
        let taken: Vec<u64> = (0..1200).filter(|&page| arrivals.take(Gfn::new(page))).collect();
        let all: Vec<u64> = (130..330).chain([999]).collect();
        assert_eq!(taken, all);
        assert!((0..1200).all(|page| !arrivals.take(Gfn::new(page))));
    }
}
