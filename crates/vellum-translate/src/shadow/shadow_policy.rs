//! Shadow tables as a policy.

use super::entry::era;
use super::policy::{AfterFence, Context, Fence, Found, Install, Known, Policy};
use super::{Counters, Format, Mismatch, Shadow, Trail, Tricks};
use crate::host::{HostTable, TableReader};
use crate::tlb::Shootdown;
use crate::{Gfn, Gva};
use alloc::vec::Vec;

impl<F: Format> Policy<F> for Shadow<F> {
    fn in_step(&self) -> bool {
        self.tricks.in_step()
    }

    fn load_root(&mut self, hart: usize, satp: F::Space) {
        self.root_loaded(hart, satp);
    }

    fn lookup(
        &mut self,
        hart: usize,
        satp: F::Space,
        va: Gva,
        generation: u64,
        references: &mut u64,
    ) -> Found {
        if era(generation) != self.era {
            self.begin_era(generation);
        }
        self.walk(hart, satp, va, generation, references)
    }

    fn trail(&self, _: usize, satp: F::Space, va: Gva, generation: u64) -> Vec<Trail> {
        self.trail_of(satp, va, generation)
    }

    fn install(&mut self, hart: usize, what: &Install<'_, F::Space>, cx: &mut Context<'_>) {
        self.fill(hart, what, cx);
    }

    fn grant(&mut self, hart: usize, what: &Install<'_, F::Space>, cx: &mut Context<'_>) {
        self.add_host(hart, what, cx);
    }

    fn is_followed(&self, gfn: Gfn) -> bool {
        self.is_guarded(gfn)
    }

    fn let_go(&mut self, gfn: Gfn, cx: &mut Context<'_>) -> bool {
        self.loosen(gfn, cx)
    }

    fn stored(&mut self, gfn: Gfn, index: usize, entry: u64, cx: &mut Context<'_>) {
        self.follow(gfn, index, entry, cx);
    }

    fn marked(&mut self, gfn: Gfn, index: usize, entry: u64, cx: &mut Context<'_>) {
        self.follow_marks(gfn, index, entry, cx);
    }

    fn fence(
        &mut self,
        hart: usize,
        satp: F::Space,
        fence: Fence,
        cx: &mut Context<'_>,
    ) -> AfterFence {
        self.fenced(hart, satp, fence, cx);
        if self.has(Tricks::SWITCH) { AfterFence::FenceTlb } else { AfterFence::Done }
    }

    fn host_changed(&mut self, first: Gfn, count: u64, cx: &mut Context<'_>) {
        self.refresh(cx.host, first, count, cx.shoot);
        // What is in no reverse map are translations of harts whose paging is off.
        cx.shoot.push(Shootdown::Frames(Gva::new(first.base().get()), count));
        if self.has(Tricks::SWITCH) {
            // Translations through switched tables are in no reverse map.
            cx.shoot.push(Shootdown::GfnFrames(first, count));
        }
    }

    fn unshadow(&mut self, gfn: Gfn, cx: &mut Context<'_>) {
        self.unshadow_all(gfn, cx);
    }

    fn clear(&mut self, cx: &mut Context<'_>) {
        self.clear_all(cx);
    }

    fn drop_some(&mut self, choice: u64, cx: &mut Context<'_>) {
        self.drop_one(choice, cx);
    }

    fn audit(&self, memory: &dyn TableReader, host: &HostTable) -> Vec<Mismatch> {
        self.audit_all(memory, host)
    }

    fn unfollowed(&self) -> Vec<(Gfn, usize, Known)> {
        self.loose_entries()
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn overhead(&self) -> usize {
        self.bytes()
    }

    fn save(&self) -> Vec<u64> {
        self.to_words()
    }

    fn restore(&mut self, words: &[u64], cx: &mut Context<'_>) -> Result<(), &'static str> {
        let read = self.from_words(words, cx);
        if read.is_err() {
            self.clear_all(cx);
        }
        read
    }
}
