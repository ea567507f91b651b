//! Carrying out commits: the batch, the leader's write, and waiting.

use super::{Shared, Store, lock};
use crate::batch::Batch;
use crate::error::Error;
use crate::group::Ticket;
use crate::options::Durability;
use crate::stats::micros;
use std::sync::atomic::Ordering;

/// A commit that may not be durable yet.
#[derive(Debug, Clone, Copy)]
pub struct Commit {
    pub(crate) ticket: Ticket,
}

impl Commit {
    /// Whether it is durable.
    pub fn is_durable(&self, store: &Store) -> bool {
        store.shared.group.is_done(self.ticket)
    }

    /// Returns when it is durable, flushing if nobody else does.
    ///
    /// # Errors
    /// When the log can't be written, or the store is poisoned.
    pub fn wait(&self, store: &Store) -> Result<(), Error> {
        store.shared.make_durable(self.ticket)
    }
}

impl Store {
    /// Makes all commits so far durable.
    ///
    /// # Errors
    /// When the log can't be written, or the store is poisoned.
    pub fn flush(&self) -> Result<(), Error> {
        self.alive()?;
        self.shared.flush()
    }

    pub(crate) fn hand_in(
        &self,
        promised: u64,
        add: impl FnOnce(&mut Batch),
    ) -> Result<Ticket, Error> {
        self.shared.hand_in(promised, add)
    }

    /// Promises the log's bytes for ranges that are to be handed in.
    pub(crate) fn promise(&self, ranges: usize, bytes: u64) -> Result<u64, Error> {
        let cost = self.shared.cost(ranges, bytes);
        let made = self.shared.promise(cost);
        if made.as_ref().is_err_and(Error::is_disk_full) {
            self.shared.wish_truncation();
            if let Some(worker) = &self.worker {
                worker.look(&self.shared);
            }
        }
        made.map(|()| cost)
    }

    pub(crate) fn carry_out(&self, commit: &Commit, durability: Durability) -> Result<(), Error> {
        match durability {
            Durability::Flush => commit.wait(self)?,
            Durability::NoFlush => {}
            Durability::Async => match &self.worker {
                Some(worker) => worker.flush(),
                None => commit.wait(self)?,
            },
        }
        if let Some(worker) = &self.worker {
            worker.look(&self.shared);
        }
        Ok(())
    }
}

impl Shared {
    /// Adds one transaction, for which `promised` bytes of the log were, to the batch; writes the
    /// batch if it has outgrown its limit.
    pub(super) fn hand_in(
        &self,
        promised: u64,
        add: impl FnOnce(&mut Batch),
    ) -> Result<Ticket, Error> {
        let limit = self.options.pending_max;
        let joined = self.group.join(|batch| {
            add(batch);
            batch.commits += 1;
            batch.promised += promised;
            if batch.weight() <= limit {
                return false;
            }
            batch.compact();
            let (ranges, bytes) = batch.size();
            let cost = self.cost(ranges, bytes).min(batch.promised);
            self.give_back(batch.promised - cost);
            batch.promised = cost;
            batch.weight() > limit / 2
        });
        let (ticket, heavy) = joined.map_err(|first| Error::Poisoned { first })?;
        if heavy {
            self.make_durable(ticket)?;
        }
        Ok(ticket)
    }

    pub(super) fn flush(&self) -> Result<(), Error> {
        self.make_durable(self.group.latest())
    }

    pub(crate) fn make_durable(&self, ticket: Ticket) -> Result<(), Error> {
        // Who met the error gets it as it is; the others hear of it.
        let mut met = None;
        let outcome = self.group.wait(ticket, |batch| {
            self.write(batch).map_err(|error| {
                let text = describe(&error);
                met = Some(error);
                text
            })
        });
        outcome.map_err(|first| met.unwrap_or(Error::Poisoned { first }))
    }

    /// Makes all commits so far durable, for the background's sake. What fails without anybody who
    /// waits for it is told as well.
    pub(super) fn settle(&self) -> Result<(), Error> {
        let mut met = None;
        let outcome = self.group.wait_beside(self.group.latest(), |batch| {
            self.write(batch).map_err(|error| {
                let text = describe(&error);
                met = Some(error);
                text
            })
        });
        outcome.map_err(|first| met.unwrap_or(Error::Poisoned { first }))?;
        match self.group.failure() {
            Some(first) => Err(Error::Poisoned { first }),
            None => Ok(()),
        }
    }

    /// The leader's work: one record, one flush.
    fn write(&self, mut batch: Batch) -> Result<Batch, Error> {
        let mut result = Ok(());
        let kept = batch.coalesce();
        let time = micros(|| {
            let mut log = lock(&self.log);
            result = batch
                .frames(self.frame_limit(), |index, bodies, more| log.append(index, bodies, more))
                .and_then(|()| log.flush());
            self.keep(&log, batch.promised);
            let from = self.truncate_from.load(Ordering::Relaxed);
            let due = log.live_bytes() > from || log.needs_spare();
            self.due.store(due, Ordering::Relaxed);
        });
        result?;
        let mut stats = lock(&self.stats);
        stats.flush_us.add(time);
        if self.truncation.load(Ordering::Relaxed) {
            stats.flush_beside_truncation_us.add(time);
        }
        stats.group.add(batch.commits);
        stats.saved_bytes += batch.offered - kept;
        drop(stats);
        batch.clear();
        Ok(batch)
    }
}

/// An error with its causes, in one line.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
