//! What the guest does to its translation, told to the policy; and what may be done to what the policy
//! keeps.

use crate::VmMemory;
use vellum_translate::Gva;
use vellum_translate::riscv::Satp;
use vellum_translate::shadow::{AfterFence, Fence};
use vellum_translate::tlb::Tlb;

impl VmMemory {
    /// The guest loads `satp`.
    pub fn load_root(&mut self, hart: usize, tlb: &mut Tlb, satp: Satp) {
        self.counters.root_loads += 1;
        tlb.set_satp(satp);
        self.spaces[hart] = satp;
        self.policy.load_root(hart, satp);
    }

    /// The guest executes `sfence.vma`, or another hart asks this one to. In-step policies make it
    /// free: every store to a guest table already took effect, in what is kept and in all TLBs.
    pub fn fence(&mut self, hart: usize, tlb: &mut Tlb, va: Option<Gva>, asid: Option<u16>) {
        self.counters.fences[usize::from(va.is_some()) + 2 * usize::from(asid.is_some())] += 1;
        let satp = tlb.satp();
        let fence = Fence { va, asid };
        let after = self.with_policy(|policy, cx| policy.fence(hart, satp, fence, cx));
        if after == AfterFence::FenceTlb {
            tlb.fence(va, asid);
        }
        self.deliver(hart, tlb);
    }

    /// Throws away what is kept between misses. Of an in-step policy that has no effect but time;
    /// under another it is what a fence of everything is.
    pub fn drop_shadow(&mut self) {
        self.with_policy(|policy, cx| policy.clear(cx));
        self.broadcast();
    }

    /// Throws a part of that away: what a test does at random instants.
    pub fn drop_some_shadow(&mut self, choice: u64) {
        self.with_policy(|policy, cx| policy.drop_some(choice, cx));
        self.broadcast();
    }
}
