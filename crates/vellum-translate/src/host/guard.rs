//! Guards: why the host withholds rights from a page. A set of bits, one bit a reason; each client
//! sets and clears only its own.

use crate::Rights;

/// One reason. What it stands for is its owner's business; the table only knows what it withholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guard(u8);

impl Guard {
    /// Reasons that there can be.
    pub const MAX: usize = 16;

    pub(super) const fn new(bit: u8) -> Guard {
        assert!((bit as usize) < Guard::MAX);
        Guard(bit)
    }

    /// Its bit's number.
    pub const fn bit(self) -> u8 {
        self.0
    }
}

/// The reasons that hold for one page.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GuardSet(u16);

impl GuardSet {
    pub(super) const NONE: GuardSet = GuardSet(0);

    /// Whether nothing is withheld.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this reason holds.
    #[inline]
    pub const fn contains(self, guard: Guard) -> bool {
        self.0 >> guard.0 & 1 != 0
    }

    pub(crate) const fn of(guard: Guard) -> GuardSet {
        GuardSet(1 << guard.0)
    }

    pub(super) const fn union(self, other: GuardSet) -> GuardSet {
        GuardSet(self.0 | other.0)
    }

    pub(super) fn insert(&mut self, guard: Guard) -> bool {
        let before = self.0;
        self.0 |= 1 << guard.0;
        before != self.0
    }

    pub(super) fn remove(&mut self, guard: Guard) -> bool {
        let before = self.0;
        self.0 &= !(1 << guard.0);
        before != self.0
    }

    /// The reasons, lowest bit first.
    pub fn iter(self) -> impl Iterator<Item = Guard> {
        (0..Guard::MAX as u8).filter(move |&bit| self.0 >> bit & 1 != 0).map(Guard)
    }

    /// Everything that these reasons withhold together.
    #[inline]
    pub(super) fn withheld(self, each: &[Rights; Guard::MAX]) -> Rights {
        let mut all = Rights::empty();
        let mut bits = self.0;
        while bits != 0 {
            all |= each[bits.trailing_zeros() as usize];
            bits &= bits - 1;
        }
        all
    }
}
