//! The memory of one machine: built, read and written by physical address, and told what the guest
//! does to its translation.

use crate::explain::{Event, Trace};
use crate::{Counters, Error, GuardOwner, PageSource};
use std::ops::Range;
use std::sync::Arc;
use vellum_frames::{FrameId, FramePool, Options, PAGE_SIZE, Reader};
use vellum_translate::host::{Guard, HostEntry, HostTable, OwnerId, Token};
use vellum_translate::riscv::{Satp, TableMemory};
use vellum_translate::shadow::Shadow;
use vellum_translate::tlb::{Shootdown, Tlb};
use vellum_translate::{Gfn, Gpa, Gva, Rights};

/// How guest addresses are translated on a TLB miss.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Paging {
    /// Shadow tables, kept in step by traps.
    #[default]
    Shadow,
    /// A walk of two dimensions: every entry of the guest's tables is itself found through the host
    /// table.
    Nested,
    /// No host table on the way: the guest's tables lead straight to a flat memory whose frames are
    /// all there from the start. Nothing can be guarded, shared or absent; this is what the others
    /// are measured against.
    Flat,
}

impl core::fmt::Display for Paging {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Paging::Shadow => "shadow",
            Paging::Nested => "nested",
            Paging::Flat => "flat",
        })
    }
}

/// Guest pages of 4 KiB that a shootdown mailbox holds before it says "everything" instead.
const MAILBOX: usize = 64;
/// The owner number of devices, which every machine has.
pub(crate) const DEVICE: OwnerId = OwnerId(0);

/// Makes a [`VmMemory`].
#[derive(Debug, Clone)]
pub struct Builder {
    ram_base: u64,
    ram_bytes: u64,
    paging: Paging,
    quota: Option<u64>,
    harts: usize,
    devices: Vec<Range<u64>>,
    shadow_budget: Option<u32>,
}

impl Builder {
    /// A machine with `bytes` of RAM from `base`, both multiples of the page size.
    pub fn new(base: Gpa, bytes: u64) -> Self {
        Builder {
            ram_base: base.get(),
            ram_bytes: bytes,
            paging: Paging::default(),
            quota: None,
            harts: 1,
            devices: Vec::new(),
            shadow_budget: None,
        }
    }

    /// How addresses are translated.
    pub fn paging(mut self, paging: Paging) -> Self {
        self.paging = paging;
        self
    }

    /// Host frames that the guest may use at most; as many as it has pages if not said.
    pub fn frame_quota(mut self, frames: u64) -> Self {
        self.quota = Some(frames);
        self
    }

    /// How many harts there are.
    pub fn harts(mut self, harts: usize) -> Self {
        self.harts = harts;
        self
    }

    /// Shadow pages (some 6 KiB each) that there may be at most; if not said, 1 % of RAM, and no
    /// fewer than 512.
    pub fn shadow_pages(mut self, pages: u32) -> Self {
        self.shadow_budget = Some(pages);
        self
    }

    /// A range of addresses where devices are.
    pub fn devices(mut self, range: Range<Gpa>) -> Self {
        self.devices.push(range.start.get()..range.end.get());
        self
    }

    /// Makes the memory: every page of RAM is the shared zero frame until it is written.
    ///
    /// # Errors
    /// When a size is not possible, or the host refuses the pool.
    pub fn build(self) -> Result<VmMemory, Error> {
        let page = PAGE_SIZE as u64;
        let check = |field, value: u64, fine: bool, why| {
            if fine { Ok(()) } else { Err(Error::Builder { field, value, why }) }
        };
        let limit = HostTable::MAX_PAGES * page;
        check(
            "ram base",
            self.ram_base,
            self.ram_base.is_multiple_of(page),
            "not a multiple of 4096",
        )?;
        check(
            "ram size",
            self.ram_bytes,
            self.ram_bytes.is_multiple_of(page),
            "not a multiple of 4096",
        )?;
        check("ram size", self.ram_bytes, self.ram_bytes > 0, "a machine has memory")?;
        check("harts", self.harts as u64, (1..=64).contains(&self.harts), "between 1 and 64 are")?;
        let end = self.ram_base.checked_add(self.ram_bytes).filter(|&end| end <= limit);
        let Some(end) = end else {
            return Err(Error::Builder {
                field: "ram size",
                value: self.ram_bytes,
                why: "RAM ends over 512 GiB",
            });
        };
        let ram = self.ram_base / page..end / page;
        let frames = ram.end - ram.start;
        let quota = self.quota.unwrap_or(frames);
        check("frame quota", quota, quota > 0, "a machine needs frames")?;
        let pool = FramePool::new(Options { frames: frames.max(quota) + 1, quota })?;
        let mut host = HostTable::new(ram.end, Arc::<FramePool>::clone(&pool));
        for (number, range) in self.devices.iter().enumerate() {
            let token = Token::new(number as u64).expect("device ranges are few");
            let pages = range.start / page..range.end.div_ceil(page);
            check("device range", range.end, pages.end <= ram.start, "it reaches into RAM")?;
            host.fill(pages, HostEntry::Absent { owner: DEVICE, token });
        }
        host.fill(ram.clone(), HostEntry::ZERO);
        let guard = host.register_guard(Rights::WRITE).expect("the first guard of sixteen");
        let budget = self.shadow_budget.unwrap_or((frames / 100 * 2 / 3).max(512) as u32);
        let shadow = Shadow::new(&host, guard, self.harts, budget);
        let mut vm = VmMemory {
            readers: (0..self.harts).map(|_| pool.reader()).collect(),
            pool,
            host,
            shadow,
            paging: self.paging,
            ram,
            mailboxes: vec![Vec::new(); self.harts],
            shoot: Vec::new(),
            owners: Vec::new(),
            sources: Vec::new(),
            flat_base: None,
            counters: Counters::default(),
            trace: None,
        };
        if self.paging == Paging::Flat {
            vm.make_flat()?;
        }
        Ok(vm)
    }
}

/// One machine's memory.
///
/// The harts' misses come in through [`vellum_hart::Memory`], devices through
/// [`DeviceMemory`](crate::DeviceMemory), the loader and the host through [`VmMemory::read`] and
/// [`VmMemory::write`].
#[derive(Debug)]
pub struct VmMemory {
    pub(crate) pool: Arc<FramePool>,
    pub(crate) host: HostTable,
    pub(crate) shadow: Shadow,
    pub(crate) paging: Paging,
    /// RAM, in pages.
    pub(crate) ram: Range<u64>,
    /// Invalidations that each hart has yet to carry out.
    mailboxes: Vec<Vec<Shootdown>>,
    /// Invalidations of the fault at hand.
    pub(crate) shoot: Vec<Shootdown>,
    pub(crate) owners: Vec<(Guard, Box<dyn GuardOwner>)>,
    pub(crate) sources: Vec<Box<dyn PageSource>>,
    /// The frame of RAM's first page, where memory is flat.
    pub(crate) flat_base: Option<u32>,
    /// What happened.
    pub counters: Counters,
    pub(crate) trace: Option<Trace>,
    readers: Vec<Reader>,
}

/// The guest's physical memory as walks see it.
pub(crate) struct View<'a> {
    pub(crate) host: &'a HostTable,
    pub(crate) pool: &'a FramePool,
}

impl TableMemory for View<'_> {
    #[inline]
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        match self.host.get(at.gfn()) {
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

    /// The shadow tables.
    pub fn shadow(&self) -> &Shadow {
        &self.shadow
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
            .map_err(|_| Error::Exhausted { what: "owner number", limit: 255 })?;
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
    /// When the page is not RAM, or pinned by a device.
    pub fn make_absent(&mut self, page: Gfn, owner: OwnerId, token: Token) -> Result<(), Error> {
        self.check_ram(page)?;
        if self.host.is_pinned(page) {
            return Err(Error::Builder {
                field: "page",
                value: page.get(),
                why: "a device holds it",
            });
        }
        self.shadow.unshadow(&mut self.host, page, &mut self.shoot);
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
            _ => None,
        }
    }

    /// A page's host entry or guards changed: whatever was derived from them goes. `moved` is the
    /// frame that was behind it, if another is now.
    pub(crate) fn page_changed(&mut self, page: Gfn, moved: Option<FrameId>) {
        self.shadow.host_changed(page, &mut self.shoot);
        match self.paging {
            // What is not in the reverse map are translations of harts whose paging is off.
            Paging::Shadow => self.shoot.push(Shootdown::Page(Gva::new(page.base().get()))),
            Paging::Nested | Paging::Flat => self.shoot.push(Shootdown::Gfn(page)),
        }
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

    /// A hart is about to run: carries out what others asked of its TLB, and announces a safe
    /// point to the pool.
    pub fn catch_up(&mut self, hart: usize, tlb: &mut Tlb) {
        for what in self.mailboxes[hart].drain(..) {
            tlb.shoot_down(what);
        }
        self.readers[hart].quiesce();
    }

    /// The guest loads `satp`.
    pub fn load_root(&mut self, hart: usize, tlb: &mut Tlb, satp: Satp) {
        self.counters.root_loads += 1;
        tlb.set_satp(satp);
        if self.paging == Paging::Shadow {
            self.shadow.load_root(hart, satp);
        }
    }

    /// The guest executes `sfence.vma`. In-step shadow tables make it free: every store to a guest
    /// table already took effect, in the shadow and in all TLBs.
    pub fn fence(&mut self, tlb: &mut Tlb, va: Option<Gva>, asid: Option<u16>) {
        self.counters.fences[usize::from(va.is_some()) + 2 * usize::from(asid.is_some())] += 1;
        if self.paging != Paging::Shadow {
            tlb.fence(va, asid);
        }
    }

    /// Throws the shadow tables away. Has no effect but time.
    pub fn drop_shadow(&mut self) {
        self.shadow.clear(&mut self.host, &mut self.shoot);
        self.broadcast();
    }

    /// Throws a part of the shadow tables away: what a test does at random instants.
    pub fn drop_some_shadow(&mut self, choice: u64) {
        self.shadow.drop_some(&mut self.host, choice, &mut self.shoot);
        self.broadcast();
    }

    /// Checks every present shadow entry against guest ∘ host.
    pub fn audit(&self) -> Vec<vellum_translate::shadow::Mismatch> {
        self.shadow.audit(&View { host: &self.host, pool: &self.pool }, &self.host)
    }

    /// Bytes of host memory beside the guest's frames: tables, reverse maps, bookkeeping.
    pub fn overhead(&self) -> usize {
        self.host.overhead() + self.shadow.overhead() + self.pool.overhead()
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

    fn make_flat(&mut self) -> Result<(), Error> {
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
