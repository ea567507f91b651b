//! When something happened, in the only clock that a replay can follow.

/// A point in a run: a hart, and how many instructions it had retired.
///
/// Virtual time is a function of the retired instructions, so a stamp also names an instant of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp {
    /// The hart's number, from 0.
    pub hart: u32,
    /// Instructions that this hart had retired.
    pub instret: u64,
}

impl Stamp {
    /// The point where `hart` had retired `instret` instructions.
    pub const fn new(hart: u32, instret: u64) -> Self {
        Stamp { hart, instret }
    }
}

impl core::fmt::Display for Stamp {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "hart {} at {}", self.hart, self.instret)
    }
}
