//! The block cache, shared by all harts of a machine.
//!
//! Blocks are kept by the host frame that their bytes are in, so that every mapping of a page and
//! every hart shares them. A page's blocks are valid for one content version of its frame. When the
//! version has moved on, each of its blocks is marked stale in place: whoever still links to one
//! runs into the mark and looks again. `fence.i` therefore has nothing to do.

use super::MicroOp;
use super::fuse::fuse;
use super::lower::{Kind, MAX_INSNS, kind, lower, run_on};
use crate::Memory;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use vellum_isa::Insn;
use vellum_translate::{FrameId, PAGE_SIZE};

/// Micro-operations kept, 16 bytes each, before everything is dropped.
const CAPACITY: usize = 1 << 20;
/// Bytes of an instruction at most.
const MAX_LEN: usize = 4;
const PARCELS: usize = PAGE_SIZE / 2;

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

/// What [`CodeCache::push_first`] found of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// Its first operations, now a block of their own, of so many bytes.
    Ops { scratch: u32, bytes: u64 },
    /// A pair, of which only one instruction is to run.
    Pair,
    /// That it is stale.
    Stale,
}

/// A number that no cache has had.
fn fresh_generation() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Decoded blocks by frame. Memory: at most 16 MiB of micro-operations, and 4 KiB a code page.
#[derive(Debug)]
pub struct CodeCache {
    ops: Vec<MicroOp>,
    pages: Vec<CodePage>,
    /// By frame: its code page, plus one.
    by_frame: Vec<u32>,
    generation: u64,
    /// What happened.
    pub counters: Counters,
}

impl Default for CodeCache {
    fn default() -> Self {
        CodeCache {
            ops: Vec::new(),
            pages: Vec::new(),
            by_frame: Vec::new(),
            generation: fresh_generation(),
            counters: Counters::default(),
        }
    }
}

impl CodeCache {
    /// Changes when block numbers lose their meaning, and is no other cache's: a hart that comes with
    /// block numbers of another cache must notice.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// All micro-operations: block `b` has its header at `b`, and its operations behind it.
    #[inline(always)]
    pub(crate) fn ops(&self) -> &[MicroOp] {
        &self.ops
    }

    /// Remembers where the jump in micro-operation `at` leads.
    #[inline]
    pub(crate) fn set_link(&mut self, at: usize, link: u32) {
        self.ops[at].link = link;
    }

    /// Puts one instruction at the arena's end, as a block that nothing leads to.
    pub(crate) fn push_scratch(&mut self, insn: &Insn) -> u32 {
        let block = self.ops.len() as u32;
        let op = lower(insn, 0);
        self.ops.extend([MicroOp::header(1, 0), op, run_on(op, insn.len.into())]);
        block
    }

    /// Puts the first `insns` instructions of a block, of which it has more, at the arena's end, as a
    /// block that nothing leads to; one less where the border falls into a pair.
    pub(crate) fn push_first(&mut self, block: u32, insns: u64) -> First {
        let (from, scratch) = (block as usize + 1, self.ops.len());
        if self.ops[from] == MicroOp::STALE {
            return First::Stale;
        }
        let whole = |op: &&MicroOp| u64::from(op.insns) <= insns;
        let count = self.ops[from..].iter().take_while(whole).count();
        if count == 0 {
            return First::Pair;
        }
        let last = self.ops[from + count - 1];
        let page = self.ops[block as usize].imm as u32;
        self.ops.push(MicroOp::header(last.insns, page));
        self.ops.extend_from_within(from..from + count);
        self.ops.push(run_on(last, last.next() as u32));
        First::Ops { scratch: scratch as u32, bytes: last.next() }
    }

    /// Takes it away again.
    pub(crate) fn pop_scratch(&mut self, block: u32) {
        self.ops.truncate(block as usize);
    }

    /// The frame that a block's bytes are in.
    pub(crate) fn frame_of(&self, block: u32) -> FrameId {
        self.pages[self.ops[block as usize].imm as usize].frame
    }

    /// Drops everything. Costs time only.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.pages.clear();
        self.by_frame.fill(0);
        self.generation = fresh_generation();
        self.counters.flushes += 1;
    }

    /// Bytes that the cache occupies.
    pub fn overhead(&self) -> usize {
        let pages: usize = self.pages.iter().map(|p| 2 * PARCELS + p.blocks.capacity() * 4).sum();
        self.ops.capacity() * size_of::<MicroOp>()
            + self.pages.capacity() * size_of::<CodePage>()
            + self.by_frame.capacity() * 4
            + pages
    }

    /// The code page of a frame, its blocks dropped if the frame has changed since.
    fn page<M: Memory>(&mut self, memory: &M, frame: FrameId) -> u32 {
        let at = frame.index() as usize;
        if at >= self.by_frame.len() {
            self.by_frame.resize(at + 1, 0);
        }
        let version = memory.content_version(frame);
        if self.by_frame[at] == 0 {
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
            page.version = version;
            page.starts.fill(0);
            self.counters.stale_pages += 1;
            for block in page.blocks.drain(..) {
                self.ops[block as usize + 1] = MicroOp::STALE;
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
        mark: impl FnMut(&mut M, FrameId, Range<usize>),
    ) -> Option<u32> {
        if self.ops.len() + 2 * MAX_INSNS > CAPACITY {
            self.clear();
        }
        let page = self.page(memory, frame);
        let start = self.pages[page as usize].starts[offset / 2];
        if start != 0 {
            return Some(self.pages[page as usize].blocks[usize::from(start) - 1]);
        }
        let index = self.decode(memory, frame, offset, page, mark)?;
        let page = &mut self.pages[page as usize];
        page.blocks.push(index);
        page.starts[offset / 2] = page.blocks.len() as u16;
        Some(index)
    }

    fn decode<M: Memory>(
        &mut self,
        memory: &mut M,
        frame: FrameId,
        offset: usize,
        page: u32,
        mut mark: impl FnMut(&mut M, FrameId, Range<usize>),
    ) -> Option<u32> {
        let header = self.ops.len();
        let mut at = offset;
        let (mut insns, mut accesses) = (0, 0);
        let mut ended = false;
        self.ops.push(MicroOp::header(0, page));
        while !ended && usize::from(insns) < MAX_INSNS && at < PAGE_SIZE {
            // Marked first: whoever writes the bytes from here on is noticed.
            mark(memory, frame, at..at + MAX_LEN);
            let Some(insn) = fetch(memory, frame, at) else { break };
            let op = lower(&insn, (at - offset) as u32);
            insns += 1;
            accesses += op.accesses;
            let op = MicroOp { insns, accesses, ..op };
            let first = self.ops.len() - 1 == header;
            match self.ops.last_mut() {
                Some(last) if !first => match fuse(*last, op) {
                    Some(both) => *last = both,
                    None => self.ops.push(op),
                },
                _ => self.ops.push(op),
            }
            at += usize::from(insn.len);
            ended = kind(insn.op) == Kind::End;
        }
        if insns == 0 {
            self.ops.truncate(header);
            return None;
        }
        if !ended {
            let last = self.ops[self.ops.len() - 1];
            self.ops.push(run_on(last, (at - offset) as u32));
        }
        self.ops[header] = MicroOp::header(insns, page);
        self.counters.blocks += 1;
        self.counters.insns += u64::from(insns);
        Some(header as u32)
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
