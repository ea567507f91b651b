//! The table itself: a persistent radix map of three levels, read and changed by pages and by runs.

use super::HostEntry;
use super::epochs::Epochs;
use super::guard::Guard;
use super::node::{Entries, FANOUT, FrameStore, Node, Slot, release};
use super::pages::States;
use crate::{FrameId, Gfn, Rights};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{Ordering, fence};

pub(super) const LEVELS: u32 = 3;

/// Gpa → frame, rights and guards of one machine. Memory: 8 bytes a page that was ever written, and
/// 8 bytes of page state, both in chunks of 512 pages.
#[derive(Debug)]
pub struct HostTable {
    pub(super) root: Arc<Node>,
    pub(super) store: Arc<dyn FrameStore>,
    pub(super) pages: u64,
    pub(super) state: Vec<Option<Box<States>>>,
    /// A bit a page: some right to it was used since this was last taken.
    pub(super) touched: Vec<u64>,
    pub(super) withholds: [Rights; Guard::MAX],
    guards: u8,
    pub(super) generation: u64,
    pub(super) epochs: Epochs,
}

impl HostTable {
    /// The most pages that a table can have: 512 GiB of guest physical addresses.
    pub const MAX_PAGES: u64 = 1 << 27;

    /// A table of `pages` pages, all of them holes.
    ///
    /// # Panics
    /// When `pages` is over [`HostTable::MAX_PAGES`].
    pub fn new(pages: u64, store: Arc<dyn FrameStore>) -> Self {
        assert!(pages <= Self::MAX_PAGES, "{pages} pages are more than a host table holds");
        HostTable {
            root: Arc::new(Node::uniform(LEVELS - 1, HostEntry::Hole.pack(), &store)),
            store,
            pages,
            state: (0..pages.div_ceil(FANOUT as u64)).map(|_| None).collect(),
            touched: vec![0; pages.div_ceil(64) as usize],
            withholds: [Rights::empty(); Guard::MAX],
            guards: 0,
            generation: 1,
            epochs: Epochs::FIRST,
        }
    }

    /// Pages of the guest's physical address space.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Registers a reason to withhold `rights`; `None` when all [`Guard::MAX`] are taken. Who
    /// withholds reading withholds execution too: a guest may read what it may execute.
    pub fn register_guard(&mut self, mut rights: Rights) -> Option<Guard> {
        rights.set(Rights::EXECUTE, rights.intersects(Rights::READ | Rights::EXECUTE));
        if usize::from(self.guards) == Guard::MAX {
            return None;
        }
        let guard = Guard::new(self.guards);
        self.withholds[usize::from(self.guards)] = rights;
        self.guards += 1;
        Some(guard)
    }

    /// The entry of a page; a hole outside the table. At most three loads.
    #[inline]
    pub fn get(&self, page: Gfn) -> HostEntry {
        self.get_counted(page, &mut 0)
    }

    /// As [`HostTable::get`], adding the loads it took to `references`: what the second dimension
    /// of a two-dimensional walk costs.
    #[inline]
    pub fn get_counted(&self, page: Gfn, references: &mut u64) -> HostEntry {
        if page.get() >= self.pages {
            return HostEntry::Hole;
        }
        let mut node = &self.root;
        let mut level = LEVELS - 1;
        loop {
            *references += 1;
            match &**node {
                Node::Leaf(leaf) => {
                    return HostEntry::unpack(leaf.entries.get(Node::index(page.get(), 0)));
                }
                Node::Inner(slots) => match &slots[Node::index(page.get(), level)] {
                    Slot::Uniform(bits) => return HostEntry::unpack(*bits),
                    Slot::Node(child) => node = child,
                },
            }
            level -= 1;
        }
    }

    /// Sets a page's entry and returns the one before. The table takes over the caller's reference
    /// to a frame or an absent page, and hands its own reference to the old one to the caller. Nodes
    /// that are shared with a snapshot are copied on the way: at most one of each level.
    ///
    /// Whoever lowers a right or moves a frame invalidates the shadow entries as well.
    ///
    /// # Panics
    /// When the page is outside the table.
    #[must_use = "the old frame's reference is the caller's now"]
    pub fn replace(&mut self, page: Gfn, entry: HostEntry) -> HostEntry {
        assert!(page.get() < self.pages, "{page} is outside the host table");
        let at = Node::index(page.get(), 0);
        HostEntry::unpack(self.change(page, |entries| entries.replace(at, entry.pack())))
    }

    /// Has `change` change entries of a page's leaf, which this table alone owns by then.
    #[inline]
    fn change<T>(&mut self, page: Gfn, change: impl FnOnce(&Entries) -> T) -> T {
        if let Some((entries, true)) = self.leaf_owned(page) {
            // Whoever shared it has let go of it: all that it read is behind.
            fence(Ordering::Acquire);
            return change(entries);
        }
        change(self.leaf_mut(page))
    }

    /// The leaf of a page, owned by this table alone from here on.
    fn leaf_mut(&mut self, page: Gfn) -> &Entries {
        let mut node = &mut self.root;
        let mut level = LEVELS - 1;
        loop {
            match Arc::make_mut(node) {
                Node::Leaf(leaf) => return &leaf.entries,
                Node::Inner(slots) => {
                    let slot = &mut slots[Node::index(page.get(), level)];
                    if let Slot::Uniform(bits) = *slot {
                        *slot = Slot::Node(Arc::new(Node::uniform(level - 1, bits, &self.store)));
                    }
                    match slot {
                        Slot::Node(child) => node = child,
                        Slot::Uniform(_) => unreachable!("just replaced by a node"),
                    }
                }
            }
            level -= 1;
        }
    }

    /// Lets the frames of a run of pages change places with `frames`, references and all; the pages
    /// then have every right and are stamped with the current write epoch. A run costs its leaves
    /// once, and a few loads a page. Whoever calls it invalidates what was derived.
    ///
    /// # Errors
    /// With the first page that is not in a frame, or not of this table; nothing has changed then.
    pub fn exchange(&mut self, first: Gfn, frames: &mut [FrameId]) -> Result<(), Gfn> {
        self.frames(first, frames.len(), |_| {})?;
        let mut done = 0;
        while done < frames.len() {
            let page = first.plus(done as u64);
            let at = Node::index(page.get(), 0);
            let count = (FANOUT - at).min(frames.len() - done);
            self.change(page, |entries| {
                for (at, frame) in (at..).zip(&mut frames[done..done + count]) {
                    let new = HostEntry::Frame { frame: *frame, rights: Rights::all() };
                    if let HostEntry::Frame { frame: old, .. } = HostEntry::unpack(entries.get(at))
                    {
                        entries.replace(at, new.pack());
                        *frame = old;
                    }
                }
            });
            let stamp = self.epochs.stamp();
            for state in &mut self.states_mut(page)[at..at + count] {
                state.written = stamp;
            }
            done += count;
        }
        Ok(())
    }

    /// Names the frames of a run of pages, in order.
    ///
    /// # Errors
    /// With the first page that is not in a frame, or not of this table.
    pub fn frames(
        &self,
        first: Gfn,
        count: usize,
        mut each: impl FnMut(FrameId),
    ) -> Result<(), Gfn> {
        let mut done = 0;
        while done < count {
            let page = first.plus(done as u64);
            let Some((entries, at)) = self.leaf(page) else {
                // No leaf: one entry stands for all of them.
                let HostEntry::Frame { frame, .. } = self.get(page) else { return Err(page) };
                each(frame);
                done += 1;
                continue;
            };
            let here = (FANOUT - at).min(count - done);
            for (number, bits) in (0..).zip(entries.run(at..at + here)) {
                let HostEntry::Frame { frame, .. } = HostEntry::unpack(bits) else {
                    return Err(page.plus(number));
                };
                each(frame);
            }
            done += here;
        }
        match first.get().checked_add(count as u64) {
            Some(end) if end <= self.pages => Ok(()),
            _ => Err(Gfn::new(self.pages)),
        }
    }

    /// The leaf of a page and the page's place in it; `None` where there is none.
    fn leaf(&self, page: Gfn) -> Option<(&Entries, usize)> {
        let mut node = (page.get() < self.pages).then_some(&self.root)?;
        for level in (0..LEVELS).rev() {
            match &**node {
                Node::Leaf(leaf) => return Some((&leaf.entries, Node::index(page.get(), 0))),
                Node::Inner(slots) => match &slots[Node::index(page.get(), level)] {
                    Slot::Uniform(_) => return None,
                    Slot::Node(child) => node = child,
                },
            }
        }
        None
    }

    /// Sets all pages of a range to an entry that owns no counted frame: a hole, the zero frame, or
    /// an absent page. Whole nodes in the range are dropped with their frames.
    ///
    /// # Panics
    /// When the range reaches outside the table, or the entry holds a counted frame.
    pub fn fill(&mut self, range: Range<u64>, entry: HostEntry) {
        assert!(range.end <= self.pages, "pages {range:?} are outside the host table");
        if let HostEntry::Frame { frame, .. } = entry {
            assert!(frame.is_zero_frame(), "one frame can't be behind a range of pages");
        }
        if !range.is_empty() {
            fill(&mut self.root, LEVELS - 1, 0, &range, entry.pack(), &self.store);
        }
    }

    /// Bytes that the table occupies, shared nodes included.
    pub fn overhead(&self) -> usize {
        let chunks = self.state.iter().filter(|c| c.is_some()).count();
        self.state.capacity() * size_of::<Option<Box<States>>>()
            + chunks * size_of::<States>()
            + self.touched.capacity() * 8
            + bytes(&self.root)
    }
}

fn bytes(node: &Node) -> usize {
    match node {
        Node::Leaf(_) => size_of::<Node>() + FANOUT * 8,
        Node::Inner(slots) => {
            let below = slots.iter().map(|s| match s {
                Slot::Uniform(_) => 0,
                Slot::Node(child) => bytes(child),
            });
            size_of::<Node>() + FANOUT * size_of::<Slot>() + below.sum::<usize>()
        }
    }
}

fn fill(
    node: &mut Arc<Node>,
    level: u32,
    base: u64,
    range: &Range<u64>,
    bits: u64,
    store: &Arc<dyn FrameStore>,
) {
    let span = 1_u64 << (9 * level);
    let node = Arc::make_mut(node);
    for index in 0..FANOUT as u64 {
        let start = base + index * span;
        if start >= range.end || start + span <= range.start {
            continue;
        }
        match &mut *node {
            Node::Leaf(leaf) => {
                let old = leaf.entries.replace(index as usize, bits);
                release(&**store, old);
            }
            Node::Inner(slots) => {
                let slot = &mut slots[index as usize];
                if range.start <= start && start + span <= range.end {
                    *slot = Slot::Uniform(bits);
                    continue;
                }
                if let Slot::Uniform(was) = *slot {
                    *slot = Slot::Node(Arc::new(Node::uniform(level - 1, was, store)));
                }
                if let Slot::Node(child) = slot {
                    fill(child, level - 1, start, range, bits, store);
                }
            }
        }
    }
}
