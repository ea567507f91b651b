//! Large leaves: one entry for a guest's page of 2 MiB or 1 GiB, or for a part of 2 MiB of one of 1 GiB.
//!
//! ```text
//! guest's superpage ── frames in a row, same rights ([`HostTable::run`]) ──► a large leaf
//!        │ otherwise                                       │            ▲
//!        ▼                                          split  ▼            │  merge
//!        └──────────────────────────────────────────► 512 pieces ───────┘
//! ```
//!
//! A large leaf says of each of its pages exactly what a leaf of that page alone would say, so it
//! costs no fault that pieces would not. It is *split* when that ends: a page inside becomes a followed
//! table, a guard withholds a right, a frame moves, one page is written first in its epoch. Splitting changes nothing
//! that a TLB holds, so nothing is shot down for it. Pieces that have come to say the same again *merge*
//! when the last of them is filled.

use super::Tricks;
use super::entry::{Entry, ShadowLeaf};
use super::format::{Format, Said};
use super::loose::everywhere;
use super::page::{ENTRIES, Key};
use super::policy::{Context, Install};
use super::rmap::{LARGEST, Place};
use super::table::Shadow;
use crate::Gfn;
use crate::tlb::Shootdown;
use alloc::vec::Vec;

/// Shadow pages that are left for a fault under way: a split takes none of them.
const RESERVE: u64 = 8;

impl<F: Format> Shadow<F> {
    /// Whether an entry of `at`, inside or at a superpage, is or becomes a large leaf; if it is one that
    /// can't stay, it is split.
    pub(super) fn large(
        &mut self,
        at: u32,
        what: &Install<'_, F::Space>,
        said: Said,
        cx: &mut Context<'_>,
    ) -> bool {
        let key = self.page(at).key;
        let level = key.level();
        if !self.has(Tricks::LARGE) || level > LARGEST {
            return false;
        }
        let slot = (what.va.page() >> (9 * u32::from(level))) as usize % ENTRIES;
        let old = self.page(at).entries[slot];
        if old.child().is_some() {
            return false;
        }
        let base = Gfn::new(what.gfn.get() & !(key.span() - 1));
        let rights = said.most() & what.rights;
        if let Some(run) = cx.host.run(base, level)
            && run.rights.contains(rights)
        {
            let rights = said.most() & run.rights;
            self.set_leaf(at, slot, base, ShadowLeaf { frame: run.frame, rights, said }, cx);
            self.counters.large_fills += 1;
            return true;
        }
        self.counters.large_refused += 1;
        if old.is_leaf() && self.page(at).gfn_of(slot) == base && old.same_guest(Entry::said(said))
        {
            self.split(Place::new(at, slot), cx.shoot);
        }
        false
    }

    /// Puts 512 pieces in the place of a large leaf, which say the same. Where there is no room for
    /// their page, the leaf goes.
    pub(super) fn split(&mut self, place: Place, shoot: &mut Vec<Shootdown>) {
        let (at, slot) = (place.page(), place.slot());
        self.counters.large_split += 1;
        self.forget_leaf(at, slot);
        let page = self.page(at);
        let (leaf, gfn, va) = (page.entries[slot], page.gfn_of(slot), page.va_of(slot));
        let level = page.key.level() - 1;
        let said = leaf.as_leaf(0).map(|leaf| leaf.said);
        let room = self.counters.pages + RESERVE <= u64::from(self.budget);
        let (Some(said), true) = (said, room) else {
            shoot.push(everywhere(page, slot, gfn));
            let page = self.page_mut(at);
            page.entries[slot] = Entry::NONE;
            page.present -= 1;
            return;
        };
        let key = Key::Piece { base: gfn, level, flags: said.pack() };
        let piece = match self.pieces.get(&key) {
            Some(&piece) => piece,
            None => {
                let piece = self.make_page(key, va);
                self.pieces.insert(key, piece);
                piece
            }
        };
        self.link(at, slot, piece, va);
        for inside in 0..ENTRIES {
            if self.page(piece).entries[inside] == Entry::NONE {
                let pages = inside as u64 * key.span();
                self.page_mut(piece).present += 1;
                self.put_leaf(piece, inside, gfn.plus(pages), leaf.further(pages));
            }
        }
    }

    /// Puts large leaves in the place of a page of pieces, if these say the same of frames in a row.
    pub(super) fn merge(&mut self, at: u32) {
        let page = self.page(at);
        let Key::Piece { base, level, .. } = page.key else { return };
        let (first, span) = (page.entries[0], page.key.span());
        let alike = || {
            let mut entries = page.entries.iter().enumerate().rev();
            entries.all(|(i, &entry)| entry == first.further(i as u64 * span))
        };
        let whole = usize::from(page.present) == ENTRIES
            && level < LARGEST
            && first.is_leaf()
            && first.as_leaf(0).is_some_and(|l| !l.frame.is_zero_frame() && !l.rights.is_empty())
            && self.has(Tricks::LARGE)
            && alike();
        if !whole {
            return;
        }
        self.counters.large_merged += 1;
        (0..ENTRIES).for_each(|slot| self.forget_leaf(at, slot));
        let piece = self.pages[at as usize].take().expect("a page that is there");
        self.pieces.remove(&piece.key);
        self.free.push(at);
        self.counters.pages -= 1;
        for &(parent, slot) in &piece.parents {
            self.put_leaf(parent, slot.into(), base, first);
        }
        if let Some(&(parent, _)) = piece.parents.first() {
            self.merge(parent);
        }
    }
}
