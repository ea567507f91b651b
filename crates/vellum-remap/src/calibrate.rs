//! Where remapping begins to pay, measured where it runs: a constant would be wrong on most machines
//! (4 KiB in NetBSD, 10 KB in Linux' `MSG_ZEROCOPY`, never where every flip is a system call).

use crate::{Buffer, Error, OverQuota, PAGE, Policy, Run, Space, Transfers};

/// Rounds of each size; the fastest counts, since nothing makes a round too fast.
const ROUNDS: usize = 9;

/// What moving so many pages takes, in the clock's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Pages.
    pub pages: usize,
    /// Copied.
    pub copy: u64,
    /// Lent, published, touched and settled.
    pub remap: u64,
}

/// The measured sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calibration {
    /// In ascending order of pages: 1, 2, 4 and so on.
    pub samples: Vec<Sample>,
}

impl Calibration {
    /// The fewest pages from which on remapping was never slower; `None` where copying was faster
    /// to the end.
    pub fn break_even(&self) -> Option<usize> {
        let worse = self.samples.iter().rposition(|sample| sample.remap > sample.copy);
        let first = worse.map_or(0, |at| at + 1);
        self.samples.get(first).map(|sample| sample.pages)
    }

    /// `policy` with the threshold that was found; where there is none, nothing is remapped.
    pub fn applied(&self, policy: Policy) -> Policy {
        Policy { threshold_pages: self.break_even().unwrap_or(usize::MAX), ..policy }
    }
}

/// Measures sends of 1, 2, 4 and so on up to `pages` pages from page `first` on, remapped and copied,
/// with a device that touches every page once. The pages' content stays.
///
/// # Errors
/// When the space refuses them.
pub fn calibrate<S: Space>(
    space: &mut S,
    first: u64,
    pages: usize,
    mut clock: impl FnMut() -> u64,
) -> Result<Calibration, Error> {
    let policy = Policy {
        quota_pages: pages,
        limit_bytes: (pages * PAGE) as u64,
        over_quota: OverQuota::Refuse,
        ..Policy::default()
    };
    let mut transfers: Transfers<S::Run> = Transfers::new(policy);
    let mut once = |space: &mut S, pages: usize, threshold_pages: usize| {
        transfers.set_policy(Policy { threshold_pages, ..policy });
        let list = [Buffer::new(first * PAGE as u64, (pages * PAGE) as u64)];
        let start = clock();
        let token = transfers.send(space, &list)?;
        if let Some(data) = transfers.data(token) {
            let mut touched = [0; 8];
            for part in data.parts() {
                if let crate::Part::Pages(run) = part {
                    (0..run.pages()).for_each(|page| run.read(page * PAGE, &mut touched));
                }
            }
            core::hint::black_box(touched);
        }
        transfers.complete(space, token)?;
        Ok::<u64, Error>(clock().saturating_sub(start))
    };
    let sizes = core::iter::successors(Some(1), |pages| Some(2 * pages));
    let mut samples = Vec::new();
    for pages in sizes.take_while(|&size| size <= pages) {
        let mut best = Sample { pages, copy: u64::MAX, remap: u64::MAX };
        for _ in 0..ROUNDS {
            best.copy = best.copy.min(once(space, pages, usize::MAX)?);
            best.remap = best.remap.min(once(space, pages, 1)?);
        }
        samples.push(best);
    }
    Ok(Calibration { samples })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(samples: &[(usize, u64, u64)]) -> Option<usize> {
        let sample = |&(pages, copy, remap)| Sample { pages, copy, remap };
        Calibration { samples: samples.iter().map(sample).collect() }.break_even()
    }

    #[test]
    fn the_break_even_is_where_copying_never_wins_again() {
        assert_eq!(found(&[(1, 5, 9), (2, 10, 9), (4, 20, 30), (8, 40, 40)]), Some(8));
        assert_eq!(found(&[(1, 5, 5), (2, 10, 9)]), Some(1));
        assert_eq!(found(&[(1, 5, 9), (2, 10, 11)]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn a_space_is_calibrated_by_any_clock() {
        let mut heap = crate::Heap::new(16);
        heap.write(5, b"kept").unwrap();
        let mut now = 0;
        let found = calibrate(&mut heap, 0, 16, || {
            now += 1;
            now
        });
        // By a clock that ticks once a reading, both take the same.
        let found = found.unwrap();
        assert_eq!((found.samples.len(), found.break_even()), (5, Some(1)));
        assert_eq!(found.applied(Policy::default()).threshold_pages, 1);
        let mut kept = [0; 4];
        heap.read(5, &mut kept).unwrap();
        assert_eq!((&kept, heap.holders(0)), (b"kept", 1));
    }
}
