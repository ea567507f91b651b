//! What the write cache holds: sectors that are not on the medium, and whose they are.
//!
//! Pieces never overlap. A sector that is written again before it reached the medium belongs to all
//! its writers: when it lands, each of them has landed there, because the newest content is what
//! lands.

use std::collections::BTreeMap;

/// Sectors with the same writers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub end: u64,
    /// Numbers of the writes, ascending.
    pub owners: Vec<u64>,
}

/// The dirty part of the cache.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Dirty {
    /// By first sector.
    pub pieces: BTreeMap<u64, Piece>,
    /// Sectors in all.
    pub sectors: u64,
}

impl Dirty {
    /// Cuts the piece that runs over `at` in two.
    fn split(&mut self, at: u64) {
        let Some((_, piece)) = self.pieces.range_mut(..at).next_back() else { return };
        if piece.end > at {
            let rest = Piece { end: piece.end, owners: piece.owners.clone() };
            piece.end = at;
            self.pieces.insert(at, rest);
        }
    }

    /// Notes that write `number` wrote `from..to`.
    pub fn write(&mut self, from: u64, to: u64, number: u64) {
        self.split(from);
        self.split(to);
        let mut at = from;
        let mut holes = Vec::new();
        for (&start, piece) in self.pieces.range_mut(from..to) {
            if at < start {
                holes.push((at, start));
            }
            piece.owners.push(number);
            at = piece.end;
        }
        if at < to {
            holes.push((at, to));
        }
        for (start, end) in holes {
            self.sectors += end - start;
            self.pieces.insert(start, Piece { end, owners: vec![number] });
        }
    }

    /// `from..to` reached the medium with the content of all writes below `limit`; `tell` hears of
    /// each write, first sector, and count.
    pub fn land(&mut self, from: u64, to: u64, limit: u64, mut tell: impl FnMut(u64, u64, u32)) {
        self.split(from);
        self.split(to);
        let starts: Vec<u64> = self.pieces.range(from..to).map(|(&s, _)| s).collect();
        for start in starts {
            let Some(piece) = self.pieces.get_mut(&start) else { continue };
            let count = piece.end - start;
            piece.owners.retain(|&n| {
                if n < limit {
                    tell(n, start, count as u32);
                }
                n >= limit
            });
            if piece.owners.is_empty() {
                self.pieces.remove(&start);
                self.sectors -= count;
            }
        }
    }

    /// The piece over `at`: its end.
    pub fn end_of(&self, at: u64) -> Option<u64> {
        let (_, piece) = self.pieces.range(..=at).next_back()?;
        (piece.end > at).then_some(piece.end)
    }

    /// The first dirty sector from `at` on.
    pub fn first_from(&self, at: u64) -> Option<u64> {
        match self.end_of(at) {
            Some(_) => Some(at),
            None => self.pieces.range(at..).next().map(|p| *p.0),
        }
    }

    /// Whether anything in `from..to` is dirty.
    pub fn meets(&self, from: u64, to: u64) -> bool {
        self.pieces.range(..to).next_back().is_some_and(|(_, p)| p.end > from)
    }

    /// The start of the unbroken run of dirty sectors over `at`.
    pub fn run_start(&self, at: u64) -> u64 {
        let mut start = at;
        for (&s, piece) in self.pieces.range(..=at).rev() {
            if piece.end < start || s > start {
                break;
            }
            start = s;
        }
        start
    }

    /// The end of the run from `start` on, `limit` sectors at most.
    pub fn run_end(&self, start: u64, limit: u64) -> u64 {
        let mut end = start;
        for (&s, piece) in self.pieces.range(start..) {
            if s > end || end - start >= limit {
                break;
            }
            end = piece.end;
        }
        end.min(start + limit)
    }

    /// Up to `many` runs on each side of `at`, each no longer than `limit`.
    pub fn runs_near(&self, at: u64, many: usize, limit: u64) -> Vec<(u64, u64)> {
        let mut out = Vec::new();
        let mut next = self.run_start(at);
        while out.len() < many {
            let Some((&s, _)) = self.pieces.range(next..).next() else { break };
            out.push((s, self.run_end(s, limit)));
            next = self.run_end(s, u64::MAX - s);
        }
        let mut before = self.run_start(at);
        for _ in 0..many {
            let Some((&s, _)) = self.pieces.range(..before).next_back() else { break };
            before = self.run_start(s);
            out.push((before, self.run_end(before, limit)));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plain version: the writers of each sector.
    type Plain = Vec<Vec<u64>>;

    fn agree(dirty: &Dirty, plain: &Plain) {
        let mut seen = vec![Vec::new(); plain.len()];
        for (&start, piece) in &dirty.pieces {
            for s in start..piece.end {
                assert!(seen[s as usize].is_empty(), "pieces overlap at {s}");
                seen[s as usize].clone_from(&piece.owners);
            }
        }
        assert_eq!(&seen, plain);
        let count = plain.iter().filter(|o| !o.is_empty()).count();
        assert_eq!(dirty.sectors, count as u64);
    }

    proptest! {
        #[test]
        fn pieces_hold_what_a_list_of_sectors_holds(
            ops in prop::collection::vec((any::<bool>(), 0u64..100, 1u64..30, 0u64..4), 1..60)
        ) {
            let (mut dirty, mut plain) = (Dirty::default(), vec![Vec::new(); 130]);
            for (i, (write, from, n, back)) in ops.into_iter().enumerate() {
                let (number, limit) = (i as u64, (i as u64).saturating_sub(back));
                if write {
                    dirty.write(from, from + n, number);
                    plain[from as usize..(from + n) as usize].iter_mut().for_each(|o| o.push(number));
                } else {
                    let mut told = 0;
                    dirty.land(from, from + n, limit, |_, _, count| told += u64::from(count));
                    let mut expected = 0;
                    for o in &mut plain[from as usize..(from + n) as usize] {
                        expected += o.iter().filter(|&&x| x < limit).count() as u64;
                        o.retain(|&x| x >= limit);
                    }
                    prop_assert_eq!(told, expected);
                }
                agree(&dirty, &plain);
                let at = from;
                let full = |s: u64| plain.get(s as usize).is_some_and(|o| !o.is_empty());
                prop_assert_eq!(dirty.end_of(at).is_some(), full(at));
                prop_assert_eq!(dirty.meets(from, from + n), (from..from + n).any(full));
                if full(at) {
                    let mut start = at;
                    while start > 0 && full(start - 1) {
                        start -= 1;
                    }
                    prop_assert_eq!(dirty.run_start(at), start);
                    let mut end = start;
                    while full(end) {
                        end += 1;
                    }
                    prop_assert_eq!(dirty.run_end(start, 1000), end);
                }
            }
        }
    }
}
