//! Identical pages: by hash, compared in full, put on one frame that nobody may write.

use super::Scavenger;
use super::objects::{Home, Object};
use crate::content::same_filled;
use crate::index::Target;
use crate::policy::work;
use crate::report::Class;
use crate::set::{Backing, Look, PageSet, Withhold};
use crate::{Domain, Error, ObjectId};
use vellum_frames::FrameId;

impl Scavenger {
    /// Reads a page into `self.page` and hashes it with its domain's key.
    pub(super) fn hash(&mut self, domain: Domain, frame: FrameId) -> u64 {
        self.counters.hashed += 1;
        self.counters.work += work::HASH;
        self.vault.pool.read(frame, 0, &mut self.page[..]);
        self.keys[&domain].hash(&self.page)
    }

    /// Points a hash at a page or an object; what has gone is left out when the table grows.
    pub(super) fn note(&mut self, hash: u64, target: Target) {
        let objects = &self.vault.objects;
        self.index.insert(hash, target, |target| match target {
            Target::Object(number) => objects.find(number).is_some(),
            Target::Page(_) => true,
        });
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
        if self.vault.pool.is_all_zero(frame) {
            self.counters.work += work::COMPARE;
            self.counters.zeroed += 1;
            self.put_behind(pages, page, Backing::Frame(FrameId::ZERO));
            return Ok(Class::Zero);
        }
        let (domain, first) = {
            let set = self.set(at);
            (set.domain, set.first)
        };
        let own = first + page as u32;
        let hash = self.hash(domain, frame);
        if let Some(number) = self.vault.object_in(frame) {
            // Shared already, and read by all since.
            self.note(hash, Target::Object(number));
            return Ok(self.shared_class());
        }
        let Some((slot, target)) = self.index.find(hash) else {
            self.note(hash, Target::Page(own));
            return Ok(Class::Unique);
        };
        let pages_here = self.set(at).marks.len() as u32;
        let merged = match target {
            Target::Page(other) if other == own => return Ok(Class::Unique),
            Target::Object(number) => self.join(domain, pages, page, frame, number)?,
            Target::Page(other) if other.wrapping_sub(first) < pages_here => {
                let twin = u64::from(other - first);
                match self.pair(domain, pages, (page, frame), twin)? {
                    Some(number) => {
                        self.index.replace(slot, Target::Object(number));
                        true
                    }
                    None => false,
                }
            }
            Target::Page(other) if self.call(domain, other) => {
                // The twin is of another set, which is not at hand: this page's frame becomes the
                // object, and the twin is looked at before anything else there.
                let number = self.vault.add_frame(frame, false, domain)?;
                self.index.replace(slot, Target::Object(number));
                pages.withhold(page, Withhold::Write);
                return Ok(Class::Unique);
            }
            Target::Page(_) => false,
        };
        if !merged {
            self.counters.mismatched += 1;
            self.index.replace(slot, Target::Page(own));
            return Ok(Class::Unique);
        }
        Ok(self.shared_class())
    }

    fn shared_class(&self) -> Class {
        if same_filled(&self.page).is_some() { Class::SameFilled } else { Class::Identical }
    }

    /// Whether a frame holds what `self.page` does.
    fn equal(&mut self, frame: FrameId) -> bool {
        self.counters.compared += 1;
        self.counters.work += work::COMPARE;
        self.vault.pool.read(frame, 0, &mut self.other[..]);
        self.page == self.other
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
                if !self.equal(shared) {
                    return Ok(false);
                }
                self.share(pages, page, shared);
                Ok(true)
            }
            Home::Record { .. } | Home::Spilled { .. } => {
                if !self.holds(number)? {
                    return Ok(false);
                }
                self.vault.move_to_frame(number, frame)?;
                pages.withhold(page, Withhold::Write);
                Ok(true)
            }
        }
    }

    /// Whether a packed object holds what `self.page` does.
    pub(super) fn holds(&mut self, number: u32) -> Result<bool, Error> {
        self.counters.compared += 1;
        self.counters.work += work::DECODE + work::COMPARE;
        self.vault.content(number, &mut self.other)?;
        Ok(self.page == self.other)
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
        if shared.is_zero_frame() || shared == frame || !self.equal(shared) {
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

    /// The object that holds what `self.page` does, if there is one. `frame` is the page's own.
    pub(super) fn known(
        &mut self,
        domain: Domain,
        hash: u64,
        frame: FrameId,
    ) -> Result<Option<(u32, Object)>, Error> {
        if let Some(number) = self.vault.object_in(frame) {
            return Ok(Some((number, self.vault.objects.get(number)?)));
        }
        let Some((_, Target::Object(number))) = self.index.find(hash) else { return Ok(None) };
        let Some(object) = self.vault.objects.find(number).filter(|o| o.domain == domain) else {
            return Ok(None);
        };
        Ok(self.holds(number)?.then_some((number, object)))
    }
}

#[cfg(test)]
mod tests {
    use crate::index::Target;
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
                let hash = scavenger.keys[&Domain(0)].hash(&content);
                scavenger.note(hash, Target::Page(((page + 1) % PAGES) as u32));
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
            counters.compared <= counters.hashed,
            "at most one comparison a look: {counters:?}"
        );
        assert_eq!(pool.counters().used, PAGES, "no two pages are equal");
    }
}
