//! What the guest must hear of: the exact fault.

use crate::{Access, Gpa, Gva};

/// Which of the two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The guest's tables refuse.
    Page,
    /// An address, of the page or of a table on the way, is outside the memory there is.
    Access,
}

/// A guest fault: the architectural cause, and where the walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Page fault or access fault.
    pub kind: FaultKind,
    /// What was tried.
    pub access: Access,
    /// The address that was tried.
    pub va: Gva,
    /// Level of the entry that refused; the root's when none was read.
    pub level: u8,
    /// Where that entry is, if one was read or tried.
    pub entry: Option<Gpa>,
}

impl Fault {
    /// The RISC-V exception code (privileged specification, table "Supervisor cause register values
    /// after trap").
    pub const fn cause(&self) -> u64 {
        match (self.kind, self.access) {
            (FaultKind::Access, Access::Fetch) => 1,
            (FaultKind::Access, Access::Load) => 5,
            (FaultKind::Access, Access::Store) => 7,
            (FaultKind::Page, Access::Fetch) => 12,
            (FaultKind::Page, Access::Load) => 13,
            (FaultKind::Page, Access::Store) => 15,
        }
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let kind = match self.kind {
            FaultKind::Page => "page fault",
            FaultKind::Access => "access fault",
        };
        write!(f, "{kind} on a {:?} of {} at level {}", self.access, self.va, self.level)?;
        if let Some(entry) = self.entry {
            write!(f, ", entry at {entry}")?;
        }
        Ok(())
    }
}
