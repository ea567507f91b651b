//! Rights that are withheld for a reason, and given back.

use super::{Pager, flag};
use crate::rules::{Handler, Reason};
use crate::space::Space;
use crate::{Error, PageNo};
use vellum_translate::Rights;

impl Pager {
    /// Registers a reason to withhold `rights` from pages, and who decides when it is in the way.
    ///
    /// # Errors
    /// When there are [`Reason::MAX`] already.
    pub fn register(
        &mut self,
        name: &str,
        rights: Rights,
        handler: Box<dyn Handler>,
    ) -> Result<Reason, Error> {
        self.rules.register(name, rights, handler).ok_or(Error::Option {
            field: "reasons",
            value: Reason::MAX as u64 + 1,
            why: "all are taken",
        })
    }

    /// Withholds a reason's rights from a page: a page that may not be read leaves the space, one
    /// that may only not be written is protected.
    ///
    /// # Errors
    /// When the page can't leave: it is pinned, or the store fails.
    pub fn withhold(
        &mut self,
        space: &mut dyn Space,
        page: PageNo,
        reason: Reason,
    ) -> Result<(), Error> {
        self.check(page)?;
        let rights = self.rules.withhold(page, reason);
        if !self.is_present(page) {
            return Ok(());
        }
        if rights.intersects(Rights::READ | Rights::EXECUTE) {
            self.evict(space, page)
        } else {
            self.protect(space, page)
        }
    }

    /// The reason no longer holds. What it withheld comes back with the next access.
    pub fn lift(&mut self, page: PageNo, reason: Reason) {
        self.rules.lift(page, reason);
    }

    pub(super) fn protect(&mut self, space: &mut dyn Space, page: PageNo) -> Result<(), Error> {
        space.forbid_writes(page)?;
        self.known[page.index()].flags |= flag::PROTECTED;
        Ok(())
    }

    pub(super) fn unprotect(&mut self, space: &mut dyn Space, page: PageNo) -> Result<(), Error> {
        space.allow_writes(page)?;
        self.known[page.index()].flags &= !flag::PROTECTED;
        Ok(())
    }
}
