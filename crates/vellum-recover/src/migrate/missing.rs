//! The pages that are still at the source, as runs: however many pages a greeting speaks of, the memory
//! is that of the message that lists them.

use std::collections::BTreeMap;
use std::ops::Range;

/// Disjoint runs of pages, by start.
#[derive(Debug, Default)]
pub(super) struct Missing {
    runs: BTreeMap<u64, u64>,
    pages: u64,
}

impl Missing {
    /// Adds a run behind all others.
    pub(super) fn push(&mut self, run: Range<u64>) {
        if run.start < run.end {
            self.pages += run.end - run.start;
            self.runs.insert(run.start, run.end);
        }
    }

    /// How many pages there are.
    pub(super) fn len(&self) -> u64 {
        self.pages
    }

    fn holding(&self, page: u64) -> Option<Range<u64>> {
        let (start, end) = self.runs.range(..=page).next_back()?;
        (page < *end).then_some(*start..*end)
    }

    pub(super) fn contains(&self, page: u64) -> bool {
        self.holding(page).is_some()
    }

    /// Takes a page out, if it is there.
    pub(super) fn remove(&mut self, page: u64) {
        let Some(run) = self.holding(page) else { return };
        self.pages -= 1;
        self.runs.remove(&run.start);
        if run.start < page {
            self.runs.insert(run.start, page);
        }
        if page + 1 < run.end {
            self.runs.insert(page + 1, run.end);
        }
    }

    /// The lowest page.
    pub(super) fn first(&self) -> Option<u64> {
        self.runs.keys().next().copied()
    }

    /// All pages, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.runs.iter().flat_map(|(start, end)| *start..*end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn runs_are_the_set_of_their_pages(
            gaps in prop::collection::vec((0_u64..4, 0_u64..6), 0..8),
            taken in prop::collection::vec(0_u64..60, 0..60),
        ) {
            let (mut missing, mut model, mut at) = (Missing::default(), BTreeSet::new(), 0);
            for (gap, len) in gaps {
                let run = at + gap..at + gap + len;
                at = run.end;
                model.extend(run.clone());
                missing.push(run);
            }
            for page in taken {
                prop_assert_eq!(missing.contains(page), model.remove(&page));
                missing.remove(page);
                prop_assert_eq!(missing.len(), model.len() as u64);
                prop_assert_eq!(missing.first(), model.first().copied());
            }
            prop_assert!(missing.iter().eq(model.iter().copied()));
        }
    }
}
