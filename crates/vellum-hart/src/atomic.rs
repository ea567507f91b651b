//! Atomics off the fast path, and the reservation of load-reserved and store-conditional.
//!
//! A store-conditional succeeds when its hart's reservation still stands and the bytes are still
//! what the load-reserved read. Reservations end at every trap and whenever another hart runs, so
//! between the two nobody else can have written them and put them back.

use crate::code::MicroOp;
use crate::hart::Reservation;
use crate::{Exit, Memory, Stop, Stored, fast};
use vellum_translate::tlb::Tlb;
use vellum_translate::{Access, Gva};

#[inline(never)]
pub(crate) fn load_reserved<M: Memory>(
    memory: &mut M,
    hart: usize,
    tlb: &mut Tlb,
    regs: &mut [u64; 256],
    reservation: &mut Option<Reservation>,
    op: MicroOp,
    size: u64,
) -> Result<(), Exit> {
    let va = regs[usize::from(op.rs1)];
    *reservation = None;
    if va & (size - 1) != 0 {
        return Err(Exit::BadDeviceAccess(Gva::new(va), false));
    }
    let value = match tlb.load(Gva::new(va), size) {
        Some(host) if size == 4 => fast::load32(host).into(),
        Some(host) => fast::load64(host),
        None => memory
            .load(hart, tlb, Gva::new(va), size)
            .map_err(|stop| atomic_exit(stop, va, false))?,
    };
    *reservation = Some(Reservation { va, size, value });
    regs[usize::from(op.rd)] = if size == 4 { value as i32 as u64 } else { value };
    Ok(())
}

#[inline(never)]
pub(crate) fn store_conditional<M: Memory>(
    memory: &mut M,
    hart: usize,
    tlb: &mut Tlb,
    regs: &mut [u64; 256],
    reservation: &mut Option<Reservation>,
    op: MicroOp,
    size: u64,
) -> Result<Stored, Exit> {
    let (va, new) = (regs[usize::from(op.rs1)], regs[usize::from(op.rs2)]);
    if va & (size - 1) != 0 {
        return Err(Exit::BadDeviceAccess(Gva::new(va), true));
    }
    let Some(held) = reservation.filter(|r| r.va == va && r.size == size) else {
        // The address is checked as a store's all the same.
        memory
            .probe(hart, tlb, Gva::new(va), Access::Store)
            .map_err(|stop| atomic_exit(stop, va, true))?;
        *reservation = None;
        regs[usize::from(op.rd)] = 1;
        return Ok(Stored::Plain);
    };
    let mut failed = 0;
    let mut change = |was: u64| {
        failed = u64::from(was != held.value);
        (failed == 0).then_some(new)
    };
    let stored = match tlb.store(Gva::new(va), size) {
        Some(host) if size == 4 => {
            fast::update32(host, |was| change(was.into()).map_or(was, |new| new as u32));
            Stored::Plain
        }
        Some(host) => {
            fast::update64(host, |was| change(was).unwrap_or(was));
            Stored::Plain
        }
        None => update(memory, hart, tlb, va, size, &mut change)?.1,
    };
    *reservation = None;
    regs[usize::from(op.rd)] = failed;
    Ok(stored)
}

/// An atomic whose write tag is missing.
#[cold]
#[inline(never)]
pub(crate) fn update<M: Memory>(
    memory: &mut M,
    hart: usize,
    tlb: &mut Tlb,
    va: u64,
    size: u64,
    change: &mut dyn FnMut(u64) -> Option<u64>,
) -> Result<(u64, Stored), Exit> {
    if va & (size - 1) != 0 {
        return Err(Exit::BadDeviceAccess(Gva::new(va), true));
    }
    memory.update(hart, tlb, Gva::new(va), size, change).map_err(|stop| atomic_exit(stop, va, true))
}

#[cold]
fn atomic_exit(stop: Stop, va: u64, store: bool) -> Exit {
    match stop {
        Stop::Fault(fault) => Exit::Fault(fault),
        Stop::Device(_) => Exit::BadDeviceAccess(Gva::new(va), store),
        host @ Stop::Host(_) => Exit::Host(host),
    }
}
