//! The loop itself: from micro-operation to micro-operation, and from block to block, as long as the
//! blocks are known.

// UNSAFETY: stepping a pointer through a block's micro-operations without a bounds check each.
#![expect(unsafe_code, reason = "stepping through a block's micro-operations")]

use super::arithmetic::{div, high, or_combine, rem, word};
use super::{Jump, Left};
use crate::code::{Code, CodeCache, MicroOp, NO_LINK, Second, first, second};
use crate::exit::{Exit, MmioAccess};
use crate::hart::Hart;
use crate::{Memory, SINK, Stop, Stored, atomic, fast, slow};
use vellum_isa::Insn;
use vellum_translate::{Gva, PAGE_MASK};

/// A micro-operation in place. Its fields are read where they are used: a copy would load all of
/// them before every dispatch.
///
/// Only [`Hart::blocks`] makes one, of a pointer into the arena that it has borrowed.
#[derive(Clone, Copy)]
struct Cursor(*const MicroOp);

macro_rules! fields {
    ($($name:ident: $type:ty),*) => {
        impl Cursor {
            $(
                #[inline(always)]
                fn $name(self) -> $type {
                    // SAFETY: the pointer is to a live micro-operation (see the type).
                    unsafe { (*self.0).$name }
                }
            )*
        }
    };
}

fields!(op: Code, rd: u8, rs1: u8, rs2: u8, imm: i32);
fields!(offset: u8, insns: u8, accesses: u8, link: u32);

impl Cursor {
    #[inline(always)]
    fn get(self) -> MicroOp {
        // SAFETY: as above.
        unsafe { *self.0 }
    }

    #[inline(always)]
    fn next(self) -> u64 {
        self.get().next()
    }
}

impl Hart {
    /// Runs the block whose first instruction is at `pc`, and the blocks that it leads to, as long
    /// as they are known.
    #[rustfmt::skip] // one arm a line
    pub(super) fn blocks<M: Memory>(
        &mut self,
        code: &CodeCache,
        memory: &mut M,
        block: u32,
        left: &mut u64,
    ) -> Left {
        let arena: &[MicroOp] = code.ops();
        let Hart { id, regs, float, tlb, reservation, jumps, .. } = self;
        let regs: &mut [u64; 256] = regs;
        let tlb = &mut **tlb;
        let mut pc = self.pc;
        let mut budget = *left;
        let mut accesses = 0;
        let mut at: *const MicroOp = &raw const arena[block as usize];

        macro_rules! x {
            ($r:expr) => { regs[usize::from($r)] };
        }
        // Goes back to the caller, at `pc`.
        macro_rules! back {
            ($how:expr) => {{
                *left = budget;
                self.accesses = self.accesses.wrapping_add(accesses);
                self.pc = pc;
                return $how;
            }};
        }
        // Counts what was retired, this instruction included.
        macro_rules! retire {
            ($op:ident) => {{
                budget -= u64::from($op.insns());
                accesses = accesses.wrapping_add(u64::from($op.accesses()));
            }};
        }
        // Enters a block of the arena.
        macro_rules! enter {
            ($block:expr) => {{
                let block: u32 = $block;
                debug_assert!((block as usize) < arena.len());
                // SAFETY: block numbers come from the arena's own links and from the jump table,
                // which is emptied when the arena is: they are inside it.
                at = unsafe { arena.as_ptr().add(block as usize) };
                if u64::from(Cursor(at).insns()) > budget {
                    back!(Left::Tail(block))
                }
                // SAFETY: a header has a block behind it.
                at = unsafe { at.add(1) };
                continue;
            }};
        }
        // Leaves the block for `$target`, by the table of recent jumps.
        macro_rules! leave {
            ($op:ident, $target:expr) => {{
                retire!($op);
                pc = $target;
                let jump = jumps[Jump::slot(pc)];
                if jump.pc == pc && tlb.fetch(Gva::new(pc)) == Some(jump.frame) {
                    enter!(jump.block)
                }
                back!(Left::Lookup)
            }};
        }
        // Leaves the block for `$target`, which is always the same distance away.
        macro_rules! jump {
            ($op:ident, $target:expr) => {{
                if $op.link() != NO_LINK {
                    retire!($op);
                    pc = $target;
                    enter!($op.link())
                }
                let target = $target;
                if (target ^ pc) & PAGE_MASK != 0 {
                    leave!($op, target)
                }
                retire!($op);
                pc = target;
                back!(Left::Link((at.addr() - arena.as_ptr().addr()) / size_of::<MicroOp>()))
            }};
        }
        // Stops at this instruction, which is not retired, nor is its access, if it has one.
        macro_rules! stop {
            ($op:ident, $exit:expr, $access:literal) => {{
                let exit = $exit;
                budget -= u64::from($op.insns() - 1);
                accesses = accesses.wrapping_add(u64::from($op.accesses())).wrapping_sub($access);
                pc = pc.wrapping_add(2 * u64::from($op.offset()));
                back!(Left::Exit(exit))
            }};
        }
        // An access of `$part`, which is an operation or one of a pair; it is put together only where
        // the access does not go through.
        macro_rules! load_of {
            ($part:expr, $va:expr, $size:literal, $fast:ident, $value:ident => $out:expr) => {{
                let va: u64 = $va;
                let $value: u64 = match tlb.load(Gva::new(va), $size) {
                    Some(host) => fast::$fast(host).into(),
                    None => match slow::load(memory, *id, tlb, va, $size) {
                        Ok(value) => value,
                        Err(s) => {
                            let part = $part;
                            let op = Cursor(&raw const part);
                            stop!(op, access_exit(s, part, va, $size, None), 1)
                        }
                    },
                };
                $out
            }};
        }
        macro_rules! store_of {
            ($part:expr, $va:expr, $size:literal, $fast:ident, $int:ty, $value:expr) => {{
                let va: u64 = $va;
                let value: u64 = $value;
                match tlb.store(Gva::new(va), $size) {
                    Some(host) => fast::$fast(host, value as $int),
                    None => match slow::store(memory, *id, tlb, va, $size, value) {
                        Ok(Stored::Plain) => {}
                        // The block may be stale from here on: leave it behind this store.
                        Ok(Stored::Code) => {
                            let part = $part;
                            let op = Cursor(&raw const part);
                            leave!(op, pc.wrapping_add(op.next()))
                        }
                        Err(s) => {
                            let part = $part;
                            let op = Cursor(&raw const part);
                            stop!(op, access_exit(s, part, va, $size, Some(value)), 1)
                        }
                    },
                }
            }};
        }
        macro_rules! address {
            ($base:expr, $distance:expr) => { x!($base).wrapping_add($distance as u64) };
        }
        macro_rules! load {
            ($op:ident, $size:literal, $fast:ident, $value:ident => $out:expr) => {
                load_of!($op.get(), address!($op.rs1(), $op.imm()), $size, $fast, $value => $out)
            };
        }
        macro_rules! store {
            ($op:ident, $size:literal, $fast:ident, $int:ty, $value:expr) => {
                store_of!($op.get(), address!($op.rs1(), $op.imm()), $size, $fast, $int, $value)
            };
        }
        // A load as the second of a pair.
        macro_rules! then_load {
            ($op:ident, $size:literal, $fast:ident, $value:ident => $loaded:expr) => {{
                let s = Second($op.imm());
                load_of!(second($op.get()), address!(s.source(), s.distance()), $size, $fast,
                    $value => x!(s.first()) = $loaded)
            }};
        }
        macro_rules! load_load {
            ($op:ident, $size:literal, $fast:ident, $value:ident => $loaded:expr) => {{
                load_of!(first($op.get()), address!($op.rs1(), i64::from($op.rs2() as i8) * $size),
                    $size, $fast, $value => x!($op.rd()) = $loaded);
                then_load!($op, $size, $fast, $value => $loaded)
            }};
        }
        macro_rules! then_store {
            ($op:ident, $size:literal, $fast:ident, $int:ty) => {{
                let s = Second($op.imm());
                store_of!(second($op.get()), address!(s.source(), s.distance()), $size, $fast, $int,
                    x!(s.first()))
            }};
        }
        macro_rules! store_store {
            ($op:ident, $size:literal, $fast:ident, $int:ty) => {{
                store_of!(first($op.get()), address!($op.rs1(), i64::from($op.rd() as i8) * $size),
                    $size, $fast, $int, x!($op.rs2()));
                then_store!($op, $size, $fast, $int)
            }};
        }
        macro_rules! branch {
            ($op:ident, $taken:expr) => {
                if $taken {
                    jump!($op, pc.wrapping_add($op.imm() as u64))
                }
            };
        }
        // A short immediate of a pair's first operation.
        macro_rules! short {
            ($op:ident) => { $op.rs2() as i8 as u64 };
        }
        // Two operations: the first one's value, then the second one's, of its first source.
        macro_rules! pair {
            ($op:ident, $s:ident, $a:ident, $first:expr, $second:expr) => {{
                let $s = Second($op.imm());
                x!($op.rd()) = $first;
                let $a = x!($s.source());
                x!($s.first()) = $second;
            }};
        }
        // An operation and a branch.
        macro_rules! pair_branch {
            ($op:ident, $a:ident, $b:ident, $first:expr, $taken:expr) => {{
                let s = Second($op.imm());
                x!($op.rd()) = $first;
                let ($a, $b) = (x!(s.first()), x!(s.source()));
                if $taken {
                    jump!($op, pc.wrapping_add(s.distance()))
                }
            }};
        }
        macro_rules! amo {
            ($op:ident, 4, $f:expr) => {{
                let f: fn(u32, u32) -> u32 = $f;
                let (va, b) = (x!($op.rs1()), x!($op.rs2()) as u32);
                let (was, stored) = match tlb.store(Gva::new(va), 4) {
                    Some(host) => (fast::update32(host, |a| f(a, b)), Stored::Plain),
                    None => {
                        let mut change = |a: u64| Some(u64::from(f(a as u32, b)));
                        match atomic::update(memory, *id, tlb, va, 4, &mut change) {
                            Ok((was, stored)) => (was as u32, stored),
                            Err(exit) => stop!($op, exit, 1),
                        }
                    }
                };
                x!($op.rd()) = was as i32 as u64;
                if stored == Stored::Code {
                    leave!($op, pc.wrapping_add($op.next()))
                }
            }};
            ($op:ident, 8, $f:expr) => {{
                let f: fn(u64, u64) -> u64 = $f;
                let (va, b) = (x!($op.rs1()), x!($op.rs2()));
                let (was, stored) = match tlb.store(Gva::new(va), 8) {
                    Some(host) => (fast::update64(host, |a| f(a, b)), Stored::Plain),
                    None => match atomic::update(memory, *id, tlb, va, 8, &mut |a| Some(f(a, b))) {
                        Ok(done) => done,
                        Err(exit) => stop!($op, exit, 1),
                    },
                };
                x!($op.rd()) = was;
                if stored == Stored::Code {
                    leave!($op, pc.wrapping_add($op.next()))
                }
            }};
        }

        if u64::from(arena[block as usize].insns) > budget {
            back!(Left::Tail(block))
        }
        // SAFETY: a header has a block behind it.
        at = unsafe { at.add(1) };
        loop {
            // A block ends in an operation that leaves it, so `at` stays inside it; nothing below
            // changes the arena, which is borrowed for as long as this runs: what `Cursor` needs.
            let op = Cursor(at);
            use Code::*;
            match op.op() {
                Lui => x!(op.rd()) = op.imm() as u64,
                Auipc => x!(op.rd()) = pc.wrapping_add(op.imm() as u64),
                Jal => {
                    x!(op.rd()) = pc.wrapping_add(op.next());
                    jump!(op, pc.wrapping_add(op.imm() as u64))
                }
                Jalr => {
                    let target = x!(op.rs1()).wrapping_add(op.imm() as u64) & !1;
                    x!(op.rd()) = pc.wrapping_add(op.next());
                    leave!(op, target)
                }
                Beq => branch!(op, x!(op.rs1()) == x!(op.rs2())),
                Bne => branch!(op, x!(op.rs1()) != x!(op.rs2())),
                Blt => branch!(op, (x!(op.rs1()) as i64) < x!(op.rs2()) as i64),
                Bge => branch!(op, x!(op.rs1()) as i64 >= x!(op.rs2()) as i64),
                Bltu => branch!(op, x!(op.rs1()) < x!(op.rs2())),
                Bgeu => branch!(op, x!(op.rs1()) >= x!(op.rs2())),
                Lb => load!(op, 1, load8, v => x!(op.rd()) = v as i8 as u64),
                Lh => load!(op, 2, load16, v => x!(op.rd()) = v as i16 as u64),
                Lw => load!(op, 4, load32, v => x!(op.rd()) = v as i32 as u64),
                Ld => load!(op, 8, load64, v => x!(op.rd()) = v),
                Lbu => load!(op, 1, load8, v => x!(op.rd()) = v),
                Lhu => load!(op, 2, load16, v => x!(op.rd()) = v),
                Lwu => load!(op, 4, load32, v => x!(op.rd()) = v),
                Sb => store!(op, 1, store8, u8, x!(op.rs2())),
                Sh => store!(op, 2, store16, u16, x!(op.rs2())),
                Sw => store!(op, 4, store32, u32, x!(op.rs2())),
                Sd => store!(op, 8, store64, u64, x!(op.rs2())),
                Addi => x!(op.rd()) = x!(op.rs1()).wrapping_add(op.imm() as u64),
                Slti => x!(op.rd()) = u64::from((x!(op.rs1()) as i64) < op.imm() as i64),
                Sltiu => x!(op.rd()) = u64::from(x!(op.rs1()) < (op.imm() as u64)),
                Xori => x!(op.rd()) = x!(op.rs1()) ^ (op.imm() as u64),
                Ori => x!(op.rd()) = x!(op.rs1()) | (op.imm() as u64),
                Andi => x!(op.rd()) = x!(op.rs1()) & (op.imm() as u64),
                Slli => x!(op.rd()) = x!(op.rs1()) << ((op.imm() as u64) & 63),
                Srli => x!(op.rd()) = x!(op.rs1()) >> ((op.imm() as u64) & 63),
                Srai => x!(op.rd()) = (x!(op.rs1()) as i64 >> ((op.imm() as u64) & 63)) as u64,
                Add => x!(op.rd()) = x!(op.rs1()).wrapping_add(x!(op.rs2())),
                Sub => x!(op.rd()) = x!(op.rs1()).wrapping_sub(x!(op.rs2())),
                Sll => x!(op.rd()) = x!(op.rs1()) << (x!(op.rs2()) & 63),
                Slt => x!(op.rd()) = u64::from((x!(op.rs1()) as i64) < x!(op.rs2()) as i64),
                Sltu => x!(op.rd()) = u64::from(x!(op.rs1()) < x!(op.rs2())),
                Xor => x!(op.rd()) = x!(op.rs1()) ^ x!(op.rs2()),
                Srl => x!(op.rd()) = x!(op.rs1()) >> (x!(op.rs2()) & 63),
                Sra => x!(op.rd()) = (x!(op.rs1()) as i64 >> (x!(op.rs2()) & 63)) as u64,
                Or => x!(op.rd()) = x!(op.rs1()) | x!(op.rs2()),
                And => x!(op.rd()) = x!(op.rs1()) & x!(op.rs2()),
                Addiw => x!(op.rd()) = word(x!(op.rs1()).wrapping_add(op.imm() as u64)),
                Slliw => x!(op.rd()) = word(x!(op.rs1()) << ((op.imm() as u64) & 31)),
                Srliw => x!(op.rd()) = word(u64::from(x!(op.rs1()) as u32 >> ((op.imm() as u64) & 31))),
                Sraiw => x!(op.rd()) = (x!(op.rs1()) as i32 >> ((op.imm() as u64) & 31)) as u64,
                Addw => x!(op.rd()) = word(x!(op.rs1()).wrapping_add(x!(op.rs2()))),
                Subw => x!(op.rd()) = word(x!(op.rs1()).wrapping_sub(x!(op.rs2()))),
                Sllw => x!(op.rd()) = word(x!(op.rs1()) << (x!(op.rs2()) & 31)),
                Srlw => x!(op.rd()) = word(u64::from(x!(op.rs1()) as u32 >> (x!(op.rs2()) & 31))),
                Sraw => x!(op.rd()) = (x!(op.rs1()) as i32 >> (x!(op.rs2()) & 31)) as u64,
                Fence => {}
                Mul => x!(op.rd()) = x!(op.rs1()).wrapping_mul(x!(op.rs2())),
                Mulh => x!(op.rd()) = high(i128::from(x!(op.rs1()) as i64) * i128::from(x!(op.rs2()) as i64)),
                Mulhsu => x!(op.rd()) = high(i128::from(x!(op.rs1()) as i64) * i128::from(x!(op.rs2()))),
                Mulhu => x!(op.rd()) = ((u128::from(x!(op.rs1())) * u128::from(x!(op.rs2()))) >> 64) as u64,
                Div => x!(op.rd()) = div(x!(op.rs1()) as i64, x!(op.rs2()) as i64),
                Divu => x!(op.rd()) = x!(op.rs1()).checked_div(x!(op.rs2())).unwrap_or(u64::MAX),
                Rem => x!(op.rd()) = rem(x!(op.rs1()) as i64, x!(op.rs2()) as i64),
                Remu => x!(op.rd()) = x!(op.rs1()).checked_rem(x!(op.rs2())).unwrap_or(x!(op.rs1())),
                Mulw => x!(op.rd()) = word(x!(op.rs1()).wrapping_mul(x!(op.rs2()))),
                Divw => x!(op.rd()) = div((x!(op.rs1()) as i32).into(), (x!(op.rs2()) as i32).into()) as i32 as u64,
                Divuw => x!(op.rd()) = (x!(op.rs1()) as u32).checked_div(x!(op.rs2()) as u32).unwrap_or(u32::MAX) as i32 as u64,
                Remw => x!(op.rd()) = rem((x!(op.rs1()) as i32).into(), (x!(op.rs2()) as i32).into()) as i32 as u64,
                Remuw => x!(op.rd()) = (x!(op.rs1()) as u32).checked_rem(x!(op.rs2()) as u32).unwrap_or(x!(op.rs1()) as u32) as i32 as u64,
                LrW | LrD => {
                    let size = if op.op() == LrW { 4 } else { 8 };
                    if let Err(exit) = atomic::load_reserved(memory, *id, tlb, regs, reservation, op.get(), size) {
                        stop!(op, exit, 1)
                    }
                }
                ScW | ScD => {
                    let size = if op.op() == ScW { 4 } else { 8 };
                    match atomic::store_conditional(memory, *id, tlb, regs, reservation, op.get(), size) {
                        Ok(Stored::Plain) => {}
                        Ok(Stored::Code) => leave!(op, pc.wrapping_add(op.next())),
                        Err(exit) => stop!(op, exit, 1),
                    }
                }
                AmoSwapW => amo!(op, 4, |_, b| b),
                AmoAddW => amo!(op, 4, u32::wrapping_add),
                AmoXorW => amo!(op, 4, |a, b| a ^ b),
                AmoAndW => amo!(op, 4, |a, b| a & b),
                AmoOrW => amo!(op, 4, |a, b| a | b),
                AmoMinW => amo!(op, 4, |a, b| (a as i32).min(b as i32) as u32),
                AmoMaxW => amo!(op, 4, |a, b| (a as i32).max(b as i32) as u32),
                AmoMinuW => amo!(op, 4, Ord::min),
                AmoMaxuW => amo!(op, 4, Ord::max),
                AmoSwapD => amo!(op, 8, |_, b| b),
                AmoAddD => amo!(op, 8, u64::wrapping_add),
                AmoXorD => amo!(op, 8, |a, b| a ^ b),
                AmoAndD => amo!(op, 8, |a, b| a & b),
                AmoOrD => amo!(op, 8, |a, b| a | b),
                AmoMinD => amo!(op, 8, |a, b| (a as i64).min(b as i64) as u64),
                AmoMaxD => amo!(op, 8, |a, b| (a as i64).max(b as i64) as u64),
                AmoMinuD => amo!(op, 8, Ord::min),
                AmoMaxuD => amo!(op, 8, Ord::max),
                AddUw => x!(op.rd()) = u64::from(x!(op.rs1()) as u32).wrapping_add(x!(op.rs2())),
                Sh1add => x!(op.rd()) = (x!(op.rs1()) << 1).wrapping_add(x!(op.rs2())),
                Sh2add => x!(op.rd()) = (x!(op.rs1()) << 2).wrapping_add(x!(op.rs2())),
                Sh3add => x!(op.rd()) = (x!(op.rs1()) << 3).wrapping_add(x!(op.rs2())),
                Sh1addUw => x!(op.rd()) = (u64::from(x!(op.rs1()) as u32) << 1).wrapping_add(x!(op.rs2())),
                Sh2addUw => x!(op.rd()) = (u64::from(x!(op.rs1()) as u32) << 2).wrapping_add(x!(op.rs2())),
                Sh3addUw => x!(op.rd()) = (u64::from(x!(op.rs1()) as u32) << 3).wrapping_add(x!(op.rs2())),
                SlliUw => x!(op.rd()) = u64::from(x!(op.rs1()) as u32) << ((op.imm() as u64) & 63),
                Andn => x!(op.rd()) = x!(op.rs1()) & !x!(op.rs2()),
                Orn => x!(op.rd()) = x!(op.rs1()) | !x!(op.rs2()),
                Xnor => x!(op.rd()) = !(x!(op.rs1()) ^ x!(op.rs2())),
                Clz => x!(op.rd()) = x!(op.rs1()).leading_zeros().into(),
                Ctz => x!(op.rd()) = x!(op.rs1()).trailing_zeros().into(),
                Cpop => x!(op.rd()) = x!(op.rs1()).count_ones().into(),
                Clzw => x!(op.rd()) = (x!(op.rs1()) as u32).leading_zeros().into(),
                Ctzw => x!(op.rd()) = (x!(op.rs1()) as u32).trailing_zeros().into(),
                Cpopw => x!(op.rd()) = (x!(op.rs1()) as u32).count_ones().into(),
                Max => x!(op.rd()) = (x!(op.rs1()) as i64).max(x!(op.rs2()) as i64) as u64,
                Maxu => x!(op.rd()) = x!(op.rs1()).max(x!(op.rs2())),
                Min => x!(op.rd()) = (x!(op.rs1()) as i64).min(x!(op.rs2()) as i64) as u64,
                Minu => x!(op.rd()) = x!(op.rs1()).min(x!(op.rs2())),
                SextB => x!(op.rd()) = x!(op.rs1()) as i8 as u64,
                SextH => x!(op.rd()) = x!(op.rs1()) as i16 as u64,
                ZextH => x!(op.rd()) = u64::from(x!(op.rs1()) as u16),
                Rol => x!(op.rd()) = x!(op.rs1()).rotate_left(x!(op.rs2()) as u32 & 63),
                Ror => x!(op.rd()) = x!(op.rs1()).rotate_right(x!(op.rs2()) as u32 & 63),
                Rori => x!(op.rd()) = x!(op.rs1()).rotate_right(op.imm() as u32 & 63),
                Rolw => x!(op.rd()) = (x!(op.rs1()) as u32).rotate_left(x!(op.rs2()) as u32 & 31) as i32 as u64,
                Rorw => x!(op.rd()) = (x!(op.rs1()) as u32).rotate_right(x!(op.rs2()) as u32 & 31) as i32 as u64,
                Roriw => x!(op.rd()) = (x!(op.rs1()) as u32).rotate_right(op.imm() as u32 & 31) as i32 as u64,
                OrcB => x!(op.rd()) = or_combine(x!(op.rs1())),
                Rev8 => x!(op.rd()) = x!(op.rs1()).swap_bytes(),
                Bclr => x!(op.rd()) = x!(op.rs1()) & !(1 << (x!(op.rs2()) & 63)),
                Bclri => x!(op.rd()) = x!(op.rs1()) & !(1 << ((op.imm() as u64) & 63)),
                Bext => x!(op.rd()) = x!(op.rs1()) >> (x!(op.rs2()) & 63) & 1,
                Bexti => x!(op.rd()) = x!(op.rs1()) >> ((op.imm() as u64) & 63) & 1,
                Binv => x!(op.rd()) = x!(op.rs1()) ^ 1 << (x!(op.rs2()) & 63),
                Binvi => x!(op.rd()) = x!(op.rs1()) ^ 1 << ((op.imm() as u64) & 63),
                Bset => x!(op.rd()) = x!(op.rs1()) | 1 << (x!(op.rs2()) & 63),
                Bseti => x!(op.rd()) = x!(op.rs1()) | 1 << ((op.imm() as u64) & 63),
                Flw | Fld | Fsw | Fsd if !float.enabled => stop!(op, Exit::Illegal(0), 1),
                Flw => load!(op, 4, load32, v => float.write(op.rd(), v | !0 << 32)),
                Fld => load!(op, 8, load64, v => float.write(op.rd(), v)),
                Fsw => store!(op, 4, store32, u32, u64::from(float.regs[usize::from(op.rs2() & 31)] as u32)),
                Fsd => store!(op, 8, store64, u64, float.regs[usize::from(op.rs2() & 31)]),
                // Code is never stale to the guest.
                AddiBeq => pair_branch!(op, a, b, x!(op.rs1()).wrapping_add(short!(op)), a == b),
                AddiBne => pair_branch!(op, a, b, x!(op.rs1()).wrapping_add(short!(op)), a != b),
                AddiBltu => pair_branch!(op, a, b, x!(op.rs1()).wrapping_add(short!(op)), a < b),
                AddiBgeu => pair_branch!(op, a, b, x!(op.rs1()).wrapping_add(short!(op)), a >= b),
                AddiwBeq => pair_branch!(op, a, b, word(x!(op.rs1()).wrapping_add(short!(op))), a == b),
                AddiwBne => pair_branch!(op, a, b, word(x!(op.rs1()).wrapping_add(short!(op))), a != b),
                AndiBeq => pair_branch!(op, a, b, x!(op.rs1()) & short!(op), a == b),
                AndiBne => pair_branch!(op, a, b, x!(op.rs1()) & short!(op), a != b),
                AddwBeq => pair_branch!(op, a, b, word(x!(op.rs1()).wrapping_add(x!(op.rs2()))), a == b),
                AddwBne => pair_branch!(op, a, b, word(x!(op.rs1()).wrapping_add(x!(op.rs2()))), a != b),
                SrliwBeq => pair_branch!(op, a, b, word(u64::from(x!(op.rs1()) as u32 >> (op.rs2() & 31))), a == b),
                SrliwBne => pair_branch!(op, a, b, word(u64::from(x!(op.rs1()) as u32 >> (op.rs2() & 31))), a != b),
                OrBeq => pair_branch!(op, a, b, x!(op.rs1()) | x!(op.rs2()), a == b),
                OrBne => pair_branch!(op, a, b, x!(op.rs1()) | x!(op.rs2()), a != b),
                AddBeq => pair_branch!(op, a, b, x!(op.rs1()).wrapping_add(x!(op.rs2())), a == b),
                AddBne => pair_branch!(op, a, b, x!(op.rs1()).wrapping_add(x!(op.rs2())), a != b),
                AddiAddi => pair!(op, s, a, x!(op.rs1()).wrapping_add(short!(op)), a.wrapping_add(s.distance())),
                AddiAdd => pair!(op, s, a, x!(op.rs1()).wrapping_add(short!(op)), a.wrapping_add(x!(s.other()))),
                AddAdd => pair!(op, s, a, x!(op.rs1()).wrapping_add(x!(op.rs2())), a.wrapping_add(x!(s.other()))),
                MulwAddw => pair!(op, s, a, word(x!(op.rs1()).wrapping_mul(x!(op.rs2()))), word(a.wrapping_add(x!(s.other())))),
                SlliSrli => pair!(op, s, a, x!(op.rs1()) << (op.rs2() & 63), a >> (s.other() & 63)),
                SlliAdd => pair!(op, s, a, x!(op.rs1()) << (op.rs2() & 63), a.wrapping_add(x!(s.other()))),
                XorAndi => pair!(op, s, a, x!(op.rs1()) ^ x!(op.rs2()), a & s.distance()),
                XorSlli => pair!(op, s, a, x!(op.rs1()) ^ x!(op.rs2()), a << (s.other() & 63)),
                SltiuAndi => pair!(op, s, a, u64::from(x!(op.rs1()) < short!(op)), a & s.distance()),
                AndiOr => pair!(op, s, a, x!(op.rs1()) & short!(op), a | x!(s.other())),
                AddiwAddi => pair!(op, s, a, word(x!(op.rs1()).wrapping_add(short!(op))), a.wrapping_add(s.distance())),
                XorXor => pair!(op, s, a, x!(op.rs1()) ^ x!(op.rs2()), a ^ x!(s.other())),
                SlliOr => pair!(op, s, a, x!(op.rs1()) << (op.rs2() & 63), a | x!(s.other())),
                SrliSlli => pair!(op, s, a, x!(op.rs1()) >> (op.rs2() & 63), a << (s.other() & 63)),
                SlliwXor => pair!(op, s, a, word(x!(op.rs1()) << (op.rs2() & 31)), a ^ x!(s.other())),
                SrliwXor => pair!(op, s, a, word(u64::from(x!(op.rs1()) as u32 >> (op.rs2() & 31))), a ^ x!(s.other())),
                LdLd => load_load!(op, 8, load64, v => v),
                LhLh => load_load!(op, 2, load16, v => v as i16 as u64),
                SdSd => store_store!(op, 8, store64, u64),
                SbSb => store_store!(op, 1, store8, u8),
                AddLd => {
                    x!(op.rd()) = x!(op.rs1()).wrapping_add(x!(op.rs2()));
                    then_load!(op, 8, load64, v => v)
                }
                AddLbu => {
                    x!(op.rd()) = x!(op.rs1()).wrapping_add(x!(op.rs2()));
                    then_load!(op, 1, load8, v => v)
                }
                AddiSd => {
                    x!(op.rd()) = x!(op.rs1()).wrapping_add(short!(op));
                    then_store!(op, 8, store64, u64)
                }
                FenceI => jump!(op, pc.wrapping_add(op.next())),
                Ecall => stop!(op, Exit::Ecall, 0),
                Ebreak => stop!(op, Exit::Breakpoint, 0),
                Csrrw | Csrrs | Csrrc | Csrrwi | Csrrsi | Csrrci | Sret | Wfi | SfenceVma
                | SinvalVma | SfenceWInval | SfenceInvalIr => {
                    stop!(op, Exit::Privileged(raise(op.get())), 0)
                }
                Illegal if op.rs1() == 1 => {
                    *left = budget;
                    self.accesses += accesses;
                    self.pc = pc;
                    return Left::Stale;
                }
                Illegal => stop!(op, Exit::Illegal(op.imm() as u32), 0),
                // By name, and no `_`: with every code listed, finding its place in the table of jumps
                // needs no check of its range.
                FmaddS | FmsubS | FnmsubS | FnmaddS | FaddS | FsubS | FmulS | FdivS | FsqrtS
                | FsgnjS | FsgnjnS | FsgnjxS | FminS | FmaxS | FeqS | FltS | FleS | FclassS
                | FcvtWS | FcvtWuS | FcvtLS | FcvtLuS | FcvtSW | FcvtSWu | FcvtSL | FcvtSLu | FmvXW
                | FmvWX | FmaddD | FmsubD | FnmsubD | FnmaddD | FaddD | FsubD | FmulD | FdivD
                | FsqrtD | FsgnjD | FsgnjnD | FsgnjxD | FminD | FmaxD | FeqD | FltD | FleD
                | FclassD | FcvtSD | FcvtDS | FcvtWD | FcvtWuD | FcvtLD | FcvtLuD | FcvtDW
                | FcvtDWu | FcvtDL | FcvtDLu | FmvXD | FmvDX => {
                    if !float.operate(regs, op.get()) {
                        stop!(op, Exit::Illegal(0), 0)
                    }
                }
            }
            // SAFETY: the operation did not leave the block, so it is not the last.
            at = unsafe { at.add(1) };
        }
    }
}

/// The instruction that a micro-operation came from.
fn raise(op: MicroOp) -> Insn {
    let rd = if op.rd == SINK { 0 } else { op.rd };
    Insn { op: op.op.op(), rd, rs1: op.rs1, rs2: op.rs2, rs3: 0, rm: 0, len: op.len, imm: op.imm }
}

#[cold]
fn access_exit(stop: Stop, op: MicroOp, va: u64, size: u64, store: Option<u64>) -> Exit {
    let va = Gva::new(va);
    match stop {
        Stop::Fault(fault) => Exit::Fault(fault),
        Stop::Device(_) if va.get() & (size - 1) != 0 => Exit::BadDeviceAccess(va, store.is_some()),
        Stop::Device(at) => Exit::Mmio(MmioAccess { at, va, insn: raise(op), size, store }),
        host @ Stop::Host(_) => Exit::Host(host),
    }
}
