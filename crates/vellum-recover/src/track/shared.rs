//! What the owner's handle of a tracked memory and whoever copies ahead of a pause have in common: the
//! way, and the pages that are owed.
//!
//! Two rules keep a write from being lost. A list protects its pages *before* they are copied, so that
//! a write during the copy is in the next list. And pages that were listed, but reached nobody, are
//! *owed*: they are in the next list whether or not they are written again.

use super::{Capture, fault, hashes, runs, uffd};
use crate::error::Error;
use crate::memory::{Mapping, PAGE};
use crate::store::lock;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Pages that are compared at a time.
const COMPARED: usize = 64;

#[derive(Debug)]
pub(super) enum Way {
    WriteProtect(uffd::Tracker),
    Fault(fault::Tracker),
    Hash(Vec<[u8; 32]>),
}

#[derive(Debug)]
struct State {
    way: Way,
    /// Listed, and delivered to nobody.
    owed: Vec<Range<u64>>,
}

/// A list of written pages, as ascending runs that don't touch.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) runs: Vec<Range<u64>>,
    /// Whether tracking has begun anew for them.
    pub(crate) armed: bool,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    memory: Arc<Mapping>,
}

impl Shared {
    pub(super) fn new(way: Way, memory: Arc<Mapping>) -> Self {
        Self { state: Mutex::new(State { way, owed: Vec::new() }), memory }
    }

    pub(super) fn memory(&self) -> &Mapping {
        &self.memory
    }

    pub(super) fn capture(&self) -> Capture {
        match lock(&self.state).way {
            Way::WriteProtect(_) => Capture::WriteProtect,
            Way::Fault(_) => Capture::Fault,
            Way::Hash(_) => Capture::Hash,
        }
    }

    /// How many pages there are.
    pub(crate) fn pages(&self) -> u64 {
        (self.memory.len() / PAGE) as u64
    }

    /// Lists what was written and begins anew. With `still` the owner stands still, which hashes need:
    /// without it they list nothing, and everything is found later.
    pub(super) fn take(&self, still: bool) -> Result<Listed, Error> {
        let mut state = lock(&self.state);
        let State { way, owed } = &mut *state;
        let mut found = Vec::new();
        let listed = match way {
            Way::WriteProtect(tracker) => tracker.list(&self.memory, true, &mut found),
            Way::Fault(tracker) => tracker.take(&self.memory, &mut found),
            Way::Hash(old) if still => {
                let new = hashes(&self.memory);
                let changed = new.iter().zip(old.iter()).enumerate();
                let changed = changed.filter(|(_, (new, old))| new != old).map(|(at, _)| at as u64);
                found = runs(changed);
                *old = new;
                Ok(())
            }
            Way::Hash(_) => Ok(()),
        };
        // What an earlier list lost is in this one; what this one loses, in the next.
        let all = union(std::mem::take(owed), found);
        match listed {
            Ok(()) => Ok(Listed { runs: all, armed: true }),
            Err(source) => {
                *owed = all;
                Err(Error::Memory { what: "listing written pages", source })
            }
        }
    }

    /// As [`crate::Tracked::take_dirty`], while the owner writes.
    pub(crate) fn take_dirty(&self) -> Result<Vec<Range<u64>>, Error> {
        Ok(self.take(false)?.runs)
    }

    pub(super) fn list_in_pause(&self) -> Result<Listed, Error> {
        let mut state = lock(&self.state);
        let State { way: Way::WriteProtect(tracker), owed } = &mut *state else {
            drop(state);
            return self.take(true);
        };
        let mut found = Vec::new();
        let listed = tracker.list(&self.memory, false, &mut found);
        listed.map_err(|source| Error::Memory { what: "listing written pages", source })?;
        Ok(Listed { runs: union(std::mem::take(owed), found), armed: false })
    }

    /// Begins anew for the `pages` that a pause has listed and copied (to `bytes`), while the owner
    /// writes on. The pages are protected first; then whatever differs from its copy was written in
    /// between and is owed, and so is what was written since the pause alone. A page that is the same
    /// was not changed, or changed back, and later writes are in the next list.
    ///
    /// When the kernel refuses, nothing is lost: all these pages are owed.
    pub(crate) fn arm_after(&self, pages: &[u64], bytes: &[u8]) {
        let Ok(listed) = self.take(false) else { return self.owe(runs(pages.iter().copied())) };
        let since = listed.runs.into_iter().flatten();
        let mut owed: Vec<u64> = since.filter(|page| pages.binary_search(page).is_err()).collect();
        let mut now = vec![0; COMPARED.min(pages.len()) * PAGE];
        for (pages, bytes) in pages.chunks(COMPARED).zip(bytes.chunks(COMPARED * PAGE)) {
            let now = &mut now[..bytes.len()];
            match self.memory.copy_out_pages(pages, now) {
                Ok(()) => {
                    let both = now.chunks_exact(PAGE).zip(bytes.chunks_exact(PAGE));
                    let differing = pages.iter().zip(both).filter(|(_, (now, then))| now != then);
                    owed.extend(differing.map(|(page, _)| *page));
                }
                Err(_) => owed.extend(pages),
            }
        }
        owed.sort_unstable();
        self.owe(runs(owed.into_iter()));
    }

    /// Puts pages into the next list.
    pub(crate) fn owe(&self, pages: Vec<Range<u64>>) {
        let mut state = lock(&self.state);
        state.owed = union(std::mem::take(&mut state.owed), pages);
    }

    /// Copies pages while the owner writes: one that is written meanwhile comes out in any state,
    /// and is in the next list.
    pub(crate) fn read_pages(&self, pages: &[u64], out: &mut [u8]) -> Result<(), Error> {
        let failed = |source| Error::Memory { what: "copying written pages", source };
        self.memory.copy_out_pages(pages, out).map_err(failed)
    }
}

/// The pages of two lists. Neither needs to ascend.
fn union(one: Vec<Range<u64>>, two: Vec<Range<u64>>) -> Vec<Range<u64>> {
    if one.is_empty() && is_list(&two) {
        return two;
    }
    let mut pages: Vec<u64> = one.into_iter().chain(two).flatten().collect();
    pages.sort_unstable();
    pages.dedup();
    runs(pages.into_iter())
}

/// Whether runs ascend and don't touch, as everybody may count on. Beside a writer, with more than some
/// hundred runs, the kernel's list was seen not to.
fn is_list(runs: &[Range<u64>]) -> bool {
    runs.is_sorted_by(|one, two| one.end < two.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_does_not_ascend_or_has_pages_twice_comes_out_in_order() {
        let disorders: [&[Range<u64>]; 4] =
            [&[7..9, 1..3], &[1..3, 2..4, 7..9], &[1..3, 3..4, 7..9], &[7..8, 1..3, 8..9, 1..2]];
        for disorder in disorders {
            let listed = union(Vec::new(), disorder.to_vec());
            assert!(is_list(&listed), "{disorder:?}: {listed:?}");
            let mut pages: Vec<u64> = disorder.iter().cloned().flatten().collect();
            pages.sort_unstable();
            pages.dedup();
            assert_eq!(listed.into_iter().flatten().collect::<Vec<_>>(), pages);
        }
        assert_eq!(union(std::iter::once(4..6).collect(), vec![0..2, 5..7]), [0..2, 4..7]);
    }

    #[test]
    fn what_was_written_between_a_pause_and_the_protection_behind_it_is_in_the_next_list() {
        let Ok(mut tracked) = crate::Tracked::new(40 * PAGE, Some(Capture::WriteProtect)) else {
            println!("skipped: no write protection here");
            return;
        };
        for page in [2, 3, 20] {
            tracked.bytes_mut()[page * PAGE] = 1;
        }
        let listed = tracked.list_in_pause().unwrap();
        assert!(!listed.armed);
        let pages: Vec<u64> = listed.runs.into_iter().flatten().collect();
        assert_eq!(pages, [2, 3, 20]);
        let mut copied = vec![0; pages.len() * PAGE];
        tracked.shared().read_pages(&pages, &mut copied).unwrap();
        // The owner goes on: one of the pages, another one, and one with the byte it has.
        tracked.bytes_mut()[3 * PAGE + 8] = 5;
        tracked.bytes_mut()[30 * PAGE] = 5;
        tracked.bytes_mut()[20 * PAGE] = 1;
        tracked.shared().arm_after(&pages, &copied);
        // And on, when they are protected.
        tracked.bytes_mut()[2 * PAGE] = 9;
        let next: Vec<u64> = tracked.take_dirty().unwrap().into_iter().flatten().collect();
        assert_eq!(next, [2, 3, 30]);
        assert!(tracked.take_dirty().unwrap().is_empty());
    }
}
