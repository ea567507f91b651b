//! Shadow tables as words: what decides which stale entries a guest that omits a fence will see.
//!
//! All numbers are 64-bit words, in this order. Frames and the host's rights are not among them: the
//! host is asked again.
//!
//! ```text
//! budget · epoch · last fence of all · hart count · root of each hart (all ones: none)
//! page slots · free count · free slots, in the order in which they are used from the end
//! walked count · (table, walks)*
//! loose count · (page, epoch, quiet)*
//! page count · page*
//! page: slot · kind (0 table, 1 piece) · gfn · level · role, or what is said of the piece · va · aliased · writes
//!       root (0 none, 1, 2 several) · asid · fenced · entry count · (index, tag, value)*
//! entry: tag 0 link: value the page · tag 1 switch: value the table
//!        else the entry's bits of the guest's word: value the page that it maps
//! ```

use super::entry::Entry;
use super::format::{Format, Role};
use super::loose::Loose;
use super::page::{ENTRIES, Key, Page, Root};
use super::policy::Context;
use super::rmap::Place;
use super::table::{NO_ROOT, Shadow};
use crate::{Gfn, Gva};
use alloc::vec::Vec;

/// Reads words one by one.
struct Words<'a>(&'a [u64]);

type Read<T> = Result<T, &'static str>;

impl Words<'_> {
    fn next(&mut self) -> Read<u64> {
        let (&first, rest) = self.0.split_first().ok_or("it ends too early")?;
        self.0 = rest;
        Ok(first)
    }

    /// A number below `end`.
    fn below(&mut self, end: u64, why: &'static str) -> Read<u64> {
        let word = self.next()?;
        if word < end { Ok(word) } else { Err(why) }
    }
}

impl<F: Format> Shadow<F> {
    pub(super) fn to_words(&self) -> Vec<u64> {
        let mut out = Vec::new();
        out.extend([u64::from(self.budget), self.epoch, self.fenced_all]);
        out.push(self.active.len() as u64);
        out.extend(self.active.iter().map(|&root| match root {
            NO_ROOT => u64::MAX,
            root => root.into(),
        }));
        out.extend([self.pages.len() as u64, self.free.len() as u64]);
        out.extend(self.free.iter().map(|&slot| u64::from(slot)));
        out.push(self.walked.len() as u64);
        out.extend(self.walked.iter().flat_map(|(gfn, &walks)| [gfn.get(), walks.into()]));
        out.push(self.loose.len() as u64);
        out.extend(self.loose.iter().flat_map(|l| [l.page.into(), l.epoch, l.quiet.into()]));
        let live = self.pages.iter().enumerate().filter_map(|(i, page)| Some((i, page.as_ref()?)));
        out.push(live.clone().count() as u64);
        for (index, page) in live {
            page_words(index, page, &mut out);
        }
        out
    }

    #[expect(clippy::wrong_self_convention, reason = "it fills what is there")]
    pub(super) fn from_words(&mut self, words: &[u64], cx: &mut Context<'_>) -> Read<()> {
        let mut words = Words(words);
        if words.next()? != u64::from(self.budget) {
            return Err("another budget of shadow pages");
        }
        self.epoch = words.next()?;
        self.fenced_all = words.next()?;
        if words.next()? != self.active.len() as u64 {
            return Err("another number of harts");
        }
        let active: Vec<u64> =
            (0..self.active.len()).map(|_| words.next()).collect::<Result<_, _>>()?;
        let slots = words.below(u64::from(self.budget) + 64, "more shadow pages than allowed")?;
        self.pages.resize_with(slots as usize, || None);
        for _ in 0..words.below(slots + 1, "more free slots than there are")? {
            self.free.push(words.below(slots, "a free slot that is not there")? as u32);
        }
        let gfns = self.tables.len() as u64;
        for _ in 0..words.below(gfns + 1, "more walked tables than pages")? {
            let table = Gfn::new(words.below(gfns, "a walked table outside memory")?);
            self.walked.insert(table, words.below(1 << 32, "too many walks")? as u32);
        }
        let mut loose = Vec::new();
        for _ in 0..words.below(super::LOOSE as u64 + 1, "too many tables out of step")? {
            let page = words.below(slots, "a table out of step that is not there")? as u32;
            let epoch = words.next()?;
            loose.push((page, epoch, words.below(256, "too many quiet fences")? as u8));
        }
        for _ in 0..words.below(slots + 1, "more pages than slots")? {
            self.read_page(&mut words, slots, gfns, cx)?;
        }
        if !words.0.is_empty() {
            return Err("something follows its end");
        }
        self.link_up()?;
        for (page, epoch, quiet) in loose {
            self.loosen_restored(page, epoch, quiet, cx)?;
        }
        for (hart, root) in active.into_iter().enumerate() {
            self.active[hart] = match self.pages.get(root as usize).and_then(Option::as_ref) {
                _ if root == u64::MAX => NO_ROOT,
                Some(page) if page.root.is_some() => root as u32,
                _ => return Err("a hart's root is none"),
            };
        }
        self.counters.pages = self.pages.iter().flatten().count() as u64;
        if self.counters.pages + self.free.len() as u64 != slots {
            return Err("slots are neither free nor used");
        }
        Ok(())
    }

    fn read_page(
        &mut self,
        words: &mut Words<'_>,
        slots: u64,
        gfns: u64,
        cx: &mut Context<'_>,
    ) -> Read<()> {
        let index = words.below(slots, "a page's slot is not there")? as u32;
        let (kind, gfn) = (words.below(2, "a kind of page")?, words.next()?);
        let (level, flags) =
            (words.below(5, "a level")? as u8, words.below(1 << 16, "flags")? as u16);
        let key = match kind {
            0 if gfn < gfns => Key::Table { gfn: Gfn::new(gfn), level, role: Role(flags) },
            1 => Key::Piece { base: Gfn::new(gfn), level, flags },
            _ => return Err("a table outside memory"),
        };
        let mut page = Page::new(key, Gva::new(words.next()?));
        page.aliased = words.below(2, "a flag")? == 1;
        page.writes = words.below(1 << 32, "too many writes")? as u32;
        let root = words.below(3, "a root's kind")?;
        let (asid, fenced) = (words.below(1 << 16, "an ASID")? as u16, words.next()?);
        page.signed = root > 0;
        page.root = (root > 0).then_some(Root { asid, several: root == 2, fenced });
        for _ in 0..words.below(ENTRIES as u64 + 1, "more entries than a page has")? {
            let slot = words.below(ENTRIES as u64, "an entry's index")? as usize;
            let (tag, value) = (words.next()?, words.next()?);
            let entry = match tag {
                0 if value < slots && level > 0 => Entry::link(value as u32),
                1 if value < gfns && level == 1 && kind == 0 => Entry::switch(Gfn::new(value)),
                bits => {
                    let leaf = Entry::from_guest_bits(bits).ok_or("an entry's kind")?;
                    let piece = matches!(key, Key::Piece { base, .. } if base.plus(slot as u64).get() != value);
                    if level > 0 || value >= gfns || piece {
                        return Err("a leaf outside memory");
                    }
                    if let Some(mapped) = &mut page.mapped {
                        mapped[slot] = value as u32;
                    }
                    self.rmap.insert(0, Gfn::new(value), Place::new(index, slot));
                    leaf
                }
            };
            if core::mem::replace(&mut page.entries[slot], entry) != Entry::NONE {
                return Err("an entry twice");
            }
            page.present += 1;
        }
        match key {
            Key::Table { gfn, level, role } => {
                if self.of_table(gfn, level, role).is_some() {
                    return Err("a table twice");
                }
                let head = &mut self.tables[gfn.get() as usize];
                page.next_of_table = core::mem::replace(head, index + 1);
                cx.host.add_guard(gfn, self.guard);
            }
            Key::Piece { .. } => {
                if self.pieces.insert(key, index).is_some() {
                    return Err("a piece twice");
                }
            }
        }
        match self.pages[index as usize].replace(page) {
            None => Ok(()),
            Some(_) => Err("a page's slot is taken"),
        }
    }

    /// Parents follow from links.
    fn link_up(&mut self) -> Read<()> {
        for parent in 0..self.pages.len() as u32 {
            for slot in 0..ENTRIES {
                let Some(page) = &self.pages[parent as usize] else { break };
                let Some(child) = page.entries[slot].child() else { continue };
                let (level, table) = (page.key.level(), matches!(page.key, Key::Table { .. }));
                let below = self.pages[child as usize].as_mut().ok_or("a link to nothing")?;
                let goes_on = table || matches!(below.key, Key::Piece { .. });
                if below.key.level() + 1 != level || !goes_on {
                    return Err("a link that skips a level");
                }
                below.parents.push((parent, slot as u16));
            }
        }
        Ok(())
    }

    fn loosen_restored(
        &mut self,
        at: u32,
        epoch: u64,
        quiet: u8,
        cx: &mut Context<'_>,
    ) -> Read<()> {
        let page =
            self.pages[at as usize].as_mut().ok_or("a table out of step that is not there")?;
        let Key::Table { gfn, level: 0, .. } = page.key else {
            return Err("only leaf tables go out of step");
        };
        if page.loose || page.next_of_table != 0 || self.tables[gfn.get() as usize] != at + 1 {
            return Err("a table out of step and in step");
        }
        page.loose = true;
        let loose = Loose::new(at, page, epoch, quiet);
        self.loose.push(loose);
        cx.host.remove_guard(gfn, self.guard);
        cx.host.pin(gfn);
        Ok(())
    }
}

fn page_words(index: usize, page: &Page, out: &mut Vec<u64>) {
    let (kind, gfn, level, flags) = match page.key {
        Key::Table { gfn, level, role } => (0, gfn, level, role.0),
        Key::Piece { base, level, flags } => (1, base, level, flags),
    };
    out.extend([index as u64, kind, gfn.get(), level.into(), flags.into(), page.va.get()]);
    out.extend([u64::from(page.aliased), page.writes.into()]);
    out.extend(match page.root {
        None => [0, 0, 0],
        Some(root) => [1 + u64::from(root.several), root.asid.into(), root.fenced],
    });
    // Large leaves are left out: where they are is the host's doing.
    let large = |e: &Entry| page.key.level() > 0 && e.is_leaf();
    let present = page.entries.iter().enumerate().filter(|(_, e)| **e != Entry::NONE && !large(e));
    out.push(present.clone().count() as u64);
    for (slot, entry) in present {
        out.push(slot as u64);
        out.extend(match (entry.child(), entry.table()) {
            (Some(child), _) => [0, child.into()],
            (None, Some(table)) => [1, table.get()],
            (None, None) => [entry.guest_bits(), page.gfn_of(slot).get()],
        });
    }
}
