//! What leads to a content: its sample as a rule, its hash where several contents have one sample.
//!
//! A sample is four lines of a page's 64 to read. Two contents that differ may have the same, and then the
//! index says [`Target::Several`] under it, and both are found by the hash of all their bytes.

use super::Scavenger;
use super::objects::Object;
use crate::index::{Slot, Target};
use crate::policy::work;
use crate::{Domain, Error};
use vellum_frames::FrameId;

/// What a content is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    Sample(u64),
    Whole(u64),
}

impl Address {
    pub(super) fn hash(self) -> u64 {
        match self {
            Address::Sample(hash) | Address::Whole(hash) => hash,
        }
    }
}

impl Scavenger {
    /// Hashes a page with its domain's key, where it is.
    pub(super) fn hash(&mut self, domain: Domain, frame: FrameId) -> u64 {
        self.counters.hashed += 1;
        self.counters.work += work::HASH;
        self.keys[&domain].hash_frame(&self.vault.pool, frame)
    }

    /// What the content of a frame, which has this sample, is found by.
    pub(super) fn address(&mut self, domain: Domain, sample: u64, frame: FrameId) -> Address {
        match self.next_entry(sample, None) {
            Some((_, Target::Several)) => Address::Whole(self.hash(domain, frame)),
            _ => Address::Sample(sample),
        }
    }

    pub(super) fn next_entry(&self, hash: u64, last: Option<Slot>) -> Option<(Slot, Target)> {
        match last {
            None => self.index.find(hash),
            Some(slot) => self.index.find_after(hash, slot),
        }
    }

    /// What the entry of a sample leads to holds something else than the page that was looked up.
    /// `there` is the frame it is in. If it does have the sample, the two part: the sample leads to
    /// several contents from now on, and what was there is found by its hash. Whether they did.
    pub(super) fn part(
        &mut self,
        domain: Domain,
        sample: u64,
        (slot, target): (Slot, Target),
        there: Option<FrameId>,
    ) -> Result<bool, Error> {
        let key = &self.keys[&domain];
        let whole = match (there, target) {
            (Some(frame), _) => {
                if key.sample_frame(&self.vault.pool, frame).1 != sample {
                    return Ok(false);
                }
                self.hash(domain, frame)
            }
            (None, Target::Object(number)) if self.vault.objects.find(number).is_some() => {
                self.counters.work += work::DECODE;
                self.vault.content(number, &mut self.other)?;
                if key.sample(&self.other) != sample {
                    return Ok(false);
                }
                self.counters.hashed += 1;
                self.counters.work += work::HASH;
                key.hash(&self.other)
            }
            _ => return Ok(false),
        };
        self.index.replace(slot, Target::Several);
        self.note(whole, target);
        Ok(true)
    }

    /// Points a hash at a page or an object; what has gone is left out when the table grows.
    pub(super) fn note(&mut self, hash: u64, target: Target) {
        self.tag(hash, target);
        // A page that becomes an object was noted itself, as a rule.
        if let (Target::Object(_), Some((slot, Target::Page(_)))) = (target, self.index.find(hash))
        {
            self.index.replace(slot, target);
            return;
        }
        let (objects, sets) = (&self.vault.objects, &self.sets);
        self.index.insert(hash, target, |upper, target| match target {
            Target::Object(number) => {
                objects.tag(number) == upper as u8 && objects.find(number).is_some()
            }
            Target::Several => true,
            Target::Page(page) => sets.iter().flatten().any(|set| {
                let marks = page.checked_sub(set.first).map(|at| set.marks.get(at as usize));
                marks.flatten().is_some_and(|marks| marks.tag() == upper as u8 & 3)
            }),
        });
    }

    /// Turns an entry to another target.
    pub(super) fn turn(&mut self, hash: u64, slot: Slot, target: Target) {
        self.tag(hash, target);
        self.index.replace(slot, target);
    }

    /// Leaves a part of the hash with what it leads to, by which old entries are known.
    fn tag(&mut self, hash: u64, target: Target) {
        let tag = (hash >> 32) as u8;
        match target {
            Target::Object(number) => self.vault.objects.set_tag(number, tag),
            Target::Several => {}
            Target::Page(page) => {
                let marks = self
                    .sets
                    .iter_mut()
                    .flatten()
                    .find_map(|set| set.marks.get_mut(page.checked_sub(set.first)? as usize));
                marks.into_iter().for_each(|marks| marks.set_tag(tag & 3));
            }
        }
    }

    /// The object that holds what a page does whose frame is `frame`, if there is one; and what the
    /// page is found by.
    pub(super) fn known(
        &mut self,
        domain: Domain,
        frame: FrameId,
    ) -> Result<(Address, Option<(u32, Object)>), Error> {
        self.counters.sampled += 1;
        self.counters.work += work::SAMPLE;
        let sample = self.keys[&domain].sample_frame(&self.vault.pool, frame).1;
        let mut sought = self.address(domain, sample, frame);
        if let Some(number) = self.vault.object_in(frame) {
            return Ok((sought, Some((number, self.vault.objects.get(number)?))));
        }
        let mut last = None;
        while let Some((slot, target)) = self.next_entry(sought.hash(), last) {
            last = Some(slot);
            let Target::Object(number) = target else { continue };
            let object = self.vault.objects.find(number).filter(|o| o.domain == domain);
            let Some(object) = object else { continue };
            if self.holds(number, frame)? {
                return Ok((sought, Some((number, object))));
            }
            let there = self.vault.frame(number);
            if let Address::Sample(sample) = sought
                && self.part(domain, sample, (slot, target), there)?
            {
                sought = Address::Whole(self.hash(domain, frame));
                last = None;
            }
        }
        Ok((sought, None))
    }
}
