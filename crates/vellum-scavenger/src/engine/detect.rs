//! Identical pages: by sample and hash, compared in full, put on one frame that nobody may write.

use super::Scavenger;
use super::ahead::Sampled;
use super::lookup::Address;
use super::objects::Home;
use crate::index::{ALIKE, Slot, Target};
use crate::policy::work;
use crate::report::Class;
use crate::set::{Backing, Look, PageSet, Withhold};
use crate::{Domain, Error, ObjectId};
use vellum_frames::FrameId;

impl Scavenger {
    /// Reads a page into `self.page`.
    pub(super) fn load(&mut self, frame: FrameId) {
        self.vault.pool.read(frame, 0, &mut self.page[..]);
    }

    /// Puts `with` behind a page; the frame that was there goes back.
    pub(super) fn put_behind(&mut self, pages: &mut dyn PageSet, page: u64, with: Backing) {
        self.counters.work += work::REMAP;
        match pages.replace(page, with) {
            Backing::Frame(frame) => self.vault.pool.release(frame),
            // Only pages with frames are replaced; a set that says otherwise gets its reference
            // dropped, as it would be if the page had been read first.
            Backing::Packed(ObjectId(number)) => drop(self.vault.release(number)),
        }
    }

    /// Finds the like of a page that was not looked at since it was written.
    pub(super) fn detect(
        &mut self,
        at: usize,
        pages: &mut dyn PageSet,
        page: u64,
        frame: FrameId,
    ) -> Result<Class, Error> {
        let sample = match self.sampled(at, page, frame) {
            Sampled::Zeros => {
                self.counters.zeroed += 1;
                self.put_behind(pages, page, Backing::Frame(FrameId::ZERO));
                return Ok(Class::Zero);
            }
            Sampled::Sample(sample) => sample,
        };
        let (own, domain) = {
            let set = self.set(at);
            (set.first + page as u32, set.domain)
        };
        let mut sought = self.address(domain, sample, frame);
        if let Some(number) = self.vault.object_in(frame) {
            // Shared already, and read by all since.
            self.note(sought.hash(), Target::Object(number));
            return Ok(self.shared_class(frame));
        }
        let mut last = None;
        for _ in 0..ALIKE {
            let Some((slot, target)) = self.next_entry(sought.hash(), last) else { break };
            if target == Target::Page(own) {
                return Ok(Class::Unique);
            }
            if let Some(class) =
                self.meet(at, pages, (page, frame), (sought.hash(), slot), target)?
            {
                return Ok(class);
            }
            self.counters.mismatched += 1;
            last = Some(slot);
            if let Address::Sample(sample) = sought {
                let there = self.frame_of(at, pages, target).filter(|&there| there != frame);
                if self.part(domain, sample, (slot, target), there)? {
                    sought = Address::Whole(self.hash(domain, frame));
                    last = None;
                }
            }
        }
        match last {
            // What was there holds something else by now, or did all along.
            Some(slot) => self.turn(sought.hash(), slot, Target::Page(own)),
            None => self.note(sought.hash(), Target::Page(own)),
        }
        Ok(Class::Unique)
    }

    /// Compares a page with what the index says may be its like; what the page is then, if it is.
    fn meet(
        &mut self,
        at: usize,
        pages: &mut dyn PageSet,
        (page, frame): (u64, FrameId),
        (hash, slot): (u64, Slot),
        target: Target,
    ) -> Result<Option<Class>, Error> {
        let (domain, first, count) = {
            let set = self.set(at);
            (set.domain, set.first, set.marks.len() as u32)
        };
        match target {
            Target::Object(number) => {
                if !self.join(domain, pages, page, frame, number)? {
                    return Ok(None);
                }
            }
            Target::Several => return Ok(None),
            Target::Page(other)
                if other.wrapping_sub(first) < count && pages.at_hand(u64::from(other - first)) =>
            {
                let twin = u64::from(other - first);
                let Some(number) = self.pair(domain, pages, (page, frame), twin)? else {
                    return Ok(None);
                };
                self.turn(hash, slot, Target::Object(number));
            }
            Target::Page(other) => {
                if !self.call(domain, other) {
                    return Ok(None);
                }
                // The twin is not at hand, or of another set: this page's frame becomes the object, and
                // the twin is looked at before anything else there.
                let number = self.vault.add_frame(frame, false, domain)?;
                self.turn(hash, slot, Target::Object(number));
                pages.withhold(page, Withhold::Write);
                return Ok(Some(Class::Unique));
            }
        }
        Ok(Some(self.shared_class(frame)))
    }

    fn shared_class(&self, frame: FrameId) -> Class {
        if self.repeats(frame) { Class::SameFilled } else { Class::Identical }
    }

    /// Whether two frames hold the same.
    fn equal(&mut self, frame: FrameId, other: FrameId) -> bool {
        self.counters.compared += 1;
        self.counters.work += work::COMPARE;
        self.vault.pool.same(frame, other)
    }

    /// Puts a page on the frame of an object that seems to hold the same; whether it does.
    /// An object that was packed moves into the page's frame: it is there, and it was just used.
    fn join(
        &mut self,
        domain: Domain,
        pages: &mut dyn PageSet,
        page: u64,
        frame: FrameId,
        number: u32,
    ) -> Result<bool, Error> {
        let Some(object) = self.vault.objects.find(number).filter(|o| o.domain == domain) else {
            return Ok(false);
        };
        match object.home {
            Home::Frame { frame: shared, .. } => {
                if !self.equal(frame, shared) {
                    return Ok(false);
                }
                self.share(pages, page, shared);
                Ok(true)
            }
            Home::Record { .. } | Home::Spilled { .. } => {
                if !self.holds(number, frame)? {
                    return Ok(false);
                }
                self.vault.move_to_frame(number, frame)?;
                pages.withhold(page, Withhold::Write);
                Ok(true)
            }
        }
    }

    /// Whether an object holds what a frame does.
    pub(super) fn holds(&mut self, number: u32, frame: FrameId) -> Result<bool, Error> {
        if let Some(other) = self.vault.frame(number) {
            return Ok(self.equal(frame, other));
        }
        self.counters.compared += 1;
        self.counters.work += work::DECODE + work::COMPARE;
        self.vault.content(number, &mut self.other)?;
        let words = self.other.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
        Ok(self.vault.pool.lines(frame).flatten().eq(words))
    }

    fn share(&mut self, pages: &mut dyn PageSet, page: u64, shared: FrameId) {
        self.vault.pool.retain(shared);
        self.counters.merged += 1;
        self.put_behind(pages, page, Backing::Frame(shared));
        pages.withhold(page, Withhold::Write);
    }

    /// Puts two pages of one set on the frame of the other, as a new object; its number.
    fn pair(
        &mut self,
        domain: Domain,
        pages: &mut dyn PageSet,
        (page, frame): (u64, FrameId),
        twin: u64,
    ) -> Result<Option<u32>, Error> {
        let Look::Frame { frame: shared, .. } = pages.look(twin) else { return Ok(None) };
        if shared.is_zero_frame() || shared == frame || !self.equal(frame, shared) {
            return Ok(None);
        }
        let number = match self.vault.object_in(shared) {
            Some(number) => number,
            None => self.vault.add_frame(shared, false, domain)?,
        };
        pages.withhold(twin, Withhold::Write);
        self.share(pages, page, shared);
        Ok(Some(number))
    }

    /// Calls the page with this number among all sets' for a look; whether it is of this domain.
    fn call(&mut self, domain: Domain, other: u32) -> bool {
        let Some(set) = self.sets.iter_mut().flatten().find(|set| {
            set.domain == domain && other.wrapping_sub(set.first) < set.marks.len() as u32
        }) else {
            return false;
        };
        let page = other - set.first;
        set.marks[page as usize].forget();
        set.hints.push_back(page);
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::index::{ALIKE, Target};
    use crate::{Domain, Mode, Options, Pages, Scavenger};
    use std::sync::Arc;
    use vellum_frames::{FramePool, Options as PoolOptions, PAGE_SIZE};

    /// What a guest that knows the key can do at most: every page has the hash of another.
    #[test]
    fn hashes_that_collide_cost_a_comparison_each_and_share_nothing() {
        const PAGES: u64 = 64;
        let pool = FramePool::new(PoolOptions::new(1000)).unwrap();
        let mut scavenger = Scavenger::new(Arc::clone(&pool), Options::default());
        let set = scavenger.add_set(PAGES, Domain(0), Mode::Share).unwrap();
        let mut pages = Pages::new(Arc::clone(&pool), PAGES as usize);
        for page in 0..PAGES {
            let bytes = [page as u8 + 1; 100];
            pages.write(&mut scavenger, set, page, 0, &bytes).unwrap();
        }
        scavenger.pass(&mut [(set, &mut pages)]).unwrap();
        for round in 0..20_u64 {
            // Each page is written, so that it is hashed anew, and the index is made to say that its
            // hash belongs to its neighbour.
            for page in 0..PAGES {
                let bytes = [(page + round) as u8 + 2; 100];
                pages.write(&mut scavenger, set, page, 0, &bytes).unwrap();
                let mut content = [0; PAGE_SIZE];
                content[..100].copy_from_slice(&bytes);
                let sample = scavenger.keys[&Domain(0)].sample(&content);
                scavenger.note(sample, Target::Page(((page + 1) % PAGES) as u32));
            }
            scavenger.pass(&mut [(set, &mut pages)]).unwrap();
            let mut out = [0; PAGE_SIZE];
            for page in 0..PAGES {
                pages.read(&mut scavenger, set, page, &mut out).unwrap();
                assert_eq!(out[..101], [&[(page + round) as u8 + 2; 100][..], &[0]].concat());
            }
        }
        let counters = scavenger.counters();
        assert!(counters.mismatched > 100, "{counters:?}");
        assert!(
            counters.compared <= counters.hashed * ALIKE as u64,
            "a few comparisons a look at most: {counters:?}"
        );
        assert_eq!(pool.counters().used, PAGES, "no two pages are equal");
    }

    /// Pages with one sample that differ elsewhere find their own likes, and no other.
    #[test]
    fn pages_with_one_sample_are_told_apart_by_their_hash() {
        const KINDS: u64 = 300;
        let pool = FramePool::new(PoolOptions::new(4 * KINDS)).unwrap();
        let mut scavenger = Scavenger::new(Arc::clone(&pool), Options::default());
        let set = scavenger.add_set(3 * KINDS, Domain(0), Mode::Share).unwrap();
        let mut pages = Pages::new(Arc::clone(&pool), 3 * KINDS as usize);
        let key = scavenger.keys[&Domain(0)].clone();
        let plain = [5; PAGE_SIZE];
        let elsewhere = (0..PAGE_SIZE)
            .step_by(8)
            .find(|&at| {
                let mut other = plain;
                other[at] = 6;
                key.sample(&other) == key.sample(&plain)
            })
            .unwrap();
        let content = |page: u64| {
            let mut content = plain;
            content[elsewhere..elsewhere + 8].copy_from_slice(&(page % KINDS).to_le_bytes());
            content
        };
        for page in 0..3 * KINDS {
            pages.write(&mut scavenger, set, page, 0, &content(page)).unwrap();
        }
        for _ in 0..2 {
            scavenger.pass(&mut [(set, &mut pages)]).unwrap();
            assert_eq!(pool.counters().used, KINDS, "one frame a content, from the first pass on");
        }
        // Most are hashed in full and met by their own like; few comparisons are in vain.
        let counters = scavenger.counters();
        assert!((1..10).contains(&counters.mismatched), "{counters:?}");
        for page in 0..3 * KINDS {
            let mut out = [0; PAGE_SIZE];
            pages.read(&mut scavenger, set, page, &mut out).unwrap();
            assert_eq!(out, content(page), "page {page}");
        }
    }
}
