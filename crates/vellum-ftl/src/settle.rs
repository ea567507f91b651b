//! What a mount after a loss of power leaves to be done before anything changes.
//!
//! Two things can't be known of a block that was being written when the power went: whether its next
//! page is as blank as it looks, and whether the page that was programmed last of all will stay
//! readable. So no such block is written again. Its valid pages are copied into a freshly erased
//! block that no metadata names, and one metadata page then puts the copy in its place: a cut on the
//! way leaves everything as it was, costs no space, and may happen any number of times.
//!
//! The page programmed last (or the batch that it commits) is *suspect*: it enters the map with its
//! copy, and a read of it waits for that. Nothing that was served once can so be lost later.

use crate::FtlError;
use crate::append::Outcome;
use crate::blocks::{Class, Role};
use crate::ftl::{Ftl, NewPage, Source, Trail};
use crate::layout::{FRONTIERS, NONE};
use crate::oob::{Kind, Oob};
use crate::record::{Head, Record};
use crate::stats::Cause;
use alloc::vec;
use alloc::vec::Vec;
use vellum_nand::Nand;

/// A page that may be lost yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suspect {
    pub lpn: u32,
    pub ppn: u32,
    /// CRC-32 of its data.
    pub crc: u32,
}

/// What is to be done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Debt {
    /// Latest first.
    pub suspects: Vec<Suspect>,
}

impl Debt {
    pub fn concerns(&self, lpn: u32) -> bool {
        self.suspects.iter().any(|s| s.lpn == lpn)
    }
}

/// What a look at a data page showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Blank,
    /// Programmed, but not with what was meant.
    Bad,
    Page(Oob),
}

impl Seen {
    pub fn page(self) -> Option<Oob> {
        match self {
            Seen::Page(oob) => Some(oob),
            Seen::Blank | Seen::Bad => None,
        }
    }
}

/// A page to be copied.
#[derive(Debug, Clone, Copy)]
struct Move {
    page: NewPage,
    from: u32,
    suspect: bool,
    /// The page programmed last of all.
    last: bool,
}

impl<N: Nand> Ftl<N> {
    /// Does what the mount left.
    pub(crate) fn settle(&mut self) -> Result<(), FtlError> {
        let Some(debt) = self.debt.clone() else { return Ok(()) };
        self.count_all()?;
        let last = self.last_page(&debt.suspects)?;
        self.relax_log()?;
        for f in 0..FRONTIERS as u8 {
            if self.heads[f as usize].block != NONE {
                self.replace(f, &debt.suspects, last.as_ref())?;
            }
        }
        self.debt = None;
        self.relax_log()
    }

    /// The page programmed last of all, read once and for all: it may never be read again.
    fn last_page(&mut self, suspects: &[Suspect]) -> Result<Option<Vec<u8>>, FtlError> {
        let Some(s) = suspects.first() else { return Ok(None) };
        let found = self.read_verified(s.ppn)?.is_some_and(|r| r.lpn == s.lpn);
        Ok(found.then(|| self.page.clone()))
    }

    /// The record of a data page whose content is what was written, left in `self.page`.
    pub(crate) fn read_verified(&mut self, ppn: u32) -> Result<Option<Oob>, FtlError> {
        Ok(self.see(ppn)?.page())
    }

    /// What is in a data page; its content is left in `self.page`.
    pub(crate) fn see(&mut self, ppn: u32) -> Result<Seen, FtlError> {
        let mut data = core::mem::take(&mut self.page);
        let mut oob = [0; 64];
        let oob = &mut oob[..self.l.oob];
        let status = self.read_ladder(ppn, &mut data, oob);
        let whole = status.as_ref().is_ok_and(|s| s.is_readable());
        let record = Oob::decode(oob, self.l.lpn_bits).filter(|r| {
            let fits = whole && r.kind == Kind::Data && r.lpn < self.l.numbers;
            fits && crc32fast::hash(&data) == r.data_crc
        });
        self.page = data;
        let blank = status?.is_erased();
        Ok(record.map_or(if blank { Seen::Blank } else { Seen::Bad }, Seen::Page))
    }

    /// Puts a copy in a fresh block in the place of a frontier's block.
    fn replace(
        &mut self,
        f: u8,
        suspects: &[Suspect],
        last: Option<&Vec<u8>>,
    ) -> Result<(), FtlError> {
        let old = self.heads[f as usize].block;
        // Without it a batch that it ended never was.
        let suspects = if last.is_some() { suspects } else { &[] };
        let moves = self.moves_out_of(old, suspects)?;
        if moves.is_empty() {
            self.close(f);
            self.record(Record::Open(f, NONE));
            self.write_meta(false)?;
            self.set_free(old);
            return Ok(());
        }
        // No metadata page between the copy and the one that names it.
        self.space_for(moves.len() as u32)?;
        loop {
            let Some(new) = self.take_erased(false, 0)? else { return Err(self.worn_out()) };
            if !self.copy_all(f, &moves, new, last)? {
                self.retire(new)?;
                continue;
            }
            self.commit(f, old, new, &moves)?;
            return Ok(());
        }
    }

    fn moves_out_of(&mut self, block: u32, suspects: &[Suspect]) -> Result<Vec<Move>, FtlError> {
        let pages = self.l.g.pages_per_block;
        let mut moves = Vec::new();
        for ppn in block * pages..(block + 1) * pages {
            if let Some(i) = suspects.iter().position(|s| s.ppn == ppn) {
                let page = NewPage::new(suspects[i].lpn, self.clock as u32, suspects[i].crc);
                moves.push(Move { page, from: ppn, suspect: true, last: i == 0 });
            } else if self.blocks.is_valid(ppn) != Some(false)
                && let Some(page) = self.owner(ppn)?
            {
                moves.push(Move { page, from: ppn, suspect: false, last: false });
            }
        }
        Ok(moves)
    }

    /// Copies pages into a block that nothing names yet; false when a program failed there.
    fn copy_all(
        &mut self,
        f: u8,
        moves: &[Move],
        block: u32,
        last: Option<&Vec<u8>>,
    ) -> Result<bool, FtlError> {
        self.trails[f as usize] = Trail::NEW;
        let first = block * self.l.g.pages_per_block;
        for (i, m) in moves.iter().enumerate() {
            let source = match last {
                Some(data) if m.last => Source::Data(data),
                _ => Source::Copy(m.from),
            };
            let mut outcome = self.program_data(f, first + i as u32, m.page, source)?;
            if outcome == Outcome::Unreadable {
                let mut page = m.page;
                let mut data = vec![0; self.l.page_bytes()];
                if !self.read_ladder(m.from, &mut data, &mut [])?.is_readable() {
                    page.lost = true;
                    self.stats.lost += 1;
                }
                outcome = self.program_data(f, first + i as u32, page, Source::Data(&data))?;
            }
            if outcome == Outcome::Failed {
                self.stats.program_fails += 1;
                self.careful = true;
                return Ok(false);
            }
            self.seq += 1;
            self.stats.count(Cause::Recover);
            let trail = &mut self.trails[f as usize];
            trail.push(m.page.lpn);
            trail.births += u64::from(m.page.birth);
            trail.count += 1;
        }
        Ok(true)
    }

    /// The copy counts from now on.
    fn commit(&mut self, f: u8, old: u32, new: u32, moves: &[Move]) -> Result<(), FtlError> {
        self.record(Record::Open(f, new));
        let first = new * self.l.g.pages_per_block;
        for (ppn, m) in (first..).zip(moves) {
            self.record(Record::Write(f, m.page.lpn));
            if m.suspect {
                self.remap(m.page.lpn, ppn)?;
            } else {
                self.moved(m.page.lpn, m.from, ppn);
            }
        }
        self.heads[f as usize] = Head { block: new, next: moves.len() as u32 };
        self.blocks.set_role(new, Role::Open);
        // Its pages may be as old as the old block's.
        self.blocks.set_day(new, self.blocks.day(old));
        self.blocks.set_role(old, Role::Data(Class::of(f)));
        self.write_meta(false)?;
        self.set_free(old);
        Ok(())
    }
}
