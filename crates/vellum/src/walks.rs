//! Walks of the guest's tables, which may be with an owner themselves.

use crate::VmMemory;
use crate::explain::Event;
use crate::tables::View;
use core::cell::Cell;
use vellum_hart::Stop;
use vellum_translate::host::TableReader;
use vellum_translate::riscv::{Leaf, MemoryType, Pte, walk};
use vellum_translate::tlb::Tlb;
use vellum_translate::{Access, Fault, FaultKind, Gfn, Gva};

impl VmMemory {
    /// The rest of a walk, from a table of the lowest level; `None` where the whole walk has to say
    /// what is wrong.
    pub(crate) fn continue_walk(
        &mut self,
        tlb: &Tlb,
        (va, access): (Gva, Access),
        table: Gfn,
        level: u8,
    ) -> Option<Leaf> {
        if level != 0 {
            return None;
        }
        let environment = tlb.environment();
        self.counters.guest_references += 1;
        let index = va.page() as usize % 512;
        // A table that its owner has is brought, as a walk would: where the host keeps it must not
        // decide which way a miss goes.
        let pte = match self.pool.entry(&self.host, table, index) {
            Some(pte) => Pte(pte),
            None if self.bring_table(table) => Pte(self.pool.entry(&self.host, table, index)?),
            None => return None,
        };
        let user = pte.has(Pte::U);
        let rights = environment.allows(pte.rights_now(), user);
        let fine = !pte.is_invalid() && pte.is_leaf() && rights.contains(access.right());
        fine.then(|| Leaf {
            gfn: pte.gfn(),
            rights,
            leaf_rights: pte.rights_now(),
            user,
            global: pte.has(Pte::G),
            level: 0,
            napot: false,
            memory_type: MemoryType::Physical,
        })
    }

    /// Walks the guest's tables; `entry` sees each entry with its level, from the root's down. A
    /// table whose page is with an owner is brought, and the walk begins again.
    pub(crate) fn walk_guest(
        &mut self,
        tlb: &Tlb,
        va: Gva,
        access: Access,
        entry: impl FnMut(u8, Pte),
    ) -> Result<Leaf, Stop> {
        self.walk_counted(tlb, va, access, entry).map(|(leaf, _)| leaf)
    }

    /// The same, with the loads of the host table that the walk which ended well took.
    pub(crate) fn walk_counted(
        &mut self,
        tlb: &Tlb,
        va: Gva,
        access: Access,
        mut entry: impl FnMut(u8, Pte),
    ) -> Result<(Leaf, u64), Stop> {
        // Tables that were brought stay until the walk is through: where frames are few, one of them
        // would make room for the next.
        let mut brought = [Gfn::new(0); 5];
        let mut count = 0;
        let (walked, host_references) = loop {
            let view = View { host: &self.host, pool: &self.pool, references: Cell::new(0) };
            let mut references = 0;
            let trace = &mut self.trace;
            let walked =
                walk(&view, tlb.satp(), tlb.environment(), va, access, |level, at, pte| {
                    references += 1;
                    if let Some(trace) = trace {
                        trace.events.push(Event::GuestEntry(level, at, pte));
                    }
                    entry(level, pte);
                });
            self.counters.guest_references += references;
            let host_references = view.references.get();
            match walked {
                Err(Fault { kind: FaultKind::Access, entry: Some(at), .. })
                    if count < usize::from(tlb.satp().mode.levels())
                        && self.bring_table(at.gfn()) =>
                {
                    self.host.pin(at.gfn());
                    brought[count] = at.gfn();
                    count += 1;
                }
                walked => break (walked, host_references),
            }
        };
        brought[..count].iter().for_each(|&table| self.host.unpin(table));
        match walked {
            Ok(leaf) => Ok((leaf, host_references)),
            Err(fault) => {
                self.counters.guest_faults += 1;
                self.note(|| Event::GuestFault(fault));
                Err(Stop::Fault(fault))
            }
        }
    }
}
