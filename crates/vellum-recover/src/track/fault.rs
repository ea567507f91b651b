//! `mprotect` and a SIGSEGV handler: the first write to a page faults, the handler notes the page
//! and lets the write through.
//!
//! The handler only reads a fixed table of atomics, sets a bit, and calls `mprotect`, all of which a
//! signal handler may do. A fault elsewhere goes to whoever handled SIGSEGV before.

#![expect(unsafe_code, reason = "a signal handler and protection of the tracker's own mapping")]

use crate::memory::{Mapping, PAGE};
use nix::libc::{c_int, c_void, siginfo_t};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use rustix::mm::{MprotectFlags, mprotect};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Mappings that can be tracked at a time.
const SLOTS: usize = 64;

/// A tracked mapping, as the handler sees it. `len` 0: the slot is free.
struct Slot {
    base: AtomicUsize,
    len: AtomicUsize,
    bits: AtomicPtr<AtomicU64>,
}

static SLOTS_TABLE: [Slot; SLOTS] = [const {
    Slot {
        base: AtomicUsize::new(0),
        len: AtomicUsize::new(0),
        bits: AtomicPtr::new(std::ptr::null_mut()),
    }
}; SLOTS];
static BEFORE: OnceLock<SigAction> = OnceLock::new();
static TAKING: Mutex<()> = Mutex::new(());

extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a valid siginfo of a fault.
    let address = unsafe { (*info).si_addr() } as usize;
    for slot in &SLOTS_TABLE {
        let (len, base) = (slot.len.load(Ordering::Acquire), slot.base.load(Ordering::Acquire));
        if len == 0 || address < base || address >= base + len {
            continue;
        }
        // SAFETY: the page lies in the mapping of a slot in use.
        if unsafe { let_through(slot, base, (address - base) / PAGE, || {}) } {
            return;
        }
    }
    pass_on(signal, info, context);
}

/// Opens a page and notes it; whether that could be done. In this order: a list that is taken between
/// the two (`take`) would otherwise close the page before it is opened, and nobody would know of the
/// writes that follow. `between` is for a test, which takes one there.
///
/// # Safety
/// The slot is in use, its mapping starts at `base` and has this page.
unsafe fn let_through(slot: &Slot, base: usize, page: usize, between: impl FnOnce()) -> bool {
    let bits = slot.bits.load(Ordering::Acquire);
    let start = (base + page * PAGE) as *mut c_void;
    // SAFETY: one page of a mapping that was made with these rights.
    let opened = unsafe { mprotect(start, PAGE, MprotectFlags::READ | MprotectFlags::WRITE) };
    if opened.is_err() {
        return false;
    }
    between();
    // SAFETY: a slot in use has a bitmap with a bit for each page of its mapping, which lives until the
    // slot is freed.
    let word = unsafe { &*bits.add(page / 64) };
    word.fetch_or(1 << (page % 64), Ordering::AcqRel);
    true
}

fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    match BEFORE.get().map(SigAction::handler) {
        Some(SigHandler::SigAction(before)) => before(signal, info, context),
        Some(SigHandler::Handler(before)) => before(signal),
        _ => {
            let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
            // SAFETY: the default action takes the place of this handler; the fault happens again
            // and ends the process, as it would have without this crate.
            let _ = unsafe { sigaction(Signal::SIGSEGV, &default) };
        }
    }
}

fn install() -> io::Result<()> {
    if BEFORE.get().is_none() {
        let action = SigAction::new(
            SigHandler::SigAction(handle),
            SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK | SaFlags::SA_NODEFER,
            SigSet::empty(),
        );
        // SAFETY: the handler does only what a handler may (see the module's text).
        let before = unsafe { sigaction(Signal::SIGSEGV, &action) }?;
        let _ = BEFORE.set(before);
    }
    Ok(())
}

#[derive(Debug)]
pub(super) struct Tracker {
    slot: usize,
    bits: Box<[AtomicU64]>,
    memory: Arc<Mapping>,
}

impl Tracker {
    pub(super) fn new(memory: &Arc<Mapping>) -> io::Result<Self> {
        let _turn = TAKING.lock().unwrap_or_else(PoisonError::into_inner);
        install()?;
        let free = SLOTS_TABLE.iter().position(|slot| slot.len.load(Ordering::Acquire) == 0);
        let slot = free.ok_or(io::ErrorKind::OutOfMemory)?;
        let words = (memory.len() / PAGE).div_ceil(64);
        let bits: Box<[AtomicU64]> = (0..words).map(|_| AtomicU64::new(0)).collect();
        let entry = &SLOTS_TABLE[slot];
        entry.base.store(memory.base().as_ptr() as usize, Ordering::Release);
        entry.bits.store(bits.as_ptr().cast_mut(), Ordering::Release);
        entry.len.store(memory.len(), Ordering::Release);
        let tracker = Self { slot, bits, memory: memory.clone() };
        protect(memory, 0..memory.len() / PAGE)?;
        Ok(tracker)
    }

    /// Adds the written pages to `found` and protects them again. When that fails, all of them are
    /// found again by the next list, which tries again.
    pub(super) fn take(&mut self, memory: &Mapping, found: &mut Vec<Range<u64>>) -> io::Result<()> {
        let words = self.bits.iter().enumerate();
        let pages = words.flat_map(|(at, word)| {
            let bits = word.swap(0, Ordering::AcqRel);
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| (at * 64 + bit) as u64)
        });
        let listed = super::runs(pages);
        for run in &listed {
            if let Err(error) = protect(memory, run.start as usize..run.end as usize) {
                for page in listed.iter().cloned().flatten().map(|page| page as usize) {
                    self.bits[page / 64].fetch_or(1 << (page % 64), Ordering::AcqRel);
                }
                return Err(error);
            }
        }
        found.extend(listed);
        Ok(())
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        SLOTS_TABLE[self.slot].len.store(0, Ordering::Release);
        let all = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: gives the mapping back the rights that it was made with. It may be written to
        // again afterwards without anybody noticing, which is what an untracked mapping is.
        let _ = unsafe { mprotect(self.memory.base().as_ptr().cast(), self.memory.len(), all) };
    }
}

fn protect(memory: &Mapping, pages: Range<usize>) -> io::Result<()> {
    // SAFETY: the pages were checked to lie in the mapping by whoever numbered them.
    let start = unsafe { memory.base().as_ptr().add(pages.start * PAGE) };
    // SAFETY: the mapping is this tracker's; a write to it faults and is let through by `handle`.
    unsafe { mprotect(start.cast(), pages.len() * PAGE, MprotectFlags::READ) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page that is open and not noted would be written to for ever without anybody knowing.
    #[test]
    fn a_page_that_is_let_through_while_the_list_is_taken_is_in_the_next_one() {
        let memory = Arc::new(Mapping::new(16 * PAGE).unwrap());
        let mut tracker = Tracker::new(&memory).unwrap();
        let (slot, base) = (&SLOTS_TABLE[tracker.slot], memory.base().as_ptr().addr());
        let mut found = Vec::new();
        // SAFETY: the tracker's own slot, and a page of its mapping.
        let through = unsafe {
            let_through(slot, base, 3, || tracker.take(&memory, &mut found).unwrap());
            found.clear();
            // The write that was let through, and one long after it.
            memory.base().as_ptr().add(3 * PAGE).write_volatile(1);
            tracker.take(&memory, &mut found)
        };
        through.unwrap();
        assert_eq!((found.len(), found.first()), (1, Some(&(3..4))));
    }
}
