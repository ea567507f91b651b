//! Objects in turn: those that lost their pages go or are packed, old ones get a smaller codec,
//! deltas whose reference nobody else needs are told anew, and segments that are mostly dead are
//! emptied.

use super::objects::{Home, Object};
use super::vault::Encoded;
use super::{Mode, Scavenger};
use crate::Error;
use crate::content::Codec;
use crate::policy::work;
use vellum_frames::PAGE_SIZE;

/// Ages at which a smaller codec is tried: once when a page is at rest, once when it is old.
const RECODE_AGES: [u8; 2] = [2, 6];

/// Codecs of pages at rest, and the work that each is: of those told alone, of those that others are told
/// by, of those told by another.
const DENSE: [(Codec, u64); 2] = [(Codec::Tight, work::TIGHT), (Codec::Zstd, work::ZSTD)];
const DENSE_REFERENCE: [(Codec, u64); 2] = [(Codec::Brisk, work::TIGHT), (Codec::Zstd, work::ZSTD)];
const DENSE_DELTA: [(Codec, u64); 2] =
    [(Codec::DeltaTight, work::TIGHT), (Codec::DeltaDense, work::ZSTD)];

/// Bytes below which a delta is not beaten by the page told alone.
const SHORT: usize = 1000;

/// Rounds that an object with one page waits for a second.
const GRACE: u8 = 4;

impl Scavenger {
    /// Looks at objects until `work` model nanoseconds are done; whether it came around. Then the
    /// store is compacted.
    pub fn tidy(&mut self, work: u64) -> bool {
        let until = self.counters.work.saturating_add(work);
        while self.counters.work < until {
            if self.tidy_at >= self.vault.objects.end() {
                self.tidy_at = 0;
                self.counters.compacted += self.vault.compact();
                self.vault.shrink_frames(core::mem::take(&mut self.in_frames));
                return true;
            }
            self.counters.work += work::LOOK;
            let number = self.tidy_at;
            self.tidy_at += 1;
            if let Some(object) = self.vault.objects.find(number) {
                // What can't be read now is reported to whoever wants it.
                let _unread = self.tend(number, object);
            }
        }
        false
    }

    fn tend(&mut self, number: u32, mut object: Object) -> Result<(), Error> {
        if let Home::Frame { reference, .. } = object.home {
            self.in_frames += 1;
            return self.tend_frame(number, &object, reference);
        }
        object.age = object.age.saturating_add(1).min(15);
        self.vault.objects.set(number, object);
        let Home::Record { codec, .. } = object.home else { return Ok(()) };
        if self.store_is_full() && self.vault.spill.is_some() {
            return self.spill(number);
        }
        if let Some(base) = object.base
            && self.needed_by_nobody_else(base)
        {
            return self.rebase(number, &object, base);
        }
        let young = matches!(codec, Codec::Lz4 | Codec::DeltaFast);
        if RECODE_AGES.contains(&object.age) && (young || codec == Codec::Tight) {
            return self.recode(number, &object, codec);
        }
        Ok(())
    }

    fn tend_frame(&mut self, number: u32, object: &Object, reference: bool) -> Result<(), Error> {
        let concealed = self.modes.get(&object.domain) == Some(&Mode::Conceal);
        match (self.vault.holders(object), object.references) {
            (0, 0) => self.vault.discard(number, object),
            // Its pages were written since: the frame is kept for those that are packed, or told as
            // differences to it, and they can have it from the store as well.
            (0, _) if !concealed => {
                self.vault.content(number, &mut self.page)?;
                self.pack_object(number)?;
            }
            // All but one of its pages were written since, or its twin in another set, which was called
            // for a look, has not come yet.
            (1, 0) if !reference && !concealed => {
                if object.age >= GRACE {
                    self.vault.discard(number, object);
                } else {
                    self.vault.objects.set(number, Object { age: object.age + 1, ..*object });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn spill(&mut self, number: u32) -> Result<(), Error> {
        self.vault.content(number, &mut self.page)?;
        if self.vault.move_to_spill(number, &self.page)? {
            self.counters.spilled += 1;
        }
        Ok(())
    }

    /// Whether a reference is kept for one delta alone.
    fn needed_by_nobody_else(&self, base: u32) -> bool {
        let base = self.vault.objects.find(base);
        base.is_some_and(|base| base.references == 1 && self.vault.holders(&base) == 0)
    }

    /// Tells a delta without its reference, if both together take more than the page alone.
    fn rebase(&mut self, number: u32, object: &Object, base: u32) -> Result<(), Error> {
        self.vault.content(number, &mut self.page)?;
        self.counters.work += work::DECODE;
        let together =
            self.stored(object) + self.vault.objects.find(base).map_or(0, |b| self.stored(&b));
        let policy = self.policy;
        let content = core::mem::replace(&mut self.page, Box::new([0; PAGE_SIZE]));
        let mut alone: Option<Encoded> = None;
        for (codec, work) in DENSE {
            if policy.allows(codec, None) {
                self.counters.work += work;
                let limit = alone.as_ref().map_or(together, |alone| alone.bytes.len() - 1);
                alone = self.vault.encode(codec, &content, None, limit).or(alone);
            }
        }
        let alone = alone.or_else(|| self.vault.compress_quickly(&content, &policy, false));
        self.page = content;
        if let Some(alone) = alone.filter(|alone| alone.bytes.len() <= together) {
            self.vault.move_to_store(number, &alone)?;
            self.counters.rebased += 1;
        }
        Ok(())
    }

    /// Bytes that an object takes.
    fn stored(&self, object: &Object) -> usize {
        match object.home {
            Home::Record { place, .. } => self.vault.store.len(place),
            Home::Frame { .. } => PAGE_SIZE,
            Home::Spilled { .. } => 0,
        }
    }

    /// Moves an object to the codec that is worth most at its age. A reference is read for each of its
    /// deltas: it may get only so slow that they fit the budget.
    fn recode(&mut self, number: u32, object: &Object, now: Codec) -> Result<(), Error> {
        let policy = self.policy;
        let base_codec = object.base.and_then(|base| self.vault.codec(base));
        self.vault.content(number, &mut self.page)?;
        self.counters.work += work::DECODE;
        let content = core::mem::replace(&mut self.page, Box::new([0; PAGE_SIZE]));
        let mut best = (policy.worth(self.stored(object), object.age, now, base_codec), None);
        let mut consider = |encoded: Option<Encoded>, base| {
            let Some(encoded) = encoded else { return };
            let worth = policy.worth(encoded.bytes.len(), object.age, encoded.codec, base);
            if worth > best.0 {
                best = (worth, Some(encoded));
            }
        };
        // Nothing that a page is told in alone is as short.
        let mut short = false;
        if let Some(base) = object.base
            && self.vault.content(base, &mut self.other).is_ok()
        {
            for (codec, work) in DENSE_DELTA.into_iter().filter(|&(c, _)| policy.may_be_told(c)) {
                self.counters.work += work;
                let base = Some((base, &*self.other));
                let encoded = self.vault.encode(codec, &content, base, PAGE_SIZE);
                short |= encoded.as_ref().is_some_and(|encoded| encoded.bytes.len() < SHORT);
                consider(encoded, base_codec);
            }
        }
        let alone = if object.told_by { DENSE_REFERENCE } else { DENSE };
        for (codec, work) in alone.into_iter().filter(|&(codec, _)| !short && codec != now) {
            if policy.may_pack(codec, object.told_by) {
                self.counters.work += work;
                consider(self.vault.encode(codec, &content, None, PAGE_SIZE), None);
            }
        }
        self.page = content;
        if let Some(encoded) = best.1 {
            self.vault.move_to_store(number, &encoded)?;
            self.counters.recoded += 1;
        }
        Ok(())
    }
}
