//! Pages of guests that watch their own accesses (VUsion, Oliverio et al., SOSP 2017).

use super::Scavenger;
use crate::index::Target;
use crate::report::Class;
use crate::set::PageSet;
use crate::{Domain, Error};
use vellum_frames::FrameId;

impl Scavenger {
    /// Takes a page away whether another holds the same or not: behind it is an object in a frame at
    /// a random place, and any access copies it.
    pub(super) fn conceal(
        &mut self,
        domain: Domain,
        pages: &mut dyn PageSet,
        page: u64,
        frame: FrameId,
    ) -> Result<Class, Error> {
        let (sought, known) = self.known(domain, frame)?;
        let number = match known {
            Some((number, _)) => {
                self.counters.merged += 1;
                number
            }
            None => {
                let place = self.lottery.draw(&self.vault.pool)?;
                self.load(frame);
                self.vault.pool.write(place, 0, &self.page[..]);
                let number = self.vault.add_frame(place, false, domain);
                // The object holds it now, or nobody does.
                self.vault.pool.release(place);
                let number = number?;
                self.note(sought.hash(), Target::Object(number));
                number
            }
        };
        self.give_up(pages, page, number)?;
        Ok(Class::Concealed)
    }
}
