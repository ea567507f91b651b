//! Sectors that defects moved away from their neighbours.

/// A defective sector that stands in for elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remap {
    pub lbn: u64,
    pub target: u64,
}

/// Bits of LBNs that were moved, so that the others need no search.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filter([u64; Filter::WORDS]);

impl Filter {
    const WORDS: usize = 64;

    pub(crate) fn new(remaps: &[Remap]) -> Filter {
        let mut words = [0; Filter::WORDS];
        for r in remaps {
            words[(r.lbn >> 6) as usize % Filter::WORDS] |= 1 << (r.lbn % 64);
        }
        Filter(words)
    }

    /// False only for LBNs that were not moved.
    #[inline]
    pub(super) fn may_hold(&self, lbn: u64) -> bool {
        self.0[(lbn >> 6) as usize % Filter::WORDS] >> (lbn % 64) & 1 == 1
    }
}
