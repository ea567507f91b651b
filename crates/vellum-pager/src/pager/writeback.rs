//! Writing back: changed lines in batches, water marks, and the barrier behind which all is stored.

use super::{Pager, flag};
use crate::checksum::checksum;
use crate::space::Space;
use crate::store::Put;
use crate::{Error, Lines, PAGE, Page, PageNo, StoreError};
use std::sync::Arc;

/// Pages that one batch of a write-back has at most.
const BATCH: usize = 64;

impl Pager {
    /// Puts pages into the store, by their changed lines where a twin tells them.
    pub(super) fn put(&mut self, contents: &[(PageNo, &Page)]) -> Result<(), StoreError> {
        for &(page, _) in contents {
            self.keep_named(page)?;
        }
        match contents {
            // The usual fault: nothing is allocated for it.
            [one] => self.put_all(&[self.to_put(*one)]),
            all => self.put_all(&all.iter().map(|&one| self.to_put(one)).collect::<Vec<_>>()),
        }
    }

    fn to_put<'a>(&self, (page, content): (PageNo, &'a Page)) -> Put<'a> {
        let twin = self.twins.get(&page.get());
        Put { page, content, lines: twin.map_or(Lines::ALL, |twin| Lines::between(twin, content)) }
    }

    fn put_all(&mut self, puts: &[Put<'_>]) -> Result<(), StoreError> {
        self.store.put(puts)?;
        if let Some(history) = &mut self.history {
            history.put(puts.len());
        }
        self.counters.pages_written += puts.len() as u64;
        self.counters.lines_written += puts.iter().map(|p| u64::from(p.lines.count())).sum::<u64>();
        for put in puts {
            let known = &mut self.known[put.page.index()];
            known.sum = checksum(put.page, put.content);
            known.flags = (known.flags | flag::STORED) & !flag::FOREIGN;
        }
        Ok(())
    }

    /// The store's content of a page goes: moves it to where kept roots find it, if one names it.
    pub(super) fn keep_named(&mut self, page: PageNo) -> Result<(), StoreError> {
        let Some(names) = self.names.as_ref().filter(|names| names.is_named(page)) else {
            return Ok(());
        };
        let names = Arc::clone(names);
        let mut content = Box::new([0; PAGE]);
        if self.has(page, flag::STORED | flag::FOREIGN) && !self.get_checked(page, &mut content)? {
            content.fill(0);
        }
        names.keep(page, &content)
    }

    /// Does in the background what faults should not wait for: evicts when few pages are free, and
    /// writes back when many are dirty, each from one water mark to the other.
    ///
    /// # Errors
    /// When the store fails; nothing is lost then.
    pub fn balance(&mut self, space: &mut dyn Space) -> Result<(), Error> {
        let free = self.options.quota.saturating_sub(self.policy.len());
        if free < self.options.free_low {
            match self.make_room(space, self.options.free_high, None) {
                // Pins are the caller's wish; only a fault that finds no room at all is in trouble.
                Ok(()) | Err(Error::AllPinned { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if self.dirty_count > self.options.dirty_high {
            self.write_back(space, self.dirty_count - self.options.dirty_low)?;
        }
        Ok(())
    }

    /// Writes back up to `count` pages, those first that have been dirty longest. They stay present;
    /// how many it were. Pages that somebody holds may be written without a fault: they stay dirty.
    ///
    /// # Errors
    /// When the store fails: the pages of that batch are still dirty.
    pub fn write_back(&mut self, space: &mut dyn Space, count: u32) -> Result<u32, Error> {
        let mut done = 0;
        // Who was held is looked at once a call when there is nothing else to write, and otherwise
        // one of them, so that each has its turn.
        let mut again = self.held.len();
        if let Some(page) = self.held.pop_front() {
            self.dirty.push_front(page);
            again -= 1;
        }
        while done < count && self.dirty_count > 0 {
            let room = ((count - done) as usize).min(BATCH);
            let mut pages: Vec<PageNo> = Vec::with_capacity(room);
            while pages.len() < room {
                let Some(page) = self.dirty.pop_front() else {
                    if again == 0 {
                        break;
                    }
                    self.dirty.extend(self.held.drain(..again));
                    again = 0;
                    continue;
                };
                let page = PageNo::new(page);
                if !self.has(page, flag::DIRTY) {
                    self.known[page.index()].flags &= !flag::QUEUED;
                } else if space.is_held(page) {
                    self.held.push_back(page.get());
                } else {
                    pages.push(page);
                }
            }
            if pages.is_empty() {
                break;
            }
            if let Err(error) = self.clean(space, &pages) {
                self.counters.store_errors += 1;
                pages.iter().rev().for_each(|page| self.dirty.push_front(page.get()));
                return Err(error);
            }
            pages.iter().for_each(|page| self.known[page.index()].flags &= !flag::QUEUED);
            done += pages.len() as u32;
        }
        Ok(done)
    }

    /// First the right to write goes, then the content is read: a write beside this one either is in
    /// what is stored, or makes the page dirty again.
    fn clean(&mut self, space: &mut dyn Space, pages: &[PageNo]) -> Result<(), Error> {
        let mut buffers = vec![[0; PAGE]; pages.len()];
        for (&page, buffer) in pages.iter().zip(&mut buffers) {
            self.protect(space, page)?;
            space.read(page, buffer)?;
        }
        let contents: Vec<(PageNo, &Page)> = pages.iter().copied().zip(&buffers).collect();
        self.put(&contents)?;
        pages.iter().for_each(|&page| self.mark_clean(page));
        Ok(())
    }

    /// Writes everything back but what somebody holds, and has the store make it durable.
    ///
    /// # Errors
    /// When the store fails; what could not be written is still dirty.
    pub fn flush(&mut self, space: &mut dyn Space) -> Result<(), Error> {
        self.write_back(space, u32::MAX)?;
        self.store.flush()?;
        Ok(())
    }
}
