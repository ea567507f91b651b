//! From one segment to the next: a full one is sealed, a spare becomes the one that is written.

use super::retire::Spare;
use super::{Active, Log, Sealed};
use crate::error::{Error, io_error};
use crate::frame;
use crate::planted::{Bug, is_planted};
use crate::segment::{SEGMENT_HEADER, Segment, spare_name};
use std::sync::Arc;

impl Log {
    /// Ends the segment that is written, if it has frames: all of it is durable and can be
    /// truncated; the next append begins another.
    ///
    /// # Errors
    /// As [`Log::flush`].
    pub fn seal(&mut self) -> Result<(), Error> {
        self.alive()?;
        let result = self.seal_inner();
        self.watch(result)
    }

    pub(super) fn seal_inner(&mut self) -> Result<(), Error> {
        if self.active.as_ref().is_none_or(|active| active.seq == 0) {
            return Ok(());
        }
        self.write()?;
        if self.unsynced {
            self.sync(Bug::SkipSwitchSync)?;
        }
        if let Some(active) = self.active.take() {
            let (segment, complete) = (active.segment, !self.open_record);
            self.sealed.push_back(Sealed { segment, check: self.check, complete });
            self.buffer.clear();
            self.written = 0;
        }
        Ok(())
    }

    /// Seals the active segment and takes another into use with room for `need` bytes.
    pub(super) fn switch(&mut self, need: u64) -> Result<(), Error> {
        self.seal_inner()?;
        self.clean_up()?;
        let least = (SEGMENT_HEADER + need).max(self.options.segment_min);
        let fitting = self.spares.iter().position(|spare| spare.capacity >= least);
        let spare = match fitting {
            Some(at) => self.spares.swap_remove(at),
            None => self.new_spare_job(least).run()?,
        };
        let segment = self.activate(&spare)?;
        self.counters.segments += 1;
        self.counters.reused += u64::from(spare.reused);
        let (at, unit) = (SEGMENT_HEADER, segment.file.unit());
        // Frames begin at a unit's start; a file with stranger units is written byte by byte.
        let unit = if unit > 0 && at.is_multiple_of(unit as u64) { unit } else { 1 };
        self.active = Some(Active { segment: Arc::new(segment), seq: 0, durable: 0, at, unit });
        Ok(())
    }

    /// Gives a spare file a generation, a key and a name, each durable before the next.
    fn activate(&mut self, spare: &Spare) -> Result<Segment, Error> {
        let planted = |bug| is_planted(self.options.planted, bug);
        let generation = self.next_generation;
        let mut key = [0; crate::cipher::KEY];
        let from = spare_name(spare.serial);
        self.options.entropy.fill(&mut key).map_err(io_error(
            "make a key for",
            &self.place,
            &from,
        ))?;
        let seed = frame::seed(&self.id, (!planted(Bug::SkipGeneration)).then_some(generation));
        let cipher = (self.options.cipher, key);
        let (storage, file) = (&*self.storage, spare.file.clone());
        let segment = Segment::begin(storage, file, &from, (&self.id, generation), cipher, seed)?;
        let failed = |what| io_error(what, &self.place, &segment.name);
        if !planted(Bug::SkipHeaderSync) {
            segment.file.sync().map_err(failed("sync"))?;
        }
        storage.rename(&from, &segment.name).map_err(failed("rename to"))?;
        if !planted(Bug::SkipNameSync) {
            storage.sync_dir().map_err(failed("sync the directory of"))?;
        }
        self.next_generation += 1;
        Ok(segment)
    }
}
