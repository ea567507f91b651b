//! Frames in a row: what a large page of a shadow table stands for.

use super::node::{Entries, FANOUT, Node, Slot};
use super::pages::PageState;
use super::resolve::usable;
use super::table::LEVELS;
use super::{HostEntry, HostTable};
use crate::{FrameId, Gfn, Rights};
use alloc::sync::Arc;

/// The frames behind a run of pages: neighbours, with all of which the same may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first page's frame; the next page's is the next one.
    pub frame: FrameId,
    /// What may be done with each page right now and may be granted without being asked for: no
    /// writing, unless every page is stamped with the current write epoch.
    pub rights: Rights,
}

impl HostTable {
    /// The frames behind the `512^level` pages from `first` on, if one large page can stand for all of
    /// them: `first` is a multiple of their number, all are of this table and in frames of their own
    /// that lie in a row, and the same may be done with each. A guard on some of them but not on all
    /// forbids it, as a guest table or a page whose writing is withheld does; how many there are is
    /// counted, so that this costs one look (KVM's `disallow_lpage`). Otherwise costs a look at each
    /// page, up to the first that differs.
    ///
    /// None for other levels than 1 (2 MiB) and 2 (1 GiB).
    pub fn run(&self, first: Gfn, level: u8) -> Option<Run> {
        let pages = match level {
            1 => FANOUT as u64,
            2 => (FANOUT * FANOUT) as u64,
            _ => return None,
        };
        let end = first.get().checked_add(pages)?;
        if !first.get().is_multiple_of(pages) || end > self.pages {
            return None;
        }
        let run = self.run_of_leaf(first)?;
        let goes_on = (1..pages / FANOUT as u64).all(|leaf| {
            let before = leaf * FANOUT as u64;
            let there = self.run_of_leaf(first.plus(before));
            there.is_some_and(|there| {
                let frame = u64::from(run.frame.index()) + before;
                u64::from(there.frame.index()) == frame && there.rights == run.rights
            })
        });
        goes_on.then_some(run)
    }

    fn run_of_leaf(&self, first: Gfn) -> Option<Run> {
        let states = self.state[first.get() as usize / FANOUT].as_deref();
        let guarded = states.map_or(0, |states| usize::from(states.guarded));
        if guarded != 0 && guarded != FANOUT {
            return None;
        }
        let (entries, owned) = self.leaf_owned(first)?;
        let HostEntry::Frame { frame, rights } = HostEntry::unpack(entries.get(0)) else {
            return None;
        };
        // The frame of zeros is behind any page that was never written.
        if frame.is_zero_frame() || frame.index().checked_add(FANOUT as u32 - 1).is_none() {
            return None;
        }
        let one = HostEntry::Frame { frame: FrameId::from_index(1), rights: Rights::empty() }
            .pack()
            - HostEntry::Frame { frame: FrameId::ZERO, rights: Rights::empty() }.pack();
        let first = entries.get(0);
        if !(0..).zip(entries.run(0..FANOUT)).all(|(i, entry)| entry == first + i * one) {
            return None;
        }
        // What may be granted unasked of each page.
        let granted = |at: u32| {
            let state = states.map_or_else(PageState::default, |s| s.pages[at as usize]);
            let mut granted = usable(rights) - state.guards.withheld(&self.withholds);
            let own = || {
                let frame = FrameId::from_index(frame.index() + at);
                owned && self.epochs.is_now(state.written) && self.store.is_exclusive(frame)
            };
            if granted.contains(Rights::WRITE) && !own() {
                granted -= Rights::WRITE;
            }
            granted
        };
        let rights = granted(0);
        let alike = (1..FANOUT as u32).all(|at| granted(at) == rights);
        alike.then_some(Run { frame, rights })
    }

    /// The entries of the leaf that a page is in, and whether this table alone owns the way to them.
    #[inline]
    pub(super) fn leaf_owned(&self, page: Gfn) -> Option<(&Entries, bool)> {
        let mut node = &self.root;
        let mut owned = true;
        for level in (0..LEVELS).rev() {
            owned &= Arc::strong_count(node) == 1;
            match &**node {
                Node::Leaf(leaf) => return Some((&leaf.entries, owned)),
                Node::Inner(slots) => match &slots[Node::index(page.get(), level)] {
                    Slot::Uniform(_) => return None,
                    Slot::Node(child) => node = child,
                },
            }
        }
        None
    }
}
