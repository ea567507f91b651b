//! The run loop: block after block, until something stops it.
//!
//! At a block's entry its instructions are compared with what is left of the budget, so that a run
//! ends at an exact instruction; where control leaves the block, the instructions and accesses that
//! were retired are counted, from the second half of the micro-operation that left it.
//!
//! Blocks in one page are linked directly: a link stays right however the page is mapped, because
//! it leads to the same bytes that the block itself came from. Everything else goes through a table
//! of recent jumps, whose entries count only while the TLB still maps the target to their frame.

mod arithmetic;
mod blocks;
mod cursor;
#[macro_use]
mod forms;
mod handlers;
mod leave;

use crate::code::{CodeCache, First, NO_LINK};
use crate::exit::Exit;
use crate::hart::{Hart, JUMPS};
use crate::{Memory, Stop};
use vellum_isa::Insn;
use vellum_translate::{Access, Fault, FaultKind, FrameId, Gva};

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

/// How a run of linked blocks ended.
enum Left {
    /// At `pc`, whose block is not known.
    Lookup,
    /// At `pc`, in the same page; the micro-operation with this number wants to know the block.
    Link(usize),
    /// At this block, which has more instructions than are left.
    Tail(u32),
    /// At a block that is stale.
    Stale,
    Exit(Exit),
}

/// What the block at `pc` is.
enum Found {
    Block(u32),
    /// None: its first instruction reaches over the page's end.
    Straddles,
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
        // The micro-operation that jumps to `pc`, and in which generation of the cache.
        let mut jumped: Option<(usize, u64)> = None;
        while *left > 0 {
            let from = jumped.take();
            let block = match self.find(code, memory) {
                Ok(Found::Block(block)) => block,
                Ok(Found::Straddles) => match self.straddle(code, memory, left) {
                    Some(exit) => return exit,
                    None => continue,
                },
                Err(exit) => return exit,
            };
            // Finding the block may have dropped the one that led to it.
            if let Some((at, generation)) = from
                && generation == code.generation()
            {
                code.set_link(at, block);
            }
            match self.blocks(code, memory, block, left) {
                Left::Lookup | Left::Stale => {}
                Left::Link(at) => jumped = Some((at, code.generation())),
                Left::Tail(block) => {
                    if let Some(exit) = self.tail(code, memory, block, left) {
                        return exit;
                    }
                }
                Left::Exit(exit) => return exit,
            }
        }
        Exit::Budget
    }

    #[cold]
    fn forget_jumps(&mut self, code: &CodeCache) {
        self.jumps.fill(Jump::NONE);
        self.code_generation = code.generation();
    }

    /// The block at `pc`, decoded if need be.
    fn find<M: Memory>(&mut self, code: &mut CodeCache, memory: &mut M) -> Result<Found, Exit> {
        let pc = Gva::new(self.pc);
        let frame = match self.tlb.fetch(pc) {
            Some(frame) => frame,
            None => {
                memory.fetch(self.id, &mut self.tlb, pc).map_err(|stop| fetch_exit(stop, pc))?
            }
        };
        let (id, tlb) = (self.id, &mut *self.tlb);
        let mark = |memory: &mut M, frame, bytes| memory.mark_code(id, tlb, frame, bytes);
        let found = code.find(memory, frame, pc.page_offset(), mark);
        if self.code_generation != code.generation() {
            self.forget_jumps(code);
        }
        let Some(block) = found else { return Ok(Found::Straddles) };
        self.jumps[Jump::slot(self.pc)] = Jump { pc: self.pc, frame, block };
        Ok(Found::Block(block))
    }

    /// Runs the one instruction at `pc` that has its second half in the next page. `None`: go on.
    #[cold]
    fn straddle<M: Memory>(
        &mut self,
        code: &mut CodeCache,
        memory: &mut M,
        left: &mut u64,
    ) -> Option<Exit> {
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
            Ok(bits) => self.step(code, memory, &vellum_isa::decode(bits), left),
            Err(exit) => Some(exit),
        }
    }

    /// Runs the first instructions of a block, as many as the budget has.
    #[cold]
    fn tail<M: Memory>(
        &mut self,
        code: &mut CodeCache,
        memory: &mut M,
        block: u32,
        left: &mut u64,
    ) -> Option<Exit> {
        let behind = match code.push_first(block, *left) {
            First::Ops { scratch, bytes } => {
                let behind = self.pc.wrapping_add(bytes);
                let how = self.blocks(code, memory, scratch, left);
                code.pop_scratch(scratch);
                if let Left::Exit(exit) = how {
                    return Some(exit);
                }
                behind
            }
            First::Pair => self.pc,
            First::Stale => return None,
        };
        // The budget ends inside a pair: its first instruction comes from memory.
        if *left == 0 || self.pc != behind {
            return None;
        }
        let offset = Gva::new(self.pc).page_offset();
        let insn = crate::code::fetch(memory, code.frame_of(block), offset)?;
        self.step(code, memory, &insn, left)
    }

    /// Runs one instruction, as a block of its own that is not kept.
    fn step<M: Memory>(
        &mut self,
        code: &mut CodeCache,
        memory: &mut M,
        insn: &Insn,
        left: &mut u64,
    ) -> Option<Exit> {
        let mut one = 1;
        let block = code.push_scratch(insn);
        let how = self.blocks(code, memory, block, &mut one);
        code.pop_scratch(block);
        *left -= 1 - one;
        match how {
            Left::Exit(exit) => Some(exit),
            Left::Lookup | Left::Link(_) | Left::Tail(_) | Left::Stale => None,
        }
    }
}

fn fetch_exit(stop: Stop, va: Gva) -> Exit {
    match stop {
        Stop::Fault(fault) => Exit::Fault(fault),
        // Nothing can be fetched from a device.
        Stop::Device(_) => Exit::Fault(Fault::new(FaultKind::Access, Access::Fetch, va)),
        host @ Stop::Host(_) => Exit::Host(host),
    }
}
