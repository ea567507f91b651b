//! Objects and their bytes: frames, records, spilled pages. Knows no pages of anybody's.

use super::objects::{Home, Object, Objects};
use crate::content::{Codec, Coder, Page};
use crate::index::{HashIndex, Similar, Target};
use crate::store::{Place, Spill, Store};
use crate::{Domain, Error, ObjectId, Policy};
use std::sync::Arc;
use vellum_frames::{FrameId, FramePool, PAGE_SIZE};

/// Bytes over which an LZ4 page is not worth its decoding, and a zstd page is none either.
const LZ4_LIMIT: usize = PAGE_SIZE * 3 / 4;
const ZSTD_LIMIT: usize = PAGE_SIZE * 15 / 16;

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

/// A frame's number as a hash: Fibonacci hashing (Knuth, vol. 3, 6.4), which no guest controls.
fn scatter(frame: FrameId) -> u64 {
    (u64::from(frame.index()) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Whether an entry of the table of frames leads to an object that lives in the frame it is for.
fn in_frame(objects: &Objects, hash: u64, target: Target) -> bool {
    let Target::Object(number) = target else { return false };
    objects.find(number).is_some_and(|object| match object.home {
        Home::Frame { frame, .. } => scatter(frame) >> 32 == hash >> 32,
        _ => false,
    })
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

    /// The object that lives in `frame`, which a page has.
    pub(crate) fn object_in(&self, frame: FrameId) -> Option<u32> {
        // The page holds it once; without a second hold there is no need to look.
        if self.pool.is_exclusive(frame) {
            return None;
        }
        let mut next = self.frames.find(scatter(frame));
        while let Some((slot, target)) = next {
            if let Target::Object(number) = target
                && let Some(Object { home: Home::Frame { frame: of, .. }, .. }) =
                    self.objects.find(number)
                && of == frame
            {
                return Some(number);
            }
            next = self.frames.find_after(scatter(frame), slot);
        }
        None
    }

    /// The frame that an object lives in, if it does.
    pub(crate) fn frame(&self, number: u32) -> Option<FrameId> {
        match self.objects.find(number)?.home {
            Home::Frame { frame, .. } => Some(frame),
            _ => None,
        }
    }

    fn note_frame(&mut self, frame: FrameId, number: u32) {
        let objects = &self.objects;
        let target = Target::Object(number);
        // The frame may have been another object's, which has left it.
        let mut next = self.frames.find(scatter(frame));
        while let Some((slot, found)) = next {
            if !in_frame(objects, scatter(frame), found) {
                self.frames.replace(slot, target);
                return;
            }
            next = self.frames.find_after(scatter(frame), slot);
        }
        self.frames.insert(scatter(frame), target, |upper, target| {
            in_frame(objects, u64::from(upper) << 32, target)
        });
    }

    /// Shrinks the table of frames when most objects have left theirs.
    pub(crate) fn shrink_frames(&mut self, live: usize) {
        let objects = &self.objects;
        self.frames.shrink(live, |upper, target| in_frame(objects, u64::from(upper) << 32, target));
    }

    /// Bytes of the table of frames.
    pub(crate) fn frames_bytes(&self) -> usize {
        self.frames.bytes()
    }

    /// Keeps a frame that somebody else holds too, and that no object lives in.
    pub(crate) fn add_frame(
        &mut self,
        frame: FrameId,
        reference: bool,
        domain: Domain,
    ) -> Result<u32, Error> {
        let home = Home::Frame { frame, reference };
        let object = Object { home, references: 0, base: None, age: 0, domain };
        debug_assert_eq!(self.object_in(frame), None, "a frame has one object");
        let number = self.objects.add(object, Similar::MAX_OBJECT)?;
        self.pool.retain(frame);
        self.note_frame(frame, number);
        Ok(number)
    }

    /// Keeps encoded bytes, with no page yet.
    pub(crate) fn add_record(&mut self, encoded: &Encoded, domain: Domain) -> Result<u32, Error> {
        // The place is not known before the number, nor the number before the object is added.
        let home = Home::Spilled { slot: 0 };
        let object = Object { home, references: 0, base: encoded.base, age: 0, domain };
        let number = self.objects.add(object, Similar::MAX_OBJECT)?;
        let place = self.store.put(number, &encoded.bytes);
        self.objects
            .set(number, Object { home: Home::Record { codec: encoded.codec, place }, ..object });
        if let Some(base) = encoded.base {
            self.retain(base)?;
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
        let object = Object { home, references: 0, base: None, age: 0, domain };
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

    /// One fewer. The last takes the object with it, and so its hold on its reference.
    pub(crate) fn release(&mut self, number: u32) -> Result<(), Error> {
        let mut object = self.objects.get(number)?;
        let Some(left) = object.references.checked_sub(1) else {
            return Err(Error::NoObject(ObjectId(number)));
        };
        object.references = left;
        self.objects.set(number, object);
        self.drop_if_unused(number);
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
            self.retain(base)?;
        }
        self.drop_home(&object);
        let place = self.store.put(number, &encoded.bytes);
        let home = Home::Record { codec: encoded.codec, place };
        // Its age counts from when it was packed.
        let age = if matches!(object.home, Home::Frame { .. }) { 0 } else { object.age };
        self.objects.set(number, Object { home, base: encoded.base, age, ..object });
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

    /// Reads an object's content.
    pub(crate) fn content(&mut self, number: u32, page: &mut Page) -> Result<(), Error> {
        let object = self.objects.get(number)?;
        let Home::Record { codec, place } = object.home else { return self.plain(&object, page) };
        let mut base = self.base.take().unwrap_or_else(|| Box::new([0; PAGE_SIZE]));
        let read = match object.base {
            Some(of) => self.base_content(of, &mut base),
            None => Ok(()),
        };
        let decoded = read.and_then(|()| {
            let bytes = self.store.get(number, place)?;
            self.coder.decode(codec, bytes, object.base.map(|_| &*base), page)
        });
        self.base = Some(base);
        decoded
    }

    fn plain(&mut self, object: &Object, page: &mut Page) -> Result<(), Error> {
        match (object.home, &mut self.spill) {
            (Home::Frame { frame, .. }, _) => {
                self.pool.read(frame, 0, page);
                Ok(())
            }
            (Home::Spilled { slot }, Some(spill)) => spill
                .read(slot, page)
                .map_err(|source| Error::Spill { action: "read", slot, source }),
            _ => Err(Error::Damaged { codec: "spilled", bytes: 0 }),
        }
    }

    /// A reference is never a delta itself: one step is all there is.
    fn base_content(&mut self, number: u32, page: &mut Page) -> Result<(), Error> {
        let object = self.objects.get(number)?;
        match object.home {
            Home::Record { codec, place } => {
                self.coder.decode(codec, self.store.get(number, place)?, None, page)
            }
            _ => self.plain(&object, page),
        }
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

    /// A page in one codec, within `limit` bytes.
    pub(crate) fn encode(
        &mut self,
        codec: Codec,
        page: &Page,
        base: Option<(u32, &Page)>,
        limit: usize,
    ) -> Option<Encoded> {
        self.buffer.clear();
        let limit = limit.min(PAGE_SIZE);
        self.coder.encode(codec, page, base.map(|(_, page)| page), limit, &mut self.buffer)?;
        Some(Encoded { codec, base: base.map(|(number, _)| number), bytes: self.buffer.clone() })
    }

    /// A page in the quickest codec that makes it smaller and that `policy` allows.
    pub(crate) fn compress(&mut self, page: &Page, policy: &Policy) -> Option<Encoded> {
        let try_one = |vault: &mut Self, codec, limit| {
            policy.allows(codec, None).then(|| vault.encode(codec, page, None, limit))?
        };
        try_one(self, Codec::Same, 8)
            .or_else(|| try_one(self, Codec::Lz4, LZ4_LIMIT))
            .or_else(|| try_one(self, Codec::Zstd, ZSTD_LIMIT))
    }
}
