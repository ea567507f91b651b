//! Roots that are kept and gone back to while a guest runs, against a plain copy of its memory: what
//! is written afterwards never reaches a kept root, whatever right to write a TLB or a policy held
//! when it was taken, and every page that becomes another is in the dirty log.

use proptest::prelude::*;
use vellum::translate::host::Snapshot;
use vellum::translate::riscv::{Mode, Pte, Satp};
use vellum::translate::tlb::Tlb;
use vellum::translate::{Environment, Gfn, Gpa, Gva};
use vellum::vellum_pager::store::RamStore;
use vellum::vellum_pager::{Options, Pager};
use vellum::{Builder, Paging, VmMemory};
use vellum_hart::Memory;

const BASE: u64 = 0x8000_0000;
/// Tables in pages 0 to 2; pages of data behind them, each mapped at its number.
const PAGES: u64 = 12;
const DATA: u64 = 4;
const ALL: u64 = Pte::R | Pte::W | Pte::X | Pte::A | Pte::D;

fn gfn(page: u64) -> Gfn {
    Gpa::new(BASE).gfn().plus(page)
}

#[derive(Debug, Clone)]
enum Step {
    Store(u64, u64),
    Load(u64),
    /// The guest maps one of its pages elsewhere, and fences.
    Map(u64, u64),
    Device(u64, u64),
    Keep,
    Reset(usize),
    Forget(usize),
    Dirty,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let data = || DATA..PAGES;
    let step = prop_oneof![
        8 => (data(), 1..u64::MAX).prop_map(|(page, value)| Step::Store(page, value)),
        4 => data().prop_map(Step::Load),
        2 => (data(), data()).prop_map(|(page, to)| Step::Map(page, to)),
        1 => (data(), any::<u64>()).prop_map(|(page, value)| Step::Device(page, value)),
        2 => Just(Step::Keep),
        2 => (0..4_usize).prop_map(Step::Reset),
        1 => (0..4_usize).prop_map(Step::Forget),
        1 => Just(Step::Dirty),
    ];
    prop::collection::vec(step, 1..80)
}

/// The first word of each page, the leaf table's entries first.
#[derive(Debug, Clone, PartialEq)]
struct Plain {
    maps: Vec<u64>,
    words: Vec<u64>,
}

struct World {
    vm: VmMemory,
    tlb: Box<Tlb>,
    plain: Plain,
    kept: Vec<(Snapshot, Plain)>,
    /// What the memory held when the dirty log was last looked at, and the epoch that began then.
    logged: Plain,
    since: u64,
}

impl World {
    /// With a `quota`, a pager takes the pages over it.
    fn new(paging: Paging, quota: Option<u32>) -> Self {
        let mut vm = Builder::new(Gpa::new(BASE), PAGES << 12)
            .paging(paging)
            .shadow_pages(16)
            .frame_quota(2000)
            .build()
            .unwrap();
        if let Some(quota) = quota {
            let options = Options { twins: 2, ..Options::new(PAGES as u32, quota) };
            let pager = Pager::new(options, Box::new(RamStore::new(PAGES))).unwrap();
            vm.attach_pager(pager).unwrap();
        }
        let mut store = |page, index: u64, pte: Pte| {
            let at = Gpa::new(gfn(page).base().get() + index * 8);
            vm.write(at, &pte.0.to_le_bytes()).unwrap();
        };
        store(0, 0, Pte::table(gfn(1)));
        store(1, 0, Pte::table(gfn(2)));
        // The table can be reached at the address of its own page.
        store(2, 2, Pte::leaf(gfn(2), ALL));
        (DATA..PAGES).for_each(|page| store(2, page, Pte::leaf(gfn(page), ALL)));
        let mut tlb = Tlb::new();
        tlb.set_environment(Environment::SUPERVISOR);
        vm.load_root(0, &mut tlb, Satp { mode: Mode::Sv39, asid: 0, root: gfn(0) });
        vm.take_dirty();
        let plain = Plain { maps: (0..PAGES).collect(), words: vec![0; PAGES as usize] };
        let since = vm.host().epoch();
        World { vm, tlb, logged: plain.clone(), since, plain, kept: Vec::new() }
    }

    /// A store as a hart makes it: a hit writes through the host's address.
    fn store(&mut self, va: u64, value: u64) {
        let va = Gva::new(va);
        match self.tlb.store(va, 8) {
            Some(host) => {
                let zero = self.vm.pool().pointer(vellum::frames::FrameId::ZERO);
                let frame = (host - zero.as_ptr().addr() as u64) >> 12;
                let frame = vellum::frames::FrameId::from_index(frame as u32);
                self.vm.pool().store(frame, va.page_offset(), 8, value);
            }
            None => drop(self.vm.store(0, &mut self.tlb, va, 8, value).unwrap()),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Store(page, value) => {
                self.store(page << 12, value);
                let to = self.plain.maps[page as usize];
                self.plain.words[to as usize] = value;
            }
            Step::Load(page) => {
                let got = self.vm.load(0, &mut self.tlb, Gva::new(page << 12), 8).unwrap();
                assert_eq!(got, self.plain.words[self.plain.maps[page as usize] as usize]);
            }
            Step::Map(page, to) => {
                self.store(0x2000 + page * 8, Pte::leaf(gfn(to), ALL).0);
                self.vm.fence(0, &mut self.tlb, Some(Gva::new(page << 12)), None);
                self.plain.maps[page as usize] = to;
            }
            Step::Device(page, value) => {
                self.vm.write(gfn(page).base(), &value.to_le_bytes()).unwrap();
                self.vm.catch_up(0, &mut self.tlb);
                self.plain.words[page as usize] = value;
            }
            Step::Keep => {
                self.kept.push((self.vm.keep_root().unwrap(), self.plain.clone()));
                self.vm.catch_up(0, &mut self.tlb);
            }
            Step::Reset(which) => {
                let Some((root, plain)) = self.kept.get(which) else { return };
                self.vm.reset_to_root(root).unwrap();
                self.plain = plain.clone();
                self.vm.catch_up(0, &mut self.tlb);
            }
            Step::Forget(which) => {
                if which < self.kept.len() {
                    self.kept.remove(which);
                }
            }
            Step::Dirty => self.check_log(),
        }
        assert_eq!(self.vm.audit(), vec![], "after {step:?}");
        assert_eq!(self.vm.audit_tlb(&self.tlb), vec![], "after {step:?}");
    }

    fn check_log(&mut self) {
        // Roots that were kept or gone back to meanwhile opened epochs of their own.
        let dirty: Vec<Gfn> = self.vm.host().written_since(self.since).collect();
        for page in DATA..PAGES {
            if self.plain.words[page as usize] != self.logged.words[page as usize] {
                assert!(dirty.contains(&gfn(page)), "page {page} was written since {}", self.since);
            }
        }
        self.vm.take_dirty();
        self.vm.catch_up(0, &mut self.tlb);
        (self.logged, self.since) = (self.plain.clone(), self.vm.host().epoch());
    }

    fn check_all(&mut self) {
        for (page, to) in (DATA..PAGES).map(|page| (page, self.plain.maps[page as usize])) {
            let got = self.vm.load(0, &mut self.tlb, Gva::new(page << 12), 8).unwrap();
            assert_eq!(got, self.plain.words[to as usize], "page {page}");
        }
        // Every kept root is what it was.
        for (root, plain) in std::mem::take(&mut self.kept) {
            self.vm.reset_to_root(&root).unwrap();
            self.vm.catch_up(0, &mut self.tlb);
            for page in DATA..PAGES {
                let mut bytes = [0; 8];
                self.vm.read(gfn(page).base(), &mut bytes).unwrap();
                assert_eq!(u64::from_le_bytes(bytes), plain.words[page as usize], "page {page}");
                let to = plain.maps[page as usize];
                let got = self.vm.load(0, &mut self.tlb, Gva::new(page << 12), 8).unwrap();
                assert_eq!(got, plain.words[to as usize], "page {page} as the guest maps it");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn a_kept_root_stays_what_it_was_while_the_guest_runs(steps in steps()) {
        for paging in Paging::ALL.into_iter().filter(|paging| *paging != Paging::Flat) {
            let mut world = World::new(paging, None);
            steps.iter().for_each(|step| world.step(step));
            world.check_all();
        }
    }

    /// The store has a slot a page, which the running machine uses again and again.
    #[test]
    fn a_kept_root_stays_what_it_was_while_a_pager_moves_pages(steps in steps(), quota in 6..10_u32) {
        for paging in Paging::ALL.into_iter().filter(|paging| *paging != Paging::Flat) {
            let mut world = World::new(paging, Some(quota));
            steps.iter().for_each(|step| world.step(step));
            world.check_all();
            let pool = std::sync::Arc::clone(world.vm.pool());
            drop(world);
            prop_assert_eq!(pool.counters().used, 0, "every frame is given back");
        }
    }
}

#[test]
fn roots_are_refused_where_they_can_not_be_kept() {
    let mut flat = Builder::new(Gpa::new(BASE), 4 << 12).paging(Paging::Flat).build().unwrap();
    assert!(flat.keep_root().unwrap_err().to_string().contains("flat"));
    let mut small = Builder::new(Gpa::new(BASE), 4 << 12).build().unwrap();
    let mut large = Builder::new(Gpa::new(BASE), 8 << 12).build().unwrap();
    let root = small.keep_root().unwrap();
    let wrong = large.reset_to_root(&root).unwrap_err().to_string();
    assert!(wrong.contains("0x80004") || wrong.contains("524292"), "{wrong}");
    small.reset_to_root(&root).unwrap();
    // The machine's frames are all that its pager may use: none are left for a root to keep.
    let options = Options::new(4, 2);
    let pager = Pager::new(options, Box::new(RamStore::new(4))).unwrap();
    let mut tight = Builder::new(Gpa::new(BASE), 4 << 12).frame_quota(2).build().unwrap();
    tight.attach_pager(pager).unwrap();
    tight.write(Gpa::new(BASE), b"one").unwrap();
    assert!(tight.keep_root().unwrap_err().to_string().contains("over the machine's"));
}

/// Going back costs no page of the store: the old content is read when the page is touched.
#[test]
fn a_page_comes_back_as_a_root_has_it() {
    let options = Options::new(4, 1);
    let pager = Pager::new(options, Box::new(RamStore::new(4))).unwrap();
    let mut vm = Builder::new(Gpa::new(BASE), 4 << 12).frame_quota(9).build().unwrap();
    vm.attach_pager(pager).unwrap();
    let word = |vm: &mut VmMemory, page| {
        let mut word = [0; 3];
        vm.read(gfn(page).base(), &mut word).unwrap();
        word
    };
    for page in 0..3 {
        vm.write(gfn(page).base(), b"old").unwrap();
    }
    let root = vm.keep_root().unwrap();
    for page in 0..3 {
        vm.write(gfn(page).base(), b"new").unwrap();
    }
    assert_eq!(word(&mut vm, 0), *b"new");
    let read = vm.pager_counters().unwrap().pages_read;
    vm.reset_to_root(&root).unwrap();
    assert_eq!(vm.pager_counters().unwrap().pages_read, read);
    for page in [1, 0, 2, 1] {
        assert_eq!(word(&mut vm, page), *b"old", "page {page}");
    }
    assert_eq!(word(&mut vm, 3), [0; 3]);
}
