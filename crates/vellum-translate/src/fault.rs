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

/// Which tables refused, where there are two sets of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The guest's own: virtual to guest physical address. The only stage outside a nested guest.
    First,
    /// The hypervisor's: guest physical to physical address (RISC-V's G-stage).
    Second,
}

/// The reference to memory that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reference {
    /// The access itself.
    Explicit,
    /// The walk's load of an entry.
    EntryLoad,
    /// The walk's store into an entry, to set its accessed or dirty bit.
    EntryStore,
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
    /// Level of the entry that refused, in the tables of `stage`; the root's when none was read.
    pub level: u8,
    /// Where that entry is, if one was read or tried.
    pub entry: Option<Gpa>,
    /// Whose tables refused.
    pub stage: Stage,
    /// The access itself, or one that the walk made on its behalf.
    pub reference: Reference,
    /// For the second stage: the guest physical address that it refused, of the page or of a
    /// first-stage entry. What `htval` gets, before the shift by two.
    pub gpa: Option<Gpa>,
}

impl Fault {
    /// A fault of the access itself, before any entry was read.
    pub const fn new(kind: FaultKind, access: Access, va: Gva) -> Fault {
        Fault {
            kind,
            access,
            va,
            level: 0,
            entry: None,
            stage: Stage::First,
            reference: Reference::Explicit,
            gpa: None,
        }
    }

    /// The RISC-V exception code (privileged specification, tables "Supervisor cause register
    /// values after trap" and, for the second stage, "Hypervisor extension: exception codes"). It is
    /// that of the original access, whatever reference of the walk failed.
    pub const fn cause(&self) -> u64 {
        match (self.kind, self.stage, self.access) {
            (FaultKind::Access, _, Access::Fetch) => 1,
            (FaultKind::Access, _, Access::Load) => 5,
            (FaultKind::Access, _, Access::Store) => 7,
            (FaultKind::Page, Stage::First, Access::Fetch) => 12,
            (FaultKind::Page, Stage::First, Access::Load) => 13,
            (FaultKind::Page, Stage::First, Access::Store) => 15,
            (FaultKind::Page, Stage::Second, Access::Fetch) => 20,
            (FaultKind::Page, Stage::Second, Access::Load) => 21,
            (FaultKind::Page, Stage::Second, Access::Store) => 23,
        }
    }

    /// What `htinst` gets for a guest-page fault on a first-stage entry: the pseudoinstruction of
    /// a 64-bit load or store by the walk (privileged specification, table "Special pseudoinstruction
    /// values for guest-page faults"); `None` for any other fault.
    pub const fn pseudoinstruction(&self) -> Option<u32> {
        match (self.kind, self.stage, self.reference) {
            (FaultKind::Page, Stage::Second, Reference::EntryLoad) => Some(0x3000),
            (FaultKind::Page, Stage::Second, Reference::EntryStore) => Some(0x3020),
            _ => None,
        }
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let kind = match (self.kind, self.stage) {
            (FaultKind::Page, Stage::First) => "page fault",
            (FaultKind::Page, Stage::Second) => "guest-page fault",
            (FaultKind::Access, _) => "access fault",
        };
        write!(f, "{kind} on a {:?} of {} at level {}", self.access, self.va, self.level)?;
        if let Some(entry) = self.entry {
            write!(f, ", entry at {entry}")?;
        }
        if let Some(gpa) = self.gpa {
            write!(f, ", translating {gpa}")?;
        }
        match self.reference {
            Reference::Explicit => Ok(()),
            Reference::EntryLoad => write!(f, ", while loading an entry"),
            Reference::EntryStore => write!(f, ", while updating an entry"),
        }
    }
}
