//! Logs that fall off: which pages were used, which were written; and kept roots, which rest on the
//! same way of taking rights back.

use crate::vm::DEVICE;
use crate::{Error, Paging, VmMemory};
use vellum_translate::Gfn;
use vellum_translate::host::Snapshot;
use vellum_translate::tlb::Shootdown;

impl VmMemory {
    /// The accessed log: pages that were used since this was last called, in order. The TLBs lose the
    /// host's word on everything, so that the next use is noted; the guest's word stays, and the guest
    /// sees no difference.
    pub fn take_accessed(&mut self) -> Vec<Gfn> {
        self.shoot.push(Shootdown::AllFrames);
        self.broadcast();
        let ram = self.ram.clone();
        self.host.take_touched().into_iter().filter(|page| ram.contains(&page.get())).collect()
    }

    /// The dirty log: pages that may have been written since the last call, in order. Opens a write
    /// epoch, so that every right to write is void until its next use.
    pub fn take_dirty(&mut self) -> Vec<Gfn> {
        let dirty = self.host.written_since(self.host.epoch()).collect();
        self.revoke_writes();
        self.broadcast();
        dirty
    }

    /// Voids every right to write, in the host table, with that in what is kept, and in the TLBs once
    /// the caller broadcasts.
    pub(crate) fn revoke_writes(&mut self) {
        self.host.revoke_writes();
        self.shoot.push(Shootdown::AllWrites);
    }

    /// Keeps the root of the host table: memory as it is now, whatever is written afterwards. Costs
    /// the same however much memory there is; the first write to each page afterwards copies it. No
    /// hart runs meanwhile, and the guest does not notice.
    ///
    /// # Errors
    /// When memory is flat, or the frames that the root would hold and the pager's quota are together
    /// more than the machine may have.
    pub fn keep_root(&mut self) -> Result<Snapshot, Error> {
        let refuse = |why| Err(Error::Builder { field: "kept root", value: 1, why });
        if self.paging == Paging::Flat {
            return refuse("flat memory is written in place");
        }
        if !self.root_fits() {
            return refuse("the frames that it holds and the pager's quota are over the machine's");
        }
        let root = self.host.snapshot();
        self.shoot.push(Shootdown::AllWrites);
        self.broadcast();
        Ok(root)
    }

    /// Goes back to a kept root: memory holds what it held then. A root of another machine over the same
    /// pool of frames makes this one its clone. Whatever was kept of the guest's
    /// tables is thrown away, and the TLBs with it, since those tables are others now. Every page that
    /// becomes another is in the next dirty log. No hart runs meanwhile.
    ///
    /// # Errors
    /// When the root is of a machine of another size, or another machine's with frames of another pool or
    /// with pages that only that one can bring; when the machine has a scavenger, whose books are of the
    /// memory as it is; or when the root has more pages than a pager's quota, and those over it
    /// can't go: memory is the root's all the same then.
    pub fn reset_to_root(&mut self, root: &Snapshot) -> Result<(), Error> {
        let refuse = |value, why| Err(Error::Builder { field: "kept root", value, why });
        if root.pages() != self.host.pages() {
            return refuse(root.pages(), "pages are not those of this machine");
        }
        if !root.is_of(&self.host) {
            // Another machine's: this one becomes its clone.
            if !root.has_frames_of(&self.host) {
                return refuse(1, "another machine's, whose frames are of another pool");
            }
            if let Some(page) = root.first_absent(Some(DEVICE)) {
                return refuse(
                    page.get(),
                    "another machine's, and this page is with its pager or source",
                );
            }
        }
        if self.scavenging.is_some() {
            return refuse(1, "the scavenger has books of the memory as it is");
        }
        self.with_policy(|policy, cx| policy.clear(cx));
        self.host.reset_to(root);
        self.shoot.push(Shootdown::All);
        let followed = self.pager_went_back();
        self.broadcast();
        followed
    }
}

#[cfg(test)]
mod tests {
    use crate::{Builder, Paging};
    use vellum_hart::Memory;
    use vellum_translate::riscv::{Mode, Pte, Satp};
    use vellum_translate::tlb::Tlb;
    use vellum_translate::{Environment, Gfn, Gpa, Gva};

    /// Generations that a shadow entry tells apart (`entry.rs` of the shadow tables: 22 bits).
    const ROUND: u64 = 1 << 22;

    #[test]
    fn a_right_to_write_does_not_count_again_when_generations_begin_anew() {
        for paging in Paging::ALL.into_iter().filter(|paging| *paging != Paging::Flat) {
            let base = Gpa::new(0x8000_0000);
            let page = |number| Gfn::new(base.gfn().get() + number);
            let mut vm =
                Builder::new(base, 16 << 12).paging(paging).shadow_pages(16).build().unwrap();
            let all = Pte::R | Pte::W | Pte::X | Pte::A | Pte::D;
            let entries = [Pte::table(page(1)), Pte::table(page(2)), Pte::leaf(page(4), all)];
            for (number, pte) in (0..).zip(entries) {
                vm.write(page(number).base(), &pte.0.to_le_bytes()).unwrap();
            }
            let mut tlb = Tlb::new();
            tlb.set_environment(Environment::SUPERVISOR);
            vm.load_root(0, &mut tlb, Satp { mode: Mode::Sv39, asid: 0, root: page(0) });
            vm.store(0, &mut tlb, Gva::new(0), 8, 1).unwrap();
            let granted = vm.host.generation();
            // No harm comes of a host table that goes on alone while nothing is looked up.
            while vm.host.generation() % ROUND != ROUND - 1 {
                vm.host.revoke_writes();
            }
            while vm.host.generation() != granted + ROUND {
                vm.take_dirty();
            }
            vm.catch_up(0, &mut tlb);
            assert_eq!(tlb.store(Gva::new(0), 8), None, "{paging}");
            assert_eq!(vm.audit(), vec![], "{paging}");
            vm.store(0, &mut tlb, Gva::new(0), 8, 2).unwrap();
            assert_eq!(vm.take_dirty(), [page(4)], "{paging}: a write that no log has");
        }
    }
}
