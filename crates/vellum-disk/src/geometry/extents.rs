//! Extents: which LBNs stand on which virtual sector numbers.
//!
//! An extent is a run of LBNs that take `each` numbers, pass over the rest of a `stride`, take the
//! next `each`, and so on: a drive that keeps a spare on every one of its 36,000 tracks is one extent.
//! Both LBNs and numbers ascend from extent to extent. An extent spans fewer than 2³² numbers, so that
//! two of them fit a cache line, and all arithmetic inside is of 32 bits.

/// Sectors that one extent may span.
const SPAN: u64 = u32::MAX as u64;

/// How many times fewer extents must be than repetitions for patterns to stay.
const PATTERNS_PAY: u64 = 8;

/// LBNs that stand on evenly spaced virtual numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    lbn: u64,
    first: u64,
    each: u32,
    /// From the first number of a repetition to that of the next.
    stride: u32,
    /// LBNs in all.
    count: u32,
    run: u32,
}

impl Extent {
    #[inline]
    fn end(&self) -> u64 {
        self.lbn + u64::from(self.count)
    }

    /// The run that it lies in.
    #[inline]
    pub fn run(&self) -> u32 {
        self.run
    }

    /// Whether it takes all numbers from its first to its last.
    #[inline]
    pub fn is_single(&self) -> bool {
        self.count == self.each
    }

    /// First and last LBN on the numbers from `from` to before `to`, if it takes all of them.
    #[inline]
    pub fn unbroken(&self, from: u64, to: u64) -> Option<(u64, u64)> {
        let all =
            self.is_single() && self.first <= from && to <= self.first + u64::from(self.count);
        all.then(|| (self.lbn + (from - self.first), self.lbn + (to - 1 - self.first)))
    }

    #[inline]
    fn number_of(&self, lbn: u64) -> u64 {
        let off = (lbn - self.lbn) as u32;
        // A drive's extents are mostly all of one kind, so that this is no guess.
        if self.count == self.each {
            return self.first + u64::from(off);
        }
        let (repetition, rest) = (off / self.each, off % self.each);
        self.first + u64::from(repetition) * u64::from(self.stride) + u64::from(rest)
    }

    /// The first LBN that stands on `number` or beyond; the extent's end if none does.
    fn lbn_from(&self, number: u64) -> u64 {
        let Some(off) = number.checked_sub(self.first) else { return self.lbn };
        // An extent spans fewer than 2³² numbers.
        let off = u32::try_from(off).unwrap_or(u32::MAX);
        if self.count == self.each {
            return self.lbn + u64::from(off.min(self.count));
        }
        let (repetition, rest) = (off / self.stride, off % self.stride);
        let within = u64::from(repetition) * u64::from(self.each) + u64::from(rest.min(self.each));
        self.lbn + within.min(self.count.into())
    }

    /// Takes `count` LBNs from `first` on, if they go on where this ends or repeat its pattern.
    fn take(&mut self, run: u32, first: u64, count: u64) -> bool {
        let (each, len) = (u64::from(self.each), u64::from(self.count));
        let single = len == each;
        if run != self.run || first - self.first + count > SPAN {
            return false;
        }
        if single && first == self.first + len {
            *self = Extent::new(self.lbn, self.run, self.first, len + count);
            return true;
        }
        // Only a last repetition may be short.
        if !len.is_multiple_of(each) || count > each {
            return false;
        }
        let stride = if single { first - self.first } else { u64::from(self.stride) };
        if first != self.first + len / each * stride {
            return false;
        }
        self.stride = stride as u32;
        self.count += count as u32;
        true
    }

    /// The same LBNs, as one repetition.
    fn single(self) -> Extent {
        Extent { each: self.count, stride: self.count, ..self }
    }

    fn new(lbn: u64, run: u32, first: u64, count: u64) -> Extent {
        let count = count as u32;
        Extent { lbn, first, each: count, stride: count, count, run }
    }
}

/// Extents in order, and an index over the upper bits of their LBNs.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Extents {
    all: Vec<Extent>,
    /// The first extent that may hold an LBN, for each value of its upper bits.
    first: Vec<u32>,
    shift: u32,
}

impl Extents {
    /// LBNs in all.
    pub fn sectors(&self) -> u64 {
        self.all.last().map_or(0, Extent::end)
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The number after the last that holds an LBN.
    pub fn next_number(&self) -> u64 {
        self.all.last().map_or(0, |e| e.number_of(e.end() - 1) + 1)
    }

    /// Puts the next LBNs on `count` numbers of a run, from [`next_number`](Self::next_number)
    /// or beyond.
    pub fn push(&mut self, run: u32, mut first: u64, mut count: u64) {
        while count > 0 {
            let n = count.min(SPAN);
            if !self.all.last_mut().is_some_and(|last| last.take(run, first, n)) {
                self.all.push(Extent::new(self.sectors(), run, first, n));
            }
            (first, count) = (first + n, count - n);
        }
    }

    /// Makes the index, of about two slots an extent.
    ///
    /// A few patterns among other extents would only make a guess of which is which: unless they
    /// shorten the table much, each repetition becomes an extent of its own.
    pub fn index(&mut self) {
        let repetitions = |e: &Extent| e.count.div_ceil(e.each);
        let apart: u64 = self.all.iter().map(|e| u64::from(repetitions(e))).sum();
        if apart <= self.all.len() as u64 * PATTERNS_PAY {
            let singles = |e: &Extent| {
                let e = *e;
                (0..repetitions(&e)).map(move |i| Extent {
                    lbn: e.lbn + u64::from(i) * u64::from(e.each),
                    first: e.first + u64::from(i) * u64::from(e.stride),
                    count: e.each.min(e.count - i * e.each),
                    ..e
                })
            };
            self.all = self.all.iter().flat_map(singles).map(Extent::single).collect();
        }
        let slots = (self.all.len() as u64 * 2).next_power_of_two().max(1024);
        let end = self.sectors();
        self.shift = (64 - end.leading_zeros()).saturating_sub(slots.trailing_zeros());
        let mut at = 0;
        let slots = 0..=end >> self.shift;
        self.first = slots
            .map(|slot| {
                while at + 1 < self.all.len() && self.all[at].end() <= slot << self.shift {
                    at += 1;
                }
                at as u32
            })
            .collect();
    }

    /// The extent of an LBN of the drive.
    #[inline(always)]
    fn of(&self, lbn: u64) -> usize {
        let mut i = self.first[(lbn >> self.shift) as usize] as usize;
        // Seldom does more than one extent begin in a slot; whether one does is a guess, which a
        // branch would get wrong half of the time.
        i += usize::from(self.all[i].end() <= lbn);
        while self.all[i].end() <= lbn {
            i += 1;
        }
        i
    }

    /// Run and virtual number of an LBN that the drive has.
    // A call would take a fifth of a lookup's time.
    #[inline(always)]
    pub fn number_of(&self, lbn: u64) -> (u32, u64) {
        let e = &self.all[self.of(lbn)];
        (e.run, e.number_of(lbn))
    }

    /// The extent of an LBN that the drive has, and its virtual number.
    #[inline]
    pub fn extent_of(&self, lbn: u64) -> (&Extent, u64) {
        let e = &self.all[self.of(lbn)];
        (e, e.number_of(lbn))
    }

    /// The LBN on a number, if one stands there.
    pub fn lbn_of(&self, number: u64) -> Option<u64> {
        let e = &self.all[self.all.partition_point(|e| e.first <= number).checked_sub(1)?];
        let lbn = e.lbn_from(number);
        (lbn < e.end() && e.number_of(lbn) == number).then_some(lbn)
    }

    /// The same as [`between`](Self::between) where one run of LBNs stands on all of the numbers, as on
    /// almost every track; `None` elsewhere. `near` is an LBN of the drive.
    #[inline]
    pub fn unbroken(&self, from: u64, to: u64, near: u64) -> Option<(u64, u64)> {
        self.all[self.of(near)].unbroken(from, to)
    }

    /// First and last LBN on the numbers from `from` to before `to`, near which `near` stands: the
    /// search goes from there.
    pub fn between(&self, from: u64, to: u64, near: u64) -> Option<(u64, u64)> {
        let mut i = self.of(near.min(self.sectors().checked_sub(1)?));
        while i > 0 && self.all[i].first > from {
            i -= 1;
        }
        let mut lbn_from = |number: u64| {
            while self.all.get(i + 1).is_some_and(|next| next.first <= number) {
                i += 1;
            }
            self.all[i].lbn_from(number)
        };
        let (first, end) = (lbn_from(from), lbn_from(to));
        (first < end).then(|| (first, end - 1))
    }

    /// Each extent's run, first number and last number.
    pub fn spans(&self) -> impl Iterator<Item = (u32, u64, u64)> + '_ {
        self.all.iter().map(|e| (e.run, e.first, e.number_of(e.end() - 1)))
    }
}

#[cfg(test)]
mod tests;
