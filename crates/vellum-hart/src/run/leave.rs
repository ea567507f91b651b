//! What a run of blocks keeps beside registers and TLB, and the ways out of a block: to another
//! block, or back to the caller.

// UNSAFETY: a block is entered by its number without a bounds check.
#![expect(unsafe_code, reason = "entering a block by its number")]

use super::cursor::Cursor;
use super::{Jump, Left};
use crate::code::{MicroOp, NO_LINK};
use crate::exit::{Exit, MmioAccess};
use crate::hart::{Float, JUMPS, Reservation};
use crate::{Memory, SINK, Stop};
use vellum_isa::Insn;
use vellum_translate::tlb::Tlb;
use vellum_translate::{Gva, PAGE_MASK};

/// A run of linked blocks under way.
pub(super) struct Running<'a, M: Memory> {
    pub(super) memory: &'a mut M,
    pub(super) id: usize,
    pub(super) float: &'a mut Float,
    pub(super) reservation: &'a mut Option<Reservation>,
    pub(super) jumps: &'a [Jump; JUMPS],
    pub(super) arena: &'a [MicroOp],
    /// Where the block under way starts.
    pub(super) pc: u64,
    /// Instructions that may still be retired.
    pub(super) budget: u64,
    /// Accesses retired.
    pub(super) accesses: u64,
    /// Blocks that may still be entered by a call from the one before.
    pub(super) depth: u32,
    /// How it ended, once it has.
    pub(super) how: Left,
}

const _: () = assert!((NO_LINK as i32) < 0);

impl<M: Memory> Running<'_, M> {
    /// Goes back to the caller, at `pc`.
    pub(super) fn back(&mut self, how: Left) -> Cursor {
        self.how = how;
        Cursor::LEFT
    }

    /// Counts what was retired, this instruction included.
    #[inline(always)]
    fn retire(&mut self, op: Cursor) {
        self.budget -= u64::from(op.insns());
        self.accesses = self.accesses.wrapping_add(u64::from(op.accesses()));
    }

    /// The first operation of a block of the arena, whose number comes from the arena's own links or
    /// from the table of jumps; `None` when it has more instructions than are left.
    #[inline(always)]
    pub(super) fn enter(&self, block: u32) -> Option<Cursor> {
        // SAFETY: links and jumps hold numbers of blocks of this arena; the table of jumps is emptied
        // when the arena is, and when another arena takes its place.
        let header = unsafe { Cursor::header(self.arena, block) };
        // SAFETY: it is a header.
        (u64::from(header.insns()) <= self.budget).then(|| unsafe { header.step() })
    }

    /// Goes back at a block that has more instructions than are left.
    #[cold]
    #[inline(never)]
    pub(super) fn spent(&mut self, block: u32) -> Cursor {
        self.back(Left::Tail(block))
    }

    /// Leaves the block for `target`; its number by the table of recent jumps, if it is there.
    #[inline(always)]
    pub(super) fn leave(&mut self, op: Cursor, tlb: &Tlb, target: u64) -> Option<u32> {
        self.retire(op);
        self.pc = target;
        let jump = self.jumps[Jump::slot(target)];
        let known = jump.pc == target && tlb.fetch(Gva::new(target)) == Some(jump.frame);
        known.then_some(jump.block)
    }

    /// Goes back at a block that is not known.
    #[cold]
    #[inline(never)]
    pub(super) fn unknown(&mut self) -> Cursor {
        self.back(Left::Lookup)
    }

    /// Leaves the block for `target`, which is always the same distance away; its number, if known.
    #[inline(always)]
    pub(super) fn linked(&mut self, op: Cursor, target: u64) -> Option<u32> {
        let link = op.link();
        // As a sign, which is cheaper than the number itself.
        if (link as i32) < 0 {
            return None;
        }
        self.retire(op);
        self.pc = target;
        Some(link)
    }

    /// Leaves the block for `target`, which is always the same distance away, but has no link.
    #[cold]
    #[inline(never)]
    pub(super) fn unlinked(&mut self, op: Cursor, tlb: &Tlb, target: u64) -> Cursor {
        if (target ^ self.pc) & PAGE_MASK != 0 {
            return self.left(op, tlb, target);
        }
        self.retire(op);
        self.pc = target;
        self.back(Left::Link(op.index(self.arena)))
    }

    /// Leaves the block for `target`, without going on there at once.
    fn left(&mut self, op: Cursor, tlb: &Tlb, target: u64) -> Cursor {
        match self.leave(op, tlb, target) {
            Some(block) => self.enter(block).unwrap_or_else(|| self.spent(block)),
            None => self.unknown(),
        }
    }

    /// Stops at this instruction, which is not retired, nor are `accesses` of its own.
    #[cold]
    #[inline(never)]
    pub(super) fn stop(&mut self, op: Cursor, exit: Exit, accesses: u64) -> Cursor {
        self.budget -= u64::from(op.insns() - 1);
        self.accesses = self.accesses.wrapping_add(u64::from(op.accesses())).wrapping_sub(accesses);
        self.pc = self.pc.wrapping_add(2 * u64::from(op.offset()));
        self.back(Left::Exit(exit))
    }

    /// Stops at a load or store that did not go through: `op`, or the part of it that it was.
    #[cold]
    #[inline(never)]
    pub(super) fn refused(
        &mut self,
        op: MicroOp,
        stop: Stop,
        va: u64,
        size: u64,
        store: Option<u64>,
    ) -> Cursor {
        self.stop(Cursor::alone(&op), access_exit(stop, op, va, size, store), 1)
    }

    /// Goes on behind a store that may have changed the block: leaves it, since it may be stale.
    #[cold]
    #[inline(never)]
    pub(super) fn stored_code(&mut self, op: MicroOp, tlb: &Tlb) -> Cursor {
        self.left(Cursor::alone(&op), tlb, self.pc.wrapping_add(op.next()))
    }
}

/// The instruction that a micro-operation came from.
pub(super) fn raise(op: MicroOp) -> Insn {
    let rd = if op.rd == SINK { 0 } else { op.rd };
    Insn { op: op.op.op(), rd, rs1: op.rs1, rs2: op.rs2, rs3: 0, rm: 0, len: op.len, imm: op.imm }
}

fn access_exit(stop: Stop, op: MicroOp, va: u64, size: u64, store: Option<u64>) -> Exit {
    let va = Gva::new(va);
    match stop {
        Stop::Fault(fault) => Exit::Fault(fault),
        Stop::Device(_) if va.get() & (size - 1) != 0 => Exit::BadDeviceAccess(va, store.is_some()),
        Stop::Device(at) => Exit::Mmio(MmioAccess { at, va, insn: raise(op), size, store }),
        host @ Stop::Host(_) => Exit::Host(host),
    }
}
