//! The memory of one machine: what it is made of, and who takes part in it.

use crate::ahead::Arrivals;
use crate::beside::Beside;
use crate::explain::{Event, Trace};
use crate::holders::Holders;
use crate::pager::{GuestPager, PAGER};
use crate::scavenge::Scavenging;
use crate::tables::Tables;
use crate::transfer::Transfers;
use crate::{Counters, Error, GuardOwner, PageSource, Paging};
use std::ops::Range;
use std::sync::Arc;
use vellum_frames::{FrameId, FramePool, PAGE_SIZE, Reader};
use vellum_translate::host::{FrameStore, Guard, HostEntry, HostTable, OwnerId, Token};
use vellum_translate::riscv::Satp;
use vellum_translate::shadow::{Context, Counters as PolicyCounters, Policy};
use vellum_translate::tlb::{Mailbox, Shootdown};
use vellum_translate::{Gfn, Gpa, Rights};

/// The owner number of devices, which every machine has.
pub(crate) const DEVICE: OwnerId = OwnerId(0);

/// One machine's memory.
///
/// The harts' misses come in through [`vellum_hart::Memory`], devices through
/// [`DeviceMemory`](crate::DeviceMemory), the loader and the host through [`VmMemory::read`] and
/// [`VmMemory::write`].
#[derive(Debug)]
pub struct VmMemory {
    /// The scavenger's thread, which ends before anything else goes.
    pub(crate) beside: Option<Beside>,
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
    pub(crate) mailboxes: Vec<Mailbox>,
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
    /// Pages that were delivered and not looked at since.
    pub(crate) arrivals: Arrivals,
    pub(crate) trace: Option<Trace>,
    pub(crate) readers: Vec<Reader>,
    /// Who else names absent pages.
    pub(crate) holders: Arc<Holders>,
    pub(crate) scavenging: Option<Scavenging>,
    /// Pages that devices wrote and the scavenger has not heard of.
    pub(crate) filled: Vec<Gfn>,
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

    /// Lets the policy work on the tables.
    #[inline]
    pub(crate) fn with_policy<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Policy, &mut Context<'_>) -> T,
    ) -> T {
        let memory = Tables {
            pool: &self.pool,
            pager: self.pager.as_deref(),
            sources: &self.sources,
            ram: self.ram.start,
        };
        let mut cx = Context { host: &mut self.host, memory: &memory, shoot: &mut self.shoot };
        work(&mut *self.policy, &mut cx)
    }

    pub(crate) fn tables(&self) -> Tables<'_> {
        let (pager, sources) = (self.pager.as_deref(), &*self.sources);
        Tables { pool: &self.pool, pager, sources, ram: self.ram.start }
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
        self.with_policy(|policy, cx| policy.clear(cx));
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
        self.guard_range(page, 1, guard)
    }

    /// The same for `pages` pages from `first` on, with one invalidation for all of them.
    ///
    /// # Errors
    /// When not all of them are RAM; none is guarded then.
    pub fn guard_range(&mut self, first: Gfn, pages: u64, guard: Guard) -> Result<(), Error> {
        let Some(last) = pages.checked_sub(1) else { return Ok(()) };
        let end = first.get().checked_add(last).map(Gfn::new);
        let outside =
            Error::NoMemory { at: first.base(), bytes: pages.saturating_mul(PAGE_SIZE as u64) };
        self.check_ram(first)?;
        self.check_ram(end.ok_or(outside)?)?;
        if self.host.add_guards(first, pages, guard) > 0 {
            self.pages_changed(first, pages);
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
        self.settle_for_write(page);
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

    /// Bytes of host memory beside the guest's frames: tables, reverse maps, bookkeeping.
    pub fn overhead(&self) -> usize {
        self.host.overhead() + self.policy.overhead() + self.pool.overhead()
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
}
