//! The tail: what was programmed after the last metadata page, told by out-of-band records.
//!
//! Candidates are the frontiers' blocks, from where the metadata page left them, and the blocks that
//! it announced. A frontier's pages are read at steps of the history that each record carries; only
//! its last page may be torn or unstable, and only the chip's last program was. A page at the end of
//! any frontier is suspicious all the same: an earlier recovery may have been cut short too. So each
//! of them is copied, and the copy is what counts from then on.

use crate::FtlError;
use crate::blocks::Role;
use crate::ftl::{Ftl, NewPage, Source, Trail};
use crate::layout::FRONTIERS;
use crate::meta::{Head, Meta, NONE, Record, VICTIM};
use crate::oob::{Kind, NO_LPN, Oob};
use crate::stats::Cause;
use alloc::vec;
use alloc::vec::Vec;
use vellum_nand::Nand;

/// A page of the tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TailPage {
    pub seq: u64,
    pub lpn: u32,
    pub ppn: u32,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// By program number.
    pub pages: Vec<TailPage>,
    /// The last page of each block of the tail.
    pub ends: Vec<End>,
    /// Blocks opened since, with the program number of their first page.
    pub opened: Vec<(u64, u32)>,
}

/// The last page of a block of the tail: what it said when it was read, which may have been the
/// last time that it could be.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub page: TailPage,
    pub record: Oob,
    pub data: Vec<u8>,
}

/// What a scan gathers.
#[derive(Debug, Default)]
struct Finds {
    found: Vec<TailPage>,
    /// Pages of which a successor's record says nothing.
    unknown: Vec<u32>,
    /// Pages that were read themselves.
    read: Vec<End>,
}

/// A record that was read, if the page holds one that fits.
enum Seen {
    Erased,
    Torn,
    Page(Oob),
}

impl<N: Nand> Ftl<N> {
    pub(crate) fn read_tail(&mut self, head: &Meta) -> Result<Tail, FtlError> {
        let mut tail = Tail::default();
        for h in head.heads.iter().filter(|h| h.block != NONE) {
            self.scan(h.block, h.next, head.seq, &mut tail)?;
        }
        for block in head.announced.map(|b| b & !VICTIM) {
            if block >= self.l.g.blocks {
                continue;
            }
            if head.heads.iter().any(|h| h.block == block) {
                continue;
            }
            self.scan(block, 0, head.seq, &mut tail)?;
        }
        tail.pages.sort_unstable_by_key(|p| p.seq);
        if self.has_gap(head, &tail) {
            self.scan_all(head, &mut tail)?;
        }
        self.drop_open_batch(&mut tail);
        Ok(tail)
    }

    /// Whether programs are missing between the head and the tail's end: a later metadata page must
    /// have been lost, and with it the names of blocks opened after it.
    fn has_gap(&self, head: &Meta, tail: &Tail) -> bool {
        let Some(last) = tail.pages.last() else { return false };
        last.seq - head.seq > tail.pages.len() as u64
    }

    /// Looks at the first page of every block for one that was opened since.
    fn scan_all(&mut self, head: &Meta, tail: &mut Tail) -> Result<(), FtlError> {
        for block in 1..self.l.g.blocks {
            let known = head.heads.iter().any(|h| h.block == block)
                || head.announced.iter().any(|b| b & !VICTIM == block)
                || block == self.log.block
                || self.blocks.role[block as usize] == Role::Bad;
            if !known {
                self.scan(block, 0, head.seq, tail)?;
            }
        }
        tail.pages.sort_unstable_by_key(|p| p.seq);
        Ok(())
    }

    fn look(&mut self, ppn: u32, after: u64, page: &mut [u8]) -> Result<Seen, FtlError> {
        let mut oob = [0; 64];
        let oob = &mut oob[..self.l.oob];
        let status = self.chip_read(ppn, page, oob)?;
        if status.is_erased() {
            return Ok(Seen::Erased);
        }
        let record = Oob::decode(oob, self.l.lpn_bits).filter(|_| status.is_readable());
        let fits = |r: &Oob| r.kind == Kind::Data && r.seq > after;
        Ok(record.filter(fits).map_or(Seen::Torn, Seen::Page))
    }

    /// Reads the pages of `block` from `from` on that were programmed after `after`.
    fn scan(&mut self, block: u32, from: u32, after: u64, tail: &mut Tail) -> Result<(), FtlError> {
        let pages = self.l.g.pages_per_block;
        let step = self.l.history as u32 + 1;
        let first = block * pages;
        let mut page = vec![0; self.l.page_bytes()];
        let mut out = Finds::default();
        let mut next = from;
        // An announced block is looked at once at its first page: most were not opened.
        if from == 0 {
            match self.look(first, after, &mut page)? {
                Seen::Page(r) => {
                    self.take(r, first, 0, after, &page, &mut out);
                }
                // A first program that failed leaves the block to others; nothing follows it.
                Seen::Erased | Seen::Torn => {
                    if !matches!(self.look(first + 1, after, &mut page)?, Seen::Page(_)) {
                        return Ok(());
                    }
                }
            }
            next = 1;
        }
        while next < pages {
            let want = (next + step - 1).min(pages - 1);
            // From the far end of the step back to the last page that can be read.
            let mut at = want;
            let mut erased = false;
            loop {
                match self.look(first + at, after, &mut page)? {
                    Seen::Page(r) => {
                        if self.take(r, first + at, next, after, &page, &mut out) {
                            break;
                        }
                    }
                    Seen::Torn => {}
                    Seen::Erased => erased = true,
                }
                if at == next {
                    break;
                }
                at -= 1;
            }
            if erased {
                break;
            }
            // Torn pages at the step's end may be an earlier cut's; what follows decides.
            next = want + 1;
        }
        // Pages whose successors do not tell of them: after padding, or an earlier recovery.
        while let Some(ppn) = out.unknown.pop() {
            if out.found.iter().any(|p| p.ppn == ppn) {
                continue;
            }
            if let Seen::Page(r) = self.look(ppn, after, &mut page)? {
                self.take(r, ppn, from, after, &page, &mut out);
            }
        }
        let mut found = out.found;
        found.sort_unstable_by_key(|p| p.ppn);
        found.dedup();
        if from == 0 && !found.is_empty() {
            tail.opened.push((found.iter().map(|p| p.seq).min().unwrap_or(0), block));
        }
        self.find_ends(&mut found, &mut out.read, after, tail)?;
        tail.pages.extend(found);
        Ok(())
    }

    /// Adds a page and the predecessors that it tells of; `None` when its data is torn.
    fn take(&self, r: Oob, ppn: u32, from: u32, after: u64, page: &[u8], out: &mut Finds) -> bool {
        if r.lpn != NO_LPN && crc32fast::hash(page) != r.data_crc {
            return false;
        }
        let at = ppn % self.l.g.pages_per_block;
        for (i, before) in r.history[..self.l.history].iter().enumerate() {
            let back = i as u32 + 1;
            if back > at || at - back < from {
                break;
            }
            if before.ago == 0 {
                out.unknown.push(ppn - back);
                continue;
            }
            let seq = r.seq.saturating_sub(before.ago.into());
            if seq <= after {
                break;
            }
            out.found.push(TailPage { seq, lpn: before.lpn, ppn: ppn - back });
        }
        let this = TailPage { seq: r.seq, lpn: r.lpn, ppn };
        out.found.push(this);
        out.read.push(End { page: this, record: r, data: page.to_vec() });
        true
    }

    /// The pages that may not stay as they are: each data page that no data page follows. (After an
    /// interrupted recovery these may be several.) Where cells are shared between pages, any page of
    /// the tail may have been taken along by the program that was cut: one that can't be read was
    /// not flushed, and its predecessor stands.
    fn find_ends(
        &mut self,
        found: &mut Vec<TailPage>,
        read: &mut Vec<End>,
        after: u64,
        tail: &mut Tail,
    ) -> Result<(), FtlError> {
        let paired = self.l.g.pair_distance() > 0;
        let mut page = vec![0; self.l.page_bytes()];
        let (mut lost, mut commits) = (Vec::new(), Vec::new());
        for (i, this) in found.iter().enumerate() {
            let follows =
                found.get(i + 1).is_some_and(|n| n.ppn == this.ppn + 1 && n.lpn != NO_LPN);
            let known = read.iter().position(|e| e.page.ppn == this.ppn);
            if this.lpn == NO_LPN || (follows && !paired) {
                continue;
            }
            let end = match known {
                Some(at) => read.swap_remove(at),
                None => match self.look(this.ppn, after, &mut page)? {
                    Seen::Page(record) if crc32fast::hash(&page) == record.data_crc => {
                        End { page: *this, record, data: page.clone() }
                    }
                    _ => {
                        lost.push(*this);
                        continue;
                    }
                },
            };
            if end.record.commit {
                commits.push((this.ppn + 1).saturating_sub(end.record.batch.into())..=this.ppn);
            }
            if !follows {
                tail.ends.push(end);
            }
        }
        // A batch that lost a page is lost whole.
        for batch in commits {
            if !lost.iter().any(|p| batch.contains(&p.ppn)) {
                continue;
            }
            lost.extend(found.iter().filter(|p| batch.contains(&p.ppn)));
        }
        found.retain(|p| !lost.contains(p));
        tail.ends.retain(|e| !lost.contains(&e.page));
        Ok(())
    }

    /// Drops the pages of a batch whose commit is not there.
    fn drop_open_batch(&mut self, tail: &mut Tail) {
        // The commit may be a later recovery's copy, in another block.
        let committed = |e: &End| {
            let later = |c: &End| c.record.seq > e.record.seq;
            let commits = |c: &End| c.record.commit && c.record.batch == e.record.batch + 1;
            tail.ends.iter().any(|c| later(c) && commits(c))
        };
        let open = |e: &End| e.record.batch > 0 && !e.record.commit && !committed(e);
        let opens: Vec<u64> = tail.ends.iter().filter(|e| open(e)).map(|e| e.record.seq).collect();
        let open = |e: &End| opens.contains(&e.record.seq);
        let (dropped, kept): (Vec<End>, Vec<End>) =
            core::mem::take(&mut tail.ends).into_iter().partition(open);
        tail.ends = kept;
        for end in dropped {
            let first = (end.page.ppn + 1).saturating_sub(end.record.batch.into());
            tail.pages.retain(|p| !(first..=end.page.ppn).contains(&p.ppn));
            // What the batch went over is not known to recovery; its numbers stay used.
            self.seq = self.seq.max(end.page.seq + 1);
        }
    }

    /// Puts the tail into the map, the latest last, and adds its records.
    pub(crate) fn apply_tail(&mut self, tail: &Tail) -> Result<(), FtlError> {
        for page in &tail.pages {
            self.seq = self.seq.max(page.seq + 1);
            if page.lpn < self.pages() {
                self.map.set(page.lpn, page.ppn);
            }
        }
        // An earlier recovery that was cut short may have used numbers in a block that nobody sees.
        self.seq += 64;
        self.clock += tail.pages.len() as u64;
        for &(_, block) in &tail.opened {
            self.opened.push((u64::MAX, block));
            self.blocks.role[block as usize] = Role::Data(0);
        }
        Ok(())
    }

    /// Makes the state after recovery durable: copies of suspicious pages first, then the log's
    /// last page again, which carries everything that the tail told.
    pub(crate) fn secure(&mut self, tail: &Tail) -> Result<(), FtlError> {
        self.in_batch = true;
        let result = self.secure_pages(tail);
        self.in_batch = false;
        result?;
        self.fill_suspect()?;
        self.write_meta_numbered(self.log.n)?;
        // Mount after mount adds records to the same page: in time the next number takes over, so
        // that each page's records join those of the one before.
        if self.log.since > self.l.interval { self.write_meta() } else { Ok(()) }
    }

    fn secure_pages(&mut self, tail: &Tail) -> Result<(), FtlError> {
        for page in &tail.pages {
            self.emit(page, tail);
        }
        self.resume_frontiers()?;
        let mut ends = Vec::new();
        for end in &tail.ends {
            if end.page.lpn != NO_LPN && self.lookup(end.page.lpn)? == end.page.ppn {
                ends.push(end);
            }
        }
        if ends.is_empty() {
            return Ok(());
        }
        let Some(f) = self.frontier_for_copies(ends.len() as u32, tail)? else { return Ok(()) };
        for end in ends {
            let page = NewPage {
                lpn: end.page.lpn,
                birth: self.birth(end.record.birth),
                crc: end.record.data_crc,
                batch: end.record.batch,
                commit: end.record.commit,
                lost: end.record.lost,
            };
            let to = self.append(f, page, Source::Data(&end.data), Cause::Recover)?;
            self.remap(end.page.lpn, to)?;
        }
        Ok(())
    }

    /// The frontiers go on where they were. The page after each one's last may be torn, or look
    /// erased and not be: it is passed over, and filled if it looks erased, so that no block has a
    /// hole.
    fn resume_frontiers(&mut self) -> Result<(), FtlError> {
        let full = self.l.g.pages_per_block;
        let mut page = vec![0; self.l.page_bytes()];
        for f in 0..FRONTIERS {
            let head = self.heads[f];
            self.trails[f] = Trail::NEW;
            if head.block == NONE {
                continue;
            }
            self.blocks.role[head.block as usize] = Role::Open;
            self.blocks.birth[head.block as usize] = self.clock as u32;
            while self.heads[f].next < full {
                let ppn = head.block * full + self.heads[f].next;
                if matches!(self.look(ppn, u64::MAX, &mut page)?, Seen::Erased) {
                    self.pad_one(f as u8)?;
                    break;
                }
                self.record(Record::Skip(f as u8));
                self.heads[f].next += 1;
            }
            if self.heads[f].block != NONE && self.heads[f].next >= full {
                self.close(f as u8);
            }
        }
        // A frontier's earlier block that the tail saw full.
        for role in &mut self.blocks.role {
            if *role == Role::Open {
                *role = Role::Data(0);
            }
        }
        for head in self.heads.iter().filter(|h| h.block != NONE) {
            self.blocks.role[head.block as usize] = Role::Open;
        }
        Ok(())
    }

    /// A frontier with room for `pages` copies.
    fn frontier_for_copies(&mut self, pages: u32, tail: &Tail) -> Result<Option<u8>, FtlError> {
        let full = self.l.g.pages_per_block;
        let room = |h: &Head| h.block != NONE && full - h.next >= pages;
        if let Some(f) = self.heads.iter().position(room) {
            return Ok(Some(f as u8));
        }
        let Some(block) = self.block_for_copies(tail)? else { return Ok(None) };
        if !self.erase(block)? {
            self.mark_retired(block)?;
            return Ok(None);
        }
        let f = FRONTIERS as u8 - 1;
        self.close(f);
        self.heads[f as usize] = Head { block, next: 0 };
        self.trails[f as usize] = Trail::NEW;
        self.blocks.role[block as usize] = Role::Open;
        self.record(Record::Open(f, block));
        Ok(Some(f))
    }

    /// Adds the records of a page of the tail.
    fn emit(&mut self, page: &TailPage, tail: &Tail) {
        let pages = self.l.g.pages_per_block;
        let (block, at) = (page.ppn / pages, page.ppn % pages);
        let end = tail.ends.iter().find(|e| e.page.ppn / pages == block);
        let here = self.heads.iter().position(|h| h.block == block);
        let f = here.or(end.map(|e| usize::from(e.record.frontier))).unwrap_or(0);
        let f = f.min(FRONTIERS - 1);
        if self.heads[f].block != block || self.heads[f].next > at {
            self.record(Record::Open(f as u8, block));
            self.heads[f] = Head { block, next: 0 };
        }
        while self.heads[f].next < at {
            self.record(Record::Skip(f as u8));
            self.heads[f].next += 1;
        }
        let record = match page.lpn {
            lpn if lpn < self.pages() => Record::Write(f as u8, lpn),
            _ => Record::Skip(f as u8),
        };
        self.record(record);
        self.heads[f].next += 1;
    }

    /// A block for copies: announced, and without a page that counts. So a recovery that is cut
    /// short leaves what the next one will look at.
    fn block_for_copies(&mut self, tail: &Tail) -> Result<Option<u32>, FtlError> {
        let pages = self.l.g.pages_per_block;
        for block in self.announced {
            let opened = tail.opened.iter().any(|o| o.1 == block);
            let data = block < self.l.g.blocks
                && matches!(self.blocks.role[block as usize], Role::Data(_) | Role::Free);
            if !data || !(opened || self.free.contains(&block)) {
                continue;
            }
            let mut counts = false;
            for page in tail.pages.iter().filter(|p| p.ppn / pages == block) {
                counts |= page.lpn < self.pages() && self.lookup(page.lpn)? == page.ppn;
            }
            if !counts {
                self.free.retain(|&b| b != block);
                return Ok(Some(block));
            }
        }
        // None: the whole map tells which block holds nothing. It was not announced, so until the log
        // names it nothing may be erased that its pages replace: not when the log itself is about
        // to ask for a block.
        if self.log.block == NONE || self.log.next + 2 >= pages {
            return Ok(None);
        }
        self.count_all()?;
        Ok(self.free.pop_front())
    }
}
