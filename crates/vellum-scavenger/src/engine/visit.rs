//! One look at one page: what changed since the last one decides what is done.

use super::objects::{Home, Object};
use super::{Mode, Scavenger};
use crate::content::Codec;
use crate::policy::work;
use crate::report::Class;
use crate::set::{Busy, Look, PageSet};
use crate::{Error, ObjectId};
use vellum_frames::FrameId;

/// The greatest age: nibbles are all there is.
const OLDEST: u8 = 15;

/// What is kept of each page: two bytes.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Marks {
    /// Low nibble: age in passes. High nibble: the flags below.
    state: u8,
    /// Bits 0 to 3: looks without finding a like. 3 to 6: looks to skip. 6 and 7: a part of the hash
    /// that the index knows the page by, from which it sees that most of its old entries are.
    luck: u8,
}

/// Looks without a like are counted up to here.
const TRIES: u8 = 7;

/// Looked at since the pass before began.
pub(super) const LOOKED: u8 = 0x10;
/// All rights are withheld.
const PROBED: u8 = 0x20;
/// A similar page was looked for.
const COMPARED: u8 = 0x40;
/// Nothing makes it smaller, until it is written.
const HOPELESS: u8 = 0x80;

impl Marks {
    pub(super) fn age(self) -> u8 {
        self.state & 15
    }

    pub(super) fn is(self, flag: u8) -> bool {
        self.state & flag != 0
    }

    pub(super) fn probed(self) -> bool {
        self.is(PROBED)
    }

    pub(super) fn probe(&mut self) {
        self.state |= PROBED;
    }

    pub(super) fn compared(&mut self) -> bool {
        let before = self.is(COMPARED);
        self.state |= COMPARED;
        before
    }

    /// It is as young as this.
    pub(super) fn wait(&mut self, age: u8) {
        self.state = self.state & !15 | age.min(self.age());
    }

    pub(super) fn hopeless(&mut self) {
        self.state |= HOPELESS;
    }

    /// Nothing is known of the page: look at it again.
    pub(super) fn forget(&mut self) {
        self.state = 0;
        self.luck &= 0o307;
    }

    /// The part of a hash that is kept.
    pub(super) fn tag(self) -> u8 {
        self.luck >> 6
    }

    pub(super) fn set_tag(&mut self, tag: u8) {
        self.luck = self.luck & 0x3f | tag << 6;
    }

    /// It was used just now.
    pub(super) fn touch(&mut self) {
        self.state &= LOOKED | COMPARED | HOPELESS;
    }

    fn grow(&mut self) {
        if self.age() < OLDEST {
            self.state += 1;
        }
    }

    /// Whether the next look is to be skipped.
    pub(super) fn skips(self) -> bool {
        self.luck >> 3 & 7 > 0
    }

    /// It was written since it was last looked at. Whether this look is to be skipped: pages that
    /// found no like three times rest for 1, 2, 4 and at last 7 looks, about as KSM's smart scan does
    /// (Linux, `mm/ksm.c`, `skip_age`).
    fn unlucky(&mut self) -> bool {
        if self.skips() {
            self.luck -= 1 << 3;
            return true;
        }
        let tries = self.luck & TRIES;
        let skip = match tries {
            0..=2 => 0,
            3 => 1,
            4 => 2,
            5..=6 => 4,
            _ => 7,
        };
        self.luck = self.tag() << 6 | skip << 3 | (tries + 1).min(TRIES);
        false
    }

    pub(super) fn lucky(&mut self) {
        self.luck &= 0xc0;
    }
}

impl Scavenger {
    pub(super) fn marks(&mut self, at: usize, page: u64) -> &mut Marks {
        &mut self.set(at).marks[page as usize]
    }

    /// Looks at a page. Whatever fails leaves the page as it is.
    pub(super) fn visit(&mut self, at: usize, pages: &mut dyn PageSet, page: u64) -> Class {
        self.counters.looked += 1;
        self.counters.work += work::LOOK;
        let seen = match pages.look(page) {
            Look::Busy(busy) => Ok(match busy {
                Busy::Hole => Class::Hole,
                Busy::Elsewhere => Class::Elsewhere,
                Busy::Pinned => Class::Pinned,
                Busy::Written => {
                    self.marks(at, page).state = 0;
                    Class::Hot
                }
                Busy::Table => Class::Table,
            }),
            Look::Packed(object) => Ok(self.packed_class(object)),
            Look::Frame { frame, written } => self.visit_frame(at, pages, page, frame, written),
        };
        seen.unwrap_or_else(|error| match error {
            Error::Limit { .. } | Error::Frames(_) => Class::Full,
            _ => Class::Failed,
        })
    }

    fn packed_class(&self, object: ObjectId) -> Class {
        let object = self.vault.objects.find(object.0);
        let conceals = |o: &Object| self.modes.get(&o.domain) == Some(&Mode::Conceal);
        match object.map(|o| o.home) {
            Some(Home::Record { codec: Codec::Same, .. }) => Class::SameFilled,
            Some(Home::Record { codec, .. }) if codec.is_delta() => Class::Delta,
            Some(Home::Record { .. }) => Class::Compressed,
            Some(Home::Frame { .. }) if object.as_ref().is_some_and(conceals) => Class::Concealed,
            // It was given up for a frame that another page has.
            Some(Home::Frame { .. }) => Class::Identical,
            Some(Home::Spilled { .. }) => Class::Spilled,
            // It was brought after whoever goes on beside the scavenger handed the page over.
            None => Class::Hot,
        }
    }

    fn visit_frame(
        &mut self,
        at: usize,
        pages: &mut dyn PageSet,
        page: u64,
        frame: FrameId,
        written: u64,
    ) -> Result<Class, Error> {
        let (epoch, before, mode) = {
            let set = self.set(at);
            (set.epoch, set.before, set.mode)
        };
        // That a page was never written is no secret.
        if frame.is_zero_frame() && (mode == Mode::Share || written == 0) {
            return Ok(Class::Zero);
        }
        let marks = self.marks(at, page);
        if written >= epoch {
            marks.state = 0;
            return Ok(Class::Hot);
        }
        if marks.is(LOOKED) && written < before {
            let age = marks.age();
            if self.set(at).grows(age) {
                self.marks(at, page).grow();
            }
            return self.ripen(at, pages, page, frame);
        }
        // Something may have been written since the last look, or there was none.
        marks.state = LOOKED;
        if marks.unlucky() {
            marks.state = 0;
            return Ok(Class::Skipped);
        }
        let class = match mode {
            Mode::Share => self.detect(at, pages, page, frame)?,
            // A page that is in use is not a candidate: it would be copied back at once.
            Mode::Conceal => Class::Unique,
        };
        if class != Class::Unique {
            self.marks(at, page).lucky();
        }
        Ok(class)
    }

    pub(super) fn hopeless(&mut self, at: usize, page: u64) -> bool {
        self.marks(at, page).is(HOPELESS)
    }
}
