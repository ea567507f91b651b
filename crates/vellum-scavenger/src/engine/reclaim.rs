//! Frames at once: what keeps overcommit from failing. Whoever finds the pool empty in the middle of
//! a fault asks for frames, and gets those of the pages that were left alone longest.
//!
//! [`Scavenger::add_set`] admits no more pages than there are frames and slots of the spill target,
//! so there is always something to give: if no page can be compressed, enough of them can be spilled.

use super::objects::Home;
use super::{Mode, Scavenger};
use crate::set::{Look, PageSet};
use crate::{Error, SetId};

impl Scavenger {
    /// Packs pages of a set until `want` frames of the pool are free again, or nothing is left to
    /// pack; how many are. `keep` is left as it is: the page whose fault needs the frame.
    ///
    /// # Errors
    /// When there is no such set.
    pub fn reclaim(
        &mut self,
        set: SetId,
        pages: &mut dyn PageSet,
        want: u64,
        keep: Option<u64>,
    ) -> Result<u64, Error> {
        let at = self.set_at(set)?;
        let before = self.vault.pool.counters().used;
        let freed = |scavenger: &Self| before.saturating_sub(scavenger.vault.pool.counters().used);
        self.lottery.give_back(&self.vault.pool);
        self.reclaim_objects();
        // Epochs are not opened here: nobody writes while the set is held, and what is packed has no
        // rights left.
        for age in (0..=15_u8).rev() {
            for page in 0..(self.set(at).marks.len() as u64).min(pages.pages()) {
                if freed(self) >= want {
                    return Ok(freed(self));
                }
                if self.marks(at, page).age() == age && keep != Some(page) {
                    self.reclaim_page(at, pages, page);
                }
            }
        }
        Ok(freed(self))
    }

    /// Frames that only objects hold.
    fn reclaim_objects(&mut self) {
        for number in 0..self.vault.objects.end() {
            let Some(object) = self.vault.objects.find(number) else { continue };
            let alone =
                matches!(object.home, Home::Frame { .. }) && self.vault.holders(&object) == 0;
            if alone && object.references == 0 {
                self.vault.discard(number, &object);
                continue;
            }
            let concealed = self.modes.get(&object.domain) == Some(&Mode::Conceal);
            if alone && !concealed && self.vault.content(number, &mut self.page).is_ok() {
                self.squeeze(number);
            }
        }
    }

    /// Moves an object whose content is in `self.page` out of its frame, to the spill target if it
    /// can't be compressed.
    fn squeeze(&mut self, number: u32) -> bool {
        let packed = self.pack_object(number).unwrap_or(false);
        packed || self.vault.move_to_spill(number, &self.page).unwrap_or(false)
    }

    fn reclaim_page(&mut self, at: usize, pages: &mut dyn PageSet, page: u64) {
        let Look::Frame { frame, .. } = pages.look(page) else { return };
        if frame.is_zero_frame() || self.vault.pool.references(frame) > 2 {
            return;
        }
        let (domain, mode) = {
            let set = self.set(at);
            (set.domain, set.mode)
        };
        if mode == Mode::Conceal {
            return;
        }
        let packed = self.pack(at, domain, pages, page, frame);
        let left = matches!(pages.look(page), Look::Frame { .. });
        if left && packed.is_ok() {
            // Incompressible: as it is, if there is a place for it.
            self.vault.pool.read(frame, 0, &mut self.page[..]);
            if let Ok(Some(number)) = self.vault.add_spilled(&self.page, domain) {
                let given = self.give_up(pages, page, number);
                debug_assert!(given.is_ok(), "the object was just added");
                self.counters.spilled += 1;
            }
        }
        self.counters.reclaimed += u64::from(!matches!(pages.look(page), Look::Frame { .. }));
    }
}
