//! Kept roots: the content of a table at one instant, and the way back to it.

use super::HostTable;
use super::node::{FANOUT, Node, Slot};
use super::table::LEVELS;
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
}

impl Snapshot {
    /// Pages of the table that it is of.
    pub const fn pages(&self) -> u64 {
        self.pages
    }
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
        Snapshot { root: Arc::clone(&self.root), pages: self.pages }
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
        Node::Leaf(leaf) => Below::Entry(leaf.entries[index]),
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
