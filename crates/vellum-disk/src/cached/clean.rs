//! What the cache holds of the medium: ranges that were read, the most recent last.

use std::collections::VecDeque;

/// The clean part of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clean {
    /// First sector and end, least recently used first; none meets another.
    pub ranges: VecDeque<(u64, u64)>,
    /// Most ranges.
    pub segments: usize,
    /// Most sectors.
    pub capacity: u64,
}

impl Clean {
    pub fn new(segments: usize, capacity: u64) -> Clean {
        Clean { ranges: VecDeque::new(), segments, capacity }
    }

    /// Keeps `from..to`, joined to what it touches; drops the least recently used.
    pub fn add(&mut self, mut from: u64, mut to: u64) {
        if from >= to {
            return;
        }
        self.ranges.retain(|&(a, b)| {
            let touches = a <= to && b >= from;
            if touches {
                (from, to) = (from.min(a), to.max(b));
            }
            !touches
        });
        // A range longer than the cache keeps its end.
        self.ranges.push_back((from.max(to.saturating_sub(self.capacity)), to));
        let mut held: u64 = self.ranges.iter().map(|r| r.1 - r.0).sum();
        while self.ranges.len() > self.segments || held > self.capacity {
            let Some((a, b)) = self.ranges.pop_front() else { break };
            held -= b - a;
        }
    }

    /// The end of the range over `at`.
    pub fn end_of(&self, at: u64) -> Option<u64> {
        self.ranges.iter().rev().find(|r| r.0 <= at && at < r.1).map(|r| r.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_and_the_oldest_go_first() {
        let mut c = Clean::new(2, 100);
        c.add(0, 10);
        c.add(50, 60);
        c.add(10, 20);
        assert_eq!(c.ranges, [(50, 60), (0, 20)]);
        assert_eq!((c.end_of(15), c.end_of(20)), (Some(20), None));
        c.add(200, 290);
        assert_eq!(c.ranges, [(200, 290)], "sectors are limited too");
        c.add(0, 500);
        assert_eq!(c.ranges, [(400, 500)]);
    }
}
