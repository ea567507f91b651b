//! Two stages: a guest's tables, whose every address goes through a hypervisor's tables
//! (privileged specification, chapter "H" Extension for Hypervisor Support, "Two-Stage Address
//! Translation").

use super::descend::{Descent, Tables};
use super::reach::{Direct, Reach};
use super::walk::not_canonical;
use super::{Extensions, Leaf, MemoryType, Mode, Pte, Satp};
use crate::memory::entry_at;
use crate::{
    Access, Environment, Fault, FaultKind, Gfn, Gpa, Gva, Privilege, Rights, Stage, TableMemory,
};
use core::cell::RefCell;

/// The register `hgatp`, taken apart: the second stage's mode is Sv39x4, Sv48x4 or Sv57x4, with a
/// root of four pages, whose index has two bits more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hgatp {
    /// The paging mode; [`Mode::Sv39`] stands for Sv39x4, and so on.
    pub mode: Mode,
    /// Virtual machine identifier, 14 bits.
    pub vmid: u16,
    /// The root table's first page, a multiple of four.
    pub root: Gfn,
}

impl Hgatp {
    /// No second stage.
    pub const BARE: Hgatp = Hgatp { mode: Mode::Bare, vmid: 0, root: Gfn::new(0) };

    /// Takes a register value apart; `None` for a mode that does not exist. The root's two lowest
    /// bits read as zero.
    pub const fn from_bits(bits: u64) -> Option<Hgatp> {
        match Mode::from_field(bits >> 60) {
            Some(mode) => Some(Hgatp {
                mode,
                vmid: (bits >> 44) as u16 & 0x3fff,
                root: Gfn::new(bits & ((1 << 44) - 1) & !3),
            }),
            None => None,
        }
    }

    /// The register's value.
    pub const fn bits(self) -> u64 {
        self.mode.field() << 60 | (self.vmid as u64) << 44 | self.root.get()
    }
}

/// The state that decides about a guest's access beside the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TwoStage {
    /// The guest's tables.
    pub vsatp: Satp,
    /// The hypervisor's tables.
    pub hgatp: Hgatp,
    /// Mode, and SUM and MXR of `vsstatus`.
    pub environment: Environment,
    /// MXR of the hypervisor's `sstatus`, which overrides both stages.
    pub mxr: bool,
    /// What `henvcfg` enables for the first stage.
    pub first: Extensions,
    /// What `menvcfg` enables for the second stage.
    pub second: Extensions,
}

/// Where a walk through both stages ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TwoStageLeaf {
    /// The first stage's result; its `gfn` is guest physical.
    pub first: Leaf,
    /// The second stage's result; its `gfn` is physical.
    pub second: Leaf,
    /// What both allow.
    pub rights: Rights,
    /// The first stage's memory type, unless it leaves that to the second.
    pub memory_type: MemoryType,
}

/// One entry that a walk read, of either stage.
pub type SeenEntry = (Stage, u8, Gpa, Pte);

/// Guest physical memory as the first stage sees it: through the second.
struct Through<'a, M: ?Sized, F> {
    memory: &'a M,
    state: &'a TwoStage,
    entries: &'a RefCell<F>,
}

impl<M: TableMemory + ?Sized, F: FnMut(SeenEntry)> Through<'_, M, F> {
    /// The second stage, for one access to the guest physical address `gpa`.
    fn translate(&self, gpa: Gpa, access: Access) -> Result<Leaf, Fault> {
        let hgatp = self.state.hgatp;
        // "the G-stage ... as though accessed in U-mode": SUM has no say, U must be set.
        let environment =
            Environment { privilege: Privilege::User, sum: false, mxr: self.state.mxr };
        let va = Gva::new(gpa.get());
        if hgatp.mode == Mode::Bare {
            return Ok(Leaf::bare(va, environment));
        }
        let levels = hgatp.mode.levels();
        // "address bits above … must all be zeros, or else a guest-page-fault exception occurs"
        if gpa.get() >> (12 + 9 * u32::from(levels) + 2) != 0 {
            let fault = Fault::new(FaultKind::Page, access, va);
            return Err(Fault { level: levels - 1, stage: Stage::Second, gpa: Some(gpa), ..fault });
        }
        let tables = Tables { root: hgatp.root, levels, stage: Stage::Second };
        let descent = Descent::new(self.state.second, tables, environment, access);
        descent.walk(&Direct(self.memory), va, &mut |level, at, pte| {
            (self.entries.borrow_mut())((Stage::Second, level, at, pte));
        })
    }

    fn physical(&self, gpa: Gpa, access: Access) -> Result<Gpa, Fault> {
        let leaf = self.translate(gpa, access)?;
        Ok(Gpa::new(leaf.gfn.base().get() | gpa.page_offset() as u64))
    }
}

impl<M: TableMemory + ?Sized, F: FnMut(SeenEntry)> Reach for Through<'_, M, F> {
    /// The second stage's fault, or none where there is just no memory.
    type Error = Option<Fault>;

    fn load(&self, table: Gfn, index: u64) -> Result<u64, Option<Fault>> {
        let physical = self.physical(entry_at(table, index), Access::Load).map_err(Some)?;
        self.memory.load_entry(physical).ok_or(None)
    }

    fn exchange(&self, at: Gpa, current: u64, new: u64) -> Result<bool, Option<Fault>> {
        let physical = self.physical(at, Access::Store).map_err(Some)?;
        self.memory.exchange_entry(physical, current, new).ok_or(None)
    }

    fn fault(refused: Fault, error: Option<Fault>) -> Fault {
        match error {
            None => Fault { kind: FaultKind::Access, ..refused },
            Some(fault) => Fault {
                // The cause is that of the original access, not of the walk's reference.
                access: refused.access,
                va: refused.va,
                reference: refused.reference,
                ..fault
            },
        }
    }
}

/// Walks both stages for one access: (n + 1)(m + 1) − 1 loads for n and m levels, 15 for Sv39 over
/// Sv39x4 and 35 for Sv57 over Sv57x4. `entries` sees each of them.
///
/// # Errors
/// The fault that the guest, or for [`Stage::Second`] its hypervisor, must get.
pub fn walk_two_stage<M: TableMemory + ?Sized>(
    memory: &M,
    state: &TwoStage,
    va: Gva,
    access: Access,
    entries: impl FnMut(SeenEntry),
) -> Result<TwoStageLeaf, Fault> {
    let entries = RefCell::new(entries);
    let through = Through { memory, state, entries: &entries };
    let mut environment = state.environment;
    environment.mxr |= state.mxr;
    let vsatp = state.vsatp;
    let first = if vsatp.mode == Mode::Bare {
        Leaf::bare(va, environment)
    } else if vsatp.mode.is_canonical(va) {
        let levels = vsatp.mode.levels();
        let tables = Tables { root: vsatp.root, levels, stage: Stage::First };
        let descent = Descent::new(state.first, tables, environment, access);
        descent.walk(&through, va, &mut |level, at, pte| {
            (entries.borrow_mut())((Stage::First, level, at, pte));
        })?
    } else {
        return Err(not_canonical(vsatp.mode.levels(), va, access));
    };
    let gpa = Gpa::new(first.gfn.base().get() | va.page_offset() as u64);
    let second = through.translate(gpa, access).map_err(|fault| Fault { va, ..fault })?;
    let memory_type = match first.memory_type {
        MemoryType::Physical => second.memory_type,
        other => other,
    };
    Ok(TwoStageLeaf { first, second, rights: first.rights & second.rights, memory_type })
}
