//! What may be done with a page right now, and why not more.

use super::guard::{Guard, GuardSet};
use super::node::{Node, Slot};
use super::table::LEVELS;
use super::{HostEntry, HostTable, OwnerId, Token};
use crate::{FrameId, Gfn, Rights};
use alloc::sync::Arc;

/// What the host has to say about an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// A frame, and what may be done with it right now.
    Frame {
        /// The frame.
        frame: FrameId,
        /// Rights that nothing withholds.
        rights: Rights,
        /// The page is stamped with the current write epoch: a right to write it, if it is among
        /// the rights, may be granted without being asked for.
        stamped: bool,
    },
    /// The owner must bring the page.
    Absent {
        /// Who.
        owner: OwnerId,
        /// Which.
        token: Token,
    },
    /// There is no memory.
    Hole,
}

/// Why a right is withheld that the entry itself has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withheld {
    /// The entry does not have it.
    Entry,
    /// The frame has other owners, or the table's node has: copy first.
    Shared,
    /// These reasons.
    Guards(GuardSet),
    /// It is not withheld.
    Nothing,
}

/// What an entry gives: a page that can't be read can't be executed either, since a guest may read
/// what it may execute (`sstatus.MXR`).
pub(super) const fn usable(rights: Rights) -> Rights {
    if rights.contains(Rights::READ) { rights } else { rights.difference(Rights::EXECUTE) }
}

impl HostTable {
    /// What may be done with a page right now: the entry's rights, less what sharing and guards
    /// withhold.
    #[inline]
    pub fn resolve(&self, page: Gfn) -> Resolved {
        self.resolve_counted(page, &mut 0)
    }

    /// As [`HostTable::resolve`], adding the loads of the table that it took to `references`.
    #[inline]
    pub fn resolve_counted(&self, page: Gfn, references: &mut u64) -> Resolved {
        if page.get() >= self.pages {
            return Resolved::Hole;
        }
        let (entry, owned) = self.get_owned(page, references);
        match entry {
            HostEntry::Hole => Resolved::Hole,
            HostEntry::Absent { owner, token } => Resolved::Absent { owner, token },
            HostEntry::Frame { frame, rights } => {
                let mut rights = usable(rights);
                if rights.contains(Rights::WRITE) && !(owned && self.store.is_exclusive(frame)) {
                    rights -= Rights::WRITE;
                }
                let state = self.state(page);
                if !state.guards.is_empty() {
                    rights -= state.guards.withheld(&self.withholds);
                }
                Resolved::Frame { frame, rights, stamped: self.epochs.is_now(state.written) }
            }
        }
    }

    /// Why `right` is not among what [`HostTable::resolve`] grants. Content comes first: a shared
    /// page is copied before any guard is asked.
    pub fn why_withheld(&self, page: Gfn, right: Rights) -> Withheld {
        let (entry, owned) = self.get_owned(page, &mut 0);
        let HostEntry::Frame { frame, rights } = entry else { return Withheld::Entry };
        if !usable(rights).contains(right) {
            return Withheld::Entry;
        }
        if right.contains(Rights::WRITE) && !(owned && self.store.is_exclusive(frame)) {
            return Withheld::Shared;
        }
        let mut set = self.guards(page);
        for guard in set.iter() {
            if !self.withholds[usize::from(guard.bit())].intersects(right) {
                set.remove(guard);
            }
        }
        if set.is_empty() { Withheld::Nothing } else { Withheld::Guards(set) }
    }

    /// The frame of a page from which `guard`, and nothing else, withholds `right`: one question
    /// where the way of a store to a guest table would ask three.
    #[inline]
    pub fn withheld_only_by(&self, page: Gfn, guard: Guard, right: Rights) -> Option<FrameId> {
        if page.get() >= self.pages || self.guards(page) != GuardSet::of(guard) {
            return None;
        }
        match self.get_owned(page, &mut 0) {
            (HostEntry::Frame { frame, rights }, owned) => {
                let fine = rights.contains(right)
                    && (!right.contains(Rights::WRITE) || owned && self.store.is_exclusive(frame));
                fine.then_some(frame)
            }
            _ => None,
        }
    }

    /// The entry and whether this table alone owns the path to it.
    #[inline]
    fn get_owned(&self, page: Gfn, references: &mut u64) -> (HostEntry, bool) {
        let mut node = &self.root;
        let mut owned = true;
        for level in (0..LEVELS).rev() {
            *references += 1;
            owned &= Arc::strong_count(node) == 1;
            match &**node {
                Node::Leaf(leaf) => {
                    return (
                        HostEntry::unpack(leaf.entries.get(Node::index(page.get(), 0))),
                        owned,
                    );
                }
                Node::Inner(slots) => match &slots[Node::index(page.get(), level)] {
                    Slot::Uniform(bits) => return (HostEntry::unpack(*bits), owned),
                    Slot::Node(child) => node = child,
                },
            }
        }
        (HostEntry::Hole, owned)
    }
}
