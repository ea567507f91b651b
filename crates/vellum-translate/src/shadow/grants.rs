//! The host's half of the leaves: what it grants, withholds and changes, wherever a page is mapped.

use super::entry::{Entry, ShadowLeaf, era};
use super::format::Format;
use super::rmap::{LARGEST, Place};
use super::table::Shadow;
use crate::host::{HostTable, Resolved};
use crate::tlb::Shootdown;
use crate::{FrameId, Gfn, Gva, Rights};
use alloc::vec::Vec;

/// The frame of a page, and what may be granted that nobody asked for: no right to write to a page that
/// is not stamped with the current write epoch.
pub(super) fn granted(host: &HostTable, gfn: Gfn) -> Option<(FrameId, Rights)> {
    match host.resolve(gfn) {
        Resolved::Frame { frame, rights, stamped: true } => Some((frame, rights)),
        Resolved::Frame { frame, rights, stamped: false } => Some((frame, rights - Rights::WRITE)),
        Resolved::Absent { .. } | Resolved::Hole => None,
    }
}

impl<F: Format> Shadow<F> {
    fn leaves(&self, level: u8, page: Gfn) -> Vec<Place> {
        self.rmap.places(level, page).collect()
    }

    fn entry_at(&self, place: Place) -> Entry {
        self.page(place.page()).entries[place.slot()]
    }

    /// Takes the right to write away from every leaf that maps `gfn`. Large leaves that give it are
    /// split.
    pub(super) fn withhold_writes(&mut self, gfn: Gfn, shoot: &mut Vec<Shootdown>) {
        // A hart whose paging is off is in no reverse map.
        shoot.push(Shootdown::Write(Gva::new(gfn.base().get())));
        for level in (1..=LARGEST).rev() {
            for place in self.leaves(level, gfn) {
                if self.entry_at(place).has_write() {
                    self.split(place, shoot);
                }
            }
        }
        for place in self.leaves(0, gfn) {
            let page = self.page_mut(place.page());
            page.entries[place.slot()] = page.entries[place.slot()].without_write();
            shoot.push(if page.aliased {
                Shootdown::GfnWrite(gfn)
            } else {
                Shootdown::Write(page.va_of(place.slot()))
            });
        }
    }

    /// Entries hold only the low bits of a generation: where those begin anew, a grant of the last
    /// time around would count again, so all of them are taken out before anything is looked up. The
    /// guest's word stays, so no guest sees the difference.
    #[cold]
    pub(super) fn begin_era(&mut self, generation: u64) {
        self.era = era(generation);
        for page in self.pages.iter_mut().flatten() {
            for entry in page.entries.iter_mut().filter(|entry| entry.is_leaf()) {
                *entry = entry.without_write();
            }
        }
    }

    /// Gives the right to write back to every leaf that maps `gfn` and whose guest allows it: the
    /// page is no followed table any more. Spares a hidden fault each.
    pub(super) fn give_writes_back(
        &mut self,
        host: &HostTable,
        gfn: Gfn,
        shoot: &mut Vec<Shootdown>,
    ) {
        let Some((frame, rights)) = granted(host, gfn) else { return };
        if !rights.contains(Rights::WRITE) {
            return;
        }
        let generation = host.generation();
        for level in (1..=LARGEST).rev() {
            for place in self.leaves(level, gfn) {
                let leaf = self.entry_at(place).as_leaf(generation);
                if leaf.is_some_and(|leaf| {
                    !leaf.rights.contains(Rights::WRITE) && leaf.said.most().contains(Rights::WRITE)
                }) {
                    self.refresh_large(host, place, shoot);
                }
            }
        }
        for place in self.leaves(0, gfn) {
            let page = self.page_mut(place.page());
            let entry = &mut page.entries[place.slot()];
            if let Some(mut leaf) = entry.as_leaf(generation)
                && leaf.said.most().contains(Rights::WRITE)
            {
                leaf.frame = frame;
                leaf.rights = leaf.said.most() & rights;
                *entry = Entry::leaf(leaf, generation);
            }
        }
    }

    /// The host's entries of a run of pages changed: each leaf that maps one gets the host's new word,
    /// or none where the host has no frame now. The guest's word stays. A large leaf whose frames are
    /// no run any more is split.
    pub(super) fn refresh(
        &mut self,
        host: &HostTable,
        first: Gfn,
        count: u64,
        shoot: &mut Vec<Shootdown>,
    ) {
        for level in (1..=LARGEST).rev() {
            for base in self.rmap.mapped(level, first, count) {
                for place in self.leaves(level, base) {
                    if self.refresh_large(host, place, shoot) {
                        self.counters.host_invalidations += 1;
                        self.shoot_frames(place, first, count, shoot);
                    }
                }
            }
        }
        for gfn in self.rmap.mapped(0, first, count) {
            let now = granted(host, gfn);
            for place in self.rmap.places(0, gfn) {
                self.counters.host_invalidations += 1;
                let page =
                    self.pages[place.page() as usize].as_mut().expect("a page that is there");
                let entry = &mut page.entries[place.slot()];
                *entry = match (now, entry.as_leaf(host.generation())) {
                    (Some((frame, rights)), Some(leaf)) => {
                        let rights = leaf.said.most() & rights;
                        Entry::leaf(ShadowLeaf { frame, rights, ..leaf }, host.generation())
                    }
                    _ => entry.without_host(),
                };
                if page.aliased {
                    Shootdown::add_gfn_frames(shoot, gfn);
                } else {
                    Shootdown::add_frames(shoot, page.va_of(place.slot()));
                }
            }
        }
    }

    /// A large leaf gets the host's word as it is now, or is split; whether it is still one leaf.
    fn refresh_large(
        &mut self,
        host: &HostTable,
        place: Place,
        shoot: &mut Vec<Shootdown>,
    ) -> bool {
        let page = self.page(place.page());
        let (gfn, level) = (page.gfn_of(place.slot()), page.key.level());
        let leaf = page.entries[place.slot()].as_leaf(host.generation());
        let (Some(run), Some(leaf)) = (host.run(gfn, level), leaf) else {
            self.split(place, shoot);
            return false;
        };
        let leaf = ShadowLeaf { frame: run.frame, rights: leaf.said.most() & run.rights, ..leaf };
        self.page_mut(place.page()).entries[place.slot()] = Entry::leaf(leaf, host.generation());
        true
    }

    /// The host's word on the part of a run that a large leaf maps.
    fn shoot_frames(&self, place: Place, first: Gfn, count: u64, shoot: &mut Vec<Shootdown>) {
        let page = self.page(place.page());
        let base = page.gfn_of(place.slot()).get();
        let start = base.max(first.get());
        let end = (base + page.key.span()).min(first.get().saturating_add(count));
        let pages = end.saturating_sub(start);
        shoot.push(if page.aliased {
            Shootdown::GfnFrames(Gfn::new(start), pages)
        } else {
            let va = page.va_of(place.slot()).get().wrapping_add((start - base) << 12);
            Shootdown::Frames(Gva::new(va), pages)
        });
    }
}
