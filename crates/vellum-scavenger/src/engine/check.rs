//! Every record read and held against its checksum, and those that are damaged put right from a copy of the
//! pages that somebody else has.

use super::Scavenger;
use super::objects::Home;
use crate::content::Page;
use crate::set::{Look, PageSet};
use crate::{Error, ObjectId, SetId};
use std::collections::BTreeMap;
use vellum_frames::PAGE_SIZE;

/// A record that can't be read.
#[derive(Debug)]
pub struct Broken {
    /// What it holds.
    pub object: ObjectId,
    /// Why it can't be read.
    pub error: Error,
    /// The pages that are packed as this object.
    pub pages: Vec<(SetId, u64)>,
    /// The pages that are told by it, and can't be read for that.
    pub told_by: Vec<(SetId, u64)>,
}

/// What a check of the packed store came to.
#[derive(Debug, Default)]
pub struct Check {
    /// Records that were read.
    pub records: u64,
    /// Of these, put right.
    pub mended: u64,
    /// Of these, damaged and left as they are: who wants such a page gets an error.
    pub broken: Vec<Broken>,
}

impl Scavenger {
    /// Reads every packed page that is in the store. `sets` are looked through for the pages that hang on what
    /// is damaged; `source` is asked for the content that such a page had when it was packed, which a
    /// checkpoint or a twin may have. What it gives is believed only if it encodes to bytes with the record's
    /// checksum, and the record is then what it was. Changes nothing else. Some microseconds a record.
    ///
    /// # Errors
    /// When a set is not there. What is damaged is in the result.
    pub fn check(
        &mut self,
        sets: &[(SetId, &dyn PageSet)],
        source: &mut dyn FnMut(SetId, u64) -> Option<Box<Page>>,
    ) -> Result<Check, Error> {
        for (set, _) in sets {
            self.set_at(*set)?;
        }
        let mut check = Check::default();
        let mut broken: BTreeMap<u32, Broken> = BTreeMap::new();
        for number in 0..self.vault.objects.end() {
            let Some(Home::Record { .. }) = self.vault.objects.find(number).map(|o| o.home) else {
                continue;
            };
            check.records += 1;
            if let Err(error) = self.vault.sound(number, &mut self.page) {
                let (object, pages, told_by) = (ObjectId(number), Vec::new(), Vec::new());
                broken.insert(number, Broken { object, error, pages, told_by });
            }
        }
        if broken.is_empty() {
            return Ok(check);
        }
        for &(set, pages) in sets {
            for page in 0..pages.pages() {
                let Look::Packed(ObjectId(number)) = pages.look(page) else { continue };
                if let Some(broken) = broken.get_mut(&number) {
                    broken.pages.push((set, page));
                }
                let base = self.vault.objects.find(number).and_then(|object| object.base);
                if let Some(broken) = base.and_then(|base| broken.get_mut(&base)) {
                    broken.told_by.push((set, page));
                }
            }
        }
        // Those that others are told by first: these are encoded beside them.
        let is_delta = |object: ObjectId| {
            self.vault.objects.find(object.0).is_some_and(|object| object.base.is_some())
        };
        let (deltas, alone): (Vec<Broken>, Vec<Broken>) =
            broken.into_values().partition(|broken| is_delta(broken.object));
        for broken in alone.into_iter().chain(deltas) {
            let mut given = broken.pages.iter().filter_map(|&(set, page)| source(set, page));
            if given.any(|page| self.mend(broken.object.0, &page)) {
                check.mended += 1;
            } else {
                check.broken.push(broken);
            }
        }
        Ok(check)
    }

    /// Puts a record right, if it was one of this page; whether it was.
    fn mend(&mut self, number: u32, page: &Page) -> bool {
        let Some(object) = self.vault.objects.find(number) else { return false };
        let Home::Record { codec, place } = object.home else { return false };
        if let Some(base) = object.base
            && self.vault.content(base, &mut self.other).is_err()
        {
            return false;
        }
        let base = object.base.map(|base| (base, &*self.other));
        let Some(encoded) = self.vault.encode(codec, page, base, PAGE_SIZE) else { return false };
        self.vault.store.mend(number, place, &encoded.bytes)
            && self.vault.content(number, &mut self.page).is_ok()
            && *self.page == *page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Codec;
    use crate::{Domain, Mode, Options, Pages};
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use vellum_frames::{FramePool, Options as PoolOptions};

    const PAGES: u64 = 400;

    /// Pages of several kinds, so that all codecs of pages at rest are there.
    fn content(page: u64) -> Page {
        let mut out = [0; PAGE_SIZE];
        match page % 5 {
            0 => out.fill(page as u8 | 1),
            1 | 2 => {
                let text = format!("{} goes on, {} too. ", page / 40 * 7919, page / 40).repeat(300);
                out.copy_from_slice(&text.as_bytes()[..PAGE_SIZE]);
                out[(page as usize * 8) % 4000..][..8].copy_from_slice(&page.to_le_bytes());
            }
            _ => {
                let mut state = page;
                for (at, byte) in out.iter_mut().enumerate() {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    *byte = if at % 3 == 0 { (state >> 60) as u8 } else { (at / 9) as u8 };
                }
            }
        }
        out
    }

    fn packed(passes: usize) -> (Scavenger, SetId, Pages) {
        let pool = FramePool::new(PoolOptions::new(PAGES + 10)).unwrap();
        let mut scavenger = Scavenger::new(Arc::clone(&pool), Options::default());
        let set = scavenger.add_set(PAGES, Domain(0), Mode::Share).unwrap();
        let mut pages = Pages::new(pool, PAGES as usize);
        for page in 0..PAGES {
            pages.write(&mut scavenger, set, page, 0, &content(page)).unwrap();
        }
        for _ in 0..passes {
            scavenger.pass(&mut [(set, &mut pages)]).unwrap();
        }
        (scavenger, set, pages)
    }

    /// Records by number, with their codecs.
    fn records(scavenger: &Scavenger) -> Vec<(u32, Codec, crate::store::Place)> {
        let each = (0..scavenger.vault.objects.end()).filter_map(|number| {
            match scavenger.vault.objects.find(number)?.home {
                Home::Record { codec, place } => Some((number, codec, place)),
                _ => None,
            }
        });
        each.collect()
    }

    #[test]
    fn every_damage_is_found_and_put_right_from_a_copy() {
        let mut codecs = BTreeSet::new();
        for (passes, byte) in [(4, 10), (9, 10), (9, 2), (9, 5), (9, 8)] {
            let (mut scavenger, set, pages) = packed(passes);
            let all = records(&scavenger);
            codecs.extend(all.iter().map(|record| record.1));
            let check = scavenger.check(&[(set, &pages)], &mut |_, _| None).unwrap();
            assert_eq!((check.records, check.broken.len()), (all.len() as u64, 0));
            let store = scavenger.report().store;
            all.iter().for_each(|&(_, _, place)| scavenger.vault.store.damage(place, byte));
            // Without a copy: all are named, with their pages, and none can be read.
            let check = scavenger.check(&[(set, &pages)], &mut |_, _| None).unwrap();
            assert_eq!((check.broken.len(), check.mended), (all.len(), 0), "byte {byte}");
            let named: BTreeSet<u64> =
                check.broken.iter().flat_map(|b| &b.pages).map(|&(_, page)| page).collect();
            let is_packed = |&page: &u64| matches!(pages.look(page), Look::Packed(_));
            assert_eq!(named, (0..PAGES).filter(is_packed).collect());
            assert!(check.broken.iter().any(|broken| !broken.told_by.is_empty()));
            for broken in &check.broken {
                assert!(scavenger.peek(broken.object, &mut [0; PAGE_SIZE]).is_err());
            }
            // From a copy that is wrong: none is believed.
            let mut wrong = |_, page| Some(Box::new(content(page + 5)));
            let check = scavenger.check(&[(set, &pages)], &mut wrong).unwrap();
            assert_eq!(check.mended, 0, "byte {byte}");
            let mut right = |_, page| Some(Box::new(content(page)));
            let check = scavenger.check(&[(set, &pages)], &mut right).unwrap();
            let left: Vec<u32> = check.broken.iter().map(|broken| broken.object.0).collect();
            assert!(left.is_empty() && check.mended == all.len() as u64, "byte {byte}: {left:?}");
            assert_eq!(scavenger.report().store, store);
            let mut pages = pages;
            for page in 0..PAGES {
                let mut out = [0; PAGE_SIZE];
                pages.read(&mut scavenger, set, page, &mut out).unwrap();
                assert_eq!(out, content(page), "page {page}");
            }
        }
        let wanted = [Codec::Same, Codec::DeltaFast, Codec::Lz4, Codec::DeltaTight, Codec::Brisk];
        assert!(wanted.iter().all(|codec| codecs.contains(codec)), "{codecs:?}");
    }

    /// A page that others are told by: who hangs on it is known, and gets an error.
    #[test]
    fn a_damaged_reference_names_those_that_are_told_by_it() {
        let (mut scavenger, set, mut pages) = packed(9);
        let told = (0..PAGES).find_map(|page| {
            let Look::Packed(object) = pages.look(page) else { return None };
            Some((page, scavenger.vault.objects.find(object.0)?.base?))
        });
        let (delta, base) = told.unwrap();
        let place = records(&scavenger).iter().find(|record| record.0 == base).unwrap().2;
        scavenger.vault.store.damage(place, 10);
        let check = scavenger.check(&[(set, &pages)], &mut |_, _| None).unwrap();
        let [broken] = &check.broken[..] else { panic!("{check:?}") };
        assert_eq!(broken.object, ObjectId(base));
        assert!(
            broken.told_by.contains(&(set, delta)) && broken.error.to_string().contains("checksum")
        );
        let refused = pages.read(&mut scavenger, set, delta, &mut [0; PAGE_SIZE]);
        assert!(matches!(refused, Err(Error::Checksum { .. })), "never zeros: {refused:?}");
    }
}
