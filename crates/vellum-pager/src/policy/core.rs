//! A policy's rules apart from what it keeps of each page, so that several may keep it in one place.

use super::queue::{Cells, Dense};
use super::{Keep, Policy};
use std::fmt::Debug;

/// What [`Policy`] promises, of pages whose cells the caller has.
pub trait Core: Debug + Clone + Send {
    /// Its name.
    const NAME: &'static str;

    /// Pages that it holds.
    fn len(&self) -> u32;

    /// Pages that it should hold.
    fn capacity(&self) -> u32;

    /// Changes that.
    fn set_capacity(&mut self, pages: u32);

    /// Whether it holds a page.
    fn contains(&self, cells: &impl Cells, page: u32) -> bool;

    /// Whether another reference to a page changes nothing.
    fn is_settled(&self, _cells: &impl Cells, _page: u32) -> bool {
        false
    }

    /// A held page is referenced.
    fn touch(&mut self, cells: &mut impl Cells, page: u32);

    /// A page that was not held is now.
    fn admit(&mut self, cells: &mut impl Cells, page: u32);

    /// Takes out the page to go.
    fn victim(&mut self, cells: &mut impl Cells, keep: Keep<'_>) -> Option<u32>;

    /// Takes a page out, without any memory of it.
    fn forget(&mut self, cells: &mut impl Cells, page: u32);
}

/// A policy with cells of its own.
#[derive(Debug, Clone)]
pub struct Alone<P> {
    core: P,
    cells: Dense,
}

impl<P: Core> Alone<P> {
    /// For pages below `pages`.
    pub(super) fn over(core: P, pages: u32) -> Self {
        Alone { core, cells: Dense::new(pages) }
    }
}

impl<P: Core> Policy for Alone<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn len(&self) -> u32 {
        self.core.len()
    }

    fn capacity(&self) -> u32 {
        self.core.capacity()
    }

    fn set_capacity(&mut self, pages: u32) {
        self.core.set_capacity(pages);
    }

    #[inline]
    fn contains(&self, page: u32) -> bool {
        self.core.contains(&self.cells, page)
    }

    #[inline]
    fn is_settled(&self, page: u32) -> bool {
        self.core.is_settled(&self.cells, page)
    }

    #[inline]
    fn touch(&mut self, page: u32) {
        self.core.touch(&mut self.cells, page);
    }

    fn admit(&mut self, page: u32) {
        self.core.admit(&mut self.cells, page);
    }

    fn victim(&mut self, _: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        self.core.victim(&mut self.cells, keep)
    }

    fn forget(&mut self, page: u32) {
        self.core.forget(&mut self.cells, page);
    }
}
