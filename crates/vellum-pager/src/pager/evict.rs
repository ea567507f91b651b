//! Making room.

use super::{Pager, flag};
use crate::space::Space;
use crate::{Error, PageNo};

impl Pager {
    /// Evicts until `pages` more may come, for `incoming` if that is known.
    ///
    /// # Errors
    /// When everything is pinned, or what could go can't be written.
    pub fn make_room(
        &mut self,
        space: &mut dyn Space,
        pages: u32,
        incoming: Option<PageNo>,
    ) -> Result<(), Error> {
        let most = self.options.quota.saturating_sub(pages);
        loop {
            let over = self.policy.len().saturating_sub(most);
            if over == 0 {
                return Ok(());
            }
            self.evict_some(space, over.max(self.options.batch), incoming)?;
        }
    }

    /// Evicts one page of the caller's choice.
    ///
    /// # Errors
    /// When it is pinned, or can't be written.
    pub fn evict(&mut self, space: &mut dyn Space, page: PageNo) -> Result<(), Error> {
        if !self.is_present(page) {
            return Ok(());
        }
        if self.is_kept(space, page) {
            let (held, quota) = (self.policy.len(), self.options.quota);
            return Err(Error::AllPinned { held, quota });
        }
        self.policy.forget(page.get());
        self.let_go(space, &mut [page])
    }

    /// Evicts up to `count` pages, at least one.
    fn evict_some(
        &mut self,
        space: &mut dyn Space,
        count: u32,
        incoming: Option<PageNo>,
    ) -> Result<(), Error> {
        let mut victims = std::mem::take(&mut self.victims);
        self.choose(space, count, incoming, false, &mut victims);
        let mut gone = self.let_go(space, &mut victims);
        if gone.is_err() {
            // The store takes nothing: a page that it has already may still go.
            self.choose(space, 1, incoming, true, &mut victims);
            if !victims.is_empty() {
                gone = self.let_go(space, &mut victims);
            }
        }
        self.victims = victims;
        gone
    }

    /// Takes victims out of the policy.
    fn choose(
        &mut self,
        space: &mut dyn Space,
        count: u32,
        incoming: Option<PageNo>,
        clean: bool,
        victims: &mut Vec<PageNo>,
    ) {
        victims.clear();
        let (pins, known) = (&self.pins, &self.known);
        for at in 0..count {
            let incoming = incoming.filter(|_| at == 0).map(PageNo::get);
            let victim = self.policy.victim(incoming, &mut |page| {
                pins.contains_key(&page)
                    || (clean && known[page as usize].flags & flag::DIRTY != 0)
                    || space.is_held(PageNo::new(page))
            });
            match victim {
                Some(page) => victims.push(PageNo::new(page)),
                None => break,
            }
        }
    }

    fn is_kept(&self, space: &dyn Space, page: PageNo) -> bool {
        self.pins.contains_key(&page.get()) || space.is_held(page)
    }

    /// Victims leave the space: the dirty ones in one batch into the store. Those that can't go are
    /// the policy's again.
    fn let_go(&mut self, space: &mut dyn Space, victims: &mut [PageNo]) -> Result<(), Error> {
        if victims.is_empty() {
            let (held, quota) = (self.policy.len(), self.options.quota);
            return Err(Error::AllPinned { held, quota });
        }
        let mut result = Ok(());
        // The dirty ones to the front.
        let mut dirty = 0;
        for at in 0..victims.len() {
            if self.has(victims[at], flag::DIRTY) {
                self.store.put_soon(victims[at]);
                victims.swap(dirty, at);
                dirty += 1;
            }
        }
        let (dirty, clean) = victims.split_at(dirty);
        for &page in clean {
            match space.discard(page) {
                Ok(()) => {
                    self.counters.evicted_clean += 1;
                    self.left(page);
                }
                Err(error) => {
                    self.policy.admit(page.get());
                    result = Err(error);
                }
            }
        }
        if !dirty.is_empty() {
            let mut room = std::mem::take(&mut self.room);
            let taken = space.take(dirty, &mut room, &mut |contents| self.put(contents));
            self.room = room;
            match taken {
                Ok(()) => dirty.iter().for_each(|&page| {
                    self.mark_clean(page);
                    self.left(page);
                }),
                Err(error) => {
                    self.counters.store_errors += 1;
                    dirty.iter().for_each(|page| self.policy.admit(page.get()));
                    result = Err(error);
                }
            }
        }
        result
    }

    /// A page has left the space.
    fn left(&mut self, page: PageNo) {
        self.known[page.index()].flags &= !(flag::PRESENT | flag::AHEAD | flag::PROTECTED);
        self.counters.evicted += 1;
        if let Some(history) = &mut self.history {
            history.left(page, self.counters.missing);
        }
    }
}
