//! The bus: which device answers at a guest physical address that is not memory.

use std::collections::BTreeMap;

use thiserror::Error as ThisError;
use vellum_translate::Gpa;

use crate::clock::Instant;
use crate::memory_map::Range;

/// How many bytes an access moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// One byte.
    Byte,
    /// Two bytes.
    Half,
    /// Four bytes.
    Word,
    /// Eight bytes.
    Double,
}

impl Width {
    /// Bytes of the access.
    pub const fn bytes(self) -> u64 {
        match self {
            Width::Byte => 1,
            Width::Half => 2,
            Width::Word => 4,
            Width::Double => 8,
        }
    }

    /// The width of that many bytes, if there is one.
    pub const fn of(bytes: usize) -> Option<Width> {
        Some(match bytes {
            1 => Width::Byte,
            2 => Width::Half,
            4 => Width::Word,
            8 => Width::Double,
            _ => return None,
        })
    }

    /// The bits that an access of this width can carry.
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes())
    }
}

/// A device with registers in the guest's physical address space.
///
/// Accesses are naturally aligned and lie wholly inside the device: the bus checks both. A read
/// returns the value in the low bits; what a device does not have reads as zero, and writes to it
/// are ignored.
pub trait MmioDevice {
    /// Reads a register; it may have side effects, as on real devices.
    fn read(&mut self, now: Instant, offset: u64, width: Width) -> u64;

    /// Writes a register. The bits of `value` above `width` are zero.
    fn write(&mut self, now: Instant, offset: u64, width: Width, value: u64);
}

/// Why an access or a place on the bus is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum BusError {
    /// Nothing answers at the address; the guest gets an access fault.
    #[error("nothing answers an access of {bytes} bytes at {address}")]
    Unmapped {
        /// Where.
        address: Gpa,
        /// How wide.
        bytes: u64,
    },
    /// Devices take aligned accesses only; the guest gets an access fault.
    #[error("an access of {bytes} bytes to a device at {address}, which is not aligned")]
    Misaligned {
        /// Where.
        address: Gpa,
        /// How wide.
        bytes: u64,
    },
    /// Two devices in one place.
    #[error("a device of {length:#x} bytes at {base} would overlap the one at {other}")]
    Overlap {
        /// Where the new one should be.
        base: Gpa,
        /// Its length.
        length: u64,
        /// Where the old one is.
        other: Gpa,
    },
    /// A place that is empty or runs past the end of the address space.
    #[error("a device of {length:#x} bytes can't be at {base}")]
    Place {
        /// Where it should be.
        base: Gpa,
        /// Its length.
        length: u64,
    },
}

/// Ranges of the address space, each with what answers there (`T` names it).
#[derive(Debug, Clone)]
pub struct Bus<T> {
    /// By base: length and who.
    places: BTreeMap<Gpa, (u64, T)>,
}

impl<T> Default for Bus<T> {
    fn default() -> Self {
        Bus { places: BTreeMap::new() }
    }
}

impl<T> Bus<T> {
    /// A bus that nothing answers on.
    pub fn new() -> Self {
        Bus::default()
    }

    /// Puts `who` at `range`.
    ///
    /// # Errors
    /// When the range is empty, wraps around, or overlaps another.
    pub fn insert(&mut self, range: Range, who: T) -> Result<(), BusError> {
        let Range { base, length } = range;
        let end = match base.checked_add(length) {
            Some(end) if length > 0 => end,
            _ => return Err(BusError::Place { base, length }),
        };
        if let Some((&other, &(len, _))) = self.places.range(..end).next_back()
            && other.get() + len > base.get()
        {
            return Err(BusError::Overlap { base, length, other });
        }
        self.places.insert(base, (length, who));
        Ok(())
    }

    /// Who answers an access of `width` at `address`, and at which offset.
    ///
    /// # Errors
    /// When nobody does, or the access is not aligned.
    pub fn find(&self, address: Gpa, width: Width) -> Result<(&T, u64), BusError> {
        let bytes = width.bytes();
        let unmapped = BusError::Unmapped { address, bytes };
        let (&base, (length, who)) = self.places.range(..=address).next_back().ok_or(unmapped)?;
        let offset = address.get() - base.get();
        if offset >= *length {
            return Err(unmapped);
        }
        if !address.get().is_multiple_of(bytes) {
            return Err(BusError::Misaligned { address, bytes });
        }
        // An aligned access can still stick out of a range that ends in the midst of it.
        if *length - offset < bytes {
            return Err(unmapped);
        }
        Ok((who, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refused_places() {
        let mut bus = Bus::new();
        bus.insert(Range::new(0x1000, 0x100), 'a').unwrap();
        for (base, length) in [(0x1000, 1), (0xfff, 2), (0x10ff, 5), (0, 0x2000)] {
            let refused = bus.insert(Range::new(base, length), 'b');
            assert_eq!(
                refused,
                Err(BusError::Overlap { base: Gpa::new(base), length, other: Gpa::new(0x1000) })
            );
        }
        for (base, length) in [(5, 0), (u64::MAX, 2)] {
            let refused = bus.insert(Range::new(base, length), 'b');
            assert_eq!(refused, Err(BusError::Place { base: Gpa::new(base), length }));
        }
    }

    #[test]
    fn alignment_and_ends() {
        let mut bus = Bus::new();
        bus.insert(Range::new(0x1000, 0x6), 'a').unwrap();
        let at = Gpa::new(0x1004);
        assert_eq!(bus.find(at, Width::Half), Ok((&'a', 4)));
        assert_eq!(bus.find(at, Width::Word), Err(BusError::Unmapped { address: at, bytes: 4 }));
        assert_eq!(
            bus.find(Gpa::new(0x1001), Width::Word),
            Err(BusError::Misaligned { address: Gpa::new(0x1001), bytes: 4 })
        );
    }

    proptest! {
        /// Against a plain list of ranges that were accepted.
        #[test]
        fn agrees_with_a_list(
            places in proptest::collection::vec((0u64..200, 0u64..40), 0..12),
            probes in proptest::collection::vec(0u64..256, 0..64),
        ) {
            let (mut bus, mut list) = (Bus::new(), Vec::<(u64, u64)>::new());
            for (base, length) in places {
                let free = length > 0 && list.iter().all(|&(b, l)| base + length <= b || b + l <= base);
                prop_assert_eq!(bus.insert(Range::new(base, length), list.len()).is_ok(), free);
                if free {
                    list.push((base, length));
                }
            }
            for at in probes {
                let plain = list.iter().position(|&(b, l)| (b..b + l).contains(&at));
                let found = bus.find(Gpa::new(at), Width::Byte).ok().map(|(&who, _)| who);
                prop_assert_eq!(found, plain);
            }
        }
    }
}
