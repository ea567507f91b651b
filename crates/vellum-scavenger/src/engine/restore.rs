//! The way back: packed pages brought, shared ones written, probed ones used.

use super::objects::Home;
use super::sets::Set;
use super::visit::Marks;
use super::{Mode, Scavenger};
use crate::content::{Codec, Page};
use crate::refaults::Control;
use crate::{Error, ObjectId, SetId};
use vellum_frames::{FrameId, PAGE_SIZE};

/// How a packed page is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The codec of its bytes.
    pub codec: Codec,
    /// That of the reference of a delta; `None` where the reference lives in a frame, or the page is
    /// no delta.
    pub base: Option<Codec>,
    /// How many bytes there are.
    pub bytes: usize,
}

impl Scavenger {
    /// Brings a packed page: a frame with one reference, which is the page's from now on, in exchange
    /// for the page's reference to the object. Where other pages hold the same content, it may be a
    /// frame that they share, so a writer copies it unless it is exclusive; in [`Mode::Conceal`] it
    /// is always a copy at a random place.
    ///
    /// # Errors
    /// When there is no such object, its bytes are damaged, or no frame is left; the page is then
    /// still packed.
    pub fn restore(&mut self, set: SetId, page: u64, object: ObjectId) -> Result<FrameId, Error> {
        let frame = self.bring(object)?;
        self.counters.restored += 1;
        self.came_back(set, page);
        Ok(frame)
    }

    fn bring(&mut self, ObjectId(number): ObjectId) -> Result<FrameId, Error> {
        let object = self.vault.objects.get(number)?;
        if object.references == 0 {
            return Err(Error::NoObject(ObjectId(number)));
        }
        if self.modes.get(&object.domain) == Some(&Mode::Conceal) {
            self.vault.content(number, &mut self.other)?;
            let frame = self.lottery.draw(&self.vault.pool)?;
            self.vault.pool.write(frame, 0, &self.other[..]);
            // Whether another page holds the object must not tell by what is freed now.
            self.vault.release_later(number)?;
            return Ok(frame);
        }
        if let Home::Frame { frame, .. } = object.home {
            self.vault.pool.retain(frame);
            self.vault.release(number)?;
            self.counters.remapped += 1;
            return Ok(frame);
        }
        let mut content = core::mem::replace(&mut self.other, Box::new([0; PAGE_SIZE]));
        let brought = self.vault.content(number, &mut content).and_then(|()| {
            let frame = self.vault.pool.allocate()?;
            self.vault.pool.write(frame, 0, &content[..]);
            Ok(frame)
        });
        self.other = content;
        let frame = brought?;
        if object.references > 1 {
            // Others want the same content: the object lives in the frame from now on.
            self.vault.move_to_frame(number, frame)?;
        }
        self.vault.release(number)?;
        Ok(frame)
    }

    /// Reads a packed page without bringing it.
    ///
    /// # Errors
    /// When there is no such object, or its bytes are damaged.
    pub fn peek(&mut self, ObjectId(number): ObjectId, page: &mut Page) -> Result<(), Error> {
        self.vault.content(number, page)
    }

    /// How an object is kept: its codec and its bytes, and the codec of the reference that a delta is
    /// read with, if that is packed itself. `None` for one that lives in a frame, or does not exist.
    pub fn kept(&self, ObjectId(number): ObjectId) -> Option<Kept> {
        let object = self.vault.objects.find(number)?;
        let codec = self.vault.codec(number)?;
        let base = object.base.and_then(|base| self.vault.codec(base));
        let bytes = match object.home {
            Home::Record { place, .. } => self.vault.store.len(place),
            _ => PAGE_SIZE,
        };
        Some(Kept { codec, base, bytes })
    }

    /// One more page is packed as this object: a clone's, a checkpoint's.
    ///
    /// # Errors
    /// When there is no such object.
    pub fn retain(&mut self, ObjectId(number): ObjectId) -> Result<(), Error> {
        self.vault.retain(number)
    }

    /// One fewer: the page was overwritten, or its owner is gone.
    ///
    /// # Errors
    /// When there is no such object, or nobody holds it.
    pub fn release(&mut self, ObjectId(number): ObjectId) -> Result<(), Error> {
        self.vault.release(number)
    }

    /// A page was used that [`Withhold::All`](crate::Withhold::All) was asked for: it is young again.
    pub fn touched(&mut self, set: SetId, page: u64) {
        let Some((control, marks)) = tracked(&mut self.sets, set, page) else { return };
        if marks.probed() {
            self.counters.touched += 1;
            control.iter_mut().for_each(|control| control.was_used(marks.age()));
        }
        marks.touch();
    }

    /// A packed page is wanted: it is young again.
    fn came_back(&mut self, set: SetId, page: u64) {
        let Some((control, marks)) = tracked(&mut self.sets, set, page) else { return };
        self.counters.touched += u64::from(marks.probed());
        control.iter_mut().for_each(|control| control.came_back(marks.age()));
        marks.touch();
    }

    /// A page was written that [`Withhold::Write`](crate::Withhold::Write) was asked for: it has a
    /// frame of its own now. What was told as a difference to its old content is taken care of by
    /// [`Scavenger::tidy`].
    pub fn broken(&mut self, set: SetId, page: u64) {
        self.counters.broken += 1;
        if let Some((_, marks)) = tracked(&mut self.sets, set, page) {
            marks.forget();
        }
    }
}

/// What is kept of a page and of its set's ages; `None` for one that the scavenger does not know.
fn tracked(
    sets: &mut [Option<Set>],
    set: SetId,
    page: u64,
) -> Option<(&mut Option<Control>, &mut Marks)> {
    let set = sets.get_mut(set.0 as usize)?.as_mut()?;
    Some((&mut set.control, set.marks.get_mut(page as usize)?))
}
