//! The loop itself: from block to block as long as the blocks are known, and inside each from
//! micro-operation to micro-operation.

// UNSAFETY: stepping through a block's micro-operations without a bounds check each.
#![expect(unsafe_code, reason = "stepping through a block's micro-operations")]

use super::Left;
use super::cursor::Cursor;
use super::handlers::handler;
use super::leave::Running;
use crate::Memory;
use crate::code::{Code, CodeCache};
use crate::hart::Hart;
use vellum_translate::tlb::Tlb;

/// Carries out the operation at the cursor and those behind it, up to the one that leaves the block.
/// Returns the first operation of the next block, or [`Cursor::LEFT`].
pub(super) type Handler<M> =
    fn(Cursor, &mut [u64; 256], &mut Tlb, &mut Running<'_, M>, &Table<M>) -> Cursor;

/// The handler of each operation, by code; sized so that a code needs no check.
pub(super) struct Table<M: Memory>([Handler<M>; 256]);

impl<M: Memory> Table<M> {
    const ALL: Table<M> = {
        let mut table = [handler::<M>(Code::Illegal); 256];
        let mut at = 0;
        while at < Code::ALL.len() {
            table[Code::ALL[at] as usize] = handler(Code::ALL[at]);
            at += 1;
        }
        Table(table)
    };
}

/// Carries out the operation behind one that did not leave its block, and so on.
#[inline(always)]
pub(super) fn next<M: Memory>(
    op: Cursor,
    regs: &mut [u64; 256],
    tlb: &mut Tlb,
    run: &mut Running<'_, M>,
    table: &Table<M>,
) -> Cursor {
    // SAFETY: every handler that ends a block returns, so this operation is not its block's last.
    let op = unsafe { op.step() };
    table.0[op.op() as usize](op, regs, tlb, run, table)
}

/// Blocks that follow one another before everything returns: with as many operations as a block has
/// at most, a bound on the depth of calls where they are not made jumps.
const DEPTH: u32 = 64;

/// Carries out a block that the one before led to.
#[inline(always)]
fn into<M: Memory>(
    block: u32,
    regs: &mut [u64; 256],
    tlb: &mut Tlb,
    run: &mut Running<'_, M>,
    table: &Table<M>,
) -> Cursor {
    let Some(op) = run.enter(block) else { return run.spent(block) };
    if run.depth == 0 {
        return op;
    }
    run.depth -= 1;
    table.0[op.op() as usize](op, regs, tlb, run, table)
}

/// Leaves the block for `target`, by the table of recent jumps.
#[inline(always)]
pub(super) fn leave<M: Memory>(
    op: Cursor,
    regs: &mut [u64; 256],
    tlb: &mut Tlb,
    run: &mut Running<'_, M>,
    table: &Table<M>,
    target: u64,
) -> Cursor {
    match run.leave(op, tlb, target) {
        Some(block) => into(block, regs, tlb, run, table),
        None => run.unknown(),
    }
}

/// Leaves the block for `target`, which is always the same distance away.
#[inline(always)]
pub(super) fn jump<M: Memory>(
    op: Cursor,
    regs: &mut [u64; 256],
    tlb: &mut Tlb,
    run: &mut Running<'_, M>,
    table: &Table<M>,
    target: u64,
) -> Cursor {
    match run.linked(op, target) {
        Some(block) => into(block, regs, tlb, run, table),
        None => run.unlinked(op, tlb, target),
    }
}

impl Hart {
    /// Runs the block whose first instruction is at `pc`, and the blocks that it leads to, as long
    /// as they are known.
    pub(super) fn blocks<M: Memory>(
        &mut self,
        code: &CodeCache,
        memory: &mut M,
        block: u32,
        left: &mut u64,
    ) -> Left {
        let Hart { id, regs, float, tlb, reservation, jumps, .. } = self;
        let mut run = Running {
            memory,
            id: *id,
            float,
            reservation,
            jumps,
            arena: code.ops(),
            pc: self.pc,
            budget: *left,
            accesses: 0,
            depth: DEPTH,
            how: Left::Lookup,
        };
        let table = &Table::ALL;
        let mut at = run.enter(block).unwrap_or_else(|| run.spent(block));
        while !at.is_left() {
            run.depth = DEPTH;
            at = table.0[at.op() as usize](at, regs, tlb, &mut run, table);
        }
        *left = run.budget;
        self.accesses = self.accesses.wrapping_add(run.accesses);
        self.pc = run.pc;
        run.how
    }
}
