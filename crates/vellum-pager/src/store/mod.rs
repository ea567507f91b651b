//! Where pages are when they are not in memory.
//!
//! A [`PageStore`] takes and gives pages in batches, synchronously. It promises little: the
//! [`Pager`](crate::Pager) checks every page that comes back against the checksum of what it put,
//! so that a store which answers with another page, an old version or noise is found out, and the
//! reader gets an error instead.

mod file;
mod latency;
mod nvm;
#[cfg(feature = "object-store")]
mod object;
mod pack;
mod pool;
mod ram;
#[cfg(feature = "redis")]
mod redis;
mod tier;
mod volume;

pub use file::FileStore;
pub use latency::Slow;
pub use nvm::NvmStore;
#[cfg(feature = "object-store")]
pub use object::ObjectStore;
pub use pack::{Pack, PackError};
pub use pool::CompressedPool;
pub use ram::RamStore;
#[cfg(feature = "redis")]
pub use redis::RedisStore;
pub use tier::{TierOptions, Tiered};
pub use volume::VolumeStore;

use crate::{Lines, Page, PageNo, StoreError};
use std::fmt::Debug;

/// A page that is wanted: where its content goes, and what the store answered.
#[derive(Debug)]
pub struct Get<'a> {
    /// The page.
    pub page: PageNo,
    /// Filled when the answer is [`Answer::Found`]; otherwise its content means nothing.
    pub into: &'a mut Page,
    /// The store's answer; [`Answer::Missing`] before it was asked.
    pub answer: Answer,
}

impl<'a> Get<'a> {
    /// Wants `page`.
    pub fn new(page: PageNo, into: &'a mut Page) -> Self {
        Get { page, into, answer: Answer::Missing }
    }
}

/// What a store says of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was never put there, or was discarded.
    Missing,
    /// Here it is.
    Found,
    /// It may be there, and can't be had.
    Failed(StoreError),
}

/// A page to keep.
#[derive(Debug, Clone, Copy)]
pub struct Put<'a> {
    /// The page.
    pub page: PageNo,
    /// All of it.
    pub content: &'a Page,
    /// The lines that differ from what the store was last given; all of them when it was not. A
    /// store that can write parts may write these alone.
    pub lines: Lines,
}

/// What went through a store.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Batches asked for.
    pub get_batches: u64,
    /// Pages given.
    pub pages_got: u64,
    /// Batches taken.
    pub put_batches: u64,
    /// Pages taken.
    pub pages_put: u64,
    /// Bytes of pages that really went to where the store keeps them.
    pub bytes_put: u64,
    /// Picoseconds of virtual time that models of devices took.
    pub model_ps: u64,
}

/// Keeps pages.
pub trait PageStore: Debug + Send {
    /// A name for errors and reports.
    fn name(&self) -> &str;

    /// A page will be asked for in a moment. A store that has it in memory has the processor fetch it
    /// meanwhile; nothing but time depends on it.
    fn get_soon(&self, page: PageNo) {
        let _ = page;
    }

    /// A page will be handed over in a moment; likewise.
    fn put_soon(&self, page: PageNo) {
        let _ = page;
    }

    /// Answers each of `batch`. The answers stand in the batch, so that one page's failure is not
    /// the others'.
    fn get(&mut self, batch: &mut [Get<'_>]);

    /// Keeps each of `batch`: afterwards `get` gives it. Whether it survives a loss of power before
    /// [`PageStore::flush`] is the store's matter.
    ///
    /// # Errors
    /// When not all could be kept; any of them may have been.
    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError>;

    /// These pages are not wanted any more.
    ///
    /// # Errors
    /// When the store can't be reached; it may keep them or not.
    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError>;

    /// Makes what was put durable, where the store is.
    ///
    /// # Errors
    /// When it can't.
    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What went through it so far.
    fn traffic(&self) -> Traffic;
}

impl<S: PageStore + ?Sized> PageStore for Box<S> {
    fn name(&self) -> &str {
        (**self).name()
    }
    fn get_soon(&self, page: PageNo) {
        (**self).get_soon(page);
    }
    fn put_soon(&self, page: PageNo) {
        (**self).put_soon(page);
    }
    fn get(&mut self, batch: &mut [Get<'_>]) {
        (**self).get(batch);
    }
    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        (**self).put(batch)
    }
    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        (**self).discard(pages)
    }
    fn flush(&mut self) -> Result<(), StoreError> {
        (**self).flush()
    }
    fn traffic(&self) -> Traffic {
        (**self).traffic()
    }
}

/// An error of a store that failed at `what`.
fn failed(store: &str, what: &'static str, page: PageNo, why: impl ToString) -> StoreError {
    StoreError::Failed { store: store.into(), what, page, why: why.to_string() }
}
