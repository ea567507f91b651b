//! Pages in, a sketch out.

use super::{Sketch, bottom};
use crate::Domain;
use crate::content::{Features, Page, PageKey, same_filled};
use std::collections::BTreeSet;
use vellum_frames::PAGE_SIZE;

/// Takes a guest's pages in turn and makes a [`Sketch`] of them: some 5 µs a page that it has not seen, and
/// meanwhile some hundred bytes for each.
#[derive(Debug)]
pub struct Sketcher {
    key: PageKey,
    domain: Domain,
    pages: u64,
    zeros: u64,
    similar: u64,
    contents: BTreeSet<u64>,
    /// The features of pages that have none in common with one before.
    known: BTreeSet<u32>,
    features: Vec<u64>,
}

impl Sketcher {
    /// A sketch of pages that may be shared in `domain` of scavengers whose
    /// [`Options::key`](crate::Options::key) is `key`.
    pub fn new(key: u64, domain: Domain) -> Self {
        Sketcher {
            key: PageKey::new(key, domain.0.into()),
            domain,
            pages: 0,
            zeros: 0,
            similar: 0,
            contents: BTreeSet::new(),
            known: BTreeSet::new(),
            features: Vec::new(),
        }
    }

    /// One page more.
    pub fn add(&mut self, page: &Page) {
        self.pages += 1;
        if same_filled(page) == Some(0) {
            self.zeros += 1;
            return;
        }
        let content = self.key.hash(page);
        if !self.contents.insert(content) {
            return;
        }
        let features = Features::of(page);
        let Some(&first) = features.values().first() else { return };
        let feature = self.key.hash_word(first.into()) >> 32 << 32;
        self.features.push(feature | content & u64::from(u32::MAX));
        // As the scavenger does: a page that has no like is one that others are told by.
        if features.values().iter().any(|feature| self.known.contains(feature)) {
            self.similar += 1;
        } else {
            self.known.extend(features.values());
        }
    }

    /// The sketch.
    pub fn finish(mut self) -> Sketch {
        self.features.sort_unstable();
        let capped = bottom::capped(&self.features);
        Sketch {
            domain: self.domain,
            key: self.key.hash(&[0; PAGE_SIZE]),
            pages: self.pages,
            zeros: self.zeros,
            distinct: self.contents.len() as u64,
            similar: self.similar,
            first: bottom::alike(&capped),
            contents: self.contents.into_iter().take(super::SAMPLE).collect(),
            features: capped.into_iter().take(super::SAMPLE).collect(),
        }
    }
}
