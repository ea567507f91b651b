//! What was saved, what was not, and why.

use crate::StoreBytes;
use core::ops::{Add, Index, IndexMut};

/// What became of a page at the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// Zeros: the one zero frame.
    Zero,
    /// One pattern from end to end, in a frame that all such pages share.
    SameFilled,
    /// Identical to other pages, whose frame it shares.
    Identical,
    /// Packed as the difference to another page.
    Delta,
    /// Packed by a compressor, or as its pattern.
    Compressed,
    /// Taken away and kept in a frame at a random place.
    Concealed,
    /// In the spill target.
    Spilled,
    /// Kept in its frame: others are, or may be, told as differences to it.
    Reference,
    /// Like no other page, and not yet old enough to be packed.
    Unique,
    /// All its rights are withheld, to see whether it is used.
    Probed,
    /// Written since the pass began.
    Hot,
    /// Written between passes, and never found its like before.
    Skipped,
    /// No codec makes it smaller, or none that the restore budget allows.
    Incompressible,
    /// The store has reached its limit, and so has the spill target.
    Full,
    /// A device or a transfer holds its frame.
    Pinned,
    /// A page table, in use.
    Table,
    /// Somebody else's: a pager, a device.
    Elsewhere,
    /// No memory there.
    Hole,
    /// What it was compared with could not be read.
    Failed,
}

impl Class {
    /// All of them: first those that save memory, then those that do not.
    pub const ALL: [Class; 19] = [
        Class::Zero,
        Class::SameFilled,
        Class::Identical,
        Class::Delta,
        Class::Compressed,
        Class::Concealed,
        Class::Spilled,
        Class::Reference,
        Class::Unique,
        Class::Probed,
        Class::Hot,
        Class::Skipped,
        Class::Incompressible,
        Class::Full,
        Class::Pinned,
        Class::Table,
        Class::Elsewhere,
        Class::Hole,
        Class::Failed,
    ];

    /// Whether a page of this class has no frame of its own.
    pub fn saves(self) -> bool {
        self < Class::Reference
    }

    /// Its name, as reports print it.
    pub fn name(self) -> &'static str {
        match self {
            Class::Zero => "zero",
            Class::SameFilled => "same-filled",
            Class::Identical => "identical",
            Class::Delta => "delta",
            Class::Compressed => "compressed",
            Class::Concealed => "concealed",
            Class::Spilled => "spilled",
            Class::Reference => "reference of deltas",
            Class::Unique => "unique so far",
            Class::Probed => "probed for use",
            Class::Hot => "written just now",
            Class::Skipped => "never found its like",
            Class::Incompressible => "incompressible",
            Class::Full => "store full",
            Class::Pinned => "pinned",
            Class::Table => "page table in use",
            Class::Elsewhere => "somebody else's",
            Class::Hole => "no memory",
            Class::Failed => "failed to compare",
        }
    }
}

/// Pages by class.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally([u64; Class::ALL.len()]);

impl Tally {
    /// Pages in all.
    pub fn pages(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Pages that have no frame of their own.
    pub fn saved(&self) -> u64 {
        Class::ALL.into_iter().filter(|c| c.saves()).map(|c| self[c]).sum()
    }
}

impl Index<Class> for Tally {
    type Output = u64;

    fn index(&self, class: Class) -> &u64 {
        &self.0[class as usize]
    }
}

impl IndexMut<Class> for Tally {
    fn index_mut(&mut self, class: Class) -> &mut u64 {
        &mut self.0[class as usize]
    }
}

impl Add for Tally {
    type Output = Tally;

    fn add(self, other: Tally) -> Tally {
        Tally(core::array::from_fn(|at| self.0[at] + other.0[at]))
    }
}

/// What a scavenger did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Pages looked at.
    pub looked: u64,
    /// Of these, looked up by a sample of their content: they had been written since the look before,
    /// or were about to be packed.
    pub sampled: u64,
    /// Hashed in full: contents that differ have one sample.
    pub hashed: u64,
    /// Passes over a set.
    pub passes: u64,
    /// Looks that a hint asked for.
    pub hints: u64,
    /// Pages put on the zero frame.
    pub zeroed: u64,
    /// Pages put on a frame that another page had.
    pub merged: u64,
    /// Comparisons after a hash had matched.
    pub compared: u64,
    /// Of these, in vain: the other page had been written, or the hashes collide.
    pub mismatched: u64,
    /// Deltas tried.
    pub deltas_tried: u64,
    /// Pages packed as deltas.
    pub deltas: u64,
    /// Pages compressed.
    pub compressed: u64,
    /// Objects moved to a slower and smaller codec.
    pub recoded: u64,
    /// Deltas told anew without a reference that nobody else needed.
    pub rebased: u64,
    /// Objects moved to the spill target.
    pub spilled: u64,
    /// Pages brought back.
    pub restored: u64,
    /// Of these, by handing out a frame without a copy.
    pub remapped: u64,
    /// Writes to shared pages, each of which copied one.
    pub broken: u64,
    /// Probed pages that turned out to be used.
    pub touched: u64,
    /// Pages packed because a frame was needed at once.
    pub reclaimed: u64,
    /// Segments emptied by compaction.
    pub compacted: u64,
    /// Model nanoseconds of work.
    pub work: u64,
}

/// Bytes of bookkeeping.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Two bytes a page.
    pub pages: u64,
    /// The index of identical content.
    pub index: u64,
    /// The index of similar content.
    pub similar: u64,
    /// Sixteen bytes an object, and some fifteen more for one in a frame.
    pub objects: u64,
    /// The store's tables.
    pub store: u64,
}

impl Metadata {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.pages + self.index + self.similar + self.objects + self.store
    }
}

/// How things stand.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Pages by class, of all sets, as of each set's last whole pass.
    pub tally: Tally,
    /// Frames of the pool in use, by guests and for objects.
    pub frames: u64,
    /// Objects.
    pub objects: u64,
    /// Pages in the spill target.
    pub spilled: u64,
    /// The packed store.
    pub store: StoreBytes,
    /// Bookkeeping.
    pub metadata: Metadata,
    /// What was done.
    pub counters: Counters,
}

impl Report {
    /// Bytes of memory that all pages together take: frames, store and bookkeeping.
    pub fn bytes(&self) -> u64 {
        (self.frames << 12) + self.store.allocated + self.metadata.total()
    }
}
