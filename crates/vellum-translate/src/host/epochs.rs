//! Write epochs and generations: numbers that only grow, and how a page's stamp holds one in 32 bits.
//!
//! Both are 64-bit numbers that go up by one when rights to write are revoked: a billion times a
//! second, they last for six hundred years. A page's stamp has 32 bits and counts from a *base*. When
//! the present epoch is too far from the base, the base moves up to half of that distance, and each
//! stamp with it, at the cost of one look at every stamp in two thousand million epochs. Stamps that
//! are older than the new base become its first: such a page is then said to have been written later
//! than it was, which costs whoever asks a page too many, and never one too few.

/// The write epoch of a table, and what stamps count from.
#[derive(Debug)]
pub(super) struct Epochs {
    now: u64,
    base: u64,
}

/// A page's stamp: epochs since the base; 0 for a page that was never written.
pub(super) type Stamp = u32;

/// How far the base stays behind when it moves.
const KEPT: u64 = 1 << 31;

impl Epochs {
    pub(super) const FIRST: Epochs = Epochs { now: 1, base: 0 };

    pub(super) const fn now(&self) -> u64 {
        self.now
    }

    /// The stamp of the present epoch.
    #[inline]
    pub(super) const fn stamp(&self) -> Stamp {
        (self.now - self.base) as Stamp
    }

    /// Whether a stamp is the present epoch's.
    #[inline]
    pub(super) const fn is_now(&self, stamp: Stamp) -> bool {
        stamp == self.stamp()
    }

    /// The epoch of a stamp; 0: never.
    pub(super) const fn of(&self, stamp: Stamp) -> u64 {
        if stamp == 0 { 0 } else { self.base + stamp as u64 }
    }

    /// Opens the next epoch. What stamps must go down by first, if the base moves: [`lowered`].
    #[must_use = "stamps count from another base now"]
    pub(super) fn advance(&mut self) -> Option<u64> {
        self.now += 1;
        if self.now - self.base <= Stamp::MAX.into() {
            return None;
        }
        let by = self.now - KEPT - self.base;
        self.base += by;
        Some(by)
    }

    /// As if so many epochs had passed without a write.
    #[cfg(test)]
    pub(super) fn skip(&mut self, epochs: u64) {
        self.now += epochs;
    }
}

/// A stamp after the base moved up by `by`.
pub(super) const fn lowered(stamp: Stamp, by: u64) -> Stamp {
    match stamp as u64 {
        0 => 0,
        old if old > by => (old - by) as Stamp,
        _ => 1,
    }
}
