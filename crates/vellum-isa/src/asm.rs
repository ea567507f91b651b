//! A small assembler: guest programs written in Rust, without a cross compiler.
//!
//! [`Asm`] has a method for every instruction, in the operand order of assembly text, and for the
//! usual pseudo-instructions; labels may be used before they are bound. Mistakes (an operand out of
//! range, a label never bound) are kept and reported by [`Asm::bytes`], so that calls chain.
//!
//! ```
//! use vellum_isa::asm::{Asm, reg::*};
//! // The sum of 1..=a0.
//! let mut asm = Asm::new();
//! let (again, done) = (asm.label(), asm.label());
//! asm.li(A1, 0).bind(again).beqz(A0, done);
//! asm.add(A1, A1, A0).addi(A0, A0, -1).j(again);
//! asm.bind(done).mv(A0, A1).ret();
//! assert_eq!(asm.words()?.len(), 7);
//! # Ok::<(), vellum_isa::asm::Error>(())
//! ```

mod instructions;
mod pseudo;
pub mod reg;
#[cfg(test)]
mod tests;

use crate::{Insn, Op, compress, encode};
use alloc::vec::Vec;
pub use reg::{F, X};

/// Why a program does not assemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An instruction has no encoding; a branch that reaches too far shows as an immediate.
    #[error("at {offset:#x}: {error}")]
    Instruction {
        /// Bytes from the start of the program.
        offset: usize,
        /// What is wrong with it.
        error: crate::Error,
    },
    /// A label is used and never bound, or belongs to another program.
    #[error("at {offset:#x}: label {label} is not bound")]
    Unbound {
        /// Bytes from the start of the program to the place that uses it.
        offset: usize,
        /// Number of the label, in order of creation.
        label: usize,
    },
    /// A label is bound twice.
    #[error("at {offset:#x}: label {label} is bound already")]
    Rebound {
        /// Bytes from the start of the program to the second binding.
        offset: usize,
        /// Number of the label, in order of creation.
        label: usize,
    },
    /// A distance between two places of the program that does not fit 32 bits.
    #[error("at {offset:#x}: label {label} is too far away")]
    TooFar {
        /// Bytes from the start of the program to the place that uses it.
        offset: usize,
        /// Number of the label, in order of creation.
        label: usize,
    },
}

/// A place in a program, to be bound once. Of use only to the [`Asm`] that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label(usize);

/// Memory ordering of an atomic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Order {
    /// Neither bit.
    #[default]
    Relaxed = 0,
    /// `.rl`
    Release = 1,
    /// `.aq`
    Acquire = 2,
    /// `.aqrl`
    AcquireRelease = 3,
}

/// What a label's address completes.
#[derive(Debug, Clone, Copy)]
enum Use {
    /// A branch or jump, whose offset it is.
    Offset(Insn),
    /// `auipc` and `addi` on this register.
    Address(X),
    /// A doubleword: the distance from another label.
    Distance(Label),
}

#[derive(Debug, Clone, Copy)]
struct Fixup {
    offset: usize,
    label: Label,
    what: Use,
}

/// A program under construction. See the [module](self).
#[derive(Debug, Clone, Default)]
pub struct Asm {
    code: Vec<u8>,
    labels: Vec<Option<usize>>,
    fixups: Vec<Fixup>,
    error: Option<Error>,
    short: bool,
}

impl Asm {
    /// An empty program.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has what follows use 16-bit encodings where they exist. Branches and jumps to labels stay
    /// long.
    pub fn compressed(&mut self) -> &mut Self {
        self.short = true;
        self
    }

    /// Bytes so far: the offset of what comes next.
    #[must_use]
    pub fn here(&self) -> usize {
        self.code.len()
    }

    /// A new label, not yet bound.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Binds a label to this place.
    pub fn bind(&mut self, label: Label) -> &mut Self {
        let offset = self.here();
        match self.labels.get_mut(label.0) {
            Some(place @ None) => *place = Some(offset),
            Some(Some(_)) => self.fail(Error::Rebound { offset, label: label.0 }),
            None => self.fail(Error::Unbound { offset, label: label.0 }),
        }
        self
    }

    /// A new label, bound to this place.
    pub fn bound(&mut self) -> Label {
        let label = self.label();
        self.bind(label);
        label
    }

    /// Where a label is bound, in bytes from the start of the program.
    #[must_use]
    pub fn offset(&self, label: Label) -> Option<usize> {
        self.labels.get(label.0).copied().flatten()
    }

    /// Any instruction; offsets are relative to the instruction.
    pub fn emit(&mut self, insn: Insn) -> &mut Self {
        if let Some(bits) = compress(&insn).filter(|_| self.short) {
            self.code.extend(bits.to_le_bytes());
            return self;
        }
        match encode(&insn) {
            Ok(bits) => self.code.extend(bits.to_le_bytes()),
            Err(error) => self.fail(Error::Instruction { offset: self.here(), error }),
        }
        self
    }

    /// Raw bytes.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.code.extend_from_slice(bytes);
        self
    }

    /// A little-endian doubleword.
    pub fn dword(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// A doubleword that holds `to − from`, for tables of places.
    pub fn distance(&mut self, from: Label, to: Label) -> &mut Self {
        self.fixups.push(Fixup { offset: self.here(), label: to, what: Use::Distance(from) });
        self.dword(0)
    }

    /// Zero bytes until the offset is a multiple of `to`.
    pub fn align(&mut self, to: usize) -> &mut Self {
        self.code.resize(self.here().next_multiple_of(to.max(1)), 0);
        self
    }

    /// The program's bytes, every label resolved. It runs at any address.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn bytes(&self) -> Result<Vec<u8>, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut code = self.code.clone();
        for fixup in &self.fixups {
            let (bytes, length) = self.resolve(fixup)?;
            code[fixup.offset..fixup.offset + length].copy_from_slice(&bytes[..length]);
        }
        Ok(code)
    }

    /// [`bytes`](Self::bytes) as 32-bit words, zeros after the last byte.
    ///
    /// # Errors
    /// The first mistake in the program.
    pub fn words(&self) -> Result<Vec<u32>, Error> {
        let word = |chunk: &[u8]| {
            let mut bytes = [0; 4];
            bytes[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(bytes)
        };
        Ok(self.bytes()?.chunks(4).map(word).collect())
    }

    /// Keeps the first error.
    fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// A 32-bit instruction whose offset is that of a label.
    fn branch_to(&mut self, op: Op, rd: X, rs1: X, rs2: X, label: Label) -> &mut Self {
        let insn = Insn { rd: rd.0, rs1: rs1.0, rs2: rs2.0, ..plain(op) };
        self.fixups.push(Fixup { offset: self.here(), label, what: Use::Offset(insn) });
        self.raw(&[0; 4])
    }

    /// The bytes that belong at a fixup.
    fn resolve(&self, fixup: &Fixup) -> Result<([u8; 8], usize), Error> {
        let Fixup { offset, label, what } = *fixup;
        let place =
            |label: Label| self.offset(label).ok_or(Error::Unbound { offset, label: label.0 });
        let target = place(label)?;
        let far = Error::TooFar { offset, label: label.0 };
        let from_here = i32::try_from(target as i64 - offset as i64).map_err(|_| far);
        let encoded = |insn| encode(&insn).map_err(|error| Error::Instruction { offset, error });
        let mut bytes = [0; 8];
        match what {
            Use::Offset(insn) => {
                let bits = encoded(Insn { imm: from_here?, ..insn })?;
                bytes[..4].copy_from_slice(&bits.to_le_bytes());
                Ok((bytes, 4))
            }
            Use::Address(X(rd)) => {
                let distance = from_here?;
                let (upper, lower) = split(distance).ok_or(far)?;
                let first = encoded(Insn { rd, imm: upper, ..plain(Op::Auipc) })?;
                let second = encoded(Insn { rd, rs1: rd, imm: lower, ..plain(Op::Addi) })?;
                bytes[..4].copy_from_slice(&first.to_le_bytes());
                bytes[4..].copy_from_slice(&second.to_le_bytes());
                Ok((bytes, 8))
            }
            Use::Distance(from) => {
                let distance = target as i64 - place(from)? as i64;
                Ok((distance.to_le_bytes(), 8))
            }
        }
    }
}

/// An instruction with no operands set.
const fn plain(op: Op) -> Insn {
    Insn { op, rd: 0, rs1: 0, rs2: 0, rs3: 0, rm: 0, len: 4, imm: 0 }
}

/// The upper 20 bits (for `lui`, `auipc`) and the signed lower 12 that add up to `value`; `None`
/// where the upper part would overflow.
const fn split(value: i32) -> Option<(i32, i32)> {
    let lower = value << 20 >> 20;
    match value.checked_sub(lower) {
        Some(upper) => Some((upper, lower)),
        None => None,
    }
}
