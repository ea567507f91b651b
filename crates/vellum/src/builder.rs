//! Building a machine's memory.

use crate::ahead::Arrivals;
use crate::holders::Holders;
use crate::transfer::Transfers;
use crate::vm::DEVICE;
use crate::{Counters, Error, Paging, VmMemory};
use std::ops::Range;
use std::sync::Arc;
use vellum_frames::{FramePool, Options, PAGE_SIZE};
use vellum_translate::host::{HostEntry, HostTable, Token};
use vellum_translate::riscv::Satp;
use vellum_translate::tlb::Mailbox;
use vellum_translate::{Gfn, Gpa, Rights};

/// Frames of address space beyond RAM where a pager may work: what is evicted waits until no hart can
/// hold a pointer to it, which is at the end of a round of some 20,000 instructions at the latest.
const LIMBO: u64 = 1 << 16;

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
    pool: Option<Arc<FramePool>>,
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
            pool: None,
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

    /// Takes frames of a pool that other machines use too, whose quota then counts for all of them
    /// together. What they have in common can be shared between them.
    pub fn frames_of(mut self, pool: Arc<FramePool>) -> Self {
        self.pool = Some(pool);
        self
    }

    /// How many harts there are.
    pub fn harts(mut self, harts: usize) -> Self {
        self.harts = harts;
        self
    }

    /// Shadow pages (some 6 KiB each) that there may be at most; if not said, 1 % of RAM, and no
    /// fewer than 64.
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
        let limbo = if quota < frames { LIMBO } else { 0 };
        let pool = match self.pool {
            Some(pool) => pool,
            None => FramePool::new(Options { frames: frames.max(quota) + limbo + 1, quota })?,
        };
        let holders = Arc::new(Holders::new(Arc::clone(&pool)));
        let mut host = HostTable::new(ram.end, Arc::<Holders>::clone(&holders));
        for (number, range) in self.devices.iter().enumerate() {
            let token = Token::new(number as u64).expect("device ranges are few");
            let pages = range.start / page..range.end.div_ceil(page);
            check("device range", range.end, pages.end <= ram.start, "it reaches into RAM")?;
            host.fill(pages, HostEntry::Absent { owner: DEVICE, token });
        }
        host.fill(ram.clone(), HostEntry::ZERO);
        let guard = host.register_guard(Rights::WRITE).expect("the first guard of sixteen");
        let percent = frames * page / 100 / vellum_translate::shadow::PAGE_BYTES;
        let budget = self.shadow_budget.unwrap_or(percent.clamp(64, 1 << 20) as u32);
        let policy = self.paging.policy(&host, guard, self.harts, budget);
        let mut vm = VmMemory {
            beside: None,
            readers: (0..self.harts).map(|_| pool.reader()).collect(),
            pool,
            host,
            policy,
            earlier: vellum_translate::shadow::Counters::default(),
            guard,
            shadow_budget: budget,
            spaces: vec![Satp::BARE; self.harts],
            paging: self.paging,
            ram,
            mailboxes: (0..self.harts).map(|_| Mailbox::default()).collect(),
            shoot: Vec::new(),
            owners: Vec::new(),
            sources: Vec::new(),
            pager: None,
            flat_base: None,
            counters: Counters::default(),
            transfers: Transfers::default(),
            arrivals: Arrivals::default(),
            trace: None,
            holders,
            scavenging: None,
            filled: Vec::new(),
        };
        if self.paging == Paging::Flat {
            vm.make_flat()?;
        }
        Ok(vm)
    }
}

impl VmMemory {
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
