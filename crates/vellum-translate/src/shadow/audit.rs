//! The audit: every present shadow entry says what guest ∘ host say; of a table out of step, what the
//! host says of the page that the guest's entry named.

use super::compare::says;
use super::entry::{Entry, ShadowLeaf, era};
use super::format::{Format, Meaning, Said};
use super::page::Key;
use super::rmap::Place;
use super::table::Shadow;
use crate::host::{HostTable, Resolved, TableReader};
use crate::{Gfn, Rights};
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

impl<F: Format> Shadow<F> {
    /// Compares every present entry with the guest's tables and the host table. An entry may grant
    /// less than both together, never more. Costs a load of guest memory an entry.
    pub(super) fn audit_all(&self, memory: &dyn TableReader, host: &HostTable) -> Vec<Mismatch> {
        let mut wrong = Vec::new();
        let mut large = 0;
        let pages = self.pages.iter().enumerate();
        for (index, page) in pages.filter_map(|(index, page)| Some((index, page.as_ref()?))) {
            let present = page.entries.iter().enumerate().filter(|(_, e)| **e != Entry::NONE);
            let mut count = 0;
            if let Key::Table { gfn, .. } = page.key
                && host.guards(gfn).contains(self.guard) == page.loose
            {
                let why = "guarded though loose, or neither";
                wrong.push(Mismatch { page: page.key, slot: 0, why });
            }
            for (slot, &entry) in present {
                count += 1;
                let mut say = |why| wrong.push(Mismatch { page: page.key, slot, why });
                let meaning = match page.key {
                    Key::Table { gfn, .. } => {
                        memory.entry(host, gfn, slot).map(|entry| self.meaning(page.key, entry))
                    }
                    Key::Piece { base, level, flags } => {
                        let gfn = base.plus((slot as u64) << (9 * u32::from(level)));
                        Some(Meaning::Page(gfn, Said::unpack(flags)))
                    }
                };
                let Some(meaning) = meaning else {
                    say("the guest's entry is outside memory");
                    continue;
                };
                if let Some(child) = entry.child() {
                    check_link(page.key, self.key_of(child), meaning, &mut say);
                } else if let Some(table) = entry.table() {
                    let there = matches!(meaning, Meaning::Table(gfn, _) if gfn == table);
                    if !there || page.key.level() != 1 {
                        say("the guest goes on elsewhere");
                    }
                } else {
                    if !page.loose && !says(page, slot, meaning) {
                        say("another word than the guest's");
                    }
                    // An entry of an earlier era of generations is looked through before it is used.
                    let entry = if era(host.generation()) == self.era {
                        entry
                    } else {
                        entry.without_write()
                    };
                    let gfn = page.gfn_of(slot);
                    if let Some(leaf) = entry.as_leaf(host.generation()) {
                        for inside in 0..page.key.span() {
                            check_host(&leaf.further(inside), gfn.plus(inside), host, &mut say);
                        }
                    }
                    let (level, place) = (page.key.level(), Place::new(index as u32, slot));
                    if !self.rmap.places(level, gfn).any(|at| at == place) {
                        say("the reverse map does not know it");
                    }
                    large += u64::from(level > 0);
                }
            }
            if count != usize::from(page.present) {
                let why = "entries are miscounted";
                wrong.push(Mismatch { page: page.key, slot: 0, why });
            }
        }
        if large != self.counters.large_pages {
            let key = Key::Piece { base: Gfn::new(0), level: 0, flags: 0 };
            wrong.push(Mismatch { page: key, slot: 0, why: "large leaves are miscounted" });
        }
        wrong
    }
}

/// What a leaf grants, against what the host grants to the page that it names.
fn check_host(leaf: &ShadowLeaf, gfn: Gfn, host: &HostTable, say: &mut impl FnMut(&'static str)) {
    if !leaf.said.most().contains(leaf.rights) {
        say("more rights than the guest gives");
    }
    if leaf.rights.is_empty() {
        return;
    }
    match host.resolve(gfn) {
        Resolved::Frame { frame, rights, stamped } => {
            if frame != leaf.frame {
                say("another frame than the host's");
            }
            if !rights.contains(leaf.rights) {
                say("more rights than the host gives");
            }
            if leaf.rights.contains(Rights::WRITE) && !stamped {
                say("a right to write that the epoch does not know");
            }
        }
        _ => say("the host has no frame here"),
    }
}

fn check_link(parent: Key, child: Key, meaning: Meaning, say: &mut impl FnMut(&'static str)) {
    if child.level() + 1 != parent.level() {
        say("a link skips a level");
    }
    match (parent, child) {
        (Key::Table { .. }, Key::Table { gfn, role, .. }) => {
            if meaning != Meaning::Table(gfn, role) {
                say("the guest points elsewhere");
            }
        }
        (_, Key::Piece { base, flags, .. }) => {
            if meaning.page().is_none_or(|(gfn, said)| (gfn, said.pack()) != (base, flags)) {
                say("a piece of another superpage");
            }
        }
        (Key::Piece { .. }, Key::Table { .. }) => say("a table inside a superpage"),
    }
}
