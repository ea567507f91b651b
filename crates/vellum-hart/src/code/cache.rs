//! The block cache, shared by all harts of a machine.
//!
//! Blocks are kept by the host frame that their bytes are in, so that every mapping of a page and
//! every hart shares them. A page's blocks are valid for one content version of its frame. When the
//! version has moved on, each of its blocks is marked stale in place: whoever still links to one
//! runs into the mark and looks again. `fence.i` therefore has nothing to do.

use super::lower::{Kind, MAX_INSNS, kind, lower};
use super::{MicroOp, Side};
use crate::Memory;
use vellum_isa::{Insn, Op};
use vellum_translate::{FrameId, PAGE_SIZE};

/// No block.
pub(crate) const NO_LINK: u32 = u32::MAX;
/// Micro-operations kept, 16 bytes each, before everything is dropped.
const CAPACITY: usize = 1 << 20;
const PARCELS: usize = PAGE_SIZE / 2;

/// A block: where its micro-operations are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    pub(crate) start: u32,
    pub(crate) ops: u16,
    /// Instructions in it.
    pub(crate) insns: u16,
    /// The code page it belongs to.
    pub(crate) page: u32,
}

#[derive(Debug)]
struct CodePage {
    frame: FrameId,
    version: u32,
    /// By parcel: the block that starts there, plus one, counted in `blocks`.
    starts: Box<[u16; PARCELS]>,
    blocks: Vec<u32>,
}

/// What the cache did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Blocks decoded.
    pub blocks: u64,
    /// Instructions decoded.
    pub insns: u64,
    /// Pages whose blocks went stale.
    pub stale_pages: u64,
    /// Times that everything was dropped because the cache was full.
    pub flushes: u64,
}

/// Decoded blocks by frame. Memory: at most 16 MiB of micro-operations, and 4 KiB a code page.
#[derive(Debug)]
pub struct CodeCache {
    ops: Vec<MicroOp>,
    sides: Vec<Side>,
    blocks: Vec<Block>,
    pages: Vec<CodePage>,
    /// By frame: its code page, plus one.
    by_frame: Vec<u32>,
    generation: u32,
    /// What happened.
    pub counters: Counters,
}

impl Default for CodeCache {
    fn default() -> Self {
        CodeCache {
            ops: Vec::new(),
            sides: Vec::new(),
            blocks: Vec::new(),
            pages: Vec::new(),
            by_frame: Vec::new(),
            generation: 1,
            counters: Counters::default(),
        }
    }
}

impl CodeCache {
    /// Changes when block numbers lose their meaning.
    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    #[inline(always)]
    pub(crate) fn block(&self, index: u32) -> Block {
        self.blocks[index as usize]
    }

    #[inline(always)]
    pub(crate) fn ops(&self, block: &Block) -> &[MicroOp] {
        let start = block.start as usize;
        &self.ops[start..start + usize::from(block.ops)]
    }

    #[inline(always)]
    pub(crate) fn sides(&self, block: &Block) -> &[Side] {
        let start = block.start as usize;
        &self.sides[start..start + usize::from(block.ops)]
    }

    #[inline(always)]
    pub(crate) fn side(&self, block: &Block, at: usize) -> Side {
        self.sides[block.start as usize + at]
    }

    #[inline]
    pub(crate) fn set_link(&mut self, block: &Block, at: usize, link: u32) {
        self.sides[block.start as usize + at].link = link;
    }

    pub(crate) fn frame_of(&self, block: &Block) -> FrameId {
        self.pages[block.page as usize].frame
    }

    /// Drops everything. Costs time only.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.sides.clear();
        self.blocks.clear();
        self.pages.clear();
        self.by_frame.fill(0);
        self.generation = self.generation.wrapping_add(1);
        self.counters.flushes += 1;
    }

    /// Bytes that the cache occupies.
    pub fn overhead(&self) -> usize {
        let pages: usize = self.pages.iter().map(|p| 2 * PARCELS + p.blocks.capacity() * 4).sum();
        self.ops.capacity() * size_of::<MicroOp>()
            + self.sides.capacity() * size_of::<Side>()
            + self.blocks.capacity() * size_of::<Block>()
            + self.pages.capacity() * size_of::<CodePage>()
            + self.by_frame.capacity() * 4
            + pages
    }

    /// The code page of a frame, its blocks dropped if the frame has changed since.
    fn page<M: Memory>(
        &mut self,
        memory: &mut M,
        frame: FrameId,
        mut mark: impl FnMut(&mut M, FrameId),
    ) -> u32 {
        let at = frame.index() as usize;
        if at >= self.by_frame.len() {
            self.by_frame.resize(at + 1, 0);
        }
        let version = memory.content_version(frame);
        if self.by_frame[at] == 0 {
            mark(memory, frame);
            self.pages.push(CodePage {
                frame,
                version,
                starts: Box::new([0; PARCELS]),
                blocks: Vec::new(),
            });
            self.by_frame[at] = self.pages.len() as u32;
        }
        let index = self.by_frame[at] - 1;
        let page = &mut self.pages[index as usize];
        if page.version != version {
            mark(memory, frame);
            page.version = version;
            page.starts.fill(0);
            self.counters.stale_pages += 1;
            for block in page.blocks.drain(..) {
                let start = self.blocks[block as usize].start as usize;
                self.ops[start] = MicroOp::STALE;
            }
        }
        index
    }

    /// The block that starts at `offset` of `frame`, decoded if need be. `None` when its first
    /// instruction reaches into the next page: such an instruction runs alone.
    pub(crate) fn find<M: Memory>(
        &mut self,
        memory: &mut M,
        frame: FrameId,
        offset: usize,
        mark: impl FnMut(&mut M, FrameId),
    ) -> Option<u32> {
        if self.ops.len() + 2 * MAX_INSNS > CAPACITY {
            self.clear();
        }
        let page = self.page(memory, frame, mark);
        let start = self.pages[page as usize].starts[offset / 2];
        if start != 0 {
            return Some(self.pages[page as usize].blocks[usize::from(start) - 1]);
        }
        let block = self.decode(memory, frame, offset, page)?;
        let index = self.blocks.len() as u32;
        self.blocks.push(block);
        let page = &mut self.pages[page as usize];
        page.blocks.push(index);
        page.starts[offset / 2] = page.blocks.len() as u16;
        Some(index)
    }

    fn decode<M: Memory>(
        &mut self,
        memory: &M,
        frame: FrameId,
        offset: usize,
        page: u32,
    ) -> Option<Block> {
        let start = self.ops.len();
        let mut at = offset;
        let mut insns: u8 = 0;
        let mut accesses: u8 = 0;
        let mut ended = false;
        while !ended && usize::from(insns) < MAX_INSNS && at < PAGE_SIZE {
            let Some(insn) = fetch(memory, frame, at) else { break };
            let kind = kind(insn.op);
            insns += 1;
            accesses += u8::from(kind == Kind::Access);
            self.ops.push(lower(&insn, (at - offset) as u32));
            self.sides.push(Side {
                offset: ((at - offset) / 2) as u8,
                insns,
                accesses,
                len: insn.len,
                link: NO_LINK,
            });
            at += usize::from(insn.len);
            ended = kind == Kind::End;
        }
        if insns == 0 {
            return None;
        }
        if !ended {
            let imm = (at - offset) as i32;
            self.ops.push(MicroOp { op: Op::Jal, rd: crate::SINK, rs1: 0, rs2: 0, imm });
            self.sides.push(Side {
                offset: (imm / 2) as u8,
                insns,
                accesses,
                len: 0,
                link: NO_LINK,
            });
        }
        self.counters.blocks += 1;
        self.counters.insns += u64::from(insns);
        Some(Block {
            start: start as u32,
            ops: (self.ops.len() - start) as u16,
            insns: insns.into(),
            page,
        })
    }
}

/// Decodes the instruction at `at` of a frame; `None` when it reaches over the frame's end.
pub(crate) fn fetch<M: Memory>(memory: &M, frame: FrameId, at: usize) -> Option<Insn> {
    let low = memory.parcel(frame, at);
    if low & 3 != 3 {
        return Some(vellum_isa::decode(low.into()));
    }
    if at + 2 >= PAGE_SIZE {
        return None;
    }
    let high = memory.parcel(frame, at + 2);
    Some(vellum_isa::decode(u32::from(high) << 16 | u32::from(low)))
}
