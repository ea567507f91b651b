//! The kinds of paging: which policy stands between a TLB miss and the tables.

use vellum_translate::host::{Guard, HostTable};
use vellum_translate::shadow::{Nested, Policy, Shadow, Tricks, VirtualTlb};

/// How guest addresses are translated on a TLB miss. The numbers are those of saved states.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Paging {
    /// Shadow tables in step: the trap of a store to a guest table brings the entry up to date.
    #[default]
    Shadow = 0,
    /// Shadow tables in step, plainly: each store to a table traps and drops the entry, and what was
    /// a table once stays protected. What the others are measured against.
    Naive = 1,
    /// The same, but the trap brings the entry up to date, and a table is let go when the entry above
    /// it changes: what is fair to measure the others against.
    TrapUpdate = 8,
    /// Shadow tables whose leaf tables go out of step until a fence, with prefetch and refills.
    Unsync = 2,
    /// The same without refills.
    UnsyncPlain = 3,
    /// Shadow tables in step, but tables that are stored to again and again are walked at each miss.
    Hybrid = 4,
    /// A virtual TLB: no table is protected, the guest's fences are all there is to go by.
    VirtualTlb = 5,
    /// A walk of two dimensions: every entry of the guest's tables is itself found through the host
    /// table.
    Nested = 6,
    /// No host table on the way: the guest's tables lead straight to a flat memory whose frames are
    /// all there from the start. Nothing can be guarded, shared or absent; this is what the others
    /// are measured against.
    Flat = 7,
}

impl Paging {
    /// All of them.
    pub const ALL: [Paging; 9] = [
        Paging::Naive,
        Paging::TrapUpdate,
        Paging::Shadow,
        Paging::UnsyncPlain,
        Paging::Unsync,
        Paging::Hybrid,
        Paging::VirtualTlb,
        Paging::Nested,
        Paging::Flat,
    ];

    /// Its name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Paging::Shadow => "shadow",
            Paging::Naive => "naive",
            Paging::TrapUpdate => "trap-update",
            Paging::Unsync => "unsync",
            Paging::UnsyncPlain => "unsync-plain",
            Paging::Hybrid => "hybrid",
            Paging::VirtualTlb => "virtual-tlb",
            Paging::Nested => "nested",
            Paging::Flat => "flat",
        }
    }

    /// The paging of this name.
    pub fn from_name(name: &str) -> Option<Paging> {
        Paging::ALL.into_iter().find(|paging| paging.name() == name)
    }

    /// Whether a guest that omits a fence sees its tables as they are all the same, so that what is
    /// kept of them is no part of the machine's state.
    pub const fn in_step(self) -> bool {
        matches!(self, Paging::Shadow | Paging::Naive | Paging::TrapUpdate)
    }

    /// Whether the harts' TLBs hold translations that the policy does not know of: they are then the
    /// state that decides what a guest that omits a fence sees.
    pub(crate) const fn tlb_is_state(self) -> bool {
        matches!(self, Paging::Hybrid | Paging::Nested | Paging::Flat)
    }

    pub(crate) fn policy(
        self,
        host: &HostTable,
        guard: Guard,
        harts: usize,
        budget: u32,
    ) -> Box<dyn Policy> {
        let shadow = |tricks| Box::new(Shadow::new(host, guard, harts, budget, tricks));
        match self {
            Paging::Shadow => shadow(Tricks::UPDATING),
            Paging::Naive => shadow(Tricks::NAIVE),
            Paging::TrapUpdate => shadow(Tricks::TRAP_UPDATE),
            Paging::Unsync => shadow(Tricks::UNSYNC),
            Paging::UnsyncPlain => shadow(Tricks::UNSYNC_PLAIN),
            Paging::Hybrid => shadow(Tricks::HYBRID),
            Paging::VirtualTlb => Box::new(VirtualTlb::new(guard, harts)),
            Paging::Nested | Paging::Flat => Box::new(Nested::new(guard)),
        }
    }
}

impl core::fmt::Display for Paging {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}
