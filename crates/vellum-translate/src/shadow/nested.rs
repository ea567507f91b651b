//! Nothing is kept: each miss walks the guest's tables, and the host table at every step.

use super::policy::{AfterFence, Context, Fence, Found, Install, Known, Policy};
use super::{Counters, Mismatch, Trail};
use crate::host::{Guard, HostTable, TableReader};
use crate::riscv::Satp;
use crate::tlb::Shootdown;
use crate::{Gfn, Gva};
use alloc::vec::Vec;

/// The policy that keeps nothing. What the guest may see stale is in the TLBs alone.
#[derive(Debug)]
pub struct Nested {
    guard: Guard,
    counters: Counters,
}

impl Nested {
    /// `guard` is the reason that another policy may have left on guest tables.
    pub fn new(guard: Guard) -> Self {
        Nested { guard, counters: Counters::default() }
    }
}

impl Policy for Nested {
    fn in_step(&self) -> bool {
        false
    }

    fn load_root(&mut self, _: usize, _: Satp) {}

    fn lookup(&mut self, _: usize, _: Satp, _: Gva, _: u64, _: &mut u64) -> Found {
        Found::Nothing
    }

    fn trail(&self, _: usize, _: Satp, _: Gva, _: u64) -> Vec<Trail> {
        Vec::new()
    }

    fn install(&mut self, _: usize, _: &Install<'_>, _: &mut Context<'_>) {}

    fn grant(&mut self, _: usize, _: &Install<'_>, _: &mut Context<'_>) {}

    fn is_followed(&self, _: Gfn) -> bool {
        false
    }

    fn let_go(&mut self, gfn: Gfn, cx: &mut Context<'_>) -> bool {
        cx.host.remove_guard(gfn, self.guard)
    }

    fn stored(&mut self, _: Gfn, _: usize, _: u64, _: &mut Context<'_>) {}

    fn fence(&mut self, _: usize, _: Satp, _: Fence, _: &mut Context<'_>) -> AfterFence {
        AfterFence::FenceTlb
    }

    fn host_changed(&mut self, first: Gfn, count: u64, cx: &mut Context<'_>) {
        cx.shoot.push(Shootdown::GfnFrames(first, count));
    }

    fn unshadow(&mut self, _: Gfn, _: &mut Context<'_>) {}

    fn clear(&mut self, cx: &mut Context<'_>) {
        cx.shoot.push(Shootdown::All);
    }

    fn drop_some(&mut self, _: u64, cx: &mut Context<'_>) {
        cx.shoot.push(Shootdown::All);
    }

    fn audit(&self, _: &dyn TableReader, _: &HostTable) -> Vec<Mismatch> {
        Vec::new()
    }

    fn unfollowed(&self) -> Vec<(Gfn, usize, Known)> {
        Vec::new()
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn overhead(&self) -> usize {
        0
    }

    fn save(&self) -> Vec<u64> {
        Vec::new()
    }

    fn restore(&mut self, words: &[u64], _: &mut Context<'_>) -> Result<(), &'static str> {
        if words.is_empty() { Ok(()) } else { Err("nested paging keeps nothing") }
    }
}
