//! The table of objects: 16 bytes for each content that is shared or packed.
//!
//! ```text
//! u32 references   pages that hold the object packed, and deltas against it
//! u32 base         the reference, of a delta; 2³² − 1: none, 2³² − 2: none, and others are told by it
//! u64 bits 0..4    home: 0 free, 1 frame, 2 reference frame, 3 spilled, 3 + codec: record
//!     bits 4..8    age in passes
//!     bits 8..16   domain
//!     bits 16..24  a part of the content's hash, by which the index tells its own entries from those
//!                  of an object that had the number before
//!     bits 24..64  frame, slot, place of the record, or the next free object
//! ```

use crate::content::Codec;
use crate::store::Place;
use crate::{Domain, Error, ObjectId};
use vellum_frames::FrameId;

/// Where an object's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// In a frame that the object holds one reference to.
    Frame {
        frame: FrameId,
        /// There are deltas against it, or there may be some day: it is never told as one.
        reference: bool,
    },
    /// In the store.
    Record { codec: Codec, place: Place },
    /// In a slot of the spill target, as it is.
    Spilled { slot: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) home: Home,
    pub(crate) references: u32,
    /// The reference of a delta.
    pub(crate) base: Option<u32>,
    /// Others are told by it, or were. Never of a delta.
    pub(crate) told_by: bool,
    pub(crate) age: u8,
    pub(crate) domain: Domain,
}

#[derive(Debug, Clone, Copy)]
struct Packed {
    references: u32,
    base: u32,
    word: u64,
}

const NONE: u32 = u32::MAX;
const TOLD_BY: u32 = NONE - 1;
const FREE: u64 = 0;
const FRAME: u64 = 1;
const REFERENCE: u64 = 2;
const SPILLED: u64 = 3;
const RECORD: u64 = 3;
const _: () = assert!(RECORD + (Codec::ALL.len() as u64) < 16, "a home has four bits");
/// Objects that the table grows by.
const CHUNK: usize = 1024;

/// Where the position begins in the word.
const POSITION: u32 = 24;

impl Packed {
    fn pack(object: &Object, tag: u8) -> Packed {
        let (kind, position) = match object.home {
            Home::Frame { frame, reference: false } => (FRAME, u64::from(frame.index())),
            Home::Frame { frame, reference: true } => (REFERENCE, u64::from(frame.index())),
            Home::Spilled { slot } => (SPILLED, slot),
            Home::Record { codec, place } => (RECORD + codec as u64, place.bits()),
        };
        debug_assert!(position >> Place::BITS == 0, "40 bits are enough");
        Packed {
            references: object.references,
            base: object.base.unwrap_or(if object.told_by { TOLD_BY } else { NONE }),
            word: kind
                | u64::from(object.age.min(15)) << 4
                | u64::from(object.domain.0) << 8
                | u64::from(tag) << 16
                | position << POSITION,
        }
    }

    fn unpack(self) -> Option<Object> {
        let position = self.word >> POSITION;
        let home = match self.word & 15 {
            FREE => return None,
            kind @ (FRAME | REFERENCE) => Home::Frame {
                frame: FrameId::from_index(position as u32),
                reference: kind == REFERENCE,
            },
            SPILLED => Home::Spilled { slot: position },
            kind => Home::Record {
                codec: Codec::from_number((kind - RECORD) as u8)?,
                place: Place::from_bits(position),
            },
        };
        Some(Object {
            home,
            references: self.references,
            base: (self.base < TOLD_BY).then_some(self.base),
            told_by: self.base == TOLD_BY,
            age: (self.word >> 4 & 15) as u8,
            domain: Domain((self.word >> 8) as u8),
        })
    }
}

/// All objects.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    table: Vec<Packed>,
    free: Option<u32>,
    live: usize,
}

impl Objects {
    /// Adds an object; its number.
    pub(crate) fn add(&mut self, object: Object, limit: u32) -> Result<u32, Error> {
        let packed = Packed::pack(&object, 0);
        let number = match self.free {
            Some(number) => {
                let next = (self.table[number as usize].word >> POSITION) as u32;
                self.free = (next != NONE).then_some(next);
                self.table[number as usize] = packed;
                number
            }
            None => {
                let number = u32::try_from(self.table.len()).ok().filter(|&n| n < limit);
                let number = number.ok_or(Error::Limit {
                    what: "objects",
                    value: self.table.len() as u64,
                    limit: limit.into(),
                })?;
                if self.table.len() == self.table.capacity() {
                    self.table.reserve_exact(CHUNK.max(self.table.len() / 64));
                }
                self.table.push(packed);
                number
            }
        };
        self.live += 1;
        Ok(number)
    }

    pub(crate) fn find(&self, number: u32) -> Option<Object> {
        self.table.get(number as usize)?.unpack()
    }

    pub(crate) fn get(&self, number: u32) -> Result<Object, Error> {
        self.find(number).ok_or(Error::NoObject(ObjectId(number)))
    }

    pub(crate) fn set(&mut self, number: u32, object: Object) {
        let tag = self.tag(number);
        self.table[number as usize] = Packed::pack(&object, tag);
    }

    /// A part of the hash of the object's content.
    pub(crate) fn tag(&self, number: u32) -> u8 {
        self.table.get(number as usize).map_or(0, |packed| (packed.word >> 16) as u8)
    }

    pub(crate) fn set_tag(&mut self, number: u32, tag: u8) {
        if let Some(packed) = self.table.get_mut(number as usize) {
            packed.word = packed.word & !(0xff << 16) | u64::from(tag) << 16;
        }
    }

    pub(crate) fn free(&mut self, number: u32) {
        let next = self.free.unwrap_or(NONE);
        self.table[number as usize] =
            Packed { references: 0, base: NONE, word: FREE | u64::from(next) << POSITION };
        self.free = Some(number);
        self.live -= 1;
    }

    /// One past the largest number there ever was.
    pub(crate) fn end(&self) -> u32 {
        self.table.len() as u32
    }

    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn bytes(&self) -> usize {
        self.table.capacity() * size_of::<Packed>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bytes_hold_an_object() {
        assert_eq!(size_of::<Packed>(), 16);
        let homes = [
            Home::Frame { frame: FrameId::from_index(u32::MAX), reference: false },
            Home::Frame { frame: FrameId::from_index(7), reference: true },
            Home::Spilled { slot: (1 << 40) - 1 },
            Home::Record { codec: Codec::DeltaTight, place: Place::from_bits((1 << 40) - 1) },
            Home::Record { codec: Codec::Same, place: Place::from_bits(0) },
        ];
        let mut objects = Objects::default();
        for (at, home) in homes.into_iter().enumerate() {
            let base = (at % 2 == 0).then_some(at as u32);
            let (age, domain, told_by) = (15, Domain(255), at == 1);
            let object = Object { home, references: 9, base, told_by, age, domain };
            let number = objects.add(object, 100).unwrap();
            assert_eq!(objects.find(number), Some(object));
            objects.set_tag(number, 0xa5);
            objects.set(number, object);
            assert_eq!((objects.find(number), objects.tag(number)), (Some(object), 0xa5));
        }
        objects.free(1);
        objects.free(3);
        assert_eq!((objects.live(), objects.find(1)), (3, None));
        assert!(matches!(objects.get(3), Err(Error::NoObject(_))));
        let object = objects.get(0).unwrap();
        assert_eq!((objects.add(object, 100).unwrap(), objects.add(object, 100).unwrap()), (3, 1));
        let error = objects.add(object, 5).unwrap_err();
        assert_eq!(error.to_string(), "objects: 5 is over the limit of 5");
    }
}
