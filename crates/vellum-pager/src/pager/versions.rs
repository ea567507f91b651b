//! Versions of pages: what kept roots of a host table name, and what the store has, read without bringing
//! it.

use super::{Pager, flag};
use crate::{Error, Page, PageNo, StoreError};
use vellum_translate::host::Token;

/// How a page stands in a kept root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// In a frame.
    Present,
    /// On the shared frame of zeros.
    Zeros,
    /// Absent; its entry names this.
    Absent(Token),
}

impl Pager {
    /// The host table behind the space went back to a kept root: this page stands as it did then,
    /// whatever it was a moment ago. The caller tells of every page, and then makes room where the root
    /// has more pages than the quota.
    ///
    /// # Errors
    /// When there is no such page.
    pub fn went_back(&mut self, page: PageNo, stands: Stands) -> Result<(), Error> {
        self.check(page)?;
        if self.is_present(page) {
            self.policy.forget(page.get());
        }
        if let Some(history) = &mut self.history {
            history.forget(page);
        }
        self.mark_clean(page);
        self.older.remove(&page.get());
        let gone = flag::PRESENT | flag::AHEAD | flag::PROTECTED | flag::LOST | flag::OLDER;
        self.known[page.index()].flags &= !gone;
        match stands {
            // Whether the store has this content is not known any more.
            Stands::Present => self.arrive(page, true),
            Stands::Zeros => {}
            Stands::Absent(token) => {
                if self.names.as_ref().is_some_and(|names| names.is_older(token)) {
                    self.known[page.index()].flags |= flag::OLDER;
                    self.older.insert(page.get(), token);
                }
            }
        }
        Ok(())
    }

    /// Reads an older version of a page that its entry names.
    pub(super) fn get_older(&self, page: PageNo, into: &mut Page) -> Result<(), StoreError> {
        let older = self.older.get(&page.get()).zip(self.names.as_ref());
        match older.and_then(|(&token, names)| names.read(token, into).1) {
            Some(read) => read,
            None => Err(StoreError::Lost { store: self.store.name().into(), page }),
        }
    }

    /// Reads a page of the store without bringing it: what a save of all memory needs. `None` when
    /// nothing is stored.
    ///
    /// # Errors
    /// As for a fault.
    pub fn peek(&mut self, page: PageNo, into: &mut Page) -> Result<bool, Error> {
        self.check(page)?;
        if self.has(page, flag::OLDER) {
            return Ok(self.get_older(page, into).map(|()| true)?);
        }
        self.peek_current(page, into)
    }

    /// Reads what a host table's entry of an absent page names, an older version of the page as well,
    /// without bringing it. `false` when it is zeros.
    ///
    /// # Errors
    /// As for a fault.
    pub fn peek_named(&mut self, token: Token, into: &mut Page) -> Result<bool, Error> {
        let named = self.names.as_ref().map(|names| names.read(token, into));
        match named {
            Some((_, Some(read))) => Ok(read.map(|()| true)?),
            Some((page, None)) => self.peek_current(page, into),
            None => self.peek_current(PageNo::new(token.get() as u32), into),
        }
    }

    /// Reads what the store has of a page.
    fn peek_current(&mut self, page: PageNo, into: &mut Page) -> Result<bool, Error> {
        self.check(page)?;
        if !self.has(page, flag::STORED | flag::FOREIGN) {
            return Ok(false);
        }
        Ok(self.get_checked(page, into)?)
    }
}
