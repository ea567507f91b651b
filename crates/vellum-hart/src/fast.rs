//! The memory fast path: loads and stores through host pointers that a TLB tag vouches for.
//!
//! All accesses are atomic (`Relaxed`), since another thread (a device, a checkpoint) may look at
//! the same bytes.

// UNSAFETY: the one place where a TLB hit becomes a memory access.
#![expect(unsafe_code, reason = "guest memory behind a TLB hit")]

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

macro_rules! access {
    ($load:ident, $store:ident, $atomic:ty, $int:ty) => {
        /// Loads from a host address that [`Tlb::load`](vellum_translate::tlb::Tlb::load) returned
        /// for this size, or from inside the page of one.
        #[inline(always)]
        pub(crate) fn $load(host: u64) -> $int {
            // SAFETY: a tag exists only for a frame of the `HostFrames` that the TLB keeps alive,
            // whose implementer vouches for its page, atomics racing with anyone; the tag compare, or
            // the caller, checked the alignment.
            let at = unsafe { &*std::ptr::with_exposed_provenance::<$atomic>(host as usize) };
            <$int>::from_le(at.load(Relaxed))
        }

        /// Stores to a host address that [`Tlb::store`](vellum_translate::tlb::Tlb::store) returned
        /// for this size, or inside the page of one.
        #[inline(always)]
        pub(crate) fn $store(host: u64, value: $int) {
            // SAFETY: as for the load: pages can be read and written.
            let at = unsafe { &*std::ptr::with_exposed_provenance::<$atomic>(host as usize) };
            at.store(value.to_le(), Relaxed);
        }
    };
}

access!(load8, store8, AtomicU8, u8);
access!(load16, store16, AtomicU16, u16);
access!(load32, store32, AtomicU32, u32);
access!(load64, store64, AtomicU64, u64);

/// Replaces 4 bytes by what `change` makes of them, atomically; returns what was there.
#[inline]
pub(crate) fn update32(host: u64, mut change: impl FnMut(u32) -> u32) -> u32 {
    // SAFETY: as for `store32`.
    let at = unsafe { &*std::ptr::with_exposed_provenance::<AtomicU32>(host as usize) };
    let mut was = at.load(Relaxed);
    loop {
        let new = change(u32::from_le(was)).to_le();
        match at.compare_exchange_weak(was, new, Relaxed, Relaxed) {
            Ok(was) => return u32::from_le(was),
            Err(other) => was = other,
        }
    }
}

/// Replaces 8 bytes by what `change` makes of them, atomically; returns what was there.
#[inline]
pub(crate) fn update64(host: u64, mut change: impl FnMut(u64) -> u64) -> u64 {
    // SAFETY: as for `store64`.
    let at = unsafe { &*std::ptr::with_exposed_provenance::<AtomicU64>(host as usize) };
    let mut was = at.load(Relaxed);
    loop {
        let new = change(u64::from_le(was)).to_le();
        match at.compare_exchange_weak(was, new, Relaxed, Relaxed) {
            Ok(was) => return u64::from_le(was),
            Err(other) => was = other,
        }
    }
}

/// Loads `size` bytes at any alignment, all inside one page: two aligned words at most.
#[inline]
pub(crate) fn load_misaligned(host: u64, size: u64) -> u64 {
    let (base, shift) = (host & !7, (host & 7) * 8);
    let low = load64(base) >> shift;
    let word = if shift / 8 + size > 8 { low | load64(base + 8) << (64 - shift) } else { low };
    if size == 8 { word } else { word & ((1 << (8 * size)) - 1) }
}

/// Stores `size` bytes at any alignment, all inside one page, byte by byte.
#[inline]
pub(crate) fn store_misaligned(host: u64, size: u64, value: u64) {
    for i in 0..size {
        store8(host + i, (value >> (8 * i)) as u8);
    }
}
