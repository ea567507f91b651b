//! One access through all the tables there are, to look at: nothing is changed.

use crate::VmMemory;
use crate::tables::View;
use crate::vm::DEVICE;
use core::cell::Cell;
use vellum_translate::explain::{Explanation, riscv_walk};
use vellum_translate::host::Resolved;
use vellum_translate::riscv::Extensions;
use vellum_translate::tlb::Tlb;
use vellum_translate::{Access, Environment, Gva};

impl VmMemory {
    /// How `access` to `va` goes for hart `hart`, whose TLB is `tlb`, in `environment`: the guest's
    /// tables entry by entry, beside them the host table and what the policy keeps, and what the TLB
    /// has. Brings no page, sets no bit and counts nothing.
    pub fn explain(
        &self,
        hart: usize,
        tlb: &Tlb,
        environment: Environment,
        va: Gva,
        access: Access,
    ) -> Explanation {
        let view = View { host: &self.host, pool: &self.pool, references: Cell::new(0) };
        let satp = tlb.satp();
        let mut shown = riscv_walk(&view, Extensions::NONE, satp, environment, va, access);
        shown.add_host(&self.host, |guard| {
            let of_tables = guard == self.guard;
            if of_tables { "a guest table" } else { "of a service" }.into()
        });
        let trail = self.policy.trail(hart, satp, va, self.host.generation());
        shown.add_shadow(self.paging.name(), &trail);
        if let Some(page) = shown.page()
            && !shown.refused
        {
            shown.outcome = match self.host.resolve(page) {
                Resolved::Frame { frame, rights, .. } if rights.contains(access.right()) => {
                    format!("{}, which is {frame}", shown.outcome)
                }
                Resolved::Frame { .. } => {
                    format!("{}; the host first resolves why it withholds the right", shown.outcome)
                }
                Resolved::Absent { owner: DEVICE, .. } => {
                    format!("{}, where a device is", shown.outcome)
                }
                Resolved::Absent { owner, .. } => {
                    format!("{}, which owner {} brings first", shown.outcome, owner.0)
                }
                Resolved::Hole => {
                    shown.refused = true;
                    format!("{}, where no memory is: an access fault", shown.outcome)
                }
            };
        }
        if environment == tlb.environment() {
            let hit = if tlb.has(va, access) { "has" } else { "does not have" };
            shown.notes.push(format!("the TLB of hart {hart} {hit} a tag for it"));
        }
        shown
    }
}
