//! What is kept for a page outside the shared nodes, since it belongs to one machine alone: guards,
//! pins, write stamps; and the log of pages that were used.

use super::HostTable;
use super::epochs::{Stamp, lowered};
use super::guard::{Guard, GuardSet};
use super::node::FANOUT;
use crate::Gfn;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

/// Of one page.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct PageState {
    pub(super) guards: GuardSet,
    pub(super) pins: u16,
    pub(super) written: Stamp,
}

/// Of the pages under one leaf.
#[derive(Debug)]
pub(super) struct States {
    pub(super) pages: [PageState; FANOUT],
    /// Pages with a guard.
    pub(super) guarded: u16,
}

impl States {
    const NONE: States = States {
        pages: [PageState { guards: GuardSet::NONE, pins: 0, written: 0 }; FANOUT],
        guarded: 0,
    };

    /// Adds a reason; whether it is new. Here, in the next and in [`HostTable::pin_run`] the count is
    /// kept.
    fn add_guard(&mut self, at: usize, guard: Guard) -> bool {
        let guards = &mut self.pages[at].guards;
        self.guarded += u16::from(guards.is_empty());
        guards.insert(guard)
    }

    /// Takes one away; whether it held.
    fn remove_guard(&mut self, at: usize, guard: Guard) -> bool {
        let guards = &mut self.pages[at].guards;
        let held = guards.remove(guard);
        self.guarded -= u16::from(held && guards.is_empty());
        held
    }
}

impl HostTable {
    pub(super) fn state(&self, page: Gfn) -> PageState {
        let (chunk, at) = (page.get() as usize / FANOUT, page.get() as usize % FANOUT);
        match self.state.get(chunk) {
            Some(Some(chunk)) => chunk.pages[at],
            _ => PageState::default(),
        }
    }

    fn state_mut(&mut self, page: Gfn) -> &mut PageState {
        &mut self.states_mut(page)[page.get() as usize % FANOUT]
    }

    /// The states of a run of pages, leaf by leaf with the first page of each; pages without any are
    /// left out.
    fn states(&self, first: Gfn, count: usize) -> impl Iterator<Item = (Gfn, &[PageState])> {
        let (start, end) = (first.get(), first.get().saturating_add(count as u64));
        let chunks = start / FANOUT as u64..end.div_ceil(FANOUT as u64);
        chunks.filter_map(move |number| {
            let base = number * FANOUT as u64;
            let chunk = self.state.get(number as usize)?.as_deref()?;
            let range =
                (start.max(base) - base) as usize..(end.min(base + FANOUT as u64) - base) as usize;
            Some((Gfn::new(base + range.start as u64), &chunk.pages[range]))
        })
    }

    /// What stands in the way of moving the frames of a run of pages: the first page whose frame must
    /// stay, and whether any is guarded. One look at each page.
    pub fn obstacles(&self, first: Gfn, count: usize) -> (Option<Gfn>, bool) {
        let (mut pinned, mut guarded) = (None, false);
        for (page, states) in self.states(first, count) {
            // In the usual case, that there is none, without a branch a page.
            let (pins, guards) =
                states.iter().fold((0, GuardSet::NONE), |(pins, guards), state| {
                    (pins | state.pins, guards.union(state.guards))
                });
            guarded |= !guards.is_empty();
            if pins != 0 && pinned.is_none() {
                let at = states.iter().position(|state| state.pins != 0);
                pinned = at.map(|at| page.plus(at as u64));
            }
        }
        (pinned, guarded)
    }

    /// The state of a page and its neighbours under one leaf.
    pub(super) fn states_mut(&mut self, page: Gfn) -> &mut [PageState; FANOUT] {
        &mut self.chunk_mut(page).pages
    }

    fn chunk_mut(&mut self, page: Gfn) -> &mut States {
        let chunk = &mut self.state[page.get() as usize / FANOUT];
        chunk.get_or_insert_with(|| Box::new(States::NONE))
    }

    /// The reasons that hold for a page.
    #[inline]
    pub fn guards(&self, page: Gfn) -> GuardSet {
        self.state(page).guards
    }

    /// Adds a reason; whether it is new. The caller then invalidates what the page's shadow entries
    /// grant.
    ///
    /// # Panics
    /// When the page is outside the table; so for those below.
    pub fn add_guard(&mut self, page: Gfn, guard: Guard) -> bool {
        self.chunk_mut(page).add_guard(page.get() as usize % FANOUT, guard)
    }

    /// Takes a reason away; whether it held.
    pub fn remove_guard(&mut self, page: Gfn, guard: Guard) -> bool {
        self.chunk_mut(page).remove_guard(page.get() as usize % FANOUT, guard)
    }

    /// [`HostTable::add_guard`] of each of `pages` pages from `first` on; how many did not have it.
    pub fn add_guards(&mut self, first: Gfn, pages: u64, guard: Guard) -> u64 {
        let mut new = 0;
        self.change_run(first, pages as usize, |_, states, range| {
            new += range.map(|at| u64::from(states.add_guard(at, guard))).sum::<u64>();
        });
        new
    }

    /// Keeps a page's frame where it is, until [`HostTable::unpin`] as often.
    pub fn pin(&mut self, page: Gfn) {
        let pins = &mut self.state_mut(page).pins;
        *pins = pins.checked_add(1).expect("65,535 holders of one page");
    }

    /// Takes one pin away.
    pub fn unpin(&mut self, page: Gfn) {
        let pins = &mut self.state_mut(page).pins;
        *pins = pins.checked_sub(1).expect("a page is unpinned as often as it was pinned");
    }

    /// Changes the states of a run of pages, leaf by leaf: `each` is given the number in the run of the
    /// leaf's first page, and which of the leaf's pages are in it.
    fn change_run(
        &mut self,
        first: Gfn,
        count: usize,
        mut each: impl FnMut(usize, &mut States, Range<usize>),
    ) {
        let mut done = 0;
        while done < count {
            let page = first.plus(done as u64);
            let at = page.get() as usize % FANOUT;
            let here = (FANOUT - at).min(count - done);
            each(done, self.chunk_mut(page), at..at + here);
            done += here;
        }
    }

    /// [`HostTable::pin`] and [`HostTable::add_guard`] for each of a run of pages: a few cycles a page.
    ///
    /// # Errors
    /// With the first page that is pinned 65,535 times; nothing has changed then.
    ///
    /// # Panics
    /// When a page is outside the table.
    pub fn pin_run(&mut self, first: Gfn, count: usize, guard: Option<Guard>) -> Result<(), Gfn> {
        for (page, states) in self.states(first, count) {
            let most = states.iter().fold(0, |most, state| state.pins.max(most));
            if most == u16::MAX {
                let at = states.iter().position(|state| state.pins == most).unwrap_or(0);
                return Err(page.plus(at as u64));
            }
        }
        let reason = guard.map_or(GuardSet::NONE, GuardSet::of);
        self.change_run(first, count, |_, states, range| {
            let mut guarded = 0;
            for page in &mut states.pages[range] {
                page.pins += 1;
                let with = page.guards.union(reason);
                guarded += u16::from(page.guards.is_empty() && !with.is_empty());
                page.guards = with;
            }
            states.guarded += guarded;
        });
        Ok(())
    }

    /// The way back: `last` says of each page, by its number in the run, whether it is pinned at all, and
    /// then whether the reason goes as well.
    ///
    /// # Panics
    /// As [`HostTable::unpin`] does.
    pub fn unpin_run(
        &mut self,
        first: Gfn,
        count: usize,
        guard: Option<Guard>,
        mut last: impl FnMut(usize) -> Option<bool>,
    ) {
        self.change_run(first, count, |number, states, range| {
            for (number, at) in (number..).zip(range) {
                let Some(last) = last(number) else { continue };
                let pins = &mut states.pages[at].pins;
                *pins = pins.checked_sub(1).expect("as often as it was pinned");
                if let (true, Some(guard)) = (last, guard) {
                    states.remove_guard(at, guard);
                }
            }
        });
    }

    /// Whether the page's frame must stay.
    pub fn is_pinned(&self, page: Gfn) -> bool {
        self.state(page).pins != 0
    }

    /// Stamps a page with the current write epoch: a right to write it is being granted.
    #[inline]
    pub fn stamp(&mut self, page: Gfn) {
        let stamp = self.epochs.stamp();
        self.state_mut(page).written = stamp;
    }

    /// Notes that a right to the page is being used: a TLB gets it, or a device.
    #[inline]
    pub fn touch(&mut self, page: Gfn) {
        if let Some(word) = self.touched.get_mut(page.get() as usize / 64) {
            *word |= 1 << (page.get() % 64);
        }
    }

    /// Pages noted since [`HostTable::take_touched`], in order.
    pub fn touched(&self) -> impl Iterator<Item = Gfn> {
        let words = self.touched.iter().enumerate().filter(|(_, word)| **word != 0);
        words.flat_map(|(at, &word)| {
            let bits = (0..64).filter(move |bit| word >> bit & 1 != 0);
            bits.map(move |bit| Gfn::new(at as u64 * 64 + bit))
        })
    }

    /// The same, and starts again. The caller flushes the TLBs, so that the next use is noted.
    pub fn take_touched(&mut self) -> Vec<Gfn> {
        let pages = self.touched().collect();
        self.touched.fill(0);
        pages
    }

    /// Pages to which a right to write was granted in write epoch `since` or later, in order: what
    /// may have changed since that epoch began.
    pub fn written_since(&self, since: u64) -> impl Iterator<Item = Gfn> {
        let chunks = self.state.iter().enumerate().filter_map(|(at, c)| Some((at, c.as_ref()?)));
        chunks.flat_map(move |(at, chunk)| {
            let written =
                move |page: &PageState| page.written != 0 && self.epochs.of(page.written) >= since;
            let pages = chunk.pages.iter().enumerate().filter(move |(_, page)| written(page));
            pages.map(move |(index, _)| Gfn::new((at * FANOUT + index) as u64))
        })
    }

    /// The epoch in which a right to write the page was last granted, or a later one if that is more
    /// than two thousand million epochs ago; 0: never.
    pub fn written(&self, page: Gfn) -> u64 {
        self.epochs.of(self.state(page).written)
    }

    /// Whether a page is stamped with the current write epoch.
    #[inline]
    pub fn is_stamped(&self, page: Gfn) -> bool {
        self.epochs.is_now(self.state(page).written)
    }

    /// The current write epoch: 1 at first, one more each time that rights to write are revoked.
    pub fn epoch(&self) -> u64 {
        self.epochs.now()
    }

    /// Which generation of write grants counts. An older grant in a shadow entry is void.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn advance_epoch(&mut self) {
        if let Some(by) = self.epochs.advance() {
            let stamps = self.state.iter_mut().flatten().flat_map(|chunk| chunk.pages.iter_mut());
            stamps.for_each(|page| page.written = lowered(page.written, by));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostEntry;
    use crate::host::node::FrameStore;
    use crate::{FrameId, Rights};
    use alloc::sync::Arc;
    use alloc::vec;

    /// Frames without a pool.
    #[derive(Debug)]
    struct Nobody;

    impl FrameStore for Nobody {
        fn retain(&self, _: FrameId) {}
        fn release(&self, _: FrameId) {}
        fn is_exclusive(&self, frame: FrameId) -> bool {
            !frame.is_zero_frame()
        }
    }

    #[test]
    fn epochs_outlast_their_stamps_and_no_write_is_ever_left_out() {
        let mut table = HostTable::new(2048, Arc::new(Nobody));
        table.fill(0..2048, HostEntry::ZERO);
        let never = page(700);
        table.stamp(page(1));
        // Pages that are written at distances up to several times what a stamp holds.
        let mut written = vec![(page(1), table.epoch())];
        for number in 2..40 {
            table.epochs.skip((1 << 28) * (number % 7));
            table.revoke_writes();
            table.stamp(page(number));
            written.push((page(number), table.epoch()));
            assert_eq!(table.written(never), 0);
            assert!(table.is_stamped(page(number)) && !table.is_stamped(page(number - 1)));
            for &(page, epoch) in &written {
                assert!(table.written(page) >= epoch, "{page} was written in {epoch}");
                if table.epoch() - epoch < 1 << 31 {
                    assert_eq!(table.written(page), epoch, "recent stamps are exact");
                }
                assert!(table.written_since(epoch).any(|p| p == page));
            }
        }
        assert!(table.epoch() > 1 << 34, "stamps began anew several times");
        assert_eq!(table.written_since(table.epoch()).count(), 1);
    }

    #[test]
    fn what_can_be_executed_can_be_read() {
        let mut table = HostTable::new(8, Arc::new(Nobody));
        let frame = FrameId::from_index(5);
        let entry = |rights| HostEntry::Frame { frame, rights };
        for rights in (0..8).map(Rights::from_bits_truncate) {
            let _hole = table.replace(page(0), entry(rights));
            let crate::host::Resolved::Frame { rights: now, .. } = table.resolve(page(0)) else {
                panic!("there is a frame")
            };
            assert!(rights.contains(now));
            assert!(now.contains(Rights::READ) || !now.contains(Rights::EXECUTE));
        }
        let guard = table.register_guard(Rights::READ).unwrap();
        let _old = table.replace(page(0), entry(Rights::all()));
        table.add_guard(page(0), guard);
        let crate::host::Resolved::Frame { rights, .. } = table.resolve(page(0)) else {
            panic!("there is a frame")
        };
        assert_eq!(rights, Rights::WRITE);
    }

    #[test]
    fn a_run_is_pinned_and_guarded_as_its_pages_one_by_one_are() {
        let mut table = HostTable::new(3000, Arc::new(Nobody));
        let guard = table.register_guard(Rights::WRITE).unwrap();
        table.pin_run(page(400), 1200, Some(guard)).unwrap();
        table.pin_run(page(500), 1, None).unwrap();
        assert_eq!(table.obstacles(page(0), 3000), (Some(page(400)), true));
        assert_eq!(table.obstacles(page(1600), 1400), (None, false));
        for (at, pinned) in [(399, false), (400, true), (1100, true), (1599, true), (1600, false)] {
            assert_eq!(table.is_pinned(page(at)), pinned, "{at}");
            assert_eq!(!table.guards(page(at)).is_empty(), pinned, "{at}");
        }
        // Page 500 is pinned twice, page 501 is left out.
        table.unpin_run(page(400), 1200, Some(guard), |at| (at != 101).then_some(at != 100));
        let left: Vec<u64> = (0..3000).filter(|&at| table.is_pinned(page(at))).collect();
        assert_eq!(left, [500, 501]);
        let guarded: Vec<u64> =
            (0..3000).filter(|&at| !table.guards(page(at)).is_empty()).collect();
        assert_eq!(guarded, [500, 501]);
    }

    #[test]
    fn a_page_that_is_pinned_as_often_as_can_be_is_not_pinned_once_more() {
        let mut table = HostTable::new(2048, Arc::new(Nobody));
        let guard = table.register_guard(Rights::WRITE).unwrap();
        (0..u16::MAX).for_each(|_| table.pin(page(600)));
        assert_eq!(table.pin_run(page(500), 200, Some(guard)), Err(page(600)));
        assert_eq!(table.obstacles(page(500), 200), (Some(page(600)), false));
        assert_eq!(table.pin_run(page(601), 200, Some(guard)), Ok(()));
    }

    fn page(number: u64) -> Gfn {
        Gfn::new(number)
    }
}
