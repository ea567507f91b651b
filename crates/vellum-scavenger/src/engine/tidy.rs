//! Objects in turn: those that lost their pages go or are packed, old ones get a smaller codec,
//! deltas whose reference nobody else needs are told anew, and segments that are mostly dead are
//! emptied.

use super::objects::{Home, Object};
use super::{Mode, Scavenger};
use crate::Error;
use crate::content::Codec;
use crate::policy::work;
use vellum_frames::PAGE_SIZE;

/// Ages at which a smaller codec is tried: once when a page is at rest, once when it is old.
const RECODE_AGES: [u8; 2] = [2, 6];

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
        if RECODE_AGES.contains(&object.age) && matches!(codec, Codec::Lz4 | Codec::DeltaFast) {
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
        self.counters.work += work::DECODE + work::ZSTD;
        let together =
            self.stored(object) + self.vault.objects.find(base).map_or(0, |b| self.stored(&b));
        let policy = self.policy;
        let content = core::mem::replace(&mut self.page, Box::new([0; PAGE_SIZE]));
        let dense = policy.allows(Codec::Zstd, None);
        let alone = dense
            .then(|| self.vault.encode(Codec::Zstd, &content, None, together))
            .flatten()
            .or_else(|| self.vault.compress(&content, &policy));
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

    /// Moves an object to the codec that is worth most at its age.
    fn recode(&mut self, number: u32, object: &Object, now: Codec) -> Result<(), Error> {
        let policy = self.policy;
        let base_codec = object.base.and_then(|base| self.vault.codec(base));
        // A reference is read for each of its deltas: it may get slower only if they may. They are
        // fast ones if they were not told so that even the slowest reference fits the budget.
        let is_base = object.base.is_none() && object.references > 1;
        let allowed = |codec: Codec, base| {
            policy.allows(codec, base) && (!is_base || policy.allows(Codec::DeltaFast, Some(codec)))
        };
        let slowest = match base_codec {
            Some(Codec::Lz4) if policy.allows(Codec::DeltaFast, Some(Codec::Zstd)) => {
                Some(Codec::Zstd)
            }
            None => Some(Codec::Zstd),
            other => other,
        };
        self.vault.content(number, &mut self.page)?;
        self.counters.work += work::DECODE + work::ZSTD;
        let content = core::mem::replace(&mut self.page, Box::new([0; PAGE_SIZE]));
        let mut best = (policy.worth(self.stored(object), object.age, now, base_codec), None);
        let mut consider = |worth, encoded| {
            if worth > best.0 {
                best = (worth, Some(encoded));
            }
        };
        if allowed(Codec::Zstd, None)
            && let Some(encoded) = self.vault.encode(Codec::Zstd, &content, None, PAGE_SIZE)
        {
            consider(policy.worth(encoded.bytes.len(), object.age, Codec::Zstd, None), encoded);
        }
        if let Some(base) = object.base
            && policy.allows(Codec::DeltaDense, slowest)
            && self.vault.content(base, &mut self.other).is_ok()
        {
            self.counters.work += work::DECODE + work::ZSTD;
            let base = Some((base, &*self.other));
            if let Some(encoded) = self.vault.encode(Codec::DeltaDense, &content, base, PAGE_SIZE) {
                let codec = Codec::DeltaDense;
                consider(policy.worth(encoded.bytes.len(), object.age, codec, base_codec), encoded);
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
