//! The tail of the log: data pages programmed after the last metadata page.
//!
//! They lie in the frontiers' blocks from the heads on. Where a cell holds one bit the pages are
//! contiguous, and the out-of-band record of each tells the logical pages of those before it, so one
//! page in so many is read. Where cells are shared every page is read: some were passed over.

mod order;

use crate::FtlError;
use crate::ftl::Ftl;
use crate::layout::{FRONTIERS, NONE};
use crate::oob::{NO_LPN, Oob};
use crate::record::{Head, Record};
use crate::settle::{Debt, Seen, Suspect};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use order::drop_broken_batches;
use vellum_nand::Nand;

/// A page of the tail.
#[derive(Debug, Clone, Copy)]
struct Found {
    f: u8,
    page: u32,
    /// [`NO_LPN`]: holds nothing.
    lpn: u32,
    /// Number of its program; an upper bound unless `exact`.
    seq: u64,
    exact: bool,
    batch: u8,
    commit: bool,
    /// CRC-32 of its data, when it was read.
    crc: u32,
}

impl Found {
    /// A page as its own record tells.
    fn read(f: u8, page: u32, r: &Oob) -> Found {
        let (lpn, seq, batch, commit, crc) = (r.lpn, r.seq, r.batch, r.commit, r.data_crc);
        Found { f, page, lpn, seq, exact: true, batch, commit, crc }
    }

    /// A page that holds nothing that counts.
    fn nothing(f: u8, page: u32) -> Found {
        Found { f, page, lpn: NO_LPN, seq: 0, exact: false, batch: 0, commit: false, crc: 0 }
    }
}

impl<N: Nand> Ftl<N> {
    /// Finds the tail, takes over what is safe, and returns what remains to be done.
    pub(crate) fn read_tail(&mut self) -> Result<Debt, FtlError> {
        let mut tails: Vec<Vec<Found>> = Vec::new();
        for f in 0..FRONTIERS as u8 {
            let head = self.heads[f as usize];
            let tail = if head.block == NONE {
                Vec::new()
            } else if self.l.g.pair_distance() == 0 {
                self.scan_dense(f, head)?
            } else {
                self.scan_all(f, head)?
            };
            tails.push(tail);
        }
        self.order(&mut tails)?;
        let top = tails.iter().flatten().map(|p| p.seq).max().unwrap_or(0);
        // Programs that left nothing readable had numbers too.
        self.seq = self.seq.max(top) + 1024;
        tails.iter_mut().for_each(|t| drop_broken_batches(t));
        let debt = self.split_suspects(&mut tails)?;
        self.replay_tails(&tails)?;
        Ok(debt)
    }

    fn look(&mut self, f: u8, head: Head, page: u32) -> Result<Option<Found>, FtlError> {
        let ppn = head.block * self.l.g.pages_per_block + page;
        Ok(self.see(ppn)?.page().map(|r| Found::read(f, page, &r)))
    }

    /// The tail in a block whose programmed pages are contiguous. Steps on by as many pages as a
    /// record tells of, halves the last step to find the end, and reads what no record told.
    fn scan_dense(&mut self, f: u8, head: Head) -> Result<Vec<Found>, FtlError> {
        // A record tells of the pages before it: the one after them is the next to be read.
        let (full, stride) = (self.l.g.pages_per_block, self.l.history + 1);
        let mut seen: BTreeMap<u32, Seen> = BTreeMap::new();
        // `low` is programmed (or before the head), `high` is blank or past the end.
        let (mut low, mut high) = (head.next, full);
        if low >= full || self.peek(head, low, &mut seen)? {
            return Ok(Vec::new());
        }
        while low + stride < full {
            if self.peek(head, low + stride, &mut seen)? {
                high = low + stride;
                break;
            }
            low += stride;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.peek(head, middle, &mut seen)? {
                high = middle;
            } else {
                low = middle;
            }
        }
        let mut tail = vec![];
        let mut page = high;
        while page > head.next {
            page -= 1;
            self.peek(head, page, &mut seen)?;
            let Some(r) = seen.get(&page).and_then(|s| s.page()) else {
                tail.push(Found::nothing(f, page));
                continue;
            };
            tail.push(Found::read(f, page, &r));
            // Complete programs lie below a later one: their logical pages are enough.
            for (&lpn, ago) in r.history[..self.l.history as usize].iter().zip(1..) {
                if page == head.next || lpn == NO_LPN || seen.contains_key(&(page - 1)) {
                    break;
                }
                page -= 1;
                let seq = r.seq.saturating_sub(ago);
                tail.push(Found { lpn, seq, ..Found::nothing(f, page) });
            }
        }
        tail.reverse();
        Ok(tail)
    }

    /// Whether a page is blank; what it shows is kept.
    fn peek(
        &mut self,
        head: Head,
        page: u32,
        seen: &mut BTreeMap<u32, Seen>,
    ) -> Result<bool, FtlError> {
        if let Some(s) = seen.get(&page) {
            return Ok(*s == Seen::Blank);
        }
        let found = self.see(head.block * self.l.g.pages_per_block + page)?;
        seen.insert(page, found);
        Ok(found == Seen::Blank)
    }

    /// The tail in a block where pages were passed over.
    fn scan_all(&mut self, f: u8, head: Head) -> Result<Vec<Found>, FtlError> {
        let full = self.l.g.pages_per_block;
        let reach = 2 * self.l.g.pair_distance();
        let (mut tail, mut blank, mut page) = (Vec::new(), 0, head.next);
        while page < full && blank <= reach {
            let ppn = head.block * full + page;
            let none = Found::nothing(f, page);
            if self.chip_read(ppn, &mut [], &mut [])?.is_erased() {
                blank += 1;
                tail.push(none);
            } else {
                blank = 0;
                tail.push(self.look(f, head, page)?.unwrap_or(none));
            }
            page += 1;
        }
        Ok(tail)
    }

    /// Takes the page that was programmed last, with the batch that it ends, out of the tail.
    fn split_suspects(&mut self, tails: &mut [Vec<Found>]) -> Result<Debt, FtlError> {
        let last = loop {
            let counts = tails.iter_mut().flatten().filter(|p| p.lpn != NO_LPN);
            let Some(last) = counts.max_by_key(|p| p.seq) else { return Ok(Debt::default()) };
            if last.exact {
                break *last;
            }
            // Known by a later page's record only: its own tells its number and its CRC.
            let head = self.heads[last.f as usize];
            *last = match self.look(last.f, head, last.page)? {
                Some(found) => found,
                None => Found::nothing(last.f, last.page),
            };
        };
        let tail = &mut tails[last.f as usize];
        let mut suspects = Vec::new();
        while let Some(p) = tail.pop() {
            if p.lpn == NO_LPN {
                continue;
            }
            let head = self.heads[p.f as usize];
            let ppn = head.block * self.l.g.pages_per_block + p.page;
            suspects.push(Suspect { lpn: p.lpn, ppn, crc: p.crc });
            if p.batch <= 1 {
                break;
            }
        }
        Ok(Debt { suspects })
    }

    /// Applies the tails in the order of their programs.
    fn replay_tails(&mut self, tails: &[Vec<Found>]) -> Result<(), FtlError> {
        let mut at = vec![0; tails.len()];
        loop {
            // Pages that hold nothing go with what follows them on the frontier.
            let next = |f: usize| tails[f][at[f]..].iter().find(|p| p.lpn != NO_LPN);
            let Some(p) = (0..tails.len()).filter_map(next).min_by_key(|p| p.seq).copied() else {
                return Ok(());
            };
            let f = p.f as usize;
            while tails[f][at[f]].page != p.page {
                self.record(Record::Skip(p.f, 1));
                self.heads[f].next += 1;
                at[f] += 1;
            }
            let ppn = self.heads[f].block * self.l.g.pages_per_block + self.heads[f].next;
            self.record(Record::Write(p.f, p.lpn));
            self.heads[f].next += 1;
            at[f] += 1;
            self.map.set(p.lpn, ppn);
        }
    }
}
