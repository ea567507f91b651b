//! The pages that a pager fills and empties: what is behind them differs, the pager does not.

mod host;
mod plain;
#[cfg(target_os = "linux")]
pub mod process;

pub use host::{Changed, HostSpace};
pub use plain::PlainSpace;

use crate::{Error, PAGE, Page, PageNo, StoreError};

/// What [`Space::fill`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// The page is there now, with that content.
    Done,
    /// It was there already; its content is what it was.
    Already,
}

/// Writes a page's content into a buffer that a space offers: all of it, as the buffer may hold what
/// some other page was.
pub type Write<'a> = &'a mut dyn FnMut(&mut Page) -> Result<(), StoreError>;
/// Takes pages' content over; an error leaves them where they are.
pub type Save<'a> = &'a mut dyn FnMut(&[(PageNo, &Page)]) -> Result<(), StoreError>;

/// Has copies of pages saved, which `read` puts into `room`; that grows if it has too few.
fn save_copies(
    pages: &[PageNo],
    room: &mut Vec<Page>,
    save: Save<'_>,
    mut read: impl FnMut(PageNo, &mut Page) -> Result<(), Error>,
) -> Result<(), Error> {
    if room.len() < pages.len() {
        room.resize(pages.len(), [0; PAGE]);
    }
    for (&page, copy) in pages.iter().zip(&mut *room) {
        read(page, copy)?;
    }
    let views: Vec<(PageNo, &Page)> = pages.iter().copied().zip(&*room).collect();
    Ok(save(&views)?)
}

/// A set of pages that can be filled, read, write-protected and removed.
///
/// The pager calls in this order: an absent page is filled; a present one may be forbidden and
/// allowed to be written, any number of times; a present one is taken or dropped, and is absent
/// again. While a page is being taken nobody can change it: whoever tries to write it waits, and
/// then finds it absent.
pub trait Space {
    /// Makes an absent page present, with the content that `write` makes. Unless `writable`, the
    /// first write to it comes to the pager.
    ///
    /// # Errors
    /// When `write` fails, or there is no memory for the page; it is absent then.
    fn fill(&mut self, page: PageNo, writable: bool, write: Write<'_>) -> Result<Filled, Error>;

    /// Makes an absent page present, full of zeros.
    ///
    /// # Errors
    /// When there is no memory for it.
    fn fill_zero(&mut self, page: PageNo, writable: bool) -> Result<Filled, Error>;

    /// A present page may be written from now on.
    ///
    /// # Errors
    /// When the memory behind it refuses.
    fn allow_writes(&mut self, page: PageNo) -> Result<(), Error>;

    /// The next write to a present page comes to the pager. Complete when the call returns: a write
    /// that was let through before is in the page's content.
    ///
    /// # Errors
    /// When the memory behind it refuses.
    fn forbid_writes(&mut self, page: PageNo) -> Result<(), Error>;

    /// Copies a present page out.
    ///
    /// # Errors
    /// When it is not there.
    fn read(&mut self, page: PageNo, into: &mut Page) -> Result<(), Error>;

    /// Takes present pages out of the space, if `save` takes their content. A space that can't show it
    /// where it is copies it to `room`, which the caller keeps from call to call.
    ///
    /// # Errors
    /// When `save` fails, or the memory behind a page refuses; all of them are present then.
    fn take(&mut self, pages: &[PageNo], room: &mut Vec<Page>, save: Save<'_>)
    -> Result<(), Error>;

    /// Removes a present page that nobody has written since it was filled or saved.
    ///
    /// # Errors
    /// When the memory behind it refuses; it is present then.
    fn discard(&mut self, page: PageNo) -> Result<(), Error>;

    /// Whether somebody else holds the page where it is.
    fn is_held(&self, page: PageNo) -> bool {
        let _ = page;
        false
    }
}
