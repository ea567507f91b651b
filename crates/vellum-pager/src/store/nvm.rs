//! Pages on byte-addressable non-volatile memory: a tier between memory and a disk.

use super::{Answer, Get, PageStore, Put, Traffic, failed};
use crate::{LINE, Lines, PAGE, PageNo, StoreError};
use std::collections::BTreeMap;
use vellum_block::Instant;
use vellum_nvm::{Nvm, NvmError};

/// Lines of a page.
const PAGE_LINES: u64 = (PAGE / LINE) as u64;

const _: () = assert!(LINE == vellum_nvm::LINE, "both count in the same lines");

/// Keeps up to as many pages as the device has room for, whatever their numbers, each in 64 lines of
/// its own, and writes only the lines that changed: what wears is what was written.
///
/// A line is durable once it is written, so that there is nothing to flush. A page with a line that is
/// worn out can't be kept any more: its put fails.
#[derive(Debug)]
pub struct NvmStore {
    nvm: Nvm,
    now: Instant,
    /// The place of each page on the device, and the places that are free.
    placed: BTreeMap<PageNo, u32>,
    free: Vec<u32>,
    places: u32,
    name: String,
    traffic: Traffic,
}

impl NvmStore {
    /// Over a device, as many pages as it has room for.
    pub fn new(nvm: Nvm, name: impl Into<String>) -> Self {
        let places = (nvm.lines() / PAGE_LINES).min(u64::from(u32::MAX)) as u32;
        NvmStore {
            nvm,
            now: Instant::ZERO,
            placed: BTreeMap::new(),
            free: (0..places).rev().collect(),
            places,
            name: name.into(),
            traffic: Traffic::default(),
        }
    }

    /// The first line of a page that is there.
    fn first_line(&self, page: PageNo) -> Option<u64> {
        let &place = self.placed.get(&page)?;
        Some(u64::from(place) * PAGE_LINES)
    }

    /// The device: its wear, its energy, how long it lasts.
    pub fn device(&self) -> &Nvm {
        &self.nvm
    }

    /// How far the device's own time has come.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Gives a page a place; its first line.
    fn place(&mut self, page: PageNo) -> Result<u64, StoreError> {
        let (used, limit) = (u64::from(self.places), u64::from(self.places));
        let Some(place) = self.free.pop() else {
            return Err(StoreError::Full { store: self.name.clone(), used, limit, unit: "pages" });
        };
        self.placed.insert(page, place);
        Ok(u64::from(place) * PAGE_LINES)
    }

    /// A batch's lines are asked for at once, and it is over when its last one is.
    fn over(&mut self, start: Instant, last: Instant) {
        self.now = self.now.max(last);
        self.traffic.model_ps += self.now.since(start).as_ps();
    }

    fn read(&mut self, get: &mut Get<'_>, first: u64) -> Result<Instant, NvmError> {
        let mut last = self.now;
        let (lines, _) = get.into.as_chunks_mut::<LINE>();
        for (line, into) in (first..).zip(lines) {
            last = last.max(self.nvm.read(self.now, line, into)?.end);
        }
        Ok(last)
    }

    fn write(&mut self, put: &Put<'_>, first: u64, lines: Lines) -> Result<Instant, NvmError> {
        let mut last = self.now;
        for (line, content) in (first..).zip(put.content.as_chunks::<LINE>().0) {
            if lines.bits() >> (line - first) & 1 == 1 {
                last = last.max(self.nvm.write(self.now, line, content)?.end);
                self.traffic.bytes_put += LINE as u64;
            }
        }
        Ok(last)
    }
}

impl PageStore for NvmStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn get(&mut self, batch: &mut [Get<'_>]) {
        self.traffic.get_batches += 1;
        let (start, mut last) = (self.now, self.now);
        for get in batch {
            let Some(first) = self.first_line(get.page) else { continue };
            match self.read(get, first) {
                Ok(end) => {
                    last = last.max(end);
                    get.answer = Answer::Found;
                    self.traffic.pages_got += 1;
                }
                Err(e) => get.answer = Answer::Failed(failed(&self.name, "reading", get.page, e)),
            }
        }
        self.over(start, last);
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        self.traffic.put_batches += 1;
        let (start, mut last) = (self.now, self.now);
        for put in batch {
            let (first, lines) = match self.first_line(put.page) {
                Some(first) => (first, put.lines),
                None => (self.place(put.page)?, Lines::ALL),
            };
            match self.write(put, first, lines) {
                Ok(end) => last = last.max(end),
                Err(e) => {
                    // Half of a new page is none; half of an old one is found out by its checksum.
                    if lines == Lines::ALL {
                        self.discard(&[put.page])?;
                    }
                    self.over(start, last);
                    return Err(failed(&self.name, "writing", put.page, e));
                }
            }
            self.traffic.pages_put += 1;
        }
        self.over(start, last);
        Ok(())
    }

    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        for page in pages {
            self.free.extend(self.placed.remove(page));
        }
        Ok(())
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vellum_nvm::profiles;

    fn store(name: &str, pages: u64) -> NvmStore {
        let profile = profiles::find(name).unwrap();
        NvmStore::new(Nvm::new(profile, pages * PAGE_LINES, 1).unwrap(), "memristor")
    }

    fn put(store: &mut NvmStore, page: u32, content: &[u8; PAGE], lines: Lines) -> u64 {
        let before = store.device().counters().writes;
        store.put(&[Put { page: PageNo::new(page), content, lines }]).unwrap();
        store.device().counters().writes - before
    }

    #[test]
    fn only_lines_that_changed_are_written_once_the_page_is_there() {
        let mut store = store("stacked-memristor", 4);
        let mut page = [3; PAGE];
        assert_eq!(put(&mut store, 2, &page, Lines::NONE), 64, "the first time, all of it");
        page[130] = 9;
        page[4095] = 9;
        assert_eq!(put(&mut store, 2, &page, Lines::from_bits(1 << 2 | 1 << 63)), 2);
        assert_eq!(store.traffic().bytes_put, 66 * 64);
        let mut back = [0; PAGE];
        let mut batch = [Get::new(PageNo::new(2), &mut back)];
        store.get(&mut batch);
        assert_eq!(batch[0].answer, Answer::Found);
        assert_eq!(back, page);
        assert_eq!(store.traffic().model_ps, store.now().as_ps());
        store.discard(&[PageNo::new(2)]).unwrap();
        let mut batch = [Get::new(PageNo::new(2), &mut back)];
        store.get(&mut batch);
        assert_eq!(batch[0].answer, Answer::Missing);
    }

    #[test]
    fn the_stacked_device_is_the_faster_one_and_a_full_one_says_so() {
        let time = |name| {
            let mut store = store(name, 4);
            put(&mut store, 0, &[0x5a; PAGE], Lines::ALL);
            store.now()
        };
        assert!(time("stacked-memristor") < time("pcm"));
        let mut store = store("pcm", 2);
        for page in [900, 7] {
            put(&mut store, page, &[0; PAGE], Lines::ALL);
        }
        let more = [Put { page: PageNo::new(4), content: &[0; PAGE], lines: Lines::ALL }];
        let error = store.put(&more).unwrap_err();
        assert_eq!(error.to_string(), "memristor is full: 2 of 2 pages");
        store.discard(&[PageNo::new(900)]).unwrap();
        store.put(&more).unwrap();
    }
}
