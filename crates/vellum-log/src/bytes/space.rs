//! Which units are free, and the runs of units that files own.

use super::directory::Record;
use std::ops::Range;

/// Units `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Run {
    pub(super) fn units(&self) -> u64 {
        self.end - self.start
    }
}

/// The first `units` units of runs.
pub(super) fn first(runs: &[Run], units: u64) -> Vec<Run> {
    cut(runs, 0..units)
}

/// All but the first `units` units of runs.
pub(super) fn behind(runs: &[Run], units: u64) -> Vec<Run> {
    cut(runs, units..u64::MAX)
}

fn cut(runs: &[Run], wanted: Range<u64>) -> Vec<Run> {
    let mut before = 0;
    let part = |run: &Run| {
        let (from, to) = (wanted.start.max(before), wanted.end.min(before + run.units()));
        let start = run.start + from.saturating_sub(before);
        before += run.units();
        (from < to).then(|| Run { start, end: start + (to - from) })
    };
    runs.iter().filter_map(part).collect()
}

/// Free units, and those that a durable directory may still name.
#[derive(Debug)]
pub(super) struct Space {
    /// Sorted, disjoint, not touching.
    free: Vec<Run>,
    given_up: Vec<Run>,
}

impl Space {
    /// What `records` leave of `units`; `None` when they overlap or reach past the end.
    pub(super) fn new(units: u64, records: &[Record]) -> Option<Self> {
        let mut owned: Vec<Run> = records.iter().flat_map(|record| record.runs.clone()).collect();
        owned.sort_unstable_by_key(|run| run.start);
        let (mut free, mut at) = (Vec::new(), 0);
        for run in owned {
            if run.start < at || run.end < run.start || run.end > units {
                return None;
            }
            free.push(Run { start: at, end: run.start });
            at = run.end;
        }
        free.push(Run { start: at, end: units });
        free.retain(|run| run.units() > 0);
        Some(Self { free, given_up: Vec::new() })
    }

    /// Takes units, in as few runs as the first fit finds; `None` when there are not enough.
    pub(super) fn take(&mut self, units: u64) -> Option<Vec<Run>> {
        if self.free.iter().map(Run::units).sum::<u64>() < units {
            return None;
        }
        if let Some(run) = self.free.iter_mut().find(|run| run.units() >= units) {
            let taken = Run { start: run.start, end: run.start + units };
            run.start = taken.end;
            self.free.retain(|run| run.units() > 0);
            return Some(vec![taken]);
        }
        let taken = first(&self.free, units);
        self.free = behind(&self.free, units);
        Some(taken)
    }

    /// Units that nobody owns any more, but a durable directory may still name.
    pub(super) fn give_up(&mut self, runs: Vec<Run>) {
        self.given_up.extend(runs);
    }

    pub(super) fn take_given_up(&mut self) -> Vec<Run> {
        std::mem::take(&mut self.given_up)
    }

    /// Units that no durable directory names.
    pub(super) fn free(&mut self, runs: Vec<Run>) {
        self.free.extend(runs);
        self.free.sort_unstable_by_key(|run| run.start);
        self.free.dedup_by(|next, last| {
            let touching = last.end == next.start;
            if touching {
                last.end = next.end;
            }
            touching
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_come_back_only_when_they_are_freed() {
        let mut space = Space::new(10, &[]).unwrap();
        let one = space.take(4).unwrap();
        let two = space.take(6).unwrap();
        assert_eq!((&one[..], space.take(1)), (&[Run { start: 0, end: 4 }][..], None));
        space.give_up(one);
        assert_eq!(space.take(1), None, "a durable directory may still name it");
        let freed = space.take_given_up();
        space.free(freed);
        space.free(behind(&two, 4));
        assert_eq!(space.take(6).unwrap(), [Run { start: 0, end: 4 }, Run { start: 8, end: 10 }]);
    }

    #[test]
    fn runs_are_cut_by_units() {
        let runs = [Run { start: 5, end: 8 }, Run { start: 1, end: 2 }, Run { start: 20, end: 30 }];
        assert_eq!(first(&runs, 4), runs[..2]);
        assert_eq!(
            behind(&runs, 2),
            [Run { start: 7, end: 8 }, Run { start: 1, end: 2 }, Run { start: 20, end: 30 }]
        );
        assert_eq!(behind(&runs, 14), []);
    }
}
