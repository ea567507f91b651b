//! The memory of one machine: built, read and written by physical address, and told what the guest
//! does to its translation.

use crate::explain::{Event, Trace};
use crate::holders::Holders;
use crate::pager::{GuestPager, PAGER};
use crate::scavenge::Scavenging;
use crate::transfer::Transfers;
use crate::{Counters, Error, GuardOwner, PageSource, Paging};
use core::cell::Cell;
use std::ops::Range;
use std::sync::Arc;
use vellum_frames::{FrameId, FramePool, PAGE_SIZE, Reader};
use vellum_translate::host::{FrameStore, Guard, HostEntry, HostTable, OwnerId, Token};
use vellum_translate::riscv::{Satp, TableMemory};
use vellum_translate::shadow::{
    AfterFence, Context, Counters as PolicyCounters, Fence, Mismatch, Policy,
};
use vellum_translate::tlb::{Shootdown, Tlb};
use vellum_translate::{Gfn, Gpa, Gva, Rights};

/// Guest pages of 4 KiB that a shootdown mailbox holds before it says "everything" instead.
pub(crate) const MAILBOX: usize = 64;
/// The owner number of devices, which every machine has.
pub(crate) const DEVICE: OwnerId = OwnerId(0);

/// One machine's memory.
///
/// The harts' misses come in through [`vellum_hart::Memory`], devices through
/// [`DeviceMemory`](crate::DeviceMemory), the loader and the host through [`VmMemory::read`] and
/// [`VmMemory::write`].
#[derive(Debug)]
pub struct VmMemory {
    pub(crate) pool: Arc<FramePool>,
    pub(crate) host: HostTable,
    /// What is kept of guest ∘ host between misses.
    pub(crate) policy: Box<dyn Policy>,
    /// What policies did that are not in use any more.
    pub(crate) earlier: PolicyCounters,
    /// The reason that guest tables get which a policy follows.
    pub(crate) guard: Guard,
    pub(crate) shadow_budget: u32,
    /// The address space that each hart has loaded.
    pub(crate) spaces: Vec<Satp>,
    pub(crate) paging: Paging,
    /// RAM, in pages.
    pub(crate) ram: Range<u64>,
    /// Invalidations that each hart has yet to carry out.
    pub(crate) mailboxes: Vec<Vec<Shootdown>>,
    /// Invalidations of the fault at hand.
    pub(crate) shoot: Vec<Shootdown>,
    pub(crate) owners: Vec<(Guard, Box<dyn GuardOwner>)>,
    pub(crate) sources: Vec<Box<dyn PageSource>>,
    /// Who takes pages when frames are few.
    pub(crate) pager: Option<Box<GuestPager>>,
    /// The frame of RAM's first page, where memory is flat.
    pub(crate) flat_base: Option<u32>,
    /// What happened.
    pub counters: Counters,
    /// Pages that are lent.
    pub(crate) transfers: Transfers,
    pub(crate) trace: Option<Trace>,
    pub(crate) readers: Vec<Reader>,
    /// Who else names absent pages.
    pub(crate) holders: Arc<Holders>,
    pub(crate) scavenging: Option<Scavenging>,
    /// Pages that devices wrote and the scavenger has not heard of.
    pub(crate) filled: Vec<Gfn>,
}

/// The guest's physical memory as walks see it.
pub(crate) struct View<'a> {
    pub(crate) host: &'a HostTable,
    pub(crate) pool: &'a FramePool,
    /// Loads of the host table that the walk took: the second dimension.
    pub(crate) references: Cell<u64>,
}

impl TableMemory for View<'_> {
    #[inline]
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        let mut references = self.references.get();
        let entry = self.host.get_counted(at.gfn(), &mut references);
        self.references.set(references);
        match entry {
            HostEntry::Frame { frame, .. } => Some(self.pool.load(frame, at.page_offset() & !7, 8)),
            _ => None,
        }
    }
}

impl VmMemory {
    /// How addresses are translated.
    pub fn paging(&self) -> Paging {
        self.paging
    }

    /// RAM, as physical addresses.
    pub fn ram(&self) -> Range<Gpa> {
        Gfn::new(self.ram.start).base()..Gfn::new(self.ram.end).base()
    }

    /// The pool of frames behind it.
    pub fn pool(&self) -> &Arc<FramePool> {
        &self.pool
    }

    /// The host table.
    pub fn host(&self) -> &HostTable {
        &self.host
    }

    /// What is kept of guest ∘ host between misses, and how it follows the guest.
    pub fn policy(&self) -> &dyn Policy {
        &*self.policy
    }

    /// What the policies did so far, the present one and those before it.
    pub fn policy_counters(&self) -> PolicyCounters {
        self.earlier.plus(self.policy.counters())
    }

    pub(crate) fn policy_and_context(&mut self) -> (&mut dyn Policy, Context<'_>) {
        let cx = Context { host: &mut self.host, memory: &*self.pool, shoot: &mut self.shoot };
        (&mut *self.policy, cx)
    }

    /// Goes on under another paging, at a safe point: no hart is running. What the policy before kept
    /// is thrown away, and every TLB with it, as a fence of everything would.
    ///
    /// # Errors
    /// To and from [`Paging::Flat`], whose memory is laid out another way.
    pub fn set_paging(&mut self, paging: Paging) -> Result<(), Error> {
        if (paging == Paging::Flat) != (self.paging == Paging::Flat) {
            return Err(Error::Switch { from: self.paging, to: paging });
        }
        let (policy, mut cx) = self.policy_and_context();
        policy.clear(&mut cx);
        self.earlier = self.policy_counters();
        let harts = self.spaces.len();
        self.policy = paging.policy(&self.host, self.guard, harts, self.shadow_budget);
        self.paging = paging;
        for (hart, &satp) in self.spaces.iter().enumerate() {
            self.policy.load_root(hart, satp);
        }
        self.broadcast();
        Ok(())
    }

    /// Registers a reason to withhold `rights`, and who resolves the faults that follow.
    ///
    /// # Errors
    /// When all guards are taken, or memory is flat.
    pub fn register_owner(
        &mut self,
        rights: Rights,
        owner: Box<dyn GuardOwner>,
    ) -> Result<Guard, Error> {
        let guard = self.host.register_guard(rights);
        let guard = guard.ok_or(Error::Exhausted { what: "guard", limit: Guard::MAX })?;
        self.owners.push((guard, owner));
        Ok(guard)
    }

    /// Registers whoever brings absent pages.
    ///
    /// # Errors
    /// When all owner numbers are taken.
    pub fn register_source(&mut self, source: Box<dyn PageSource>) -> Result<OwnerId, Error> {
        let number = u8::try_from(self.sources.len() + 1)
            .ok()
            .filter(|&number| number < PAGER.0)
            .ok_or(Error::Exhausted { what: "owner number", limit: PAGER.0.into() })?;
        self.sources.push(source);
        Ok(OwnerId(number))
    }

    /// Withholds rights from a page for a reason, before the call returns on every hart.
    ///
    /// # Errors
    /// When the page is not RAM.
    pub fn guard(&mut self, page: Gfn, guard: Guard) -> Result<(), Error> {
        self.check_ram(page)?;
        if self.host.add_guard(page, guard) {
            self.page_changed(page, None);
            self.broadcast();
        }
        Ok(())
    }

    /// Gives a page to a source: its frame is released, and the next access asks the source.
    ///
    /// # Errors
    /// When the page is not RAM, or pinned: a device holds it, or it is a guest table out of step.
    pub fn make_absent(&mut self, page: Gfn, owner: OwnerId, token: Token) -> Result<(), Error> {
        self.check_ram(page)?;
        if self.host.is_pinned(page) {
            return Err(Error::Builder { field: "page", value: page.get(), why: "it is pinned" });
        }
        let old = self.host.replace(page, HostEntry::Absent { owner, token });
        let frame = self.release(old);
        self.page_changed(page, frame);
        self.broadcast();
        Ok(())
    }

    fn check_ram(&self, page: Gfn) -> Result<(), Error> {
        if self.ram.contains(&page.get()) {
            Ok(())
        } else {
            Err(Error::NoMemory { at: page.base(), bytes: PAGE_SIZE as u64 })
        }
    }

    pub(crate) fn release(&self, entry: HostEntry) -> Option<FrameId> {
        match entry {
            HostEntry::Frame { frame, .. } => {
                self.pool.release(frame);
                Some(frame)
            }
            HostEntry::Absent { owner, token } => {
                self.holders.release_absent(owner, token);
                None
            }
            HostEntry::Hole => None,
        }
    }

    /// A page's host entry or guards changed: whatever was derived from them goes. `moved` is the
    /// frame that was behind it, if another is now.
    pub(crate) fn page_changed(&mut self, page: Gfn, moved: Option<FrameId>) {
        let (policy, mut cx) = self.policy_and_context();
        policy.host_changed(page, &mut cx);
        if let Some(frame) = moved
            && !frame.is_zero_frame()
        {
            self.shoot.push(Shootdown::FrameExecute(frame));
        }
    }

    /// Delivers the invalidations of the fault at hand: to the hart that caused it at once, to the
    /// others before they run again.
    pub(crate) fn deliver(&mut self, hart: usize, tlb: &mut Tlb) {
        for what in self.shoot.drain(..) {
            tlb.shoot_down(what);
            for (other, mailbox) in self.mailboxes.iter_mut().enumerate() {
                if other != hart {
                    post(mailbox, what);
                }
            }
        }
    }

    /// Leaves invalidations to every hart: no hart is running.
    pub(crate) fn broadcast(&mut self) {
        for what in self.shoot.drain(..) {
            for mailbox in &mut self.mailboxes {
                post(mailbox, what);
            }
        }
    }

    /// Whether a hart has carried out everything that others asked of its TLB. Only then may it run.
    pub fn is_caught_up(&self, hart: usize) -> bool {
        self.mailboxes[hart].is_empty()
    }

    /// A hart is about to run: carries out what others asked of its TLB, and announces a safe
    /// point to the pool.
    pub fn catch_up(&mut self, hart: usize, tlb: &mut Tlb) {
        for what in self.mailboxes[hart].drain(..) {
            tlb.shoot_down(what);
        }
        // Harts take turns: the others hold no pointer that they will use before they are here.
        for (number, reader) in self.readers.iter().enumerate() {
            if number == hart { reader.quiesce() } else { reader.offline() }
        }
    }

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
        let (policy, mut cx) = self.policy_and_context();
        let after = policy.fence(hart, tlb.satp(), Fence { va, asid }, &mut cx);
        if after == AfterFence::FenceTlb {
            tlb.fence(va, asid);
        }
        self.deliver(hart, tlb);
    }

    /// The accessed log: pages that were used since this was last called, in order. Flushes the TLBs,
    /// so that the next use is noted; under a policy whose TLBs are state, that is a fence of
    /// everything.
    pub fn take_accessed(&mut self) -> Vec<Gfn> {
        self.shoot.push(Shootdown::All);
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

    /// Voids every right to write, in the host table, in what is kept, and in the TLBs once the
    /// caller broadcasts.
    pub(crate) fn revoke_writes(&mut self) {
        self.host.revoke_writes();
        self.policy.writes_revoked(self.host.generation());
        self.shoot.push(Shootdown::AllWrites);
    }

    /// Throws away what is kept between misses. Of an in-step policy that has no effect but time;
    /// under another it is what a fence of everything is.
    pub fn drop_shadow(&mut self) {
        let (policy, mut cx) = self.policy_and_context();
        policy.clear(&mut cx);
        self.broadcast();
    }

    /// Throws a part of that away: what a test does at random instants.
    pub fn drop_some_shadow(&mut self, choice: u64) {
        let (policy, mut cx) = self.policy_and_context();
        policy.drop_some(choice, &mut cx);
        self.broadcast();
    }

    /// Checks what the shadow tables keep against guest ∘ host. TLBs are not looked at, under any policy,
    /// and the virtual TLB's and nested's answer is always empty: what those hold may be what the
    /// guest's tables said before a fence, and no history of the tables is kept to compare with.
    pub fn audit(&self) -> Vec<Mismatch> {
        self.policy.audit(&*self.pool, &self.host)
    }

    /// Bytes of host memory beside the guest's frames: tables, reverse maps, bookkeeping.
    pub fn overhead(&self) -> usize {
        self.host.overhead() + self.policy.overhead() + self.pool.overhead()
    }

    /// Copies memory out, by physical address, as a device would.
    ///
    /// # Errors
    /// When a part of the range is not memory, or its owner can't bring it.
    pub fn read(&mut self, at: Gpa, out: &mut [u8]) -> Result<(), Error> {
        let mut done = 0;
        while done < out.len() {
            let at = Gpa::new(at.get() + done as u64);
            let bytes = (PAGE_SIZE - at.page_offset()).min(out.len() - done);
            let frame = self.device_frame(at, (out.len() - done) as u64, Rights::READ)?;
            self.pool.read(frame, at.page_offset(), &mut out[done..done + bytes]);
            done += bytes;
        }
        self.broadcast();
        Ok(())
    }

    /// Copies memory in, by physical address, as a device would: sharing is broken, guards are
    /// resolved, guest tables are unshadowed first.
    ///
    /// # Errors
    /// As for [`VmMemory::read`], and when no frame is left.
    pub fn write(&mut self, at: Gpa, bytes: &[u8]) -> Result<(), Error> {
        let mut done = 0;
        while done < bytes.len() {
            let at = Gpa::new(at.get() + done as u64);
            let count = (PAGE_SIZE - at.page_offset()).min(bytes.len() - done);
            let frame = self.device_frame(at, (bytes.len() - done) as u64, Rights::WRITE)?;
            self.pool.write(frame, at.page_offset(), &bytes[done..done + count]);
            done += count;
        }
        self.broadcast();
        Ok(())
    }

    /// From here on, every step of a fault is noted down.
    pub fn start_trace(&mut self) {
        self.trace = Some(Trace::default());
    }

    /// What was noted down since [`VmMemory::start_trace`].
    pub fn take_trace(&mut self) -> Option<Trace> {
        self.trace.take()
    }

    #[inline]
    pub(crate) fn note(&mut self, event: impl FnOnce() -> Event) {
        if let Some(trace) = &mut self.trace {
            trace.events.push(event());
        }
    }

    pub(crate) fn make_flat(&mut self) -> Result<(), Error> {
        for page in self.ram.clone() {
            let frame = self.pool.allocate()?;
            let base = *self.flat_base.get_or_insert(frame.index());
            assert_eq!(u64::from(frame.index() - base), page - self.ram.start, "frames in order");
            let entry = HostEntry::Frame { frame, rights: Rights::all() };
            let old = self.host.replace(Gfn::new(page), entry);
            self.release(old);
        }
        Ok(())
    }
}

fn post(mailbox: &mut Vec<Shootdown>, what: Shootdown) {
    if mailbox.len() < MAILBOX {
        mailbox.push(what);
    } else {
        mailbox.clear();
        mailbox.push(Shootdown::All);
        // Stays full of meaning: one `All` and room for what comes after it.
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
    const ROUND: u32 = 1 << 22;

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
