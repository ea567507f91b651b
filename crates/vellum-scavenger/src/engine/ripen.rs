//! Pages that were left alone: probed for use, then told as a delta, then compressed.

use super::objects::{Home, Object};
use super::vault::Encoded;
use super::{Mode, Scavenger};
use crate::content::{Codec, Features, Page};
use crate::index::Target;
use crate::policy::work;
use crate::report::Class;
use crate::set::{Backing, PageSet, Withhold};
use crate::{Domain, Error, ObjectId};
use vellum_frames::{FrameId, PAGE_SIZE};

/// The greatest age that an object has.
const OLDEST: u8 = 15;

impl Scavenger {
    /// A page that was not written since the last look.
    pub(super) fn ripen(
        &mut self,
        at: usize,
        pages: &mut dyn PageSet,
        page: u64,
        frame: FrameId,
    ) -> Result<Class, Error> {
        let (mode, domain, control) = {
            let set = self.set(at);
            (set.mode, set.domain, set.control.as_ref().map(|c| (c.raise(), c.watch())))
        };
        let raised =
            |age: u8| control.map_or(age, |(raise, _)| age.saturating_add(raise).min(OLDEST));
        let watch = control.map_or(1, |(_, watch)| watch);
        let delta_after = raised(self.policy.delta_after);
        let compress_after = raised(self.policy.compress_after);
        let marks = *self.marks(at, page);
        if self.hopeless(at, page) {
            return Ok(Class::Incompressible);
        }
        let first = delta_after.min(compress_after);
        if marks.age() < first {
            if marks.age() + watch >= first {
                if marks.probed() {
                    return Ok(Class::Probed);
                }
                pages.withhold(page, Withhold::All);
                self.marks(at, page).probe();
                return Ok(Class::Probed);
            }
            return Ok(self.resident(frame));
        }
        if !marks.probed() {
            // It was used after the probe, and its age began anew; or it is very young.
            pages.withhold(page, Withhold::All);
            let marks = self.marks(at, page);
            marks.probe();
            if control.is_some() {
                // Ages went down: it is watched for as long all the same.
                marks.wait(first.saturating_sub(watch));
            }
            return Ok(Class::Probed);
        }
        if mode == Mode::Conceal {
            return self.conceal(domain, pages, page, frame);
        }
        if marks.age() >= compress_after {
            return self.pack(at, domain, pages, page, frame);
        }
        if self.marks(at, page).compared() {
            return Ok(self.resident(frame));
        }
        self.tell_as_delta(domain, pages, page, frame)
    }

    /// What a page with a frame is that nothing is done to.
    fn resident(&self, frame: FrameId) -> Class {
        // More holders than the page: a frame that is shared, or kept as a reference.
        match self.vault.pool.references(frame) {
            1 => Class::Unique,
            2 => Class::Reference,
            _ if self.repeats(frame) => Class::SameFilled,
            _ => Class::Identical,
        }
    }

    pub(super) fn repeats(&self, frame: FrameId) -> bool {
        let first = self.vault.pool.load(frame, 0, 8);
        // Without a branch a word: most pages that are asked about repeat one.
        let differ = |line: [u64; 8]| line.iter().fold(0, |all, word| all | word ^ first);
        self.vault.pool.lines(frame).all(|line| differ(line) == 0)
    }

    /// Gives a page's frame away for an object that holds the same.
    pub(super) fn give_up(
        &mut self,
        pages: &mut dyn PageSet,
        page: u64,
        number: u32,
    ) -> Result<(), Error> {
        self.vault.retain(number)?;
        self.put_behind(pages, page, Backing::Packed(ObjectId(number)));
        Ok(())
    }

    /// Looks for a similar page and keeps the difference; a page that has none becomes one that
    /// others may be told by.
    fn tell_as_delta(
        &mut self,
        domain: Domain,
        pages: &mut dyn PageSet,
        page: u64,
        frame: FrameId,
    ) -> Result<Class, Error> {
        let (sought, known) = self.known(domain, frame)?;
        if let Some((number, object)) = known {
            if matches!(object.home, Home::Frame { .. }) {
                self.compare_shared(number, &object);
                return Ok(self.resident(frame));
            }
            self.give_up(pages, page, number)?;
            return Ok(Class::Compressed);
        }
        self.load(frame);
        let content = core::mem::replace(&mut self.page, Box::new([0; PAGE_SIZE]));
        let features = Features::of(&content);
        self.counters.work += work::FEATURES;
        let told = self.best_delta(domain, &content, &features);
        self.page = content;
        if let Some(delta) = told {
            let number = self.vault.add_record(&delta, domain)?;
            self.note(sought.hash(), Target::Object(number));
            self.give_up(pages, page, number)?;
            self.counters.deltas += 1;
            return Ok(Class::Delta);
        }
        let number = self.vault.add_frame(frame, true, domain)?;
        self.similar.insert(&features, number);
        self.note(sought.hash(), Target::Object(number));
        pages.withhold(page, Withhold::Write);
        Ok(Class::Reference)
    }

    /// A frame that several pages share, left alone by one of them: it becomes one that others are told
    /// by, unless it will be told as a delta itself when the last of its pages is left alone.
    fn compare_shared(&mut self, number: u32, object: &Object) {
        let Home::Frame { frame, reference: false } = object.home else { return };
        // Its age says that it was compared: each of its pages comes by here.
        if object.age == OLDEST {
            return;
        }
        self.vault.pool.read(frame, 0, &mut self.page[..]);
        let content = core::mem::replace(&mut self.page, Box::new([0; PAGE_SIZE]));
        let features = Features::of(&content);
        self.counters.work += work::FEATURES;
        let reference = self.best_delta(object.domain, &content, &features).is_none();
        self.page = content;
        let home = Home::Frame { frame, reference };
        self.vault.objects.set(number, Object { home, age: OLDEST, ..*object });
        if reference {
            self.similar.insert(&features, number);
        }
    }

    /// The shortest fast delta against any of the pages that have most in common with this one.
    fn best_delta(
        &mut self,
        domain: Domain,
        content: &Page,
        features: &Features,
    ) -> Option<Encoded> {
        let mut best: Option<Encoded> = None;
        // A reference is packed itself some day, and its deltas must fit the budget even then.
        if !self.policy.may_be_told(Codec::DeltaFast) {
            return None;
        }
        for number in self.similar.candidates(features).into_iter().flatten() {
            let Some(object) = self.vault.objects.find(number) else { continue };
            let base = self.vault.codec(number);
            // The index may be stale: a number that another object has now.
            let may = match object.home {
                Home::Frame { reference, .. } => reference,
                Home::Record { codec, .. } => !codec.is_delta(),
                Home::Spilled { .. } => false,
            };
            let fits = base.is_none_or(|base| self.policy.may_tell(base));
            let fits = fits && may && object.domain == domain;
            if !fits || self.vault.content(number, &mut self.other).is_err() {
                continue;
            }
            self.counters.work += work::DELTA + work::DECODE;
            self.counters.deltas_tried += 1;
            let limit = best.as_ref().map_or(self.policy.delta_limit, |b| b.bytes.len() - 1);
            let delta =
                self.vault.encode(Codec::DeltaFast, content, Some((number, &self.other)), limit);
            best = delta.or(best);
        }
        best
    }

    /// Compresses a page, or gives its frame up for an object that holds the same.
    pub(super) fn pack(
        &mut self,
        at: usize,
        domain: Domain,
        pages: &mut dyn PageSet,
        page: u64,
        frame: FrameId,
    ) -> Result<Class, Error> {
        let (sought, known) = self.known(domain, frame)?;
        self.load(frame);
        if let Some((number, object)) = known {
            let others = match object.home {
                Home::Frame { frame: shared, .. } => {
                    self.vault.holders(&object) - u32::from(shared == frame)
                }
                _ => 1,
            };
            // While another page maps the frame, giving it up only saves this page's own copy.
            if others == 0 && !self.pack_object(number)? {
                self.marks(at, page).hopeless();
                return Ok(Class::Incompressible);
            }
            self.give_up(pages, page, number)?;
            return Ok(match object.home {
                Home::Frame { .. } if others > 0 => Class::Identical,
                _ => Class::Compressed,
            });
        }
        let number = if self.store_is_full() {
            let Some(number) = self.vault.add_spilled(&self.page, domain)? else {
                return Ok(Class::Full);
            };
            self.counters.spilled += 1;
            number
        } else {
            self.counters.work += work::LZ4;
            let content = core::mem::replace(&mut self.page, Box::new([0; PAGE_SIZE]));
            let encoded = self.vault.compress(&content, &self.policy, false);
            self.page = content;
            let Some(encoded) = encoded else {
                self.marks(at, page).hopeless();
                return Ok(Class::Incompressible);
            };
            self.counters.compressed += 1;
            self.vault.add_record(&encoded, domain)?
        };
        self.note(sought.hash(), Target::Object(number));
        self.give_up(pages, page, number)?;
        Ok(Class::Compressed)
    }

    pub(super) fn store_is_full(&self) -> bool {
        self.vault.store.bytes().allocated >= self.policy.store_limit
    }

    /// Moves an object out of its frame, whose content is in `self.page`; whether that saves
    /// anything.
    pub(super) fn pack_object(&mut self, number: u32) -> Result<bool, Error> {
        self.counters.work += work::LZ4;
        let content = core::mem::replace(&mut self.page, Box::new([0; PAGE_SIZE]));
        let moved = if self.store_is_full() {
            self.vault.move_to_spill(number, &content)
        } else {
            let encoded = match self.as_delta(number, &content) {
                Some(delta) => Some(delta),
                None => {
                    let told_by = self.vault.objects.find(number).is_some_and(|o| o.told_by);
                    self.vault.compress(&content, &self.policy, told_by)
                }
            };
            match encoded {
                Some(encoded) => self.vault.move_to_store(number, &encoded).map(|()| true),
                None => Ok(false),
            }
        };
        self.page = content;
        self.counters.compressed += u64::from(matches!(moved, Ok(true)));
        moved
    }

    /// An object as a delta, if no other is told by it: one step is all there is.
    fn as_delta(&mut self, number: u32, content: &Page) -> Option<Encoded> {
        let object = self.vault.objects.find(number)?;
        let Home::Frame { reference: false, .. } = object.home else { return None };
        let features = Features::of(content);
        self.counters.work += work::FEATURES;
        let delta = self.best_delta(object.domain, content, &features)?;
        self.counters.deltas += 1;
        Some(delta)
    }
}
