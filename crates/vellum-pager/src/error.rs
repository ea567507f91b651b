//! What can go wrong.

use crate::PageNo;
use std::io;
use thiserror::Error as ThisError;

/// Why a pager, a trace or process memory could not do what was asked.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A page outside the space.
    #[error("{page} is outside a space of {pages} pages")]
    Outside {
        /// The page.
        page: PageNo,
        /// Pages of the space.
        pages: u32,
    },
    /// A page that an earlier failure made unreadable.
    #[error("{page} is lost: {why}")]
    Lost {
        /// The page.
        page: PageNo,
        /// What happened to it.
        why: String,
    },
    /// Every page that could go must stay.
    #[error("no page can go: {held} are held of a quota of {quota}, all of them pinned")]
    AllPinned {
        /// Pages held.
        held: u32,
        /// Pages that may be held.
        quota: u32,
    },
    /// Pages were removed meanwhile: whoever asked asks again, with what the pages are now.
    #[error("pages were removed while {page} was handled")]
    Interrupted {
        /// The page.
        page: PageNo,
    },
    /// A rule forbids the access.
    #[error("{page} may not be accessed: {why}")]
    Refused {
        /// The page.
        page: PageNo,
        /// The reason's name.
        why: String,
    },
    /// An option that is not possible.
    #[error("{field} is {value}, which is not possible: {why}")]
    Option {
        /// Which.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The memory behind the pages refused.
    #[error("{what} of {page}: {why}")]
    Space {
        /// What was tried.
        what: &'static str,
        /// The page.
        page: PageNo,
        /// In words.
        why: String,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What it says.
        source: io::Error,
    },
    /// A page trace that ends within a number.
    #[error("a page trace of {bytes} bytes is no whole number of 4-byte page numbers")]
    TraceCut {
        /// Its length.
        bytes: u64,
    },
    /// A page trace with too many references.
    #[error("a page trace of more than {limit} references")]
    TraceTooLong {
        /// The limit.
        limit: u64,
    },
    /// A page trace with too many pages.
    #[error("a page trace that touches more than {limit} different pages")]
    TraceTooWide {
        /// The limit.
        limit: u32,
    },
}

/// Why a store could not give or take pages.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum StoreError {
    /// It has no room.
    #[error("{store} is full: {used} of {limit} {unit}")]
    Full {
        /// The store's name.
        store: String,
        /// What it holds.
        used: u64,
        /// What it may hold.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// A page beyond its end.
    #[error("{store} holds pages below {limit}, {page} is not one")]
    PastEnd {
        /// The store's name.
        store: String,
        /// The page.
        page: PageNo,
        /// Its end.
        limit: u64,
    },
    /// It answered with another content than it was given.
    #[error("{store} gave {page} with checksum {found:#010x}, {expected:#010x} was put there")]
    Corrupt {
        /// The store's name.
        store: String,
        /// The page.
        page: PageNo,
        /// The checksum of what came.
        found: u32,
        /// The checksum of what was put.
        expected: u32,
    },
    /// It does not have a page that it was given.
    #[error("{store} has lost {page}")]
    Lost {
        /// The store's name.
        store: String,
        /// The page.
        page: PageNo,
    },
    /// It can't be reached, or failed.
    #[error("{store}: {what} of {page} failed: {why}")]
    Failed {
        /// The store's name.
        store: String,
        /// What was tried.
        what: &'static str,
        /// The first page of the batch.
        page: PageNo,
        /// In words.
        why: String,
    },
    /// It may only be read.
    #[error("{store} may only be read")]
    ReadOnly {
        /// The store's name.
        store: String,
    },
}
