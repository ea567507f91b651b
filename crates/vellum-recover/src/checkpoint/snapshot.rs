//! A snapshot beside a running owner: copy on write of pre-images.
//!
//! The owner withdraws write rights from all its memory (one step, whatever the size), begins a
//! [`Snapshot`], and runs on. Before the first write to a page it calls [`Snapshot::before_write`]
//! with the page's bytes. Somebody copies the rest with [`Snapshot::copy_some`]. What comes out is
//! the memory as it was at the beginning.

use super::Captured;
use super::Pages;
use crate::memory::PAGE;
use std::collections::BTreeMap;

/// A snapshot that is being taken.
#[derive(Debug)]
pub struct Snapshot {
    total: u64,
    /// Bits of pages whose content is safe.
    safe: Vec<u64>,
    saved: BTreeMap<u64, Box<[u8]>>,
    /// Everything below was looked at by `copy_some`.
    cursor: u64,
    pre_images: u64,
}

impl Snapshot {
    /// Begins a snapshot of `pages` pages. Cost: a bit a page.
    pub fn begin(pages: u64) -> Self {
        let safe = vec![0; pages.div_ceil(64) as usize];
        Self { total: pages, safe, saved: BTreeMap::new(), cursor: 0, pre_images: 0 }
    }

    /// Whether the content of `page` is safe already (or there is no such page).
    pub fn is_safe(&self, page: u64) -> bool {
        let word = self.safe.get((page / 64) as usize).filter(|_| page < self.total);
        word.is_none_or(|word| word >> (page % 64) & 1 == 1)
    }

    fn claim(&mut self, page: u64) -> bool {
        let Some(word) = self.safe.get_mut((page / 64) as usize).filter(|_| page < self.total)
        else {
            return false;
        };
        let bit = 1 << (page % 64);
        let first = *word & bit == 0;
        *word |= bit;
        first
    }

    fn save(&mut self, page: u64, bytes: &[u8]) {
        if bytes.iter().any(|byte| *byte != 0) {
            self.saved.insert(page, bytes.into());
        }
    }

    /// To be called before `page` is written, with its bytes as they are. Cost: a copy at the first
    /// call for a page, else a bit's test.
    pub fn before_write(&mut self, page: u64, bytes: &[u8]) {
        if self.claim(page) {
            self.pre_images += 1;
            self.save(page, bytes);
        }
    }

    /// Copies up to `count` pages that are not safe yet; `true` when all are.
    pub fn copy_some(&mut self, source: &(impl Pages + ?Sized), count: u64) -> bool {
        let (mut left, mut bytes) = (count, vec![0; PAGE]);
        while left > 0 && self.cursor < self.total {
            let page = self.cursor;
            self.cursor += 1;
            if self.claim(page) {
                source.read_page(page, &mut bytes);
                self.save(page, &bytes);
                left -= 1;
            }
        }
        self.cursor >= self.total
    }

    /// Pages whose pre-image a write brought.
    pub fn pre_images(&self) -> u64 {
        self.pre_images
    }

    /// The memory as it was when the snapshot began; what was not copied yet is copied now.
    pub fn finish(mut self, source: &(impl Pages + ?Sized)) -> Captured {
        while !self.copy_some(source, u64::MAX) {}
        self.into_captured()
    }

    /// What is safe so far.
    pub(crate) fn into_captured(self) -> Captured {
        let (pages, bytes): (Vec<u64>, Vec<Box<[u8]>>) = self.saved.into_iter().unzip();
        Captured::from_parts(self.total, pages, bytes.concat())
    }
}
