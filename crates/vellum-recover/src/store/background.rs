//! Background work: flushes that somebody asked for without waiting, truncation when the log has
//! grown, and segments made ahead of need.

use super::{Shared, Store, lock};
use crate::error::{Error, io_error};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

#[derive(Debug, Default, Clone, Copy)]
struct Wishes {
    flush: bool,
    tend: bool,
    stop: bool,
}

#[derive(Debug, Default)]
struct Inbox {
    wishes: Mutex<Wishes>,
    changed: Condvar,
    /// The thread is at work.
    working: AtomicBool,
}

/// The store's thread.
#[derive(Debug)]
pub(crate) struct Worker {
    inbox: Arc<Inbox>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start(shared: &Arc<Shared>) -> Result<Self, Error> {
        let inbox = Arc::new(Inbox::default());
        let (shared, theirs) = (shared.clone(), inbox.clone());
        let place = shared.place.clone();
        let thread = std::thread::Builder::new()
            .name("vellum-recover".to_owned())
            .spawn(move || work(&shared, &theirs))
            .map_err(io_error("start a thread for", &place, "."))?;
        Ok(Self { inbox, thread: Some(thread) })
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut lock(&self.inbox.wishes));
        self.inbox.changed.notify_one();
    }

    /// Asks for a flush.
    pub(crate) fn flush(&self) {
        self.wish(|wishes| wishes.flush = true);
    }

    /// Asks for whatever is due, if something is.
    pub(crate) fn look(&self, shared: &Shared) {
        if shared.due.swap(false, Ordering::Relaxed) {
            self.wish(|wishes| wishes.tend = true);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.wish(|wishes| wishes.stop = true);
        if let Some(thread) = self.thread.take() {
            // A panic there has poisoned the store already, by the group's own guard.
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared, inbox: &Inbox) {
    loop {
        let mut wishes = lock(&inbox.wishes);
        while !(wishes.flush || wishes.tend || wishes.stop) {
            wishes = inbox.changed.wait(wishes).unwrap_or_else(PoisonError::into_inner);
        }
        let now = std::mem::take(&mut *wishes);
        inbox.working.store(true, Ordering::Release);
        drop(wishes);
        // Errors poison the store, which tells whoever uses it next; but for those of a full disk
        // that lose nothing, which are counted.
        if now.flush {
            let _ = shared.flush();
        }
        if now.tend && !now.stop {
            let _ = shared.tend();
        }
        inbox.working.store(false, Ordering::Release);
        if now.stop {
            return;
        }
    }
}

impl Store {
    /// Whether the store's thread has something to do or is doing it.
    pub fn is_tending(&self) -> bool {
        self.worker.as_ref().is_some_and(|worker| {
            let wishes = *lock(&worker.inbox.wishes);
            wishes.flush || wishes.tend || worker.inbox.working.load(Ordering::Acquire)
        })
    }

    /// Does the background work that is due: truncation when the log has grown past
    /// [`Options::truncate_at`](crate::Options::truncate_at), and a spare segment.
    ///
    /// # Errors
    /// When the medium fails, or the store is poisoned. A spare that can't be made and a truncation
    /// that has no room (the disk is full) are such errors, but poison nothing: commits go on in the
    /// segments that there are, and both are tried again when the log has grown.
    pub fn tend(&self) -> Result<(), Error> {
        self.alive()?;
        self.shared.tend()
    }
}

impl Shared {
    pub(super) fn tend(&self) -> Result<(), Error> {
        let job = lock(&self.log).wants_spare();
        let mut outcome = Ok(());
        if let Some(job) = job {
            let made = job.run();
            let mut log = lock(&self.log);
            match made {
                Ok(spare) => log.adopt([spare]),
                Err(error) => {
                    log.spare_failed();
                    outcome = Err(error.into());
                }
            }
        }
        if lock(&self.log).live_bytes() > self.truncate_from.load(Ordering::Relaxed) {
            self.truncate()?;
        }
        outcome
    }
}
