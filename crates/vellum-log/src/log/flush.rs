//! From the buffer to the medium: with a sync, without one, or both in one call.

use super::Log;
use crate::error::{Error, io_error};
use crate::planted::{Bug, is_planted};
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
        let Some(active) = self.active.as_ref().filter(|_| self.has_frames()) else {
            return Ok(());
        };
        let (start, fresh) = (active.at - self.buffer.len() as u64, self.written as u64);
        let failed = io_error("write", &self.place, &active.segment.name);
        let bytes = self.buffer.from(self.written);
        let bytes_len = bytes.len();
        active.segment.file.write_at(start + fresh, bytes).map_err(failed)?;
        self.unsynced = true;
        self.note_written(bytes_len);
        Ok(())
    }

    /// Writes and syncs in one call, in whole units: what stood in the first unit before the frames
    /// is written again as it is, and zeros behind them, where nothing is that counts.
    fn write_durably(&mut self) -> Result<bool, Error> {
        let Some(active) = self.active.as_ref().filter(|_| self.has_frames()) else {
            return Ok(false);
        };
        let (file, len) = (&active.segment.file, self.buffer.len());
        let start = active.at - len as u64;
        let whole = len.next_multiple_of(active.unit);
        let failed = io_error("write", &self.place, &active.segment.name);
        let (count, wrote) = if start + whole as u64 <= active.segment.capacity {
            (whole, self.buffer.padded(whole, |bytes| file.write_durably_at(start, bytes)))
        } else {
            let fresh = self.buffer.from(self.written);
            (fresh.len(), file.write_durably_at(start + self.written as u64, fresh))
        };
        wrote.map_err(failed)?;
        self.note_written(count);
        Ok(true)
    }

    fn has_frames(&self) -> bool {
        self.buffer.len() > self.written
    }

    /// Forgets what was written, but for the unit that the next frame begins in.
    fn note_written(&mut self, count: usize) {
        if let Some(active) = &self.active {
            self.written = self.buffer.len() % active.unit;
            self.buffer.forget(self.buffer.len() - self.written);
            active.segment.end.store(active.at, Ordering::Release);
            self.counters.writes += 1;
            self.counters.written += count as u64;
        }
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
        if self.write_durably()? {
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
