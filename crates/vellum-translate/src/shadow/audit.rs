//! The audit: every present shadow entry says what guest ∘ host say.

use super::page::Key;
use super::table::Shadow;
use crate::host::{HostTable, Resolved};
use crate::riscv::{Pte, TableMemory};
use crate::{Gpa, Rights};
use alloc::vec::Vec;

/// A shadow entry that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The shadow page.
    pub page: Key,
    /// The entry.
    pub slot: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Shadow {
    /// Compares every present entry with the guest's tables and the host table. An entry may grant
    /// less than both together, never more. Costs a load of guest memory an entry.
    pub fn audit<M: TableMemory>(&self, memory: &M, host: &HostTable) -> Vec<Mismatch> {
        let mut wrong = Vec::new();
        for page in self.all_pages() {
            let present = page.entries.iter().enumerate().filter(|(_, e)| e.0 != 0);
            let mut count = 0;
            for (slot, &entry) in present {
                count += 1;
                let mut say = |why| wrong.push(Mismatch { page: page.key, slot, why });
                let pte = match page.key {
                    Key::Table { gfn, .. } => {
                        if !host.guards(gfn).contains(self.guard()) {
                            say("the guest table is not guarded");
                        }
                        memory.load_entry(Gpa::new(gfn.base().get() + slot as u64 * 8)).map(Pte)
                    }
                    Key::Piece { base, level, flags } => {
                        let gfn = base.plus((slot as u64) << (9 * u32::from(level)));
                        Some(Pte::leaf(gfn, flags.into()))
                    }
                };
                let Some(pte) = pte else {
                    say("the guest's entry is outside memory");
                    continue;
                };
                if let Some(child) = entry.child() {
                    check_link(page.key, self.key_of(child), pte, &mut say);
                } else if let Some(leaf) = entry.as_leaf(host.generation()) {
                    if pte.is_invalid() || !pte.is_leaf() {
                        say("the guest has no leaf here");
                    } else if !pte.rights_now().contains(leaf.rights) {
                        say("more rights than the guest gives");
                    } else if leaf.user != pte.has(Pte::U) {
                        say("another user bit than the guest's");
                    } else if page.gfn_of(slot) != pte.gfn() {
                        say("another page than the guest's");
                    }
                    match host.resolve(pte.gfn()) {
                        Resolved::Frame { frame, rights } => {
                            if frame != leaf.frame {
                                say("another frame than the host's");
                            }
                            if !rights.contains(leaf.rights) {
                                say("more rights than the host gives");
                            }
                            if leaf.rights.contains(Rights::WRITE)
                                && host.written(pte.gfn()) != host.epoch()
                            {
                                say("a right to write that the epoch does not know");
                            }
                        }
                        _ => say("the host has no frame here"),
                    }
                }
            }
            if count != usize::from(page.present) {
                wrong.push(Mismatch { page: page.key, slot: 0, why: "entries are miscounted" });
            }
        }
        wrong
    }
}

fn check_link(parent: Key, child: Key, pte: Pte, say: &mut impl FnMut(&'static str)) {
    if child.level() + 1 != parent.level() {
        say("a link skips a level");
    }
    match (parent, child) {
        (Key::Table { .. }, Key::Table { gfn, .. }) => {
            if pte.is_invalid() || pte.is_leaf() || pte.is_bad_pointer() || pte.gfn() != gfn {
                say("the guest points elsewhere");
            }
        }
        (_, Key::Piece { base, flags, .. }) => {
            if pte.is_invalid() || !pte.is_leaf() || pte.gfn() != base || pte.0 as u8 != flags {
                say("a piece of another superpage");
            }
        }
        (Key::Piece { .. }, Key::Table { .. }) => say("a table inside a superpage"),
    }
}
