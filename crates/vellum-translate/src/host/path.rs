//! The way to an entry of the host table, for people.

use super::HostTable;
use super::node::{Node, Slot};
use super::table::LEVELS;
use crate::Gfn;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The way to an entry of the host table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPath {
    /// The index into each node, the root's first. Fewer than the table has levels where one entry
    /// stands for a range.
    pub indices: Vec<usize>,
    /// A node on the way is shared with a snapshot or a clone.
    pub shared: bool,
}

impl HostTable {
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
}
