//! Resolving a fault: from the store into the space, with the pages that should come along.

use super::{Pager, Resolved, flag, is_write};
use crate::space::{Filled, Space};
use crate::store::Answer;
use crate::{Error, PAGE, Page, PageNo};
use vellum_translate::{Access, Rights};

impl Pager {
    /// `access` to `page` found it absent, or not to be written. Afterwards the access goes through.
    ///
    /// # Errors
    /// When a rule refuses, no page can make room, or the store fails: then whoever accessed the page
    /// must hear of it, as a machine check does, a poisoned page or an access fault. The page stays
    /// as it is, and the next fault tries again.
    pub fn fault(
        &mut self,
        space: &mut dyn Space,
        page: PageNo,
        access: Access,
    ) -> Result<Resolved, Error> {
        self.check(page)?;
        if let Err(why) = self.rules.check(page, access) {
            self.counters.refused += 1;
            return Err(Error::Refused { page, why });
        }
        if self.is_present(page) {
            return self.present_fault(space, page, access);
        }
        let before = self.has(page, flag::BEFORE);
        let spent = self.history.as_ref().map(|_| self.store.traffic().model_ps);
        self.counters.missing += 1;
        self.counters.refaults += u64::from(before);
        self.pressure.fault(std::mem::take(&mut self.hits), before);
        if let Some(curve) = &mut self.curve {
            curve.reference(page.get());
        }
        if let Some(record) = &mut self.record {
            record.push(page);
        }
        if self.has(page, flag::STORED | flag::FOREIGN) {
            // It comes while room is made.
            self.store.get_soon(page);
        }
        let quota = self.options.quota;
        if self.policy.len() >= quota {
            self.make_room(space, 1, Some(page))?;
        }
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.clear();
        self.prefetch.missing(page, &mut wanted);
        if !wanted.is_empty() {
            wanted.retain(|&other| other != page && self.is_worth_bringing(other));
            wanted.truncate((quota - self.policy.len()).saturating_sub(1) as usize);
        }
        let brought = if wanted.is_empty() {
            self.bring(space, page, access)
        } else {
            self.bring_with(space, page, access, &wanted)
        };
        self.wanted = wanted;
        match brought {
            Err(Error::Interrupted { .. }) => {
                // It will be asked for again.
                self.counters.missing -= 1;
                self.counters.refaults -= u64::from(before);
                if let Some(record) = &mut self.record {
                    record.pop();
                }
            }
            Err(_) => self.counters.store_errors += 1,
            Ok(_) => {
                if let (Some(history), Some(spent)) = (&mut self.history, spent) {
                    let cost = self.store.traffic().model_ps.saturating_sub(spent);
                    history.brought(page, self.counters.missing, cost);
                }
            }
        }
        brought
    }

    /// Brings pages ahead of time, as many as there is room for without evicting any.
    ///
    /// # Errors
    /// When the space has no memory; what a store can't give is left for the fault to say.
    pub fn prefault(&mut self, space: &mut dyn Space, pages: &[PageNo]) -> Result<u32, Error> {
        let room = self.options.quota.saturating_sub(self.policy.len()) as usize;
        let wanted: Vec<PageNo> =
            pages.iter().copied().filter(|&p| self.is_worth_bringing(p)).take(room).collect();
        if wanted.is_empty() {
            return Ok(0);
        }
        let mut buffers = vec![[0; PAGE]; wanted.len()];
        let answers = self.get_many(&wanted, &mut buffers);
        self.place_ahead(space, &wanted, &buffers, &answers)
    }

    fn is_worth_bringing(&self, page: PageNo) -> bool {
        let state = self.flags(page);
        state & (flag::PRESENT | flag::OLDER) == 0
            && state & (flag::STORED | flag::FOREIGN) != 0
            && self.rules.withheld(page).is_empty()
    }

    fn present_fault(
        &mut self,
        space: &mut dyn Space,
        page: PageNo,
        access: Access,
    ) -> Result<Resolved, Error> {
        if !is_write(access) {
            self.counters.spurious += 1;
            return Ok(Resolved::Present);
        }
        if self.has(page, flag::DIRTY) {
            self.counters.spurious += 1;
        } else {
            self.counters.write_faults += 1;
            if self.wants_twin(page) {
                let mut twin = Box::new([0; PAGE]);
                space.read(page, &mut twin)?;
                self.twins.insert(page.get(), twin);
            }
            self.mark_dirty(page);
        }
        self.unprotect(space, page)?;
        Ok(Resolved::Present)
    }

    fn wants_twin(&self, page: PageNo) -> bool {
        self.has(page, flag::STORED | flag::FOREIGN)
            && self.twins.len() < self.options.twins as usize
    }

    fn writable(&self, page: PageNo, access: Access) -> bool {
        is_write(access) && !self.rules.withheld(page).contains(Rights::WRITE)
    }

    /// Brings one page, straight into its place.
    fn bring(
        &mut self,
        space: &mut dyn Space,
        page: PageNo,
        access: Access,
    ) -> Result<Resolved, Error> {
        let writable = self.writable(page, access);
        if self.has(page, flag::OLDER) {
            return self.bring_older(space, page);
        }
        if !self.has(page, flag::STORED | flag::FOREIGN) {
            return self.fill_zero(space, page, writable);
        }
        let mut found = true;
        // A page that was never put is believed as the store gives it. So nothing but the store's
        // bytes may be in the buffer; of other pages the checksum tells.
        let believed = !self.has(page, flag::STORED);
        let mut twin = (writable && self.wants_twin(page)).then(|| Box::new([0; PAGE]));
        let filled = space.fill(page, writable, &mut |content| {
            if believed {
                content.fill(0);
            }
            found = self.get_checked(page, content)?;
            if !found {
                content.fill(0);
            }
            if let Some(twin) = &mut twin {
                twin.copy_from_slice(content);
            }
            Ok(())
        })?;
        self.filled(page, filled, writable);
        if let (Some(twin), true) = (twin, found) {
            self.twins.insert(page.get(), twin);
        }
        self.counters.zero_fills += u64::from(!found);
        Ok(if found { Resolved::Brought } else { Resolved::Zero })
    }

    /// Brings a page that the names have: its slot in the store holds another version, so it is dirty
    /// from the start.
    fn bring_older(&mut self, space: &mut dyn Space, page: PageNo) -> Result<Resolved, Error> {
        let writable = !self.rules.withheld(page).contains(Rights::WRITE);
        // Whether it was there already or not: nothing is known of what the store has.
        space.fill(page, writable, &mut |content| self.get_older(page, content))?;
        self.older.remove(&page.get());
        self.known[page.index()].flags &= !flag::OLDER;
        if !writable {
            self.known[page.index()].flags |= flag::PROTECTED;
        }
        self.arrive(page, true);
        Ok(Resolved::Brought)
    }

    fn fill_zero(
        &mut self,
        space: &mut dyn Space,
        page: PageNo,
        writable: bool,
    ) -> Result<Resolved, Error> {
        let filled = space.fill_zero(page, writable)?;
        self.counters.zero_fills += 1;
        self.filled(page, filled, writable);
        Ok(Resolved::Zero)
    }

    /// A page that was there already may have been written by anybody.
    fn filled(&mut self, page: PageNo, filled: Filled, writable: bool) {
        self.arrive(page, writable || filled == Filled::Already);
    }

    /// Brings a page and those that should come with it, in one batch of the store.
    fn bring_with(
        &mut self,
        space: &mut dyn Space,
        page: PageNo,
        access: Access,
        wanted: &[PageNo],
    ) -> Result<Resolved, Error> {
        if self.has(page, flag::OLDER) || !self.has(page, flag::STORED | flag::FOREIGN) {
            let alone = self.bring(space, page, access)?;
            self.prefault(space, wanted)?;
            return Ok(alone);
        }
        let all: Vec<PageNo> = [page].into_iter().chain(wanted.iter().copied()).collect();
        let mut buffers = vec![[0; PAGE]; all.len()];
        let answers = self.get_many(&all, &mut buffers);
        let writable = self.writable(page, access);
        let found = match &answers[0] {
            Answer::Found => true,
            Answer::Missing => false,
            // Alone, it is tried again.
            Answer::Failed(_) => {
                let brought = self.bring(space, page, access)?;
                self.place_ahead(space, &all[1..], &buffers[1..], &answers[1..])?;
                return Ok(brought);
            }
        };
        let filled = space.fill(page, writable, &mut |content| {
            match found {
                true => content.copy_from_slice(&buffers[0]),
                false => content.fill(0),
            }
            Ok(())
        })?;
        self.filled(page, filled, writable);
        if found && writable && self.wants_twin(page) {
            self.twins.insert(page.get(), Box::new(buffers[0]));
        }
        self.counters.zero_fills += u64::from(!found);
        self.place_ahead(space, &all[1..], &buffers[1..], &answers[1..])?;
        Ok(if found { Resolved::Brought } else { Resolved::Zero })
    }

    fn place_ahead(
        &mut self,
        space: &mut dyn Space,
        pages: &[PageNo],
        buffers: &[Page],
        answers: &[Answer],
    ) -> Result<u32, Error> {
        let mut placed = 0;
        for ((&page, buffer), answer) in pages.iter().zip(buffers).zip(answers) {
            if *answer != Answer::Found {
                continue;
            }
            let filled = space.fill(page, false, &mut |content| {
                content.copy_from_slice(buffer);
                Ok(())
            })?;
            self.filled(page, filled, false);
            self.known[page.index()].flags |= flag::AHEAD;
            self.counters.prefetched += 1;
            placed += 1;
        }
        Ok(placed)
    }
}
