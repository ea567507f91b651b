//! Where the owner of the memory and the scavenger's thread meet: a batch goes there and back.

use super::batch::Batch;
use parking_lot::{Condvar, Mutex};
use std::time::Duration;

/// How far a batch is.
#[derive(Debug, Default)]
enum Phase {
    #[default]
    Idle,
    /// The thread waits for a batch.
    Wanted,
    Ready(Batch),
    Working,
    /// What is noted down in it is to be done.
    Done(Batch),
}

/// Where the owner of the memory and the scavenger's thread meet.
#[derive(Debug, Default)]
pub(super) struct Errand {
    phase: Mutex<Phase>,
    changed: Condvar,
}

/// A batch that is worked on: it goes back to its owner however the work ends.
pub(super) struct InWork<'a> {
    errand: &'a Errand,
    pub(super) batch: Option<Batch>,
}

impl Drop for InWork<'_> {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            *self.errand.phase.lock() = Phase::Done(batch);
            self.errand.changed.notify_all();
        }
    }
}

impl Errand {
    /// Whether a batch is done, and whether one is wanted.
    pub(super) fn asks(&self) -> (bool, bool) {
        let phase = self.phase.lock();
        (matches!(*phase, Phase::Done(_)), matches!(*phase, Phase::Wanted))
    }

    /// Hands a batch over.
    pub(super) fn give(&self, batch: Batch) {
        *self.phase.lock() = Phase::Ready(batch);
        self.changed.notify_all();
    }

    /// Asks for a batch, and waits for it at most for so long.
    pub(super) fn ask(&self, patience: Duration) -> Option<InWork<'_>> {
        let mut phase = self.phase.lock();
        if matches!(*phase, Phase::Idle) {
            *phase = Phase::Wanted;
        }
        if !matches!(*phase, Phase::Ready(_)) {
            self.changed.wait_for(&mut phase, patience);
        }
        if !matches!(*phase, Phase::Ready(_)) {
            return None;
        }
        let Phase::Ready(batch) = core::mem::replace(&mut *phase, Phase::Working) else {
            return None;
        };
        Some(InWork { errand: self, batch: Some(batch) })
    }

    /// Takes the batch back, if there is one, once nobody works on it.
    pub(super) fn take_back(&self) -> Option<Batch> {
        let mut phase = self.phase.lock();
        while matches!(*phase, Phase::Working) {
            self.changed.wait(&mut phase);
        }
        match core::mem::take(&mut *phase) {
            Phase::Ready(batch) | Phase::Done(batch) => Some(batch),
            Phase::Wanted => {
                *phase = Phase::Wanted;
                None
            }
            Phase::Idle | Phase::Working => None,
        }
    }
}
