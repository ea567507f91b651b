//! A guest's memory in sixteen kilobytes, from which can be told what it would share with another's.
//!
//! Of the hashes of a guest's distinct contents the 1024 least are kept (*k minimum values*: Bar-Yossef et
//! al., RANDOM 2002). Those of two guests together are a sample of what both hold, and the share of it that
//! both have is the share of contents that both have, to within a standard error of `√(J(1−J)/k)` (Beyer
//! et al., SIGMOD 2007). How many distinct contents a guest has is counted while the sketch is made.
//!
//! Similar pages are sampled by what makes them similar: of the distinct pages in the order of the hash of
//! their first min-wise feature, the first 1024 are kept, at most eight of a feature. So pages that may be
//! told by each other are sampled together, whichever guest has them. One feature finds fewer than the
//! eight that the scavenger looks for; by how much is counted while the sketch is made, too.
//!
//! The hashes are keyed. Sketches can be compared when key and domain are the same, as pages can be shared
//! only in one domain. Whoever has the key can tell of a content whether a guest is likely to hold it, as
//! far as the sample goes; whoever has not learns the counts, and how much two sketches have in common.

mod bottom;
mod build;
mod format;

use crate::Domain;
use crate::content::FEATURES;
pub use build::Sketcher;
pub use format::SketchError;

/// Entries of each sample.
pub const SAMPLE: usize = 1024;
/// Pages of a feature that are sampled at most: a content that many pages resemble takes no more of it.
const ALIKE: usize = 8;
/// Of eight similar pages one has a difference that is too long to keep, or comes by when the index has
/// forgotten its like: 7 of 8 to within 2 % in two memory images and four pairs of them.
const KEPT: (u64, u64) = (7, 8);

/// What a guest's memory holds, in a bounded number of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch {
    domain: Domain,
    /// What the page of zeros hashes to: sketches of one key have it in common.
    key: u64,
    pages: u64,
    zeros: u64,
    distinct: u64,
    /// Distinct pages that have a feature in common with one that came before and has not itself.
    similar: u64,
    /// Distinct pages that have the first feature of one that came before, of at most `ALIKE` a feature.
    first: u64,
    /// The least hashes of distinct contents, ascending.
    contents: Vec<u64>,
    /// Hash of the first feature and lower half of the content's, ascending.
    features: Vec<u64>,
}

/// A number that was told from a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard error: two of three estimates are this close, nineteen of twenty twice as close.
    pub error: f64,
}

impl Sketch {
    /// The domain that its pages may be shared in.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// Pages that were looked at.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Of these, zeros. They take no frame, whoever else has some.
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// Different contents but zeros: frames that are left when all that is equal is shared. Counted of a
    /// guest, an estimate of several.
    pub fn distinct(&self) -> u64 {
        self.distinct
    }

    /// Pages that have the content of another: frames that sharing saves within, zeros apart.
    pub fn duplicates(&self) -> u64 {
        (self.pages - self.zeros).saturating_sub(self.distinct)
    }

    /// Distinct pages that would be told as the difference to another, by the default policy: an estimate.
    pub fn deltas(&self) -> u64 {
        self.similar * KEPT.0 / KEPT.1
    }

    /// How many contents two guests have in common, zeros apart: frames that are saved by putting them on
    /// one host.
    ///
    /// # Errors
    /// When the sketches are of different keys or domains.
    pub fn shared(&self, other: &Sketch) -> Result<Estimate, SketchError> {
        self.comparable(other)?;
        let whole = self.contents.len() < SAMPLE && other.contents.len() < SAMPLE;
        let seen = if whole { 2 * SAMPLE } else { SAMPLE };
        let (seen, both) = bottom::intersection(&self.contents, &other.contents, seen);
        if whole {
            return Ok(Estimate { value: both as f64, error: 0.0 });
        }
        let (jaccard, sizes) = (both as f64 / seen as f64, (self.distinct + other.distinct) as f64);
        // What is in the union and in both, of two sets of known sizes. A sample that has nothing in
        // common, or everything, still leaves room for what one more hash would have shown.
        let spread = jaccard.clamp(1.0 / seen as f64, 1.0 - 1.0 / seen as f64);
        let error = (spread * (1.0 - spread) / seen as f64).sqrt();
        let most = self.distinct.min(other.distinct) as f64;
        Ok(Estimate {
            value: (sizes * jaccard / (1.0 + jaccard)).min(most),
            error: sizes * error / (1.0 + jaccard).powi(2),
        })
    }

    /// The sketch of both guests' pages together: its samples are those of a sketch that was made of all of
    /// them, its counts are estimates.
    ///
    /// # Errors
    /// When the sketches are of different keys or domains.
    pub fn merge(&self, other: &Sketch) -> Result<Sketch, SketchError> {
        let shared = self.shared(other)?.value.round() as u64;
        let distinct = (self.distinct + other.distinct).saturating_sub(shared);
        let (more, same) = bottom::more_alike(&self.features, &other.features);
        let (similar, first) = (self.similar + other.similar, self.first + other.first);
        // Pages of two guests resemble each other in most features, as a rule, and are found by any. Those
        // of one guest, of which both may have some, do so in few.
        let finds = (similar as f64 / first.max(1) as f64).min(FEATURES as f64);
        let with = |count: u64, more: f64| (count as f64 + more).round().max(0.0) as u64;
        let similar = with(similar, more - same * finds).min(distinct);
        Ok(Sketch {
            domain: self.domain,
            key: self.key,
            pages: self.pages.saturating_add(other.pages),
            zeros: self.zeros.saturating_add(other.zeros),
            distinct,
            similar,
            first: with(first, more - same).min(distinct),
            contents: bottom::least(&self.contents, &other.contents, SAMPLE),
            features: bottom::grouped(&self.features, &other.features),
        })
    }

    fn comparable(&self, other: &Sketch) -> Result<(), SketchError> {
        if self.domain != other.domain {
            return Err(SketchError::Domains { this: self.domain, other: other.domain });
        }
        if self.key == other.key { Ok(()) } else { Err(SketchError::Keys) }
    }
}

#[cfg(test)]
mod tests;
