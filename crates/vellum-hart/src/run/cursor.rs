//! A micro-operation in place: a pointer into the arena of blocks.

// UNSAFETY: stepping a pointer through a block's micro-operations without a bounds check each.
#![expect(unsafe_code, reason = "stepping through a block's micro-operations")]

use crate::code::{Code, MicroOp};

/// A micro-operation in place. Its fields are read where they are used: a copy would load all of
/// them before every dispatch.
///
/// Only this file makes one: of a block number of an arena that is borrowed for as long as the
/// cursor is used, of the operation behind one that did not end its block, or of an operation that
/// outlives it.
#[derive(Clone, Copy)]
pub(super) struct Cursor(*const MicroOp);

macro_rules! fields {
    ($($name:ident: $type:ty),*) => {
        impl Cursor {
            $(
                #[inline(always)]
                pub(super) fn $name(self) -> $type {
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
    /// No operation: the run of blocks was left.
    pub(super) const LEFT: Cursor = Cursor(core::ptr::null());

    #[inline(always)]
    pub(super) fn is_left(self) -> bool {
        self.0.is_null()
    }

    /// The header of a block.
    ///
    /// # Safety
    /// `block` is a block number of this arena, and the arena outlives the cursor.
    #[inline(always)]
    pub(super) unsafe fn header(arena: &[MicroOp], block: u32) -> Cursor {
        debug_assert!((block as usize) < arena.len());
        // SAFETY: a block number is an index into its arena.
        Cursor(unsafe { arena.as_ptr().add(block as usize) })
    }

    /// An operation outside any block.
    #[inline(always)]
    pub(super) fn alone(op: &MicroOp) -> Cursor {
        Cursor(op)
    }

    /// The next operation.
    ///
    /// # Safety
    /// This one is a header, or one that did not leave its block.
    #[inline(always)]
    pub(super) unsafe fn step(self) -> Cursor {
        // SAFETY: behind a header stands a block, and a block ends in an operation that leaves it.
        Cursor(unsafe { self.0.add(1) })
    }

    /// Its number in the arena.
    pub(super) fn index(self, arena: &[MicroOp]) -> usize {
        (self.0.addr() - arena.as_ptr().addr()) / size_of::<MicroOp>()
    }

    #[inline(always)]
    pub(super) fn get(self) -> MicroOp {
        // SAFETY: the pointer is to a live micro-operation (see the type).
        unsafe { *self.0 }
    }

    /// The second operation of a pair.
    #[inline(always)]
    pub(super) fn second(self) -> SecondInPlace {
        // SAFETY: the pointer is to a live micro-operation (see the type).
        SecondInPlace(unsafe { &raw const (*self.0).imm }.cast())
    }

    /// Bytes from the block's start to the instruction behind this one.
    #[inline(always)]
    pub(super) fn next(self) -> u64 {
        self.get().next()
    }
}

/// The second operation of a pair in place: what [`Second`](crate::code::Second) says, each field
/// read by itself, which takes fewer instructions than taking one word apart.
#[derive(Clone, Copy)]
pub(super) struct SecondInPlace(*const u8);

impl SecondInPlace {
    #[inline(always)]
    fn byte(self, at: usize) -> u8 {
        // SAFETY: the pointer is to the four bytes of a live micro-operation's `imm`, `at` is below 4.
        unsafe { self.0.add(at).read() }
    }

    /// Byte 0: `rd`, or a branch's `rs1`.
    #[inline(always)]
    pub(super) fn first(self) -> u8 {
        self.byte(0)
    }

    /// Byte 1: `rs1`, or a branch's `rs2`.
    #[inline(always)]
    pub(super) fn source(self) -> u8 {
        self.byte(1)
    }

    /// Byte 2: `rs2`.
    #[inline(always)]
    pub(super) fn other(self) -> u8 {
        self.byte(2)
    }

    /// Bytes 2 and 3: a branch's distance, or an immediate.
    #[inline(always)]
    pub(super) fn distance(self) -> u64 {
        // SAFETY: as for a byte; `imm` is aligned to 4, so its second half is to 2.
        unsafe { self.0.add(2).cast::<i16>().read() as u64 }
    }
}
