//! The exact fault: vector, error code, and where the walk ended.

use super::Access;
use crate::{Gpa, Gva, Reference};

bitflags::bitflags! {
    /// The page-fault error code (figure "Page-Fault Error Code").
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct ErrorCode: u32 {
        /// P: the translation was there; the fault is one of rights or of a reserved bit.
        const PRESENT = 1 << 0;
        /// W/R: the access was a write.
        const WRITE = 1 << 1;
        /// U/S: the access was a user-mode one.
        const USER = 1 << 2;
        /// RSVD: a reserved bit was set in an entry.
        const RESERVED = 1 << 3;
        /// I/D: the access was an instruction fetch, with NX or SMEP enabled.
        const FETCH = 1 << 4;
        /// PK: a protection key refused.
        const KEY = 1 << 5;
    }
}

/// What the processor raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The address is not canonical: #GP(0), or #SS(0) for a stack reference.
    NotCanonical,
    /// #PF with this error code; the address goes to CR2.
    Page(ErrorCode),
    /// There is no memory where a table should be: a bus error, reported as #MC where at all.
    Bus,
}

/// A fault of one access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What is raised.
    pub kind: FaultKind,
    /// What was tried.
    pub access: Access,
    /// The address that was tried.
    pub va: Gva,
    /// Level of the entry where the walk ended, 0 for the lowest; the root's when none was read.
    pub level: u8,
    /// Where that entry is, if one was read or tried.
    pub entry: Option<Gpa>,
    /// The access itself, or one that the walk made on its behalf.
    pub reference: Reference,
}

impl Fault {
    /// The exception's vector: 13, 14 or 18.
    pub const fn vector(&self) -> u8 {
        match self.kind {
            FaultKind::NotCanonical => 13,
            FaultKind::Page(_) => 14,
            FaultKind::Bus => 18,
        }
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Fault { access, va, level, .. } = self;
        match self.kind {
            FaultKind::NotCanonical => write!(f, "address not canonical")?,
            FaultKind::Page(code) => write!(f, "page fault, error code {:#x}", code.bits())?,
            FaultKind::Bus => write!(f, "bus error")?,
        }
        let (who, kind) = (access.privilege, access.kind);
        write!(f, " on a {kind:?} by {who:?} of {va} at level {level}")?;
        match self.entry {
            Some(entry) => write!(f, ", entry at {entry}"),
            None => Ok(()),
        }
    }
}
