//! Objects and their bytes: frames, records, spilled pages. Knows no pages of anybody's.

mod frames;
mod read;

use super::objects::{Home, Object, Objects};
use crate::content::{Codec, Coder, Page};
use crate::index::{HashIndex, Similar};
use crate::store::{Place, Spill, Store};
use crate::{Domain, Error, ObjectId};
use std::sync::Arc;
use vellum_frames::{FrameId, FramePool};

#[derive(Debug)]
pub(crate) struct Vault {
    pub(crate) pool: Arc<FramePool>,
    pub(crate) objects: Objects,
    /// The object that lives in a frame, by the frame's number: no frame has two.
    frames: HashIndex,
    pub(crate) store: Store,
    pub(crate) coder: Coder,
    pub(crate) spill: Option<Box<dyn Spill>>,
    slots: Vec<u64>,
    slots_used: u64,
    /// Room for the reference of the delta at hand.
    base: Option<Box<Page>>,
    buffer: Vec<u8>,
}

/// A page's bytes in some codec, not yet kept.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) codec: Codec,
    pub(crate) base: Option<u32>,
    pub(crate) bytes: Vec<u8>,
}

impl Vault {
    pub(crate) fn new(pool: Arc<FramePool>, level: i32, spill: Option<Box<dyn Spill>>) -> Self {
        Vault {
            pool,
            objects: Objects::default(),
            frames: HashIndex::default(),
            store: Store::default(),
            coder: Coder::new(level),
            spill,
            slots: Vec::new(),
            slots_used: 0,
            base: None,
            buffer: Vec::new(),
        }
    }

    /// Pages, less the object's own hold, that map its frame.
    pub(crate) fn holders(&self, object: &Object) -> u32 {
        match object.home {
            Home::Frame { frame, .. } => self.pool.references(frame).saturating_sub(1),
            _ => 0,
        }
    }

    /// Keeps encoded bytes, with no page yet.
    pub(crate) fn add_record(&mut self, encoded: &Encoded, domain: Domain) -> Result<u32, Error> {
        // The place is not known before the number, nor the number before the object is added.
        let home = Home::Spilled { slot: 0 };
        let base = encoded.base;
        let object = Object { home, references: 0, base, told_by: false, age: 0, domain };
        let number = self.objects.add(object, Similar::MAX_OBJECT)?;
        let place = self.store.put(number, &encoded.bytes);
        self.objects
            .set(number, Object { home: Home::Record { codec: encoded.codec, place }, ..object });
        if let Some(base) = encoded.base {
            self.tell_by(base)?;
        }
        Ok(number)
    }

    /// Keeps a page in the spill target, with no page yet; `None` when there is no room.
    pub(crate) fn add_spilled(
        &mut self,
        page: &Page,
        domain: Domain,
    ) -> Result<Option<u32>, Error> {
        let Some(slot) = self.take_slot(page)? else { return Ok(None) };
        let home = Home::Spilled { slot };
        let object = Object { home, references: 0, base: None, told_by: false, age: 0, domain };
        let added = self.objects.add(object, Similar::MAX_OBJECT);
        if added.is_err() {
            self.slots.push(slot);
        }
        added.map(Some)
    }

    /// Writes a page to a free slot of the spill target, if there is one.
    fn take_slot(&mut self, page: &Page) -> Result<Option<u64>, Error> {
        let Some(spill) = &mut self.spill else { return Ok(None) };
        let slot = match self.slots.pop() {
            Some(slot) => slot,
            None if self.slots_used < spill.capacity().min(1 << Place::BITS) => {
                self.slots_used += 1;
                self.slots_used - 1
            }
            None => return Ok(None),
        };
        match spill.write(slot, page) {
            Ok(()) => Ok(Some(slot)),
            Err(source) => {
                self.slots.push(slot);
                Err(Error::Spill { action: "write", slot, source })
            }
        }
    }

    /// One more page or delta holds the object.
    pub(crate) fn retain(&mut self, number: u32) -> Result<(), Error> {
        let mut object = self.objects.get(number)?;
        object.references = object.references.checked_add(1).ok_or(Error::Limit {
            what: "references",
            value: u64::from(u32::MAX) + 1,
            limit: u32::MAX.into(),
        })?;
        self.objects.set(number, object);
        Ok(())
    }

    /// One more delta is told by the object.
    fn tell_by(&mut self, number: u32) -> Result<(), Error> {
        self.retain(number)?;
        let object = self.objects.get(number)?;
        self.objects.set(number, Object { told_by: true, ..object });
        Ok(())
    }

    /// One fewer. The last takes the object with it, and so its hold on its reference.
    pub(crate) fn release(&mut self, number: u32) -> Result<(), Error> {
        self.release_later(number)?;
        self.drop_if_unused(number);
        Ok(())
    }

    /// The same, but what nobody holds any more stays until objects are looked at in turn.
    pub(crate) fn release_later(&mut self, number: u32) -> Result<(), Error> {
        let mut object = self.objects.get(number)?;
        let left = object.references.checked_sub(1);
        object.references = left.ok_or(Error::NoObject(ObjectId(number)))?;
        self.objects.set(number, object);
        Ok(())
    }

    /// Forgets an object that nothing holds and no page maps.
    pub(crate) fn drop_if_unused(&mut self, number: u32) {
        let Some(object) = self.objects.find(number) else { return };
        if object.references == 0 && self.holders(&object) == 0 {
            self.discard(number, &object);
        }
    }

    /// Forgets an object that nothing holds, whether pages map its frame or not.
    pub(crate) fn discard(&mut self, number: u32, object: &Object) {
        debug_assert_eq!(object.references, 0, "somebody holds it");
        self.drop_home(object);
        self.objects.free(number);
        if let Some(base) = object.base {
            self.unbase(base);
        }
    }

    fn unbase(&mut self, base: u32) {
        let released = self.release(base);
        debug_assert!(released.is_ok(), "a delta holds its reference");
    }

    fn drop_home(&mut self, object: &Object) {
        match object.home {
            Home::Frame { frame, .. } => self.pool.release(frame),
            Home::Record { place, .. } => self.store.remove(place),
            Home::Spilled { slot } => self.slots.push(slot),
        }
    }

    /// The object lives in `frame` from now on, of which it takes one reference.
    pub(crate) fn move_to_frame(&mut self, number: u32, frame: FrameId) -> Result<(), Error> {
        let object = self.objects.get(number)?;
        self.drop_home(&object);
        self.pool.retain(frame);
        // What was packed by itself may have deltas, and must not become one.
        let reference = object.base.is_none();
        let home = Home::Frame { frame, reference };
        self.objects.set(number, Object { home, base: None, age: 0, ..object });
        self.note_frame(frame, number);
        if let Some(base) = object.base {
            self.unbase(base);
        }
        Ok(())
    }

    /// The object lives in the store from now on, as `encoded`.
    pub(crate) fn move_to_store(&mut self, number: u32, encoded: &Encoded) -> Result<(), Error> {
        let object = self.objects.get(number)?;
        if let Some(base) = encoded.base {
            self.tell_by(base)?;
        }
        self.drop_home(&object);
        let place = self.store.put(number, &encoded.bytes);
        let home = Home::Record { codec: encoded.codec, place };
        // Its age counts from when it was packed.
        let age = if matches!(object.home, Home::Frame { .. }) { 0 } else { object.age };
        let (base, told_by) = (encoded.base, object.told_by && encoded.base.is_none());
        self.objects.set(number, Object { home, base, told_by, age, ..object });
        if let Some(base) = object.base {
            self.unbase(base);
        }
        Ok(())
    }

    /// The object lives in the spill target from now on; whether there was room.
    pub(crate) fn move_to_spill(&mut self, number: u32, page: &Page) -> Result<bool, Error> {
        let object = self.objects.get(number)?;
        let Some(slot) = self.take_slot(page)? else { return Ok(false) };
        self.drop_home(&object);
        self.objects.set(number, Object { home: Home::Spilled { slot }, base: None, ..object });
        if let Some(base) = object.base {
            self.unbase(base);
        }
        Ok(true)
    }

    /// Gives back every frame that an object holds: the end.
    pub(crate) fn release_frames(&mut self) {
        for number in 0..self.objects.end() {
            if let Some(Object { home: Home::Frame { frame, .. }, .. }) = self.objects.find(number)
            {
                self.pool.release(frame);
            }
        }
    }

    /// Pages in the spill target.
    pub(crate) fn spilled(&self) -> u64 {
        self.slots_used - self.slots.len() as u64
    }

    /// Empties segments that are mostly dead; how many.
    pub(crate) fn compact(&mut self) -> u64 {
        let (store, objects) = (&mut self.store, &mut self.objects);
        let mut emptied = 0;
        while store.compact(|number, place| {
            let Some(object) = objects.find(number) else { return };
            if let Home::Record { codec, .. } = object.home {
                objects.set(number, Object { home: Home::Record { codec, place }, ..object });
            }
        }) {
            emptied += 1;
        }
        emptied
    }

    /// The codec that an object is packed in, if it is.
    pub(crate) fn codec(&self, number: u32) -> Option<Codec> {
        match self.objects.find(number)?.home {
            Home::Record { codec, .. } => Some(codec),
            Home::Spilled { .. } => Some(Codec::Raw),
            Home::Frame { .. } => None,
        }
    }
}
