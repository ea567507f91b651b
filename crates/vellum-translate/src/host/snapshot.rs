//! Kept roots: the content of a table at one instant, and the way back to it.

use super::node::{FANOUT, FrameStore, Node, Slot};
use super::table::LEVELS;
use super::{HostEntry, HostTable, OwnerId};
use crate::Gfn;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A kept root: the whole content of a host table at one instant. Costs nothing until the table
/// that it was taken of is written.
///
/// It holds a reference to every frame and every absent page that it names
/// ([`FrameStore`](super::FrameStore)). So a token that may be in a kept root must name *content*, not
/// a page: the owner gives each version of a page a token of its own, and keeps that version until
/// `release_absent` was called as often as the token was handed out and `retain_absent` was called.
#[derive(Debug, Clone)]
pub struct Snapshot {
    root: Arc<Node>,
    pages: u64,
    store: Arc<dyn FrameStore>,
}

impl Snapshot {
    /// Pages of the table that it is of.
    pub const fn pages(&self) -> u64 {
        self.pages
    }

    /// Whether it was taken of this table: whoever keeps this one's absent pages keeps its.
    pub fn is_of(&self, table: &HostTable) -> bool {
        Arc::as_ptr(&self.store).addr() == Arc::as_ptr(&table.store).addr()
    }

    /// Whether its frames are ones that this table may have.
    pub fn has_frames_of(&self, table: &HostTable) -> bool {
        self.store.frames() == table.store.frames()
    }

    /// The first page that is in no frame and with another owner than `but`. Costs a look at each node.
    pub fn first_absent(&self, but: Option<OwnerId>) -> Option<Gfn> {
        let page = first_absent(&self.root, LEVELS - 1, 0, but)?;
        (page < self.pages).then(|| Gfn::new(page))
    }
}

fn first_absent(node: &Node, level: u32, base: u64, but: Option<OwnerId>) -> Option<u64> {
    let span = 1_u64 << (9 * level);
    (0..FANOUT).find_map(|index| {
        let start = base + index as u64 * span;
        match below(node, index) {
            Below::Entry(bits) => match HostEntry::unpack(bits) {
                HostEntry::Absent { owner, .. } if Some(owner) != but => Some(start),
                _ => None,
            },
            Below::Node(node) => first_absent(node, level - 1, start, but),
        }
    })
}

impl HostTable {
    /// Opens a new write epoch and voids every write right granted so far, at a cost that does not
    /// depend on the size of memory: a shadow entry holds the generation in which its right to write
    /// was granted, and a policy compares it at each look. The caller flushes the TLBs' write tags.
    pub fn revoke_writes(&mut self) {
        self.generation += 1;
        self.advance_epoch();
    }

    /// Keeps the root: the content as it is now, whatever is written afterwards. Voids every write
    /// right, as [`HostTable::revoke_writes`] does, so that the next write to each page copies it.
    pub fn snapshot(&mut self) -> Snapshot {
        self.revoke_writes();
        let (root, store) = (Arc::clone(&self.root), Arc::clone(&self.store));
        Snapshot { root, pages: self.pages, store }
    }

    /// Goes back to a kept root: every page is again what it was. Voids every write right and stamps
    /// every page that becomes another with the new write epoch; costs a look at each node that was
    /// copied since. The caller throws the shadow tables and TLB entries away, since frames move.
    /// Guards and pins stay with the machine.
    ///
    /// # Panics
    /// When the snapshot is of a table of another size.
    pub fn reset_to(&mut self, snapshot: &Snapshot) {
        assert_eq!(self.pages, snapshot.pages, "a snapshot of a table of another size");
        self.revoke_writes();
        let old = core::mem::replace(&mut self.root, Arc::clone(&snapshot.root));
        let mut changed = Vec::new();
        differ(&old, &snapshot.root, LEVELS - 1, 0, &mut |page| changed.push(page));
        changed.retain(|page: &Gfn| page.get() < self.pages);
        changed.into_iter().for_each(|page| self.stamp(page));
    }
}

/// The entry of a node's slot, or the node below.
enum Below<'a> {
    Entry(u64),
    Node(&'a Arc<Node>),
}

fn below(node: &Node, index: usize) -> Below<'_> {
    match node {
        Node::Leaf(leaf) => Below::Entry(leaf.entries.get(index)),
        Node::Inner(slots) => match &slots[index] {
            Slot::Uniform(bits) => Below::Entry(*bits),
            Slot::Node(child) => Below::Node(child),
        },
    }
}

/// Names every page whose entries differ. What both have in common costs a comparison.
fn differ(one: &Arc<Node>, other: &Arc<Node>, level: u32, base: u64, each: &mut impl FnMut(Gfn)) {
    if Arc::ptr_eq(one, other) {
        return;
    }
    let span = 1_u64 << (9 * level);
    for index in 0..FANOUT {
        let start = base + index as u64 * span;
        match (below(one, index), below(other, index)) {
            (Below::Entry(a), Below::Entry(b)) => {
                if a != b {
                    (start..start + span).for_each(|page| each(Gfn::new(page)));
                }
            }
            (Below::Node(a), Below::Node(b)) => differ(a, b, level - 1, start, each),
            (Below::Node(node), Below::Entry(bits)) | (Below::Entry(bits), Below::Node(node)) => {
                differs_from(node, bits, level - 1, start, each);
            }
        }
    }
}

/// Names every page below a node that has another entry than `bits`.
fn differs_from(node: &Node, bits: u64, level: u32, base: u64, each: &mut impl FnMut(Gfn)) {
    let span = 1_u64 << (9 * level);
    for index in 0..FANOUT {
        let start = base + index as u64 * span;
        match below(node, index) {
            Below::Entry(entry) if entry == bits => {}
            Below::Entry(_) => (start..start + span).for_each(|page| each(Gfn::new(page))),
            Below::Node(node) => differs_from(node, bits, level - 1, start, each),
        }
    }
}
