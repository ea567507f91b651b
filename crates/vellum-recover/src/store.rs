//! The store: regions, their log, and what ties them together.

mod audit;
mod background;
mod changed;
mod commit;
mod open;
mod room;
mod truncate;

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::error::Error;
use crate::group::Group;
use crate::lazy::Recovered;
use crate::options::{Options, Restore};
use crate::region::{Inner, Region};
use crate::stats::Stats;
use crate::transaction::Transaction;
pub use commit::Commit;
pub(crate) use commit::describe;
pub use open::Opened;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use vellum_log::{Log, Storage};

/// What the store's handle and its background thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    storage: Arc<dyn Storage>,
    place: String,
    options: Options,
    log: Mutex<Log>,
    group: Group<Batch>,
    catalog: Mutex<Catalog>,
    regions: Mutex<BTreeMap<u32, Arc<Inner>>>,
    recovered: Arc<RwLock<Recovered>>,
    /// Held for reading from a page capture's commit until its file is written.
    gate: RwLock<()>,
    /// The last look at the log found something to [`Store::tend`] to.
    due: AtomicBool,
    /// The log is being truncated.
    truncation: AtomicBool,
    /// One truncation at a time.
    truncating: Mutex<()>,
    /// Bytes in the log at which it is truncated: [`Options::truncate_at`], or more after a failure.
    truncate_from: AtomicU64,
    stats: Mutex<Stats>,
    room: Mutex<room::Room>,
    /// The newest generation of the log when it was opened.
    inherited: u64,
    audit: Mutex<audit::Shadows>,
}

/// Recoverable memory in a directory (or any [`Storage`]). See the [crate's text](crate).
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    next_owner: AtomicU64,
    worker: Option<background::Worker>,
    opened: Opened,
}

impl Shared {
    pub(crate) fn gate(&self) -> &RwLock<()> {
        &self.gate
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Begins a transaction. Cost: nothing; it holds nothing until it declares something.
    pub fn begin(&self, restore: Restore) -> Transaction<'_> {
        Transaction::new(self, self.owner(), restore)
    }

    pub(crate) fn owner(&self) -> u64 {
        self.next_owner.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs `work` in a transaction and commits it durably; when it meets a [`Error::Conflict`], it
    /// is undone and run again.
    ///
    /// # Errors
    /// What `work` returns but conflicts, and what committing may meet. The transaction is undone.
    pub fn transact<T>(
        &self,
        mut work: impl FnMut(&mut Transaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            let mut transaction = self.begin(Restore::Yes);
            match work(&mut transaction) {
                Ok(value) => {
                    transaction.commit(crate::Durability::Flush)?;
                    return Ok(value);
                }
                Err(error) if error.is_conflict() => {
                    transaction.abort()?;
                    std::thread::yield_now();
                }
                Err(error) => {
                    transaction.abort()?;
                    return Err(error);
                }
            }
        }
    }

    /// What was found when the store was opened.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The names and lengths of all regions.
    pub fn regions(&self) -> Vec<(String, u64)> {
        let catalog = lock(&self.shared.catalog);
        catalog.entries.iter().map(|entry| (entry.name.clone(), entry.len)).collect()
    }

    /// Costs so far.
    pub fn stats(&self) -> Stats {
        let log = lock(&self.shared.log).counters();
        Stats { log, ..*lock(&self.shared.stats) }
    }

    /// Bytes in the log that truncation would take out.
    pub fn log_bytes(&self) -> u64 {
        lock(&self.shared.log).live_bytes()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn alive(&self) -> Result<(), Error> {
        match self.shared.group.failure() {
            Some(first) => Err(Error::Poisoned { first }),
            None => Ok(()),
        }
    }

    pub(crate) fn poison(&self, why: &str) {
        self.shared.group.fail(why);
    }

    /// A region of another store must not be logged here under a number that means something else.
    pub(crate) fn check_mine(&self, region: &Region) -> Result<(), Error> {
        let mine = Arc::ptr_eq(&region.0.recovered, &self.shared.recovered);
        if mine {
            return Ok(());
        }
        let (place, region) = (self.shared.place.clone(), region.name().to_owned());
        Err(Error::NoRegion { place, region })
    }

    pub(crate) fn note_commit(&self, lengths: impl Iterator<Item = u64>) {
        let mut stats = lock(&self.shared.stats);
        stats.commits += 1;
        for length in lengths {
            stats.range_bytes.add(length);
            stats.declared_bytes += length;
        }
    }

    pub(crate) fn note_capture(&self, capture: crate::track::Capture) {
        lock(&self.shared.stats).page_capture = Some(capture.name());
    }

    pub(crate) fn note_abort(&self) {
        lock(&self.shared.stats).aborts += 1;
    }
}
