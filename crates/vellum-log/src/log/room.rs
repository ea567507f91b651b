//! Room: whether frames fit into the files that are there, asked before anything is written.
//!
//! A disk is full when a file is to be made or to grow. All files of a log are filled with zeros before
//! they are used, so it is enough to have them ahead of the frames: then a full disk is met where
//! nothing is lost by it.

use super::Log;
use crate::error::Error;
use crate::segment::SEGMENT_HEADER;

impl Log {
    /// Bytes of frames, none of them larger than `largest` (all counted with header and tag), that
    /// certainly fit into the segment in use and the spares, however they are cut.
    pub fn room(&self, largest: u64) -> u64 {
        let left = self.active.as_ref().map_or(0, |active| active.segment.capacity - active.at);
        left.max(self.spare_room(largest))
    }

    /// As [`Log::room`], without the segment in use: what is left after [`Log::seal`].
    pub fn spare_room(&self, largest: u64) -> u64 {
        let whole = self.spares.iter().map(|spare| spare.capacity - SEGMENT_HEADER);
        // Whatever goes elsewhere before, the largest spare takes all of this.
        let one = whole.clone().max().unwrap_or(0);
        // The end of a segment stays empty when the next frame doesn't fit.
        let many = whole.filter(|whole| *whole >= largest).map(|whole| whole - largest).sum();
        one.max(many)
    }

    /// Makes segments until [`Log::room`] is `need` bytes. Cost when there is room: nothing.
    ///
    /// # Errors
    /// When the medium has no room for them, or fails. Nothing is lost then, no frame is half written,
    /// and the log goes on. Only what an earlier life left behind and can't be cleaned up poisons it.
    pub fn make_room(&mut self, need: u64, largest: u64) -> Result<(), Error> {
        self.make_spares(need, largest, Self::room)
    }

    /// As [`Log::make_room`], for [`Log::spare_room`].
    ///
    /// # Errors
    /// As [`Log::make_room`].
    pub fn make_spare_room(&mut self, need: u64, largest: u64) -> Result<(), Error> {
        self.make_spares(need, largest, Self::spare_room)
    }

    fn make_spares(
        &mut self,
        need: u64,
        largest: u64,
        room: fn(&Self, u64) -> u64,
    ) -> Result<(), Error> {
        if room(self, largest) >= need {
            return Ok(());
        }
        self.alive()?;
        let cleaned = self.clean_up();
        self.watch(cleaned)?;
        let most = self.options.segment_max;
        let least = (SEGMENT_HEADER + need).clamp(self.options.segment_min, most);
        let least = least.max(SEGMENT_HEADER + largest);
        while room(self, largest) < need {
            let job = self.new_spare_job(least);
            let large = job.capacity > least;
            let made = match job.run() {
                // The size that the log has grown to is a wish.
                Err(_) if large => {
                    self.next_size = least;
                    self.new_spare_job(least).run()
                }
                made => made,
            };
            match made {
                Ok(spare) => self.spares.push(spare),
                Err(error) => {
                    self.spare_failed();
                    return Err(error);
                }
            }
            self.counters.unprepared += 1;
        }
        Ok(())
    }

    /// The newest generation that there is, 0 when there is none yet.
    pub fn newest_generation(&self) -> u64 {
        self.next_generation - 1
    }
}
