//! What every policy answers: the trait that stands between a TLB miss and the two tables.
//!
//! A *policy* decides what is kept of guest ∘ host between the misses of a TLB, and how it learns
//! that the guest's tables changed. [`Shadow`](super::Shadow) protects the guest's tables, with any
//! set of [`Tricks`](super::Tricks); [`VirtualTlb`](super::VirtualTlb) protects nothing and lives by
//! the guest's fences; [`Nested`](super::Nested) keeps nothing and walks both tables each time.

use super::format::{Format, RiscV};
use super::{Counters, Mismatch, Trail};
use crate::host::{HostTable, TableReader};
use crate::riscv::Satp;
use crate::tlb::Shootdown;
use crate::{FrameId, Gfn, Gva, Rights};
use alloc::vec::Vec;
use core::fmt::Debug;

/// What a policy works on, lent for one call.
#[derive(Debug)]
pub struct Context<'a> {
    /// The host table.
    pub host: &'a mut HostTable,
    /// The guest's tables as they are now.
    pub memory: &'a dyn TableReader,
    /// TLB entries that must go before the call's effect is visible.
    pub shoot: &'a mut Vec<Shootdown>,
}

/// A leaf that a policy knows: the guest's word on it, and the host's if that is known too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The guest physical page.
    pub gfn: Gfn,
    /// The guest's R, W and X, A and D considered, as they were when they were read.
    pub guest: Rights,
    /// The guest's user bit.
    pub user: bool,
    /// The guest's global bit.
    pub global: bool,
    /// Writing is withheld, but not from a supervisor that heeds no such bit.
    pub shielded: bool,
    /// The guest's protection key.
    pub key: u8,
    /// The level of the guest's leaf.
    pub level: u8,
    /// The frame, and what may be done with it right now; no right where the host must be asked.
    pub frame: FrameId,
    /// See `frame`.
    pub rights: Rights,
    /// The page is one of `512^run` that are aligned to their number, of which all this is true and
    /// whose frames lie in a row, each as far from this one's as its page is: what a TLB of larger
    /// pages may hold until any of them is shot down.
    pub run: u8,
}

/// What a policy has for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A leaf.
    Leaf(Known),
    /// From here on the guest's own tables are to be walked: this one, whose entries are of this
    /// level.
    Continue(Gfn, u8),
    /// Nothing: the guest's tables are to be walked from their root.
    Nothing,
}

/// What a walk found out, to be kept.
#[derive(Debug, Clone, Copy)]
pub struct Install<'a, S = Satp> {
    /// The address space.
    pub satp: S,
    /// The address.
    pub va: Gva,
    /// The guest physical page that it leads to.
    pub gfn: Gfn,
    /// The level of the guest's leaf.
    pub level: u8,
    /// The entries that the walk read, the root's first; empty where it did not begin at the root.
    pub path: &'a [u64],
    /// The frame behind the page.
    pub frame: FrameId,
    /// The host's rights to it.
    pub rights: Rights,
}

/// `sfence.vma`: which address, which address space; none means all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The address.
    pub va: Option<Gva>,
    /// The address space.
    pub asid: Option<u16>,
}

/// What a fence asks of the TLB of the hart that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFence {
    /// Nothing: what had to go is among the shootdowns.
    Done,
    /// The fence itself: the TLB holds what the policy does not know of.
    FenceTlb,
}

/// Decides what is kept of guest ∘ host between the misses of a TLB.
///
/// The order of calls: [`Policy::load_root`] whenever a hart loads `satp`; on a miss
/// [`Policy::lookup`], and where that has no answer, a walk and [`Policy::install`]; on a store that
/// the policy's guard withholds [`Policy::let_go`], and if that refuses, the store and
/// [`Policy::stored`]; [`Policy::fence`] for each `sfence.vma`; [`Policy::host_changed`] whenever
/// the host table's entries or guards of pages changed. What a call leaves in [`Context::shoot`] must be
/// delivered to every TLB before a hart runs again.
pub trait Policy<F: Format = RiscV>: Debug + Send {
    /// Whether what is kept is always what the tables say, so that a fence has nothing to do and
    /// everything may be dropped at any instant without effect. Otherwise what is kept is a part of
    /// the machine's state ([`Policy::save`]).
    fn in_step(&self) -> bool;

    /// A hart loads `satp`.
    fn load_root(&mut self, hart: usize, satp: F::Space);

    /// What is kept for an address, adding the loads that it took to `references`. A right to write
    /// counts only if it was granted in `generation`, the host table's, so that whoever revokes rights
    /// there ([`HostTable::revoke_writes`], a kept root) need not tell the policy.
    fn lookup(
        &mut self,
        hart: usize,
        satp: F::Space,
        va: Gva,
        generation: u64,
        references: &mut u64,
    ) -> Found;

    /// What is kept for an address of any address space, whether a hart has it loaded or not, entry by
    /// entry: for people and for audits. Nothing is counted or changed.
    fn trail(&self, hart: usize, satp: F::Space, va: Gva, generation: u64) -> Vec<Trail>;

    /// Keeps what a walk found out.
    fn install(&mut self, hart: usize, what: &Install<'_, F::Space>, cx: &mut Context<'_>);

    /// The host's word on a leaf that [`Policy::lookup`] found without it.
    fn grant(&mut self, hart: usize, what: &Install<'_, F::Space>, cx: &mut Context<'_>);

    /// Whether stores to this page are withheld to follow the guest's edits.
    fn is_followed(&self, gfn: Gfn) -> bool;

    /// The guest stores to a page that the policy's guard withholds: whether the policy takes the
    /// guard away, so that the store and the ones after it are stores like any others.
    fn let_go(&mut self, gfn: Gfn, cx: &mut Context<'_>) -> bool;

    /// A store into a followed table is done: the entry at `index` is `entry` now.
    fn stored(&mut self, gfn: Gfn, index: usize, entry: u64, cx: &mut Context<'_>);

    /// A walk has set accessed or dirty bits of the entry at `index`, whether the table is followed or
    /// not: no trap, and no sign that the guest uses the page for something else.
    fn marked(&mut self, gfn: Gfn, index: usize, entry: u64, cx: &mut Context<'_>) {
        let _ = (gfn, index, entry, cx);
    }

    /// The guest executes a fence on `hart`, whose address space is `satp`.
    fn fence(
        &mut self,
        hart: usize,
        satp: F::Space,
        fence: Fence,
        cx: &mut Context<'_>,
    ) -> AfterFence;

    /// The host's entries or guards of `count` pages changed: no right to them counts any more that
    /// the host does not grant now. The guest's word on the pages stays. A run costs one pass and few
    /// invalidations, so whoever changes many pages calls this once.
    fn host_changed(&mut self, first: Gfn, count: u64, cx: &mut Context<'_>);

    /// Takes away what stands in the way of writing a page freely, before a device does.
    fn unshadow(&mut self, gfn: Gfn, cx: &mut Context<'_>);

    /// Throws everything away.
    fn clear(&mut self, cx: &mut Context<'_>);

    /// Throws a part away, the `choice`th modulo the parts that there are.
    fn drop_some(&mut self, choice: u64, cx: &mut Context<'_>);

    /// Compares everything with the guest's tables and the host table.
    fn audit(&self, memory: &dyn TableReader, host: &HostTable) -> Vec<Mismatch>;

    /// What is kept of guest tables that may have changed since: table, index, and what was read.
    fn unfollowed(&self) -> Vec<(Gfn, usize, Known)>;

    /// What happened.
    fn counters(&self) -> &Counters;

    /// Bytes that it occupies.
    fn overhead(&self) -> usize;

    /// Everything that decides what the guest will see, as words: of a policy that is not in step.
    fn save(&self) -> Vec<u64>;

    /// Takes over what [`Policy::save`] gave, into an empty policy of the same kind and size. The
    /// host is asked again for each page.
    ///
    /// # Errors
    /// With a word on what is wrong. The policy is then empty.
    fn restore(&mut self, words: &[u64], cx: &mut Context<'_>) -> Result<(), &'static str>;
}
