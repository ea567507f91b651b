//! Formatting and mounting. Every mount recovers; there is no clean shutdown to rely on.
//!
//! Finding the end of the log takes two binary searches (anchor, metadata block); its story, every
//! sixth page of the window or so; what came after the last metadata page stands in the out-of-band
//! records of the announced blocks (module `tail`). Then the pages that were programmed last are
//! secured, because the power may have gone while one of them was written.

use crate::anchor::{self, Anchor, Found};
use crate::blocks::Role;
use crate::ftl::Ftl;
use crate::layout::{BACK, Layout, SPAN};
use crate::map::UNMAPPED;
use crate::meta::{Meta, NONE, VICTIM};
use crate::{Config, FtlError};
use alloc::vec;
use alloc::vec::Vec;
use vellum_nand::{EraseBlock, Nand, Ppa};

impl<N: Nand> Ftl<N> {
    /// Makes an empty device of a chip: reads the bad-block markers, writes two anchors. Blocks are
    /// erased when they are first used.
    ///
    /// # Errors
    /// When the geometry can't work, or the good blocks can't carry that many logical pages.
    pub fn format(mut nand: N, config: Config) -> Result<Ftl<N>, FtlError> {
        let g = *nand.geometry();
        let l = Layout::new(&g, &config)?;
        let mut bad = vec![0u8; g.blocks.div_ceil(8) as usize];
        let mut good = 0;
        for block in 0..g.blocks {
            let marked = nand.is_marked_bad(EraseBlock(block))?;
            bad[block as usize / 8] |= u8::from(marked) << (block % 8);
            good += u32::from(!marked);
        }
        let most = l.capacity(good);
        if u64::from(config.logical_pages) > most {
            return Err(FtlError::Capacity { logical: config.logical_pages.into(), good, most });
        }
        let is_bad = |b: &u32| bad[*b as usize / 8] >> (b % 8) & 1 != 0;
        let mut first = (0..SPAN.min(g.blocks)).filter(|b| !is_bad(b));
        let (Some(a), Some(b)) = (first.next(), first.next()) else {
            return Err(FtlError::Geometry {
                what: "good blocks among the first eight",
                found: 1,
                needed: 2,
            });
        };
        let anchor = Anchor {
            number: 0,
            logical: config.logical_pages,
            interval: config.meta_interval,
            meta_block: NONE,
            meta_last: NONE,
            meta_n: 0,
            seq: 1,
            blocks: [a, b],
            bad,
        };
        let mut ftl = Ftl::bare(nand, l, config, anchor);
        ftl.seq = 1;
        ftl.set_fixed_roles();
        let free = (1..g.blocks).filter(|b| ftl.blocks.role[*b as usize] == Role::Free);
        ftl.free = free.collect();
        for slice in 0..l.slices {
            ftl.load_slice(slice)?;
        }
        ftl.counted = true;
        for k in 0..2 {
            if !ftl.erase(ftl.anchor.blocks[k])? {
                let block = ftl.anchor.blocks[k];
                return Err(vellum_nand::NandError::EraseFailed { block: EraseBlock(block) }.into());
            }
            ftl.anchor_next[k] = 0;
        }
        ftl.write_meta()?;
        Ok(ftl)
    }

    /// Roles that the anchor tells. Block 0 never holds data, so page 0 can stand for "nowhere".
    fn set_fixed_roles(&mut self) {
        for block in 0..self.l.g.blocks {
            if self.anchor.is_bad(block) {
                self.blocks.role[block as usize] = Role::Bad;
            }
        }
        for &block in &self.anchor.blocks {
            if self.blocks.role[block as usize] != Role::Bad {
                self.blocks.role[block as usize] = Role::Anchor;
            }
        }
    }

    /// Mounts a formatted chip. `config` chooses how the map is held and the policies; what was
    /// fixed at formatting comes from the chip.
    ///
    /// Reads about `2·log₂(pages a block)` pages to find the log's end, every sixth page of its
    /// window, and one in six of the pages written since. Then programs a handful of pages.
    ///
    /// # Errors
    /// When the chip was never formatted, for another geometry, or by another version; when nothing
    /// readable is left of the metadata.
    pub fn mount(mut nand: N, config: Config) -> Result<Ftl<N>, FtlError> {
        let g = *nand.geometry();
        g.check()?;
        let mut reads = 0;
        let Some(mut found) = anchor::find(&mut nand, &g, 0, &mut reads)? else {
            return Err(FtlError::NotFormatted { probed: SPAN.min(g.blocks) });
        };
        let mut attempt = Self::with_anchor(nand, config, &found)?;
        let mut head = attempt.find_head(&mut reads)?;
        // An anchor whose log is full or gone may be out of date: the other one tells.
        let pages = g.pages_per_block;
        if head.is_none() || attempt.log.next >= pages {
            let mut nand = attempt.nand;
            let other = anchor::find(&mut nand, &g, found.block + 1, &mut reads)?;
            if let Some(other) = other.filter(|o| o.anchor.number > found.anchor.number) {
                found = other;
            }
            attempt = Self::with_anchor(nand, config, &found)?;
            head = attempt.find_head(&mut reads)?;
        }
        let Some(head) = head else { return Err(FtlError::Damaged { block: found.block }) };
        attempt.stats.chip_reads = reads;
        attempt.recover(head, &found)?;
        Ok(attempt)
    }

    fn with_anchor(nand: N, config: Config, found: &Found) -> Result<Ftl<N>, FtlError> {
        let mut config = Config { logical_pages: found.anchor.logical, ..config };
        config.meta_interval = anchor::config_of(&found.anchor, config.map).meta_interval;
        let l = Layout::new(nand.geometry(), &config)?;
        Ok(Ftl::bare(nand, l, config, found.anchor.clone()))
    }

    /// Finds the latest metadata page; leaves the log's block and next page where the search ended.
    fn find_head(&mut self, reads: &mut u64) -> Result<Option<Meta>, FtlError> {
        let block = self.anchor.meta_block;
        let pages = self.l.g.pages_per_block;
        let mut page = vec![0; self.l.page_bytes()];
        let (mut low, mut high) = (0, pages);
        let mut best: Option<(u32, Meta)> = None;
        let mut look = |ftl: &mut Self, p: u32| -> Result<(bool, Option<Meta>), FtlError> {
            *reads += 1;
            let ppa = ftl.l.g.ppa(EraseBlock(block), p);
            let status = ftl.nand.read(ppa, 0, &mut page, &mut [])?;
            if status.is_erased() {
                return Ok((true, None));
            }
            let newer = |m: &Meta| m.seq >= ftl.anchor.seq;
            Ok((false, Meta::decode(&ftl.l, &page).filter(newer)))
        };
        while low < high {
            let middle = (low + high) / 2;
            match look(self, middle)? {
                (true, _) => high = middle,
                (false, found) => {
                    low = middle + 1;
                    best = found.map(|m| (middle, m)).or(best);
                }
            }
        }
        // Parity and unreadable pages may stand between the best and the end.
        let mut p = low;
        while p > 0 && best.as_ref().is_none_or(|b| b.0 + 1 < p) {
            p -= 1;
            if let (false, Some(m)) = look(self, p)? {
                best = Some((p, m));
                break;
            }
        }
        (self.log.block, self.log.next) = (block, low);
        if let Some((p, meta)) = best {
            self.set_log(&meta, self.l.g.ppa(EraseBlock(block), p).0 as u32);
            return Ok(Some(meta));
        }
        // The block was opened and nothing written, or nothing that can be read: the anchor knows
        // the page before. The block is erased again before it is used.
        let last = self.anchor.meta_last;
        (self.log.block, self.log.next) = (NONE, pages);
        if last == NONE || u64::from(last) >= self.l.g.pages() {
            return Ok(None);
        }
        *reads += 1;
        let status = self.nand.read(Ppa(last.into()), 0, &mut page, &mut [])?;
        let n = self.anchor.meta_n;
        let meta = Meta::decode(&self.l, &page).filter(|m| m.n == n && status.is_readable());
        if let Some(meta) = &meta {
            self.set_log(meta, last);
        }
        Ok(meta)
    }

    fn set_log(&mut self, meta: &Meta, place: u32) {
        self.log.n = meta.n;
        self.log.since = meta.since;
        self.log.places.clear();
        self.log.places.push_back(place);
        self.log.places.extend(meta.back);
    }

    /// Everything after the head was found.
    fn recover(&mut self, head: Meta, found: &Found) -> Result<(), FtlError> {
        self.set_fixed_roles();
        for role in &mut self.blocks.role {
            if *role == Role::Free {
                *role = Role::Data(0);
            }
        }
        self.blocks.role[0] = if self.anchor.is_bad(0) { Role::Bad } else { Role::Anchor };
        self.find_anchor_ends(found)?;
        self.seq = head.seq + 1;
        self.clock = head.clock;
        self.record_end = head.record_end;
        self.records = head.records.iter().copied().collect();
        self.start = head.start;
        self.heads = head.heads;
        self.announced = head.announced.map(|b| if b == NONE { b } else { b & !VICTIM });
        let tail = self.read_tail(&head)?;
        self.apply_tail(&tail)?;
        self.apply_story(&head);
        self.walk_back(&head)?;
        self.note_meta_blocks();
        for word in head.announced {
            let (block, victim) = (word & !VICTIM, word & VICTIM != 0);
            if block >= self.l.g.blocks || victim {
                continue;
            }
            let untouched = !tail.opened.iter().any(|o| o.1 == block);
            let data = matches!(self.blocks.role[block as usize], Role::Data(_));
            if untouched && data && !self.free.contains(&block) {
                self.blocks.role[block as usize] = Role::Free;
                self.free.push_back(block);
            }
        }
        let block = self.anchor.meta_block;
        if self.log.block == NONE && matches!(self.blocks.role[block as usize], Role::Data(_)) {
            // Opened for the log, and nothing in it.
            self.blocks.role[block as usize] = Role::Free;
            self.free.push_front(block);
        }
        self.secure(&tail)?;
        // Recoveries that follow each other closely use up what is free; one more block from now on.
        self.careful = true;
        let room: u32 = self.heads.iter().map(|h| self.room_of(h)).sum();
        if self.free.is_empty() || (self.free.len() == 1 && room < 8) {
            self.make_room_to_open()?;
        }
        self.stats.mount_reads = self.stats.chip_reads;
        Ok(())
    }

    /// Where the other anchor's next page is: not searched for, but taken to be full, so that it is
    /// erased before it is written again.
    fn find_anchor_ends(&mut self, found: &Found) -> Result<(), FtlError> {
        for k in 0..2 {
            let block = self.anchor.blocks[k];
            self.anchor_next[k] = if self.anchor.is_bad(block) {
                NONE
            } else if block == found.block {
                self.anchor_suspect[k] = true;
                found.next
            } else {
                self.l.g.pages_per_block
            };
        }
        Ok(())
    }

    /// Reads the window's story backwards, as few pages as cover it.
    fn walk_back(&mut self, head: &Meta) -> Result<(), FtlError> {
        let oldest = head.n.saturating_sub(self.l.window() - 1).max(1);
        let mut covered = head.first_record();
        let mut n = head.n;
        while n > oldest && covered > 0 {
            // The furthest page whose records still join: so many intervals fit a page.
            let jump = (self.l.records / self.l.interval).clamp(1, BACK as u32);
            let mut next = n.saturating_sub(jump).max(oldest);
            let mut joined = false;
            while next < n {
                if let Some((_, meta)) = self.read_meta(next)?
                    && meta.record_end >= covered
                {
                    self.learn_places(&meta);
                    covered = covered.min(meta.first_record());
                    self.apply_story(&meta);
                    joined = true;
                    break;
                }
                next += 1;
            }
            if !joined {
                // A gap that nothing covers: the pages themselves must tell.
                return self.fall_back();
            }
            n = next;
        }
        Ok(())
    }

    fn learn_places(&mut self, meta: &Meta) {
        let ago = (self.log.n - meta.n) as usize;
        for (i, place) in meta.back.iter().enumerate() {
            let at = ago + 1 + i;
            if at == self.log.places.len() && at < self.l.window() as usize {
                self.log.places.push_back(*place);
            }
        }
    }

    /// Takes a page's records into the map, the latest first; later ones are there already.
    fn apply_story(&mut self, meta: &Meta) {
        let mut opened = Vec::new();
        let story = meta.replay(&self.l, |at, block| opened.push((at, block)));
        for event in story.iter().rev() {
            match event.ppn {
                Some(ppn) => self.map.set_older(event.lpn, ppn),
                None => {
                    (event.lpn..event.lpn + event.count)
                        .for_each(|lpn| self.map.set_older(lpn, UNMAPPED));
                }
            }
        }
        for open in opened {
            if !self.opened.contains(&open) {
                self.opened.push(open);
            }
        }
    }

    /// Nothing covers part of the story: every slice is rebuilt from the chip.
    fn fall_back(&mut self) -> Result<(), FtlError> {
        self.stats.meta_rebuilt += 1;
        for place in self.log.places.iter_mut().skip(1) {
            *place = NONE;
        }
        Ok(())
    }

    /// Blocks of the log get their role.
    fn note_meta_blocks(&mut self) {
        let pages = self.l.g.pages_per_block;
        let mut blocks = vec![self.log.block];
        for &place in self.log.places.iter().filter(|&&p| p != NONE) {
            if !blocks.contains(&(place / pages)) {
                blocks.push(place / pages);
            }
        }
        blocks.retain(|&b| b < self.l.g.blocks);
        for &block in &blocks {
            if self.blocks.role[block as usize] != Role::Bad {
                self.blocks.role[block as usize] = Role::Meta;
            }
        }
        self.log.blocks = blocks;
    }
}
