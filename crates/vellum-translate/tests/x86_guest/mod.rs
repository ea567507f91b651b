//! An x86-64 guest on shadow tables, beside the plain model of its memory and the reference walker:
//! two processors with a TLB each, a host that moves pages, withholds writing and revokes it.

pub mod steps;

use std::cell::Cell;
use std::sync::Arc;
use vellum_frames::{FrameId, FramePool, Options};
use vellum_translate::host::{Guard, HostEntry, HostTable, Resolved};
use vellum_translate::shadow::{Fence, Tricks};
use vellum_translate::tlb::Shootdown;
use vellum_translate::x86::reference::{Verdict, translate};
use vellum_translate::x86::{Access, Entry, FaultKind, Mmu, Paging, Processor, Reached};
use vellum_translate::{Access as Kind, Gfn, Gpa, Gva, Rights, TableMemory};

/// Pages of the guest: tables and data alike. Two runs of 512, so that a page of 2 MiB is there.
pub const PAGES: u64 = 1024;
pub const PROCESSOR: Processor = Processor { physical_bits: 40, giant_pages: true };
const HARTS: usize = 2;
pub const W: u64 = Entry::W;
pub const U: u64 = Entry::U;
pub const A: u64 = Entry::A;
pub const D: u64 = Entry::D;
pub const PS: u64 = Entry::PS;
pub const NX: u64 = Entry::NX;
/// An entry that leads to a table, and one to a page that was written: each allows everything.
pub const TABLE: u64 = Entry::P | W | U | A;
pub const PAGE: u64 = TABLE | D;

/// What memory should hold.
pub struct Model(Vec<Cell<u64>>);

impl Model {
    fn word(&self, at: Gpa) -> Option<&Cell<u64>> {
        self.0.get((at.get() / 8) as usize)
    }
}

impl TableMemory for Model {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.word(at).map(Cell::get)
    }

    fn exchange_entry(&self, at: Gpa, current: u64, new: u64) -> Option<bool> {
        let word = self.word(at)?;
        let same = word.get() == current;
        if same {
            word.set(new);
        }
        Some(same)
    }
}

/// The same, without a trace of who looked.
struct Looked<'a>(&'a Model);

impl TableMemory for Looked<'_> {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.0.load_entry(at)
    }

    fn exchange_entry(&self, at: Gpa, _: u64, _: u64) -> Option<bool> {
        self.0.word(at).map(|_| true)
    }
}

/// An entry of a processor's TLB: good for this access under these registers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Held {
    va: Gva,
    access: Access,
    paging: Paging,
    gfn: Gfn,
    frame: FrameId,
    /// It is good for so many pages, of which these are the first's.
    pages: u64,
}

/// Whether two runs of pages have one in common.
fn overlap(a: u64, pages_a: u64, b: u64, pages_b: u64) -> bool {
    let bits = u64::MAX >> 12;
    a.wrapping_sub(b) & bits < pages_b || b.wrapping_sub(a) & bits < pages_a
}

impl Held {
    fn goes(&self, what: Shootdown) -> bool {
        let store = self.access.kind == Kind::Store;
        let inside =
            |first: Gva, pages: u64| overlap(self.va.page(), self.pages, first.page(), pages);
        let of = |first: Gfn, pages| overlap(self.gfn.get(), self.pages, first.get(), pages);
        match what {
            Shootdown::Page(va) => inside(va, 1),
            Shootdown::Range(va, pages) | Shootdown::Frames(va, pages) => inside(va, pages),
            Shootdown::Gfn(gfn) => of(gfn, 1),
            Shootdown::GfnFrames(gfn, pages) => of(gfn, pages),
            Shootdown::All | Shootdown::AllFrames => true,
            Shootdown::Write(va) => store && inside(va, 1),
            Shootdown::GfnWrite(gfn) => store && of(gfn, 1),
            Shootdown::HostWrite(_) | Shootdown::AllWrites => store,
            Shootdown::FrameExecute(frame) => {
                let first = u64::from(self.frame.index());
                self.access.kind == Kind::Fetch
                    && overlap(first, self.pages, frame.index().into(), 1)
            }
        }
    }
}

/// What an access came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    Loaded(u64),
    Stored,
    Fetched,
    Fault(Verdict),
    /// It is allowed, but there is no memory.
    Nothing,
}

pub struct World {
    pub pool: Arc<FramePool>,
    pub host: HostTable,
    pub mmu: Mmu,
    pub model: Model,
    /// The host's own reason to withhold writing.
    watch: Guard,
    shoot: Vec<Shootdown>,
    tlbs: [Vec<Held>; HARTS],
    /// Frames in a row that no page has, for the pages from 512 on.
    spare: Vec<FrameId>,
    tricks: Tricks,
    /// A bug of whoever uses the tables, to see that it is noticed.
    pub planted: Option<Planted>,
}

/// Contracts that a user of the tables may break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// The second processor carries out no shootdown.
    Deaf,
    /// A store to a followed table is not told.
    Untold,
    /// The host moves a page and does not say so.
    MovedInSilence,
}

impl World {
    pub fn new(tricks: Tricks) -> World {
        World::of(tricks, 64)
    }

    /// With room for so many shadow pages.
    pub fn of(tricks: Tricks, budget: u32) -> World {
        let pool = FramePool::new(Options::new(PAGES + 512 + 64)).unwrap();
        let mut host = HostTable::new(PAGES, pool.clone());
        let guard = host.register_guard(Rights::WRITE).unwrap();
        let watch = host.register_guard(Rights::WRITE).unwrap();
        for page in 0..PAGES {
            let frame = pool.allocate().unwrap();
            let entry = HostEntry::Frame { frame, rights: Rights::all() };
            let _hole = host.replace(Gfn::new(page), entry);
        }
        let mmu = Mmu::new(PROCESSOR, &host, guard, HARTS, budget, tricks);
        let model = Model((0..PAGES * 512).map(|_| Cell::new(0)).collect());
        let (shoot, tlbs) = (Vec::new(), Default::default());
        let spare = (0..512).map(|_| pool.allocate().unwrap()).collect();
        let planted = None;
        let mut world =
            World { pool, host, mmu, model, watch, shoot, tlbs, spare, tricks, planted };
        (0..HARTS).for_each(|hart| world.load(hart, paging()));
        world
    }

    pub fn load(&mut self, hart: usize, paging: Paging) {
        self.mmu.load(hart, paging);
    }

    /// Changes what a processor has loaded.
    pub fn change(&mut self, hart: usize, change: impl FnOnce(&mut Paging)) {
        let mut paging = *self.mmu.loaded(hart);
        change(&mut paging);
        self.load(hart, paging);
    }

    fn deliver(&mut self) {
        for what in self.shoot.drain(..) {
            let hear = if self.planted == Some(Planted::Deaf) { 1 } else { HARTS };
            self.tlbs[..hear].iter_mut().for_each(|tlb| tlb.retain(|held| !held.goes(what)));
        }
    }

    fn fence_if_lazy(&mut self) {
        if !self.tricks.in_step() {
            for hart in 0..HARTS {
                let all = Fence { va: None, asid: None };
                self.mmu.invalidate(hart, &*self.pool, &mut self.host, &mut self.shoot, all);
            }
            self.deliver();
        }
    }

    /// The host takes its own reasons away.
    fn unwatch(&mut self, page: Gfn) {
        assert!(self.host.remove_guard(page, self.watch), "nobody withholds {page}");
        self.host_changed(page);
    }

    fn host_changed(&mut self, page: Gfn) {
        self.host_changed_all(page, 1);
    }

    fn host_changed_all(&mut self, page: Gfn, pages: u64) {
        self.mmu.host_changed(&*self.pool, &mut self.host, &mut self.shoot, page, pages);
        self.deliver();
    }

    fn frame(&self, page: Gfn) -> FrameId {
        let Resolved::Frame { frame, .. } = self.host.resolve(page) else {
            panic!("{page} has no frame")
        };
        frame
    }

    /// An entry is stored by its physical address.
    pub fn entry(&mut self, table: u64, index: u64, to: u64, flags: u64) {
        self.word(table, index, Entry::new(Gfn::new(to), flags).0);
    }

    pub fn word(&mut self, page: u64, index: u64, value: u64) {
        let page = Gfn::new(page);
        if self.host.guards(page).contains(self.watch) {
            self.unwatch(page);
        }
        self.store(page, index as usize * 8, value);
        self.model.word(Gpa::new(page.base().get() + index * 8)).unwrap().set(value);
    }

    /// Every store tells the shadow tables if they follow the page, as a trap would.
    fn store(&mut self, page: Gfn, offset: usize, value: u64) {
        self.host.stamp(page);
        self.pool.store(self.frame(page), offset, 8, value);
        if self.planted != Some(Planted::Untold) {
            self.mmu.stored(&*self.pool, &mut self.host, &mut self.shoot, page, offset);
        }
        self.deliver();
        self.fence_if_lazy();
    }

    /// The host moves a page to another frame.
    pub fn moved(&mut self, page: u64) {
        let page = Gfn::new(page);
        let frame = self.pool.allocate_copy(self.frame(page)).unwrap();
        let new = HostEntry::Frame { frame, rights: Rights::all() };
        let HostEntry::Frame { frame: old, .. } = self.host.replace(page, new) else {
            unreachable!("it had one")
        };
        if self.planted != Some(Planted::MovedInSilence) {
            self.host_changed(page);
        }
        self.pool.release(old);
    }

    /// The host moves the pages from 512 on to other frames, all at once; the first time to frames in
    /// a row.
    pub fn exchange(&mut self) {
        let first = Gfn::new(512);
        for (page, &frame) in (512..).zip(&self.spare) {
            let from = self.frame(Gfn::new(page));
            for word in 0..512 {
                self.pool.store(frame, word * 8, 8, self.pool.load(from, word * 8, 8));
            }
        }
        self.host.exchange(first, &mut self.spare).unwrap();
        self.host_changed_all(first, 512);
    }

    /// Rights to write the pages from 512 on may be granted unasked from here on.
    pub fn stamp(&mut self) {
        (512..PAGES).for_each(|page| self.host.stamp(Gfn::new(page)));
    }

    /// The host withholds writing until the next store.
    pub fn watch(&mut self, page: u64) {
        if self.host.add_guard(Gfn::new(page), self.watch) {
            self.host_changed(Gfn::new(page));
        }
    }

    pub fn revoke(&mut self) {
        self.host.revoke_writes();
        self.shoot.push(Shootdown::AllWrites);
        self.deliver();
    }

    pub fn drop_some(&mut self, choice: u64) {
        self.mmu.drop_some(&*self.pool, &mut self.host, &mut self.shoot, choice);
        self.deliver();
    }

    /// One access, held against the reference; the answer.
    pub fn access(&mut self, hart: usize, va: u64, access: Access, value: u64) -> Did {
        let va = Gva::new(va);
        let paging = *self.mmu.loaded(hart);
        let said = translate(&self.model, &paging, va, access);
        let did = self.really(hart, va, access, value);
        let at = match said {
            Verdict::Translated(at) => at,
            refused => {
                assert_eq!(did, Did::Fault(refused), "{access:?} of {va}");
                return did;
            }
        };
        match (self.model.word(at), access.kind, did) {
            (None, _, Did::Nothing) | (Some(_), Kind::Fetch, Did::Fetched) => {}
            (Some(word), Kind::Load, Did::Loaded(got)) => assert_eq!(got, word.get(), "{va}"),
            (Some(word), Kind::Store, Did::Stored) => word.set(value),
            _ => panic!("{access:?} of {va} leads to {at}, and it did {did:?}"),
        }
        did
    }

    fn really(&mut self, hart: usize, va: Gva, access: Access, value: u64) -> Did {
        let paging = *self.mmu.loaded(hart);
        let offset = va.page_offset();
        let same = |held: &&Held| {
            (held.access, held.paging) == (access, paging)
                && overlap(held.va.page(), held.pages, va.page(), 1)
        };
        if let Some(&held) = self.tlbs[hart].iter().find(same) {
            let inside = va.page() - held.va.page();
            let frame = FrameId::from_index(held.frame.index() + inside as u32);
            return self.done(access, held.gfn.plus(inside), frame, offset, value);
        }
        for _ in 0..64 {
            let reached =
                self.mmu.access(hart, &*self.pool, &mut self.host, &mut self.shoot, va, access);
            self.deliver();
            match reached {
                Ok(Reached::Page { gfn, frame, rights, run }) => {
                    assert!(rights.contains(access.kind.right()));
                    let pages = 1 << (9 * run);
                    let inside = va.page() & (pages - 1);
                    self.tlbs[hart].push(Held {
                        va: Gva::new((va.page() - inside) << 12),
                        access,
                        paging,
                        gfn: Gfn::new(gfn.get() - inside),
                        frame: FrameId::from_index(frame.index() - inside as u32),
                        pages,
                    });
                    return self.done(access, gfn, frame, offset, value);
                }
                Ok(Reached::Table { gfn, .. }) => {
                    self.store(gfn, offset, value);
                    return Did::Stored;
                }
                Ok(Reached::Host(needed)) => {
                    if needed.gfn.get() >= PAGES {
                        return Did::Nothing;
                    }
                    self.unwatch(needed.gfn);
                }
                Err(fault) => {
                    return Did::Fault(match fault.kind {
                        FaultKind::Page(code) => Verdict::PageFault(code.bits()),
                        FaultKind::NotCanonical => Verdict::NotCanonical,
                        FaultKind::Bus => Verdict::Bus,
                    });
                }
            }
        }
        panic!("{access:?} of {va} comes to no end")
    }

    fn done(&mut self, access: Access, gfn: Gfn, frame: FrameId, offset: usize, value: u64) -> Did {
        assert_eq!(frame, self.frame(gfn), "{gfn} is in another frame");
        match access.kind {
            Kind::Load => Did::Loaded(self.pool.load(frame, offset, 8)),
            Kind::Fetch => Did::Fetched,
            Kind::Store => {
                self.pool.store(frame, offset, 8, value);
                self.fence_if_lazy();
                Did::Stored
            }
        }
    }

    /// Shadow tables say what guest ∘ host say, and so does every TLB.
    pub fn audit(&self) {
        assert_eq!(self.mmu.audit(&*self.pool, &self.host), vec![]);
        for held in self.tlbs.iter().flatten() {
            for inside in (0..held.pages).step_by(73) {
                let va = Gva::new(held.va.get() + (inside << 12));
                let said = translate(&Looked(&self.model), &held.paging, va, held.access);
                let Verdict::Translated(at) = said else { panic!("{held:?}, but {said:?}") };
                let gfn = held.gfn.plus(inside);
                let frame = FrameId::from_index(held.frame.index() + inside as u32);
                assert_eq!((at.gfn(), self.frame(gfn)), (gfn, frame), "{held:?}");
                if held.access.kind == Kind::Store {
                    let Resolved::Frame { rights, .. } = self.host.resolve(gfn) else { panic!() };
                    assert!(rights.contains(Rights::WRITE), "{held:?} may not write {gfn}");
                }
            }
        }
    }

    /// Memory holds what the model does, accessed and dirty bits included.
    pub fn check_memory(&self) {
        for page in 0..PAGES {
            let frame = self.frame(Gfn::new(page));
            for word in 0..512 {
                let at = Gpa::new((page * 512 + word) * 8);
                let is = self.pool.load(frame, word as usize * 8, 8);
                assert_eq!(Some(is), self.model.load_entry(at), "{at}");
            }
        }
    }

    pub fn fills(&self) -> u64 {
        self.mmu.counters().fills
    }
}

/// Four levels from page 0, with WP and NX.
pub fn paging() -> Paging {
    Paging { physical_bits: PROCESSOR.physical_bits, ..Paging::four_level(Gfn::new(0)) }
}
