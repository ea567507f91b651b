//! A store with a price: virtual time a batch and a page, for stores whose own latency is that of
//! this machine and not of what they stand for.

use super::{Get, PageStore, Put, Traffic};
use crate::{PageNo, StoreError};
use vellum_block::Duration;

/// Charges every batch and every page to [`Traffic::model_ps`]; waits for nothing.
#[derive(Debug)]
pub struct Slow<S> {
    store: S,
    batch: Duration,
    page: Duration,
    spent: u64,
}

impl<S: PageStore> Slow<S> {
    /// A round trip of `batch` for any number of pages, and `page` more for each.
    pub fn new(store: S, batch: Duration, page: Duration) -> Self {
        Slow { store, batch, page, spent: 0 }
    }

    fn charge(&mut self, pages: usize) {
        let cost = self.batch.as_ps().saturating_add(self.page.times(pages as u64).as_ps());
        self.spent = self.spent.saturating_add(cost);
    }
}

impl<S: PageStore> PageStore for Slow<S> {
    fn name(&self) -> &str {
        self.store.name()
    }

    fn get_soon(&self, page: PageNo) {
        self.store.get_soon(page);
    }

    fn put_soon(&self, page: PageNo) {
        self.store.put_soon(page);
    }

    fn get(&mut self, batch: &mut [Get<'_>]) {
        self.charge(batch.len());
        self.store.get(batch);
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        self.charge(batch.len());
        self.store.put(batch)
    }

    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        self.charge(0);
        self.store.discard(pages)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.store.flush()
    }

    fn traffic(&self) -> Traffic {
        let traffic = self.store.traffic();
        Traffic { model_ps: traffic.model_ps.saturating_add(self.spent), ..traffic }
    }
}
