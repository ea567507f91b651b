//! What bounds a pager: its quota, which may change at any time, and pages that must stay.

use super::{Pager, flag};
use crate::space::Space;
use crate::{Error, PageNo};
use std::ops::Range;

impl Pager {
    /// Pages that may be present.
    pub fn quota(&self) -> u32 {
        self.options.quota
    }

    /// Changes the quota; pages that are too many then are evicted at once. A balloon inflates by
    /// lowering it and deflates by raising it.
    ///
    /// # Errors
    /// When it is zero, or not enough pages can go. The new quota holds in the second case.
    pub fn set_quota(&mut self, space: &mut dyn Space, quota: u32) -> Result<(), Error> {
        if quota == 0 {
            let why = "a space needs a page";
            return Err(Error::Option { field: "quota", value: 0, why });
        }
        self.options.quota = quota;
        self.options.batch = self.options.batch.min(quota);
        self.options.free_high = self.options.free_high.min(quota - 1);
        self.options.free_low = self.options.free_low.min(self.options.free_high);
        self.policy.set_capacity(quota);
        self.make_room(space, 0, None)
    }

    /// Keeps a page in the space, once it is there, until [`Pager::unpin`] as often.
    pub fn pin(&mut self, page: PageNo) {
        *self.pins.entry(page.get()).or_default() += 1;
    }

    /// Takes one pin away; nothing happens when there is none.
    pub fn unpin(&mut self, page: PageNo) {
        if let Some(pins) = self.pins.get_mut(&page.get()) {
            *pins -= 1;
            if *pins == 0 {
                self.pins.remove(&page.get());
            }
        }
    }

    /// Somebody dropped the content of pages, as `madvise(MADV_DONTNEED)` does: they are absent, and
    /// zeros from now on, whatever the store has.
    ///
    /// # Errors
    /// When the store can't be told, or not keep what kept roots name; the pages are zeros all the same.
    pub fn removed(&mut self, pages: Range<u32>) -> Result<(), Error> {
        let mut stored = Vec::new();
        let mut kept = Ok(());
        for page in (pages.start..pages.end.min(self.options.pages)).map(PageNo::new) {
            let state = self.known[page.index()].flags;
            if state & flag::PRESENT != 0 {
                self.policy.forget(page.get());
                self.counters.removed += 1;
            }
            if state & (flag::STORED | flag::FOREIGN) != 0 {
                stored.push(page);
            }
            if let Err(error) = self.keep_named(page) {
                if let Some(names) = &self.names {
                    names.lose(page);
                }
                kept = Err(error);
            }
            if let Some(history) = &mut self.history {
                history.forget(page);
            }
            self.mark_clean(page);
            self.older.remove(&page.get());
            self.known[page.index()].flags &= flag::BEFORE | flag::QUEUED;
        }
        self.store.discard(&stored)?;
        Ok(kept?)
    }
}
