//! From the buffer to the medium: with a sync, without one, or both in one call.

use super::Log;
use crate::error::{Error, io_error};
use crate::planted::{Bug, is_planted};
use crate::storage::File;
use std::sync::atomic::Ordering;

impl Log {
    /// Writes what is buffered, without a sync: it survives the process, not the machine.
    ///
    /// # Errors
    /// When the medium fails or the log is poisoned.
    pub fn hand_over(&mut self) -> Result<(), Error> {
        self.alive()?;
        let result = self.write();
        self.watch(result)
    }

    pub(super) fn write(&mut self) -> Result<(), Error> {
        self.write_with(|file, start, bytes| file.write_at(start, bytes)).map(|wrote| {
            self.unsynced |= wrote;
        })
    }

    /// Gives the buffer to `put`, if there is something in it.
    fn write_with(
        &mut self,
        put: impl FnOnce(&dyn File, u64, &[u8]) -> std::io::Result<()>,
    ) -> Result<bool, Error> {
        let Some(active) = &mut self.active else { return Ok(false) };
        if self.buffer.is_empty() {
            return Ok(false);
        }
        let start = active.at - self.buffer.len() as u64;
        let failed = io_error("write", &self.place, &active.segment.name);
        put(&*active.segment.file, start, &self.buffer).map_err(failed)?;
        self.buffer.clear();
        active.segment.end.store(active.at, Ordering::Release);
        self.counters.writes += 1;
        Ok(true)
    }

    /// Makes all appended frames durable: at most one write and one sync.
    ///
    /// # Errors
    /// When the medium fails (the log is poisoned then: a sync is never tried again) or the log is
    /// poisoned already.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.alive()?;
        let result = self.flush_inner();
        self.watch(result)
    }

    fn flush_inner(&mut self) -> Result<(), Error> {
        if self.unsynced || is_planted(self.options.planted, Bug::SkipFlushSync) {
            // A part is written already, so the whole file has to be synced.
            self.write()?;
            return if self.unsynced { self.sync(Bug::SkipFlushSync) } else { Ok(()) };
        }
        if self.write_with(|file, start, bytes| file.write_durably_at(start, bytes))? {
            self.note_durable();
        }
        Ok(())
    }

    pub(super) fn sync(&mut self, bug: Bug) -> Result<(), Error> {
        let Some(active) = &mut self.active else { return Ok(()) };
        if !is_planted(self.options.planted, bug) {
            let failed = io_error("sync", &self.place, &active.segment.name);
            active.segment.file.sync().map_err(failed)?;
        }
        self.note_durable();
        Ok(())
    }

    fn note_durable(&mut self) {
        if let Some(active) = &mut self.active {
            active.durable = active.seq;
        }
        self.unsynced = false;
        self.counters.flushes += 1;
    }
}
