//! What the run loop does when a TLB tag is missing: misses, misaligned accesses, devices.

use crate::fast;
use crate::{Memory, Stop, Stored};
use vellum_translate::tlb::Tlb;
use vellum_translate::{Access, Gva, PAGE_SIZE};

/// Loads `size` bytes whose tag was missing.
#[cold]
#[inline(never)]
pub(crate) fn load<M: Memory>(
    memory: &mut M,
    hart: usize,
    tlb: &mut Tlb,
    va: u64,
    size: u64,
) -> Result<u64, Stop> {
    let at = Gva::new(va);
    if va & (size - 1) == 0 {
        return memory.load(hart, tlb, at, size);
    }
    if at.page_offset() as u64 + size <= PAGE_SIZE as u64 {
        if tlb.load(at, 1).is_none() {
            memory.load(hart, tlb, at, 1)?;
        }
        if let Some(host) = tlb.load(at, 1) {
            return Ok(fast::load_misaligned(host, size));
        }
    }
    let mut value = 0;
    for i in 0..size {
        let at = Gva::new(va.wrapping_add(i));
        let byte = match tlb.load(at, 1) {
            Some(host) => fast::load8(host).into(),
            None => memory.load(hart, tlb, at, 1)?,
        };
        value |= byte << (8 * i);
    }
    Ok(value)
}

/// Stores `size` bytes whose tag was missing.
#[cold]
#[inline(never)]
pub(crate) fn store<M: Memory>(
    memory: &mut M,
    hart: usize,
    tlb: &mut Tlb,
    va: u64,
    size: u64,
    value: u64,
) -> Result<Stored, Stop> {
    let at = Gva::new(va);
    if va & (size - 1) == 0 {
        return memory.store(hart, tlb, at, size, value);
    }
    if at.page_offset() as u64 + size <= PAGE_SIZE as u64
        && let Some(host) = tlb.store(at, 1)
    {
        fast::store_misaligned(host, size, value);
        return Ok(Stored::Plain);
    }
    // Both pages must be writable before a byte is written: a fault leaves nothing half done.
    let last = Gva::new(va.wrapping_add(size - 1));
    memory.probe(hart, tlb, at, Access::Store)?;
    memory.probe(hart, tlb, last, Access::Store)?;
    let mut stored = Stored::Plain;
    for i in 0..size {
        let at = Gva::new(va.wrapping_add(i));
        let byte = value >> (8 * i) & 0xff;
        match tlb.store(at, 1) {
            Some(host) => fast::store8(host, byte as u8),
            None => {
                if memory.store(hart, tlb, at, 1, byte)? == Stored::Code {
                    stored = Stored::Code;
                }
            }
        }
    }
    Ok(stored)
}
