//! The table itself: a persistent radix map of three levels, and beside it what belongs to one
//! machine alone: guards, pins, write epochs.

use super::guard::{Guard, GuardSet};
use super::node::{FANOUT, FrameStore, Node, Slot, release};
use super::{HostEntry, OwnerId, Token};
use crate::{FrameId, Gfn, Rights};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

const LEVELS: u32 = 3;

/// What is kept for a page outside the shared nodes.
#[derive(Debug, Default, Clone, Copy)]
struct PageState {
    guards: GuardSet,
    pins: u16,
    written: u32,
}

/// Gpa → frame, rights and guards of one machine. Memory: 8 bytes a page that was ever written, and
/// 8 bytes of page state, both in chunks of 512 pages.
#[derive(Debug)]
pub struct HostTable {
    root: Arc<Node>,
    store: Arc<dyn FrameStore>,
    pages: u64,
    state: Vec<Option<Box<[PageState; FANOUT]>>>,
    /// A bit a page: some right to it was used since this was last taken.
    touched: Vec<u64>,
    withholds: [Rights; Guard::MAX],
    guards: u8,
    generation: u32,
    epoch: u32,
}

/// A kept root: the whole content of a host table at one instant. Costs nothing until the table
/// that it was taken of is written.
#[derive(Debug, Clone)]
pub struct Snapshot {
    root: Arc<Node>,
    pages: u64,
}

/// What the host has to say about an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// A frame, and what may be done with it right now.
    Frame {
        /// The frame.
        frame: FrameId,
        /// Rights that nothing withholds.
        rights: Rights,
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

/// The way to an entry of the host table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPath {
    /// The index into each node, the root's first. Fewer than the table has levels where one entry
    /// stands for a range.
    pub indices: Vec<usize>,
    /// A node on the way is shared with a snapshot or a clone.
    pub shared: bool,
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
            epoch: 1,
        }
    }

    /// Pages of the guest's physical address space.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Registers a reason to withhold `rights`; `None` when all [`Guard::MAX`] are taken.
    pub fn register_guard(&mut self, rights: Rights) -> Option<Guard> {
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
                    return HostEntry::unpack(leaf.entries[Node::index(page.get(), 0)]);
                }
                Node::Inner(slots) => match &slots[Node::index(page.get(), level)] {
                    Slot::Uniform(bits) => return HostEntry::unpack(*bits),
                    Slot::Node(child) => node = child,
                },
            }
            level -= 1;
        }
    }

    /// The way to the entry of a page: the index at each level that is there, and whether the table
    /// owns all of it. For people; costs at most three loads and an allocation.
    pub fn path(&self, page: Gfn) -> HostPath {
        let mut path = HostPath { indices: Vec::new(), shared: false };
        let mut node = (page.get() < self.pages).then_some(&self.root);
        for level in (0..LEVELS).rev() {
            let Some(here) = node else { break };
            path.shared |= Arc::strong_count(here) > 1;
            let index = Node::index(page.get(), level);
            path.indices.push(index);
            node = match &**here {
                Node::Inner(slots) => match &slots[index] {
                    Slot::Node(child) => Some(child),
                    Slot::Uniform(_) => None,
                },
                Node::Leaf(_) => None,
            };
        }
        path
    }

    /// The entry and whether this table alone owns the path to it.
    fn get_owned(&self, page: Gfn) -> (HostEntry, bool) {
        let mut node = &self.root;
        let mut owned = true;
        for level in (0..LEVELS).rev() {
            owned &= Arc::strong_count(node) == 1;
            match &**node {
                Node::Leaf(leaf) => {
                    return (HostEntry::unpack(leaf.entries[Node::index(page.get(), 0)]), owned);
                }
                Node::Inner(slots) => match &slots[Node::index(page.get(), level)] {
                    Slot::Uniform(bits) => return (HostEntry::unpack(*bits), owned),
                    Slot::Node(child) => node = child,
                },
            }
        }
        (HostEntry::Hole, owned)
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
        let slot = &mut self.leaf_mut(page)[Node::index(page.get(), 0)];
        HostEntry::unpack(core::mem::replace(slot, entry.pack()))
    }

    /// The leaf of a page, owned by this table alone from here on.
    fn leaf_mut(&mut self, page: Gfn) -> &mut [u64; FANOUT] {
        let mut node = &mut self.root;
        let mut level = LEVELS - 1;
        loop {
            match Arc::make_mut(node) {
                Node::Leaf(leaf) => return &mut leaf.entries,
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
            let slots = &mut self.leaf_mut(page)[at..at + count];
            for (slot, frame) in slots.iter_mut().zip(&mut frames[done..done + count]) {
                let new = HostEntry::Frame { frame: *frame, rights: Rights::all() };
                if let HostEntry::Frame { frame: old, .. } = HostEntry::unpack(*slot) {
                    (*slot, *frame) = (new.pack(), old);
                }
            }
            let epoch = self.epoch;
            for state in &mut self.states_mut(page)[at..at + count] {
                state.written = epoch;
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
            for (number, &bits) in (0..).zip(&entries[at..at + here]) {
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
    fn leaf(&self, page: Gfn) -> Option<(&[u64; FANOUT], usize)> {
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

    /// What may be done with a page right now: the entry's rights, less what sharing and guards
    /// withhold.
    #[inline]
    pub fn resolve(&self, page: Gfn) -> Resolved {
        if page.get() >= self.pages {
            return Resolved::Hole;
        }
        let (entry, owned) = self.get_owned(page);
        match entry {
            HostEntry::Hole => Resolved::Hole,
            HostEntry::Absent { owner, token } => Resolved::Absent { owner, token },
            HostEntry::Frame { frame, mut rights } => {
                if rights.contains(Rights::WRITE) && !(owned && self.store.is_exclusive(frame)) {
                    rights -= Rights::WRITE;
                }
                let guards = self.guards(page);
                if !guards.is_empty() {
                    rights -= guards.withheld(&self.withholds);
                }
                Resolved::Frame { frame, rights }
            }
        }
    }

    /// Why `right` is not among what [`HostTable::resolve`] grants. Content comes first: a shared
    /// page is copied before any guard is asked.
    pub fn why_withheld(&self, page: Gfn, right: Rights) -> Withheld {
        let (entry, owned) = self.get_owned(page);
        let HostEntry::Frame { frame, rights } = entry else { return Withheld::Entry };
        if !rights.contains(right) {
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
        match self.get_owned(page) {
            (HostEntry::Frame { frame, rights }, owned) => {
                let fine = rights.contains(right)
                    && (!right.contains(Rights::WRITE) || owned && self.store.is_exclusive(frame));
                fine.then_some(frame)
            }
            _ => None,
        }
    }

    fn state(&self, page: Gfn) -> PageState {
        let (chunk, at) = (page.get() as usize / FANOUT, page.get() as usize % FANOUT);
        match self.state.get(chunk) {
            Some(Some(chunk)) => chunk[at],
            _ => PageState::default(),
        }
    }

    fn state_mut(&mut self, page: Gfn) -> &mut PageState {
        &mut self.states_mut(page)[page.get() as usize % FANOUT]
    }

    /// The states of a run of pages that have any; pages without are left out.
    fn states(&self, first: Gfn, count: usize) -> impl Iterator<Item = (u64, &PageState)> {
        let (start, end) = (first.get(), first.get().saturating_add(count as u64));
        let chunks = start / FANOUT as u64..end.div_ceil(FANOUT as u64);
        chunks.flat_map(move |number| {
            let base = number * FANOUT as u64;
            let chunk = self.state.get(number as usize).and_then(Option::as_deref);
            let range =
                (start.max(base) - base) as usize..(end.min(base + FANOUT as u64) - base) as usize;
            let states = chunk.map(|chunk| &chunk[range.clone()]).unwrap_or_default();
            (base + range.start as u64..).zip(states)
        })
    }

    /// The first page of a run whose frame must stay.
    pub fn first_pinned(&self, first: Gfn, count: usize) -> Option<Gfn> {
        self.states(first, count).find(|(_, state)| state.pins != 0).map(|(page, _)| Gfn::new(page))
    }

    /// Whether any page of a run is guarded.
    pub fn any_guarded(&self, first: Gfn, count: usize) -> bool {
        self.states(first, count).any(|(_, state)| !state.guards.is_empty())
    }

    /// The state of a page and its neighbours under one leaf.
    fn states_mut(&mut self, page: Gfn) -> &mut [PageState; FANOUT] {
        let chunk = &mut self.state[page.get() as usize / FANOUT];
        chunk.get_or_insert_with(|| Box::new([PageState::default(); FANOUT]))
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
    /// When the page is outside the table; so for the three below.
    pub fn add_guard(&mut self, page: Gfn, guard: Guard) -> bool {
        self.state_mut(page).guards.insert(guard)
    }

    /// Takes a reason away; whether it held.
    pub fn remove_guard(&mut self, page: Gfn, guard: Guard) -> bool {
        self.state_mut(page).guards.remove(guard)
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

    /// Whether the page's frame must stay.
    pub fn is_pinned(&self, page: Gfn) -> bool {
        self.state(page).pins != 0
    }

    /// Stamps a page with the current write epoch: a right to write it is being granted.
    #[inline]
    pub fn stamp(&mut self, page: Gfn) {
        let epoch = self.epoch;
        self.state_mut(page).written = epoch;
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
    pub fn written_since(&self, since: u32) -> impl Iterator<Item = Gfn> {
        let chunks = self.state.iter().enumerate().filter_map(|(at, c)| Some((at, c.as_ref()?)));
        chunks.flat_map(move |(at, chunk)| {
            let written = move |page: &PageState| page.written != 0 && page.written >= since;
            let pages = chunk.iter().enumerate().filter(move |(_, page)| written(page));
            pages.map(move |(index, _)| Gfn::new((at * FANOUT + index) as u64))
        })
    }

    /// The epoch in which a right to write the page was last granted; 0: never.
    pub fn written(&self, page: Gfn) -> u32 {
        self.state(page).written
    }

    /// The current write epoch.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Which generation of write grants counts. An older grant in a shadow entry is void.
    #[inline]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Opens a new write epoch and voids every write right granted so far, at a cost that does not
    /// depend on the size of memory. The caller flushes the TLBs' write tags, and tells the shadow
    /// policy, whose entries hold a part of the generation.
    pub fn revoke_writes(&mut self) {
        self.generation += 1;
        self.epoch += 1;
    }

    /// Keeps the root: the content as it is now, whatever is written afterwards. Voids every write
    /// right, as [`HostTable::revoke_writes`] does, so that the next write to each page copies it.
    pub fn snapshot(&mut self) -> Snapshot {
        self.revoke_writes();
        Snapshot { root: Arc::clone(&self.root), pages: self.pages }
    }

    /// Goes back to a kept root: every page is again what it was. Voids every write right; the
    /// caller throws the shadow tables and TLB entries away, since frames move. Guards, pins and
    /// epochs stay with the machine.
    ///
    /// # Panics
    /// When the snapshot is of a table of another size.
    pub fn reset_to(&mut self, snapshot: &Snapshot) {
        assert_eq!(self.pages, snapshot.pages, "a snapshot of a table of another size");
        self.revoke_writes();
        self.root = Arc::clone(&snapshot.root);
    }

    /// Bytes that the table occupies, shared nodes included.
    pub fn overhead(&self) -> usize {
        let chunks = self.state.iter().filter(|c| c.is_some()).count();
        self.state.capacity() * size_of::<Option<Box<[PageState; FANOUT]>>>()
            + chunks * size_of::<[PageState; FANOUT]>()
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
                let old = core::mem::replace(&mut leaf.entries[index as usize], bits);
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
