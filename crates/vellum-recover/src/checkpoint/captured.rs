//! Copies of pages, between the pause that takes them and the image that they become.

use super::Pages;
use crate::memory::PAGE;
use std::ops::Range;

/// Copies of pages, taken while their owner stood still.
#[derive(Debug, Default)]
pub struct Captured {
    pub(super) total: u64,
    pub(super) pages: Vec<u64>,
    pub(super) bytes: Vec<u8>,
}

impl Captured {
    /// Copies the pages of `runs`. Cost: a copy of them; this is the pause.
    pub fn take(source: &(impl Pages + ?Sized), runs: &[Range<u64>]) -> Self {
        let mut captured = Self::default();
        captured.take_again(source, runs);
        captured
    }

    /// As [`Captured::take`], into the memory of an earlier capture, whose pages need not be faulted
    /// in again: for a short pause, keep one.
    pub fn take_again(&mut self, source: &(impl Pages + ?Sized), runs: &[Range<u64>]) {
        self.total = source.pages();
        self.pages.clear();
        self.pages.extend(runs.iter().cloned().flatten().filter(|page| *page < self.total));
        self.bytes.resize(self.pages.len() * PAGE, 0);
        source.read_pages(&self.pages, &mut self.bytes);
    }

    /// Puts pages among those that are there, in the place of those that are the same. In place, from
    /// the back: no more memory than the result. Both lists ascend, and have no number twice.
    pub(super) fn put(&mut self, pages: &[u64], bytes: &[u8]) {
        let same = pages.iter().filter(|page| self.pages.binary_search(page).is_ok()).count();
        let (mut old, mut new) = (self.pages.len(), pages.len());
        let mut to = old + new - same;
        self.pages.resize(to, 0);
        self.bytes.resize(to * PAGE, 0);
        // Below `old` nothing has moved once there is nothing new.
        while new > 0 {
            to -= 1;
            let newer = pages[new - 1];
            if old > 0 && self.pages[old - 1] > newer {
                old -= 1;
                self.pages[to] = self.pages[old];
                self.bytes.copy_within(old * PAGE..(old + 1) * PAGE, to * PAGE);
                continue;
            }
            if old > 0 && self.pages[old - 1] == newer {
                old -= 1;
            }
            new -= 1;
            self.pages[to] = newer;
            self.bytes[to * PAGE..][..PAGE].copy_from_slice(&bytes[new * PAGE..][..PAGE]);
        }
    }

    /// Pages captured, ascending.
    pub(super) fn pages(&self) -> &[u64] {
        &self.pages
    }

    /// Their bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Copies other pages than before, as `read` gives them.
    pub(super) fn refill(
        &mut self,
        pages: &[u64],
        read: impl FnOnce(&mut [u8]) -> Result<(), crate::Error>,
    ) -> Result<(), crate::Error> {
        self.pages.clear();
        self.pages.extend_from_slice(pages);
        self.bytes.resize(pages.len() * PAGE, 0);
        read(&mut self.bytes)
    }

    /// Begins anew, in the same memory.
    pub(super) fn clear(&mut self, total: u64) {
        self.total = total;
        self.pages.clear();
        self.bytes.clear();
    }

    /// Pages from another place: `pages` ascending, `bytes` one page for each.
    pub(super) fn from_parts(total: u64, pages: Vec<u64>, bytes: Vec<u8>) -> Self {
        Self { total, pages, bytes }
    }

    /// Pages captured.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether nothing was captured.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn later_copies_take_the_place_of_earlier_ones() {
        let copies = |pages: &[u64], byte| -> Vec<u8> {
            pages.iter().flat_map(|page| vec![*page as u8 ^ byte; PAGE]).collect()
        };
        let some = [&[][..], &[3], &[0, 1, 2], &[2, 5, 9], &[5], &[0, 9, 12], &[1, 2, 3, 4, 5, 6]];
        for one in some {
            for two in some {
                let mut captured = Captured::from_parts(20, one.to_vec(), copies(one, 0));
                captured.put(two, &copies(two, 0x80));
                let mut model: BTreeMap<u64, u8> =
                    one.iter().map(|page| (*page, *page as u8)).collect();
                model.extend(two.iter().map(|page| (*page, *page as u8 ^ 0x80)));
                assert_eq!(captured.pages, model.keys().copied().collect::<Vec<_>>());
                let bytes: Vec<u8> = model.values().flat_map(|byte| vec![*byte; PAGE]).collect();
                assert!(captured.bytes == bytes, "{one:?} {two:?}");
            }
        }
    }
}
