//! Pages in ordinary memory: the plain store that others are tested against, and the far end of a
//! test.

use super::{Answer, Get, PageStore, Put, Traffic};
use crate::{Page, PageNo, StoreError};
use vellum_frames::{prefetch_to_read, prefetch_to_write};

/// A page that begins with a cache line, as copies are fastest between places that are aligned alike.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Slot(Page);

/// Keeps up to a number of pages, uncompressed.
#[derive(Debug, Default)]
pub struct RamStore {
    pages: Vec<Option<Box<Slot>>>,
    held: u64,
    limit: u64,
    traffic: Traffic,
}

impl RamStore {
    /// A store for at most `limit` pages.
    pub fn new(limit: u64) -> Self {
        RamStore { limit, ..Self::default() }
    }

    /// Pages that it holds.
    pub fn len(&self) -> u64 {
        self.held
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }
}

impl PageStore for RamStore {
    fn name(&self) -> &str {
        "memory"
    }

    fn get_soon(&self, page: PageNo) {
        if let Some(Some(slot)) = self.pages.get(page.index()) {
            prefetch_to_read(&slot.0);
        }
    }

    fn put_soon(&self, page: PageNo) {
        if let Some(Some(slot)) = self.pages.get(page.index()) {
            prefetch_to_write(&slot.0);
        }
    }

    fn get(&mut self, batch: &mut [Get<'_>]) {
        self.traffic.get_batches += 1;
        for get in batch {
            if let Some(Some(page)) = self.pages.get(get.page.index()) {
                *get.into = page.0;
                get.answer = Answer::Found;
                self.traffic.pages_got += 1;
            }
        }
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        self.traffic.put_batches += 1;
        for put in batch {
            let at = put.page.index();
            if at >= self.pages.len() {
                self.pages.resize_with(at + 1, || None);
            }
            match &mut self.pages[at] {
                Some(page) => page.0 = *put.content,
                None if self.held == self.limit => {
                    let (used, limit) = (self.held, self.limit);
                    return Err(StoreError::Full {
                        store: self.name().into(),
                        used,
                        limit,
                        unit: "pages",
                    });
                }
                empty => {
                    *empty = Some(Box::new(Slot(*put.content)));
                    self.held += 1;
                }
            }
            self.traffic.pages_put += 1;
            self.traffic.bytes_put += put.content.len() as u64;
        }
        Ok(())
    }

    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        for page in pages {
            if let Some(slot) = self.pages.get_mut(page.index())
                && slot.take().is_some()
            {
                self.held -= 1;
            }
        }
        Ok(())
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}
