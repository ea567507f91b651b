//! The audit: what changed without having been declared?
//!
//! Safe code can't do that. Code that writes through a pointer of its own can (a C library given
//! the region, a device), and then the change is lost without a word. With
//! [`Options::audit`](crate::Options::audit) each commit compares all memory with a shadow copy.

#![expect(unsafe_code, reason = "reads regions beside their range locks, for comparison alone")]

use super::{Store, lock};
use crate::error::Error;
use crate::region::Inner;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Copies of what all regions should hold where nothing is declared.
#[derive(Debug, Default)]
pub(crate) struct Shadows {
    copies: BTreeMap<u32, (Arc<Inner>, Vec<u8>)>,
}

impl Shadows {
    /// Takes in a region that was just opened, and that nobody has declared a range of yet.
    pub(super) fn add(&mut self, region: &Arc<Inner>) {
        // SAFETY: the region was just made and is not in anybody's hands, so nobody writes to it.
        let bytes = unsafe { region.held(&(0..region.entry.len)) };
        self.copies.insert(region.entry.id, (region.clone(), bytes.to_vec()));
    }
}

impl Store {
    pub(crate) fn audits(&self) -> bool {
        self.shared.options.audit
    }

    /// Compares what nobody holds with the shadows, and brings the shadows up to date in `declared`,
    /// which the caller holds.
    pub(crate) fn audit(&self, declared: &[(u32, Range<u64>)]) -> Result<(), Error> {
        let mut shadows = lock(&self.shared.audit);
        for (region, copy) in shadows.copies.values_mut() {
            let own: Vec<_> =
                declared.iter().filter(|(id, _)| *id == region.entry.id).map(|(_, r)| r).collect();
            for range in &own {
                // SAFETY: the caller holds the range and has no slice of it any more.
                let bytes = unsafe { region.held(range) };
                copy[range.start as usize..range.end as usize].copy_from_slice(bytes);
            }
            let locks = region.locks();
            for gap in locks.gaps(region.entry.len) {
                // SAFETY: nobody holds the gap for writing, and nobody can begin to while the lock
                // table is locked.
                let bytes = unsafe { region.held(&gap) };
                let shadow = &copy[gap.start as usize..gap.end as usize];
                if let Some(at) = first_difference(bytes, shadow) {
                    return Err(undeclared(region, gap.start + at as u64, &own));
                }
            }
        }
        Ok(())
    }
}

fn undeclared(region: &Inner, byte: u64, own: &[&Range<u64>]) -> Error {
    let distance = |range: &&&Range<u64>| {
        range.start.saturating_sub(byte).max((byte + 1).saturating_sub(range.end))
    };
    let nearest = own.iter().min_by_key(distance);
    let nearest =
        nearest.map_or("none".to_owned(), |range| format!("{}..{}", range.start, range.end));
    Error::Undeclared { region: region.entry.name.clone(), at: byte, nearest }
}

fn first_difference(one: &[u8], two: &[u8]) -> Option<usize> {
    const STEP: usize = 4096;
    let block = one.chunks(STEP).zip(two.chunks(STEP)).position(|(a, b)| a != b)?;
    let from = block * STEP;
    let inside = one[from..].iter().zip(&two[from..]).position(|(a, b)| a != b)?;
    Some(from + inside)
}
