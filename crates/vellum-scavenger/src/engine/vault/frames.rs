//! Which object lives in a frame.

use super::Vault;
use crate::engine::objects::{Home, Object, Objects};
use crate::index::{Similar, Target};
use crate::{Domain, Error};
use vellum_frames::FrameId;

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

    pub(super) fn note_frame(&mut self, frame: FrameId, number: u32) {
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
        let object = Object { home, references: 0, base: None, told_by: false, age: 0, domain };
        debug_assert_eq!(self.object_in(frame), None, "a frame has one object");
        let number = self.objects.add(object, Similar::MAX_OBJECT)?;
        self.pool.retain(frame);
        self.note_frame(frame, number);
        Ok(number)
    }
}
