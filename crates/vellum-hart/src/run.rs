//! The run loop: block after block, until something stops it.
//!
//! At a block's entry its instructions are compared with what is left of the budget, so that a run
//! ends at an exact instruction; where control leaves the block, the instructions and accesses that
//! were retired are counted, from a table beside the micro-operations.
//!
//! Blocks in one page are linked directly: a link stays right however the page is mapped, because
//! it leads to the same bytes that the block itself came from. Everything else goes through a table
//! of recent jumps, whose entries count only while the TLB still maps the target to their frame.

// UNSAFETY: stepping a pointer through a block's micro-operations without a bounds check each.
#![expect(unsafe_code, reason = "stepping through a block's micro-operations")]

use crate::code::{Block, CodeCache, MicroOp, NO_LINK, Side, lower};
use crate::exit::{Exit, MmioAccess};
use crate::hart::{Hart, JUMPS, Reservation};
use crate::{Memory, SINK, Stop, Stored, fast, slow};
use vellum_isa::{Insn, Op};
use vellum_translate::{Access, FrameId, Gva, PAGE_SIZE};

/// A recent jump's target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Jump {
    pc: u64,
    frame: FrameId,
    block: u32,
}

impl Jump {
    /// Matches no program counter: they are even.
    pub(crate) const NONE: Jump = Jump { pc: 1, frame: FrameId::ZERO, block: NO_LINK };

    #[inline(always)]
    fn slot(pc: u64) -> usize {
        ((pc >> 1) ^ (pc >> 13)) as usize % JUMPS
    }
}

/// Where the run goes after a block.
enum Next {
    /// On to this block.
    Block(u32),
    /// The instruction at `pc` reaches over its page's end: alone.
    Straddles,
}

/// How a block was left.
enum Left {
    /// At `pc`; a link may be remembered for the micro-operation with this number.
    Jump(Option<usize>),
    /// At `pc` still: the block is stale.
    Stale,
    Exit(Exit),
}

impl Hart {
    /// Runs at most `budget` instructions.
    pub fn run<M: Memory>(&mut self, code: &mut CodeCache, memory: &mut M, budget: u64) -> Exit {
        let mut left = budget.min(1 << 62);
        let given = left;
        let exit = self.chain(code, memory, &mut left);
        self.instret += given - left;
        exit
    }

    fn chain<M: Memory>(&mut self, code: &mut CodeCache, memory: &mut M, left: &mut u64) -> Exit {
        if self.code_generation != code.generation() {
            self.forget_jumps(code);
        }
        let mut index = NO_LINK;
        loop {
            if *left == 0 {
                return Exit::Budget;
            }
            if index == NO_LINK {
                index = match self.enter(code, memory) {
                    Ok(Next::Block(index)) => index,
                    Ok(Next::Straddles) => match self.straddle(memory, left) {
                        Some(exit) => return exit,
                        None => continue,
                    },
                    Err(exit) => return exit,
                };
            }
            let block = code.block(index);
            if u64::from(block.insns) > *left {
                match self.tail(memory, code.frame_of(&block), left) {
                    Some(exit) => return exit,
                    None => {
                        index = NO_LINK;
                        continue;
                    }
                }
            }
            let page = self.pc & !(PAGE_SIZE as u64 - 1);
            match self.block(code, memory, block, left) {
                Left::Exit(exit) => return exit,
                Left::Jump(None) => index = NO_LINK,
                Left::Stale => {
                    index = match self.find(code, memory) {
                        Ok(Next::Block(index)) => index,
                        Ok(Next::Straddles) => NO_LINK,
                        Err(exit) => return exit,
                    }
                }
                Left::Jump(Some(at)) => {
                    index = code.side(&block, at).link;
                    if index == NO_LINK && self.pc & !(PAGE_SIZE as u64 - 1) == page {
                        let generation = code.generation();
                        index = match self.enter(code, memory) {
                            Ok(Next::Block(index)) => index,
                            Ok(Next::Straddles) => continue,
                            Err(exit) => return exit,
                        };
                        // Finding the target may have dropped the very block that led to it.
                        if code.generation() == generation {
                            code.set_link(&block, at, index);
                        }
                    }
                }
            }
        }
    }

    #[cold]
    fn forget_jumps(&mut self, code: &CodeCache) {
        self.jumps.fill(Jump::NONE);
        self.code_generation = code.generation();
    }

    /// The block at `pc`.
    #[inline]
    fn enter<M: Memory>(&mut self, code: &mut CodeCache, memory: &mut M) -> Result<Next, Exit> {
        let pc = Gva::new(self.pc);
        let jump = self.jumps[Jump::slot(self.pc)];
        if jump.pc == self.pc && self.tlb.fetch(pc) == Some(jump.frame) {
            return Ok(Next::Block(jump.block));
        }
        self.find(code, memory)
    }

    #[inline(never)]
    fn find<M: Memory>(&mut self, code: &mut CodeCache, memory: &mut M) -> Result<Next, Exit> {
        let pc = Gva::new(self.pc);
        let frame = match self.tlb.fetch(pc) {
            Some(frame) => frame,
            None => {
                memory.fetch(self.id, &mut self.tlb, pc).map_err(|stop| fetch_exit(stop, pc))?
            }
        };
        let (id, tlb) = (self.id, &mut *self.tlb);
        let mark = |memory: &mut M, frame| memory.mark_code(id, tlb, frame);
        let found = code.find(memory, frame, pc.page_offset(), mark);
        if self.code_generation != code.generation() {
            self.forget_jumps(code);
        }
        let Some(block) = found else { return Ok(Next::Straddles) };
        self.jumps[Jump::slot(self.pc)] = Jump { pc: self.pc, frame, block };
        Ok(Next::Block(block))
    }

    /// Runs the one instruction at `pc` that has its second half in the next page. `None`: go on.
    fn straddle<M: Memory>(&mut self, memory: &mut M, left: &mut u64) -> Option<Exit> {
        let pc = Gva::new(self.pc);
        let mut parcel = |va: Gva| {
            let frame = match self.tlb.fetch(va) {
                Some(frame) => Ok(frame),
                None => memory.fetch(self.id, &mut self.tlb, va),
            };
            frame.map(|f| memory.parcel(f, va.page_offset())).map_err(|s| fetch_exit(s, va))
        };
        let both = parcel(pc).and_then(|low| {
            let high = parcel(Gva::new(pc.get().wrapping_add(2)))?;
            Ok(u32::from(high) << 16 | u32::from(low))
        });
        match both {
            Ok(bits) => self.step(memory, &vellum_isa::decode(bits), left),
            Err(exit) => Some(exit),
        }
    }

    /// Runs the first instructions of a block, as many as the budget has.
    #[cold]
    fn tail<M: Memory>(&mut self, memory: &mut M, frame: FrameId, left: &mut u64) -> Option<Exit> {
        let page = self.pc & !(PAGE_SIZE as u64 - 1);
        while *left > 0 && self.pc & !(PAGE_SIZE as u64 - 1) == page {
            let at = (self.pc - page) as usize;
            let insn = crate::code::fetch(memory, frame, at)?;
            if let Some(exit) = self.step(memory, &insn, left) {
                return Some(exit);
            }
        }
        None
    }

    /// Runs one instruction, as a block of its own.
    fn step<M: Memory>(&mut self, memory: &mut M, insn: &Insn, left: &mut u64) -> Option<Exit> {
        let end = MicroOp { op: Op::Jal, rd: SINK, rs1: 0, rs2: 0, imm: insn.len.into() };
        let ops = [lower(insn, 0), end];
        let len = insn.len;
        let access = u8::from(crate::code::is_access(insn.op));
        let side = Side { offset: 0, insns: 1, accesses: access, len, link: NO_LINK };
        let sides = [side, Side { offset: len / 2, len: 0, ..side }];
        match self.execute(&ops, &sides, memory, left) {
            Left::Exit(exit) => Some(exit),
            Left::Jump(_) | Left::Stale => None,
        }
    }

    #[inline(always)]
    fn block<M: Memory>(
        &mut self,
        code: &CodeCache,
        memory: &mut M,
        block: Block,
        left: &mut u64,
    ) -> Left {
        self.execute(code.ops(&block), code.sides(&block), memory, left)
    }

    /// Executes the micro-operations of a block whose first instruction is at `pc`.
    #[inline(always)]
    #[rustfmt::skip] // one arm a line
    fn execute<M: Memory>(
        &mut self,
        ops: &[MicroOp],
        sides: &[Side],
        memory: &mut M,
        left: &mut u64,
    ) -> Left {
        let pc = self.pc;
        let first = ops.as_ptr();
        let mut at = first;
        debug_assert!(ops.last().is_some_and(|op| crate::code::ends(op.op)));

        // The number of the micro-operation at hand.
        macro_rules! number {
            () => {
                (at.addr() - first.addr()) / size_of::<MicroOp>()
            };
        }
        // Leaves the block for `$target`, this instruction retired.
        macro_rules! leave {
            ($target:expr, $linked:expr) => {{
                let number = number!();
                let side = sides[number];
                *left -= u64::from(side.insns);
                self.accesses += u64::from(side.accesses);
                self.pc = $target;
                return Left::Jump(if $linked { Some(number) } else { None });
            }};
        }
        // Stops at this instruction, which is not retired.
        macro_rules! stop {
            ($exit:expr) => {{
                let side = sides[number!()];
                *left -= u64::from(side.insns - 1);
                self.accesses += u64::from(side.accesses);
                self.pc = pc.wrapping_add(2 * u64::from(side.offset));
                return Left::Exit($exit);
            }};
        }
        // Stops at an access that could not be done.
        macro_rules! refuse {
            ($op:expr, $stop:expr, $va:expr, $size:expr, $store:expr) => {{
                self.accesses = self.accesses.wrapping_sub(1);
                let len = sides[number!()].len;
                stop!(access_exit($stop, $op, len, $va, $size, $store))
            }};
        }
        macro_rules! x {
            ($r:expr) => {
                self.regs[usize::from($r)]
            };
        }
        macro_rules! load {
            ($op:ident, $size:literal, $fast:ident, $value:ident => $out:expr) => {{
                let va = x!($op.rs1).wrapping_add($op.imm as u64);
                let loaded = match self.tlb.load(Gva::new(va), $size) {
                    Some(host) => fast::$fast(host).into(),
                    None => match slow::load(memory, self.id, &mut self.tlb, va, $size) {
                        Ok(value) => value,
                        Err(s) => refuse!($op, s, va, $size, None),
                    },
                };
                let $value: u64 = loaded;
                $out
            }};
        }
        macro_rules! store {
            ($op:ident, $size:literal, $fast:ident, $int:ty, $value:expr) => {{
                let va = x!($op.rs1).wrapping_add($op.imm as u64);
                let value: u64 = $value;
                match self.tlb.store(Gva::new(va), $size) {
                    Some(host) => fast::$fast(host, value as $int),
                    None => match slow::store(memory, self.id, &mut self.tlb, va, $size, value) {
                        Ok(Stored::Plain) => {}
                        // The block may be stale from here on: leave it behind this store.
                        Ok(Stored::Code) => {
                            let side = sides[number!()];
                            let next = 2 * u64::from(side.offset) + u64::from(side.len);
                            leave!(pc.wrapping_add(next), false)
                        }
                        Err(s) => refuse!($op, s, va, $size, Some(value)),
                    },
                }
            }};
        }
        macro_rules! branch {
            ($op:ident, $taken:expr) => {
                if $taken {
                    leave!(pc.wrapping_add($op.imm as u64), true)
                }
            };
        }
        macro_rules! amo {
            ($op:ident, 4, $f:expr) => {{
                let f: fn(u32, u32) -> u32 = $f;
                let (va, b) = (x!($op.rs1), x!($op.rs2) as u32);
                let was = match self.tlb.store(Gva::new(va), 4) {
                    Some(host) => fast::update32(host, |a| f(a, b)),
                    None => {
                        let mut change = |a: u64| Some(u64::from(f(a as u32, b)));
                        match self.update(memory, va, 4, &mut change) {
                            Ok((was, Stored::Plain)) => was as u32,
                            Ok((was, Stored::Code)) => {
                                x!($op.rd) = was as i32 as u64;
                                let side = sides[number!()];
                                let next = 2 * u64::from(side.offset) + u64::from(side.len);
                                leave!(pc.wrapping_add(next), false)
                            }
                            Err(exit) => {
                                self.accesses = self.accesses.wrapping_sub(1);
                                stop!(exit)
                            }
                        }
                    }
                };
                x!($op.rd) = was as i32 as u64;
            }};
            ($op:ident, 8, $f:expr) => {{
                let f: fn(u64, u64) -> u64 = $f;
                let (va, b) = (x!($op.rs1), x!($op.rs2));
                let was = match self.tlb.store(Gva::new(va), 8) {
                    Some(host) => fast::update64(host, |a| f(a, b)),
                    None => match self.update(memory, va, 8, &mut |a| Some(f(a, b))) {
                        Ok((was, Stored::Plain)) => was,
                        Ok((was, Stored::Code)) => {
                            x!($op.rd) = was;
                            let side = sides[number!()];
                            let next = 2 * u64::from(side.offset) + u64::from(side.len);
                            leave!(pc.wrapping_add(next), false)
                        }
                        Err(exit) => {
                            self.accesses = self.accesses.wrapping_sub(1);
                            stop!(exit)
                        }
                    },
                };
                x!($op.rd) = was;
            }};
        }

        loop {
            // SAFETY: a block ends in an operation that leaves it (asserted above), so `at` stays
            // inside `ops`.
            let op = unsafe { *at };
            let imm = op.imm as u64;
            use Op::*;
            match op.op {
                Lui => x!(op.rd) = imm,
                Auipc => x!(op.rd) = pc.wrapping_add(imm),
                Jal => {
                    let side = sides[number!()];
                    x!(op.rd) = pc.wrapping_add(2 * u64::from(side.offset) + u64::from(side.len));
                    leave!(pc.wrapping_add(imm), true)
                }
                Jalr => {
                    let side = sides[number!()];
                    let target = x!(op.rs1).wrapping_add(imm) & !1;
                    x!(op.rd) = pc.wrapping_add(2 * u64::from(side.offset) + u64::from(side.len));
                    leave!(target, false)
                }
                Beq => branch!(op, x!(op.rs1) == x!(op.rs2)),
                Bne => branch!(op, x!(op.rs1) != x!(op.rs2)),
                Blt => branch!(op, (x!(op.rs1) as i64) < x!(op.rs2) as i64),
                Bge => branch!(op, x!(op.rs1) as i64 >= x!(op.rs2) as i64),
                Bltu => branch!(op, x!(op.rs1) < x!(op.rs2)),
                Bgeu => branch!(op, x!(op.rs1) >= x!(op.rs2)),
                Lb => load!(op, 1, load8, v => x!(op.rd) = v as i8 as u64),
                Lh => load!(op, 2, load16, v => x!(op.rd) = v as i16 as u64),
                Lw => load!(op, 4, load32, v => x!(op.rd) = v as i32 as u64),
                Ld => load!(op, 8, load64, v => x!(op.rd) = v),
                Lbu => load!(op, 1, load8, v => x!(op.rd) = v),
                Lhu => load!(op, 2, load16, v => x!(op.rd) = v),
                Lwu => load!(op, 4, load32, v => x!(op.rd) = v),
                Sb => store!(op, 1, store8, u8, x!(op.rs2)),
                Sh => store!(op, 2, store16, u16, x!(op.rs2)),
                Sw => store!(op, 4, store32, u32, x!(op.rs2)),
                Sd => store!(op, 8, store64, u64, x!(op.rs2)),
                Addi => x!(op.rd) = x!(op.rs1).wrapping_add(imm),
                Slti => x!(op.rd) = u64::from((x!(op.rs1) as i64) < imm as i64),
                Sltiu => x!(op.rd) = u64::from(x!(op.rs1) < imm),
                Xori => x!(op.rd) = x!(op.rs1) ^ imm,
                Ori => x!(op.rd) = x!(op.rs1) | imm,
                Andi => x!(op.rd) = x!(op.rs1) & imm,
                Slli => x!(op.rd) = x!(op.rs1) << (imm & 63),
                Srli => x!(op.rd) = x!(op.rs1) >> (imm & 63),
                Srai => x!(op.rd) = (x!(op.rs1) as i64 >> (imm & 63)) as u64,
                Add => x!(op.rd) = x!(op.rs1).wrapping_add(x!(op.rs2)),
                Sub => x!(op.rd) = x!(op.rs1).wrapping_sub(x!(op.rs2)),
                Sll => x!(op.rd) = x!(op.rs1) << (x!(op.rs2) & 63),
                Slt => x!(op.rd) = u64::from((x!(op.rs1) as i64) < x!(op.rs2) as i64),
                Sltu => x!(op.rd) = u64::from(x!(op.rs1) < x!(op.rs2)),
                Xor => x!(op.rd) = x!(op.rs1) ^ x!(op.rs2),
                Srl => x!(op.rd) = x!(op.rs1) >> (x!(op.rs2) & 63),
                Sra => x!(op.rd) = (x!(op.rs1) as i64 >> (x!(op.rs2) & 63)) as u64,
                Or => x!(op.rd) = x!(op.rs1) | x!(op.rs2),
                And => x!(op.rd) = x!(op.rs1) & x!(op.rs2),
                Addiw => x!(op.rd) = word(x!(op.rs1).wrapping_add(imm)),
                Slliw => x!(op.rd) = word(x!(op.rs1) << (imm & 31)),
                Srliw => x!(op.rd) = word(u64::from(x!(op.rs1) as u32 >> (imm & 31))),
                Sraiw => x!(op.rd) = (x!(op.rs1) as i32 >> (imm & 31)) as u64,
                Addw => x!(op.rd) = word(x!(op.rs1).wrapping_add(x!(op.rs2))),
                Subw => x!(op.rd) = word(x!(op.rs1).wrapping_sub(x!(op.rs2))),
                Sllw => x!(op.rd) = word(x!(op.rs1) << (x!(op.rs2) & 31)),
                Srlw => x!(op.rd) = word(u64::from(x!(op.rs1) as u32 >> (x!(op.rs2) & 31))),
                Sraw => x!(op.rd) = (x!(op.rs1) as i32 >> (x!(op.rs2) & 31)) as u64,
                Fence => {}
                Mul => x!(op.rd) = x!(op.rs1).wrapping_mul(x!(op.rs2)),
                Mulh => x!(op.rd) = high(i128::from(x!(op.rs1) as i64) * i128::from(x!(op.rs2) as i64)),
                Mulhsu => x!(op.rd) = high(i128::from(x!(op.rs1) as i64) * i128::from(x!(op.rs2))),
                Mulhu => x!(op.rd) = ((u128::from(x!(op.rs1)) * u128::from(x!(op.rs2))) >> 64) as u64,
                Div => x!(op.rd) = div(x!(op.rs1) as i64, x!(op.rs2) as i64),
                Divu => x!(op.rd) = x!(op.rs1).checked_div(x!(op.rs2)).unwrap_or(u64::MAX),
                Rem => x!(op.rd) = rem(x!(op.rs1) as i64, x!(op.rs2) as i64),
                Remu => x!(op.rd) = x!(op.rs1).checked_rem(x!(op.rs2)).unwrap_or(x!(op.rs1)),
                Mulw => x!(op.rd) = word(x!(op.rs1).wrapping_mul(x!(op.rs2))),
                Divw => x!(op.rd) = div((x!(op.rs1) as i32).into(), (x!(op.rs2) as i32).into()) as i32 as u64,
                Divuw => x!(op.rd) = (x!(op.rs1) as u32).checked_div(x!(op.rs2) as u32).unwrap_or(u32::MAX) as i32 as u64,
                Remw => x!(op.rd) = rem((x!(op.rs1) as i32).into(), (x!(op.rs2) as i32).into()) as i32 as u64,
                Remuw => x!(op.rd) = (x!(op.rs1) as u32).checked_rem(x!(op.rs2) as u32).unwrap_or(x!(op.rs1) as u32) as i32 as u64,
                LrW | LrD => {
                    let size = if op.op == LrW { 4 } else { 8 };
                    match self.load_reserved(memory, op, size) {
                        Ok(()) => {}
                        Err(exit) => {
                            self.accesses = self.accesses.wrapping_sub(1);
                            stop!(exit)
                        }
                    }
                }
                ScW | ScD => {
                    let size = if op.op == ScW { 4 } else { 8 };
                    match self.store_conditional(memory, op, size) {
                        Ok(Stored::Plain) => {}
                        Ok(Stored::Code) => {
                            let side = sides[number!()];
                            let next = 2 * u64::from(side.offset) + u64::from(side.len);
                            leave!(pc.wrapping_add(next), false)
                        }
                        Err(exit) => {
                            self.accesses = self.accesses.wrapping_sub(1);
                            stop!(exit)
                        }
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
                AddUw => x!(op.rd) = u64::from(x!(op.rs1) as u32).wrapping_add(x!(op.rs2)),
                Sh1add => x!(op.rd) = (x!(op.rs1) << 1).wrapping_add(x!(op.rs2)),
                Sh2add => x!(op.rd) = (x!(op.rs1) << 2).wrapping_add(x!(op.rs2)),
                Sh3add => x!(op.rd) = (x!(op.rs1) << 3).wrapping_add(x!(op.rs2)),
                Sh1addUw => x!(op.rd) = (u64::from(x!(op.rs1) as u32) << 1).wrapping_add(x!(op.rs2)),
                Sh2addUw => x!(op.rd) = (u64::from(x!(op.rs1) as u32) << 2).wrapping_add(x!(op.rs2)),
                Sh3addUw => x!(op.rd) = (u64::from(x!(op.rs1) as u32) << 3).wrapping_add(x!(op.rs2)),
                SlliUw => x!(op.rd) = u64::from(x!(op.rs1) as u32) << (imm & 63),
                Andn => x!(op.rd) = x!(op.rs1) & !x!(op.rs2),
                Orn => x!(op.rd) = x!(op.rs1) | !x!(op.rs2),
                Xnor => x!(op.rd) = !(x!(op.rs1) ^ x!(op.rs2)),
                Clz => x!(op.rd) = x!(op.rs1).leading_zeros().into(),
                Ctz => x!(op.rd) = x!(op.rs1).trailing_zeros().into(),
                Cpop => x!(op.rd) = x!(op.rs1).count_ones().into(),
                Clzw => x!(op.rd) = (x!(op.rs1) as u32).leading_zeros().into(),
                Ctzw => x!(op.rd) = (x!(op.rs1) as u32).trailing_zeros().into(),
                Cpopw => x!(op.rd) = (x!(op.rs1) as u32).count_ones().into(),
                Max => x!(op.rd) = (x!(op.rs1) as i64).max(x!(op.rs2) as i64) as u64,
                Maxu => x!(op.rd) = x!(op.rs1).max(x!(op.rs2)),
                Min => x!(op.rd) = (x!(op.rs1) as i64).min(x!(op.rs2) as i64) as u64,
                Minu => x!(op.rd) = x!(op.rs1).min(x!(op.rs2)),
                SextB => x!(op.rd) = x!(op.rs1) as i8 as u64,
                SextH => x!(op.rd) = x!(op.rs1) as i16 as u64,
                ZextH => x!(op.rd) = u64::from(x!(op.rs1) as u16),
                Rol => x!(op.rd) = x!(op.rs1).rotate_left(x!(op.rs2) as u32 & 63),
                Ror => x!(op.rd) = x!(op.rs1).rotate_right(x!(op.rs2) as u32 & 63),
                Rori => x!(op.rd) = x!(op.rs1).rotate_right(imm as u32 & 63),
                Rolw => x!(op.rd) = (x!(op.rs1) as u32).rotate_left(x!(op.rs2) as u32 & 31) as i32 as u64,
                Rorw => x!(op.rd) = (x!(op.rs1) as u32).rotate_right(x!(op.rs2) as u32 & 31) as i32 as u64,
                Roriw => x!(op.rd) = (x!(op.rs1) as u32).rotate_right(imm as u32 & 31) as i32 as u64,
                OrcB => x!(op.rd) = or_combine(x!(op.rs1)),
                Rev8 => x!(op.rd) = x!(op.rs1).swap_bytes(),
                Bclr => x!(op.rd) = x!(op.rs1) & !(1 << (x!(op.rs2) & 63)),
                Bclri => x!(op.rd) = x!(op.rs1) & !(1 << (imm & 63)),
                Bext => x!(op.rd) = x!(op.rs1) >> (x!(op.rs2) & 63) & 1,
                Bexti => x!(op.rd) = x!(op.rs1) >> (imm & 63) & 1,
                Binv => x!(op.rd) = x!(op.rs1) ^ 1 << (x!(op.rs2) & 63),
                Binvi => x!(op.rd) = x!(op.rs1) ^ 1 << (imm & 63),
                Bset => x!(op.rd) = x!(op.rs1) | 1 << (x!(op.rs2) & 63),
                Bseti => x!(op.rd) = x!(op.rs1) | 1 << (imm & 63),
                Flw | Fld | Fsw | Fsd if !self.fp_enabled => {
                    self.accesses = self.accesses.wrapping_sub(1);
                    stop!(Exit::Illegal(0))
                }
                Flw => {
                    load!(op, 4, load32, v => self.fregs[usize::from(op.rd & 31)] = v | !0 << 32);
                    self.fp_dirty = true;
                }
                Fld => {
                    load!(op, 8, load64, v => self.fregs[usize::from(op.rd & 31)] = v);
                    self.fp_dirty = true;
                }
                Fsw => store!(op, 4, store32, u32, u64::from(self.fregs[usize::from(op.rs2 & 31)] as u32)),
                Fsd => store!(op, 8, store64, u64, self.fregs[usize::from(op.rs2 & 31)]),
                // Code caches are never stale to the guest.
                FenceI => {
                    let side = sides[number!()];
                    leave!(pc.wrapping_add(2 * u64::from(side.offset) + u64::from(side.len)), true)
                }
                Ecall => stop!(Exit::Ecall),
                Ebreak => stop!(Exit::Breakpoint),
                Csrrw | Csrrs | Csrrc | Csrrwi | Csrrsi | Csrrci | Sret | Wfi | SfenceVma
                | SinvalVma | SfenceWInval | SfenceInvalIr => {
                    let insn = raise(op, sides[number!()].len);
                    stop!(Exit::Privileged(insn))
                }
                Illegal if op.rs1 == 1 => return Left::Stale,
                Illegal => stop!(Exit::Illegal(imm as u32)),
                _ => {
                    if !self.float(op) {
                        stop!(Exit::Illegal(0))
                    }
                }
            }
            // SAFETY: the operation did not leave the block, so it is not the last.
            at = unsafe { at.add(1) };
        }
    }

    #[inline(never)]
    fn load_reserved<M: Memory>(
        &mut self,
        memory: &mut M,
        op: MicroOp,
        size: u64,
    ) -> Result<(), Exit> {
        let va = self.regs[usize::from(op.rs1)];
        self.reservation = None;
        if va & (size - 1) != 0 {
            return Err(Exit::BadDeviceAccess(Gva::new(va), false));
        }
        let value = match self.tlb.load(Gva::new(va), size) {
            Some(host) if size == 4 => fast::load32(host).into(),
            Some(host) => fast::load64(host),
            None => memory
                .load(self.id, &mut self.tlb, Gva::new(va), size)
                .map_err(|stop| atomic_exit(stop, va, false))?,
        };
        self.reservation = Some(Reservation { va, size, value });
        self.regs[usize::from(op.rd)] = if size == 4 { value as i32 as u64 } else { value };
        Ok(())
    }

    #[inline(never)]
    fn store_conditional<M: Memory>(
        &mut self,
        memory: &mut M,
        op: MicroOp,
        size: u64,
    ) -> Result<Stored, Exit> {
        let (va, new) = (self.regs[usize::from(op.rs1)], self.regs[usize::from(op.rs2)]);
        if va & (size - 1) != 0 {
            return Err(Exit::BadDeviceAccess(Gva::new(va), true));
        }
        let held = self.reservation.filter(|r| r.va == va && r.size == size);
        let Some(held) = held else {
            // The address is checked as a store's all the same.
            memory
                .probe(self.id, &mut self.tlb, Gva::new(va), Access::Store)
                .map_err(|stop| atomic_exit(stop, va, true))?;
            self.reservation = None;
            self.regs[usize::from(op.rd)] = 1;
            return Ok(Stored::Plain);
        };
        let mut failed = 0;
        let mut change = |was: u64| {
            failed = u64::from(was != held.value);
            (failed == 0).then_some(new)
        };
        let (_, stored) = memory
            .update(self.id, &mut self.tlb, Gva::new(va), size, &mut change)
            .map_err(|stop| atomic_exit(stop, va, true))?;
        self.reservation = None;
        self.regs[usize::from(op.rd)] = failed;
        Ok(stored)
    }

    /// An atomic whose write tag is missing.
    #[inline(never)]
    fn update<M: Memory>(
        &mut self,
        memory: &mut M,
        va: u64,
        size: u64,
        change: &mut dyn FnMut(u64) -> Option<u64>,
    ) -> Result<(u64, Stored), Exit> {
        if va & (size - 1) != 0 {
            return Err(Exit::BadDeviceAccess(Gva::new(va), true));
        }
        memory
            .update(self.id, &mut self.tlb, Gva::new(va), size, change)
            .map_err(|stop| atomic_exit(stop, va, true))
    }
}

/// The high half of a product.
#[inline(always)]
fn high(product: i128) -> u64 {
    (product >> 64) as u64
}

#[inline(always)]
fn word(value: u64) -> u64 {
    value as i32 as u64
}

/// `div` (unprivileged specification, section "Division Operations"): by zero all ones, overflow
/// the dividend.
#[inline]
fn div(a: i64, b: i64) -> u64 {
    if b == 0 { u64::MAX } else { a.wrapping_div(b) as u64 }
}

#[inline]
fn rem(a: i64, b: i64) -> u64 {
    if b == 0 { a as u64 } else { a.wrapping_rem(b) as u64 }
}

/// `orc.b`: each byte that is not zero becomes all ones.
#[inline]
fn or_combine(a: u64) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let mut bits = a | a >> 4 & 0x0f0f_0f0f_0f0f_0f0f;
    bits |= bits >> 2 & 0x3f3f_3f3f_3f3f_3f3f;
    bits |= bits >> 1 & 0x7f7f_7f7f_7f7f_7f7f;
    (bits & LOW) * 0xff
}

/// The instruction that a micro-operation came from.
fn raise(op: MicroOp, len: u8) -> Insn {
    let rd = if op.rd == SINK { 0 } else { op.rd };
    Insn { op: op.op, rd, rs1: op.rs1, rs2: op.rs2, rs3: 0, rm: 0, len, imm: op.imm }
}

fn fetch_exit(stop: Stop, va: Gva) -> Exit {
    match stop {
        Stop::Fault(fault) => Exit::Fault(fault),
        // Nothing can be fetched from a device.
        Stop::Device(_) => Exit::Fault(vellum_translate::Fault {
            kind: vellum_translate::FaultKind::Access,
            access: Access::Fetch,
            va,
            level: 0,
            entry: None,
        }),
        host @ Stop::Host(_) => Exit::Host(host),
    }
}

#[cold]
fn access_exit(stop: Stop, op: MicroOp, len: u8, va: u64, size: u64, store: Option<u64>) -> Exit {
    let va = Gva::new(va);
    match stop {
        Stop::Fault(fault) => Exit::Fault(fault),
        Stop::Device(_) if va.get() & (size - 1) != 0 => Exit::BadDeviceAccess(va, store.is_some()),
        Stop::Device(at) => Exit::Mmio(MmioAccess { at, va, insn: raise(op, len), size, store }),
        host @ Stop::Host(_) => Exit::Host(host),
    }
}

#[cold]
fn atomic_exit(stop: Stop, va: u64, store: bool) -> Exit {
    match stop {
        Stop::Fault(fault) => Exit::Fault(fault),
        Stop::Device(_) => Exit::BadDeviceAccess(Gva::new(va), store),
        host @ Stop::Host(_) => Exit::Host(host),
    }
}
