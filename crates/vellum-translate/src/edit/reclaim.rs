//! The way back of tables that an edit cut off, and the pages that they mapped.

use super::flush::{Detached, push_run};
use super::space::{ENTRIES, span};
use super::{
    AddressSpace, Attributes, EditError, EditMemory, Format, Frames, PageRun, Released, Slot,
};
use crate::{Gfn, Gva};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// Entries whose tables are given back at once: what fits a small stack well.
const AT_A_TIME: usize = 64;

impl<F: Format, M: EditMemory, A: Frames> AddressSpace<F, M, A> {
    /// Takes the tables back that an edit gave up, now that no processor holds them, and returns the
    /// pages that it unmapped, with the dirty bits as the processors left them.
    ///
    /// A table that several entries lead to, or that leads to itself, as only adopted tables do, is
    /// looked at once a level and given back once; the root never is. So this ends after as many
    /// tables as memory holds, times the levels, whatever they say.
    ///
    /// # Errors
    /// A table that was given up is where no memory is; the pages under it are not known then.
    pub fn reclaim(&mut self, released: Released) -> Result<Vec<PageRun>, EditError> {
        let Released { detached, mut runs } = released;
        let mut tables = Vec::new();
        let mut looked = Ok(());
        for Detached { table, level, va, with_pages } in detached {
            if with_pages && looked.is_ok() {
                let first = self.reach(va, 1);
                looked = first
                    .and_then(|first| self.dissolve(level, (table, first), &mut runs, &mut tables));
            } else if !with_pages {
                tables.push(table);
            }
        }
        self.give_back(tables);
        looked?;
        runs.sort_by_key(|run| run.va);
        Ok(runs)
    }

    /// Takes the tables back as [`AddressSpace::reclaim`] does, without looking at what they mapped:
    /// for whoever knows the pages and does not care which of them were written. The tables of the
    /// lowest level are not read at all. Returns how many tables went back.
    ///
    /// # Errors
    /// A table that was given up is where no memory is; what is under it is lost to the pool then.
    pub fn discard(&mut self, released: Released) -> Result<u64, EditError> {
        let mut tables = Vec::new();
        let mut looked = Ok(());
        let mut count = 0;
        for Detached { table, level, with_pages, .. } in released.detached {
            // Without pages it is empty, or was merged: nothing is under it.
            let level = if with_pages { level } else { 0 };
            let seen = if self.adopted {
                self.tables_of(level, table, &mut tables)
            } else {
                self.fell(level, table).map(|felled| count += felled)
            };
            looked = looked.and(seen);
        }
        count += self.give_back(tables);
        looked.map(|()| count)
    }

    /// Gives the tables of a tree back, some at a time; a tree it is because it was made here. How many
    /// they were.
    fn fell(&mut self, level: u8, table: Gfn) -> Result<u64, EditError> {
        let mut count = 1;
        if level > 0 {
            for first in (0..ENTRIES).step_by(AT_A_TIME) {
                let (below, met) = self.tables_in(level, table, first)?;
                let below = &below[..met];
                if level == 1 {
                    self.frames.free_many(below);
                    count += met as u64;
                } else {
                    for &below in below {
                        count += self.fell(level - 1, below)?;
                    }
                }
            }
        }
        self.frames.free(table);
        Ok(count)
    }

    /// The tables that the next entries of a table lead to, from `first` on, and how many they are.
    #[inline]
    fn tables_in(
        &self,
        level: u8,
        table: Gfn,
        first: u64,
    ) -> Result<([Gfn; AT_A_TIME], usize), EditError> {
        let (mut below, mut met) = ([Gfn::new(0); AT_A_TIME], 0);
        self.all(table, first, AT_A_TIME as u64, |i, entry| {
            if let (Some(table), Some(place)) =
                (self.format.leads_to(level, first + i, entry), below.get_mut(met))
            {
                *place = table;
                met += 1;
            }
            true
        })?;
        Ok((below, met))
    }

    /// Gives tables back, each once and the root never; how many they were.
    fn give_back(&mut self, tables: Vec<Gfn>) -> u64 {
        if !self.adopted {
            let count = tables.len() as u64;
            self.frames.free_many(&tables);
            return count;
        }
        let mut seen = Seen::of(tables.iter().copied());
        seen.insert(self.root);
        let mut count = 0;
        for table in tables {
            if seen.insert(table) {
                self.frames.free(table);
                count += 1;
            }
        }
        count
    }

    /// The tables of a tree that was given up, level by level.
    fn tables_of(&self, level: u8, table: Gfn, tables: &mut Vec<Gfn>) -> Result<(), EditError> {
        let mut here = tables.len();
        tables.push(table);
        for level in (1..=level).rev() {
            let end = tables.len();
            for at in here..end {
                tables.reserve(ENTRIES as usize);
                self.all(tables[at], 0, ENTRIES, |i, entry| {
                    if let Some(below) = self.format.leads_to(level, i, entry) {
                        tables.push(below);
                    }
                    true
                })?;
            }
            here = end;
            if level > 1 {
                let mut below = tables.split_off(here);
                once(&mut below, |&table| table);
                tables.append(&mut below);
            }
        }
        Ok(())
    }

    /// The pages and the tables of a tree that was given up, level by level; `top` is its root and
    /// the first page under it.
    fn dissolve(
        &self,
        level: u8,
        top: (Gfn, u64),
        runs: &mut Vec<PageRun>,
        tables: &mut Vec<Gfn>,
    ) -> Result<(), EditError> {
        let mut here = alloc::vec![top];
        for level in (0..=level).rev() {
            let mut below = Vec::new();
            for &(table, first) in &here {
                self.pages_of(level, table, first, runs, &mut below)?;
                tables.push(table);
            }
            once(&mut below, |&(table, _)| table);
            here = below;
        }
        Ok(())
    }

    /// The pages that one table maps, and the tables that it leads to, each with its first page.
    fn pages_of(
        &self,
        level: u8,
        table: Gfn,
        first: u64,
        runs: &mut Vec<PageRun>,
        below: &mut Vec<(Gfn, u64)>,
    ) -> Result<(), EditError> {
        let base = self.address(first);
        let size = span(level);
        let format = &self.format;
        // An entry that differs from the one before by one page, and perhaps in its accessed bit,
        // lengthens the run; only the others are taken apart.
        let (step, heeded) = (format.step(level), !format.accessed());
        let mut next = 0;
        let mut run: Option<(u64, PageRun)> = None;
        self.all(table, 0, ENTRIES, |i, entry| {
            if (entry ^ next) & heeded == 0 && run.is_some() {
                next += step;
                return true;
            }
            if let Some((begin, mut run)) = run.take() {
                run.pages = (i - begin) * size;
                push_run(runs, run);
            }
            match format.decode(level, i, entry) {
                Slot::Page(to, Attributes { dirty, .. }) => {
                    let va = Gva::new(base.get().wrapping_add((i * size) << 12));
                    let here = PageRun { va, to, pages: size, dirty };
                    // What may follow it is a page to the end of the table.
                    let last = entry.wrapping_add(step.wrapping_mul(ENTRIES - 1 - i));
                    if format.contiguous(level, entry) == 1
                        && matches!(format.decode(level, ENTRIES - 1, last), Slot::Page(..))
                    {
                        next = entry.wrapping_add(step);
                        run = Some((i, here));
                    } else {
                        push_run(runs, here);
                    }
                }
                Slot::Table(table) => below.push((table, first + i * size)),
                Slot::Unused | Slot::Absent(_) => {}
            }
            true
        })?;
        if let Some((begin, mut run)) = run {
            run.pages = (ENTRIES - begin) * size;
            push_run(runs, run);
        }
        Ok(())
    }
}

/// Leaves of each table only the first, in their order.
fn once<T>(tables: &mut Vec<T>, table: impl Fn(&T) -> Gfn) {
    let mut seen = Seen::of(tables.iter().map(&table));
    tables.retain(|one| seen.insert(table(one)));
}

/// Tables that were met. Those that lie close together, as the tables of a pool do, cost a bit each;
/// others an entry of a set.
struct Seen {
    low: u64,
    bits: Vec<u64>,
    far: BTreeSet<Gfn>,
}

impl Seen {
    /// None yet; made for these.
    fn of(tables: impl Iterator<Item = Gfn>) -> Seen {
        let (low, high, count) = tables.fold((u64::MAX, 0, 0), |(low, high, count), table| {
            (low.min(table.get()), high.max(table.get()), count + 1)
        });
        let words = high.saturating_sub(low) / 64;
        let words = if words < 64.max(count) { words as usize + 1 } else { 0 };
        Seen { low, bits: alloc::vec![0; words], far: BTreeSet::new() }
    }

    /// Whether the table is met for the first time.
    #[inline]
    fn insert(&mut self, table: Gfn) -> bool {
        let at = table.get().wrapping_sub(self.low);
        let Some(word) = self.bits.get_mut((at / 64) as usize) else {
            return self.far.insert(table);
        };
        let new = *word & 1 << (at % 64) == 0;
        *word |= 1 << (at % 64);
        new
    }
}
