//! Policies that live by the guest's fences, under a guest that omits them: every access does what the
//! specification's algorithm says about the tables as each of their entries was at some moment since
//! the last fence, or is now; and a machine that was saved and restored sees the same stale entries
//! as the one that never stopped.

use proptest::prelude::*;
use std::collections::BTreeMap;
use vellum::translate::host::HostEntry;
use vellum::translate::riscv::{Mode, Pte, Satp};
use vellum::translate::tlb::Tlb;
use vellum::translate::{Access, Environment, Gfn, Gpa, Gva, PAGE_SIZE, Privilege};
use vellum::{Builder, Paging, VmMemory};
use vellum_hart::{Memory, Stop};
use vellum_state::{Error, Reader, State, Writer};

const PAGES: u64 = 20;
const BASE: u64 = 0x8000_0000;
/// Accesses whose tables have had more values than this are not checked: there are too many ways.
const WAYS: usize = 400;

fn page(number: u64) -> Gfn {
    Gpa::new(BASE).gfn().plus(number % PAGES)
}

fn lazy() -> impl Iterator<Item = Paging> {
    Paging::ALL.into_iter().filter(|paging| !paging.in_step())
}

#[derive(Debug, Clone)]
enum Step {
    /// The guest stores an entry, with its paging off.
    Entry {
        table: u64,
        index: u64,
        target: u64,
        flags: u64,
    },
    Access {
        va: u64,
        access: Access,
    },
    Fence {
        va: Option<u64>,
        asid: Option<u16>,
    },
    Root {
        page: u64,
        asid: u16,
    },
    User(bool),
    Drop(u64),
    /// To another machine and back: only in the test that compares two.
    Save,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = prop_oneof![3 => 0..3_u64, 1 => Just(511)];
    let va = (index.clone(), index.clone(), index.clone(), 0..4096_u64)
        .prop_map(|(a, b, c, offset)| {
            ((a << 30 | b << 21 | c << 12 | offset & !7) << 25) as i64 >> 25
        })
        .prop_map(|va| va as u64);
    let all = Pte::V | Pte::R | Pte::W | Pte::X | Pte::A | Pte::D;
    let flags = prop_oneof![
        4 => Just(Pte::V),
        3 => Just(all),
        1 => Just(all | Pte::U),
        1 => Just(all | Pte::G),
        1 => Just(Pte::V | Pte::R | Pte::A),
        1 => Just(Pte::V | Pte::R | Pte::W | Pte::A),
        1 => Just(0),
    ];
    let access =
        prop_oneof![3 => Just(Access::Load), 3 => Just(Access::Store), 1 => Just(Access::Fetch)];
    let step = prop_oneof![
        // Another page at an address that was most likely used.
        6 => (3..6_u64, 0..3_u64, 6..PAGES).prop_map(|(table, index, target)| Step::Entry {
            table, index, target, flags: Pte::V | Pte::R | Pte::W | Pte::X | Pte::A | Pte::D,
        }),
        5 => (0..PAGES, index, 0..PAGES, flags)
            .prop_map(|(table, index, target, flags)| Step::Entry { table, index, target, flags }),
        12 => (va.clone(), access).prop_map(|(va, access)| Step::Access { va, access }),
        3 => (prop::option::of(va), prop::option::of(0..3_u16))
            .prop_map(|(va, asid)| Step::Fence { va, asid }),
        1 => (0..4_u64, 0..3_u16).prop_map(|(page, asid)| Step::Root { page, asid }),
        1 => any::<bool>().prop_map(Step::User),
        1 => any::<u64>().prop_map(Step::Drop),
        1 => Just(Step::Save),
    ];
    prop::collection::vec(step, 1..150)
}

/// Tables of three levels to begin with: else hardly any access comes through, and a fence that does
/// nothing is not noticed. Pages 3 to 5 hold the leaves; page 3 is reached by two ways.
fn tables() -> Vec<Step> {
    let entry = |table, index, target, flags| Step::Entry { table, index, target, flags };
    let inner = [(0, 0, 1), (0, 1, 2), (1, 0, 3), (1, 1, 4), (2, 0, 3), (2, 1, 5)];
    let all = Pte::V | Pte::R | Pte::W | Pte::X | Pte::A | Pte::D;
    let inner = inner.into_iter().map(|(table, index, to)| entry(table, index, to, Pte::V));
    let leaves = (0..9).map(|n| entry(3 + n / 3, n % 3, 6 + n, all));
    inner.chain(leaves).collect()
}

/// What a walk may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    To(u64),
    PageFault,
    AccessFault,
}

/// Every value that each word of memory had since the last fence of everything, the present one last.
struct History {
    words: BTreeMap<u64, Vec<u64>>,
    now: Vec<u64>,
}

impl History {
    fn index(at: Gpa) -> Option<usize> {
        let at = at.get().checked_sub(BASE)? / 8;
        (at < PAGES * 512).then_some(at as usize)
    }

    fn store(&mut self, at: Gpa, value: u64) {
        let index = History::index(at).expect("stores are inside");
        let was = self.now[index];
        self.words.entry(at.get()).or_insert_with(|| vec![was]).push(value);
        self.now[index] = value;
    }

    fn values(&self, at: Gpa) -> Option<Vec<u64>> {
        let now = self.now[History::index(at)?];
        Some(self.words.get(&at.get()).cloned().unwrap_or_else(|| vec![now]))
    }

    /// All ways of an access; `leaf_now`: the last entry must be as it is now.
    fn ways(&self, world: &World, va: Gva, access: Access, leaf_now: bool) -> Option<Vec<Way>> {
        let mut out = Vec::new();
        let environment = world.tlb.environment();
        let mut open = vec![(world.satp.root, 2_u32)];
        while let Some((table, level)) = open.pop() {
            if open.len() + out.len() > WAYS {
                return None;
            }
            let index = va.page() >> (9 * level) & 0x1ff;
            let at = Gpa::new(table.base().get() + index * 8);
            let Some(values) = self.values(at) else {
                out.push(Way::AccessFault);
                continue;
            };
            for (number, &bits) in values.iter().enumerate() {
                let (pte, current) = (Pte(bits), number + 1 == values.len());
                let points_on = !pte.is_invalid() && !pte.is_leaf();
                if points_on && level > 0 && !pte.is_bad_pointer() {
                    open.push((pte.gfn(), level - 1));
                    continue;
                }
                if leaf_now && !current {
                    continue;
                }
                let refused = pte.is_invalid()
                    || !pte.is_leaf()
                    || pte.is_misaligned(level as u8)
                    || !environment
                        .allows(pte.rights_now(), pte.has(Pte::U))
                        .contains(access.right());
                out.push(if refused {
                    Way::PageFault
                } else {
                    let inside = va.get() & ((1 << (12 + 9 * level)) - 1);
                    Way::To(pte.gfn().base().get() + inside)
                });
            }
        }
        out.sort_unstable();
        out.dedup();
        Some(out)
    }
}

struct World {
    vm: VmMemory,
    tlb: Box<Tlb>,
    satp: Satp,
    next: u64,
}

/// What an access came to, for the comparison of two machines.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Did {
    Loaded(u64),
    Stored,
    Fetched,
    Faulted(String),
}

impl State for World {
    fn save(&self, w: &mut Writer<'_>) {
        State::save(&self.vm, w);
        self.vm.save_translations(&[&self.tlb], w);
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        State::restore(&mut self.vm, r)?;
        self.vm.load_root(0, &mut self.tlb, self.satp);
        self.vm.restore_translations(&mut [&mut self.tlb], r)
    }
}

impl World {
    fn new(paging: Paging) -> Self {
        let mut vm = Builder::new(Gpa::new(BASE), PAGES * PAGE_SIZE as u64)
            .paging(paging)
            .shadow_pages(64)
            .build()
            .unwrap();
        let mut tlb = Tlb::new();
        let satp = Satp { mode: Mode::Sv39, asid: 0, root: page(0) };
        vm.load_root(0, &mut tlb, satp);
        tlb.set_environment(Environment::SUPERVISOR);
        World { vm, tlb, satp, next: 1 }
    }

    /// The frame behind a TLB's host address, as a hart's hit reaches it.
    fn hit(&self, va: Gva, store: bool) -> Option<(Gfn, usize)> {
        let host = if store { self.tlb.store(va, 8) } else { self.tlb.load(va, 8) }?;
        (0..PAGES).map(page).find_map(|gfn| {
            let HostEntry::Frame { frame, .. } = self.vm.host().get(gfn) else {
                return None;
            };
            let base = self.vm.pool().pointer(frame).as_ptr().addr() as u64;
            (base..base + PAGE_SIZE as u64).contains(&host).then(|| (gfn, (host - base) as usize))
        })
    }

    fn pool_access(&self, gfn: Gfn, offset: usize, value: Option<u64>) -> u64 {
        let HostEntry::Frame { frame, .. } = self.vm.host().get(gfn) else {
            panic!("a hit leads to a frame");
        };
        if let Some(value) = value {
            self.vm.pool().store(frame, offset, 8, value);
        }
        self.vm.pool().load(frame, offset, 8)
    }

    /// As a hart does it: the TLB first.
    fn access(&mut self, va: Gva, access: Access, value: u64) -> Did {
        let fault = |stop: Stop| match stop {
            Stop::Fault(fault) => Did::Faulted(format!("{:?}", fault.kind)),
            other => panic!("{other}"),
        };
        match access {
            Access::Load => match self.hit(va, false) {
                Some((gfn, offset)) => Did::Loaded(self.pool_access(gfn, offset, None)),
                None => self.vm.load(0, &mut self.tlb, va, 8).map_or_else(fault, Did::Loaded),
            },
            Access::Store => match self.hit(va, true) {
                Some((gfn, offset)) => {
                    self.pool_access(gfn, offset, Some(value));
                    Did::Stored
                }
                None => self
                    .vm
                    .store(0, &mut self.tlb, va, 8, value)
                    .map_or_else(fault, |_| Did::Stored),
            },
            Access::Fetch if self.tlb.fetch(va).is_some() => Did::Fetched,
            Access::Fetch => {
                self.vm.fetch(0, &mut self.tlb, va).map_or_else(fault, |_| Did::Fetched)
            }
        }
    }

    /// A store by physical address, as a guest does whose paging is off.
    fn store_physical(&mut self, at: Gpa, value: u64) {
        let (satp, environment) = (self.satp, self.tlb.environment());
        self.vm.load_root(0, &mut self.tlb, Satp::BARE);
        self.tlb.set_environment(Environment::SUPERVISOR);
        assert_eq!(self.access(Gva::new(at.get()), Access::Store, value), Did::Stored);
        self.vm.load_root(0, &mut self.tlb, satp);
        self.tlb.set_environment(environment);
    }

    /// Everything but accesses and saves.
    fn change(&mut self, step: &Step) {
        match *step {
            Step::Entry { table, index, target, flags } => {
                let at = Gpa::new(page(table).base().get() + index * 8);
                self.store_physical(at, page(target).get() << 10 | flags);
            }
            Step::Fence { va, asid } => self.vm.fence(0, &mut self.tlb, va.map(Gva::new), asid),
            Step::Root { page: number, asid } => {
                self.satp = Satp { mode: Mode::Sv39, asid, root: page(number) };
                self.vm.load_root(0, &mut self.tlb, self.satp);
            }
            Step::User(user) => {
                let privilege = if user { Privilege::User } else { Privilege::Supervisor };
                self.tlb.set_environment(Environment { privilege, sum: false, mxr: false });
            }
            Step::Drop(choice) => {
                self.vm.drop_some_shadow(choice);
                self.vm.catch_up(0, &mut self.tlb);
            }
            Step::Access { .. } | Step::Save => {}
        }
    }
}

/// One access against all that it may do, and what it stored noted down.
fn check(world: &mut World, history: &mut History, va: Gva, access: Access, leaf_now: bool) {
    let ways = history.ways(world, va, access, leaf_now);
    world.next += 2;
    // An odd value with a bit that no entry has: never an entry.
    let value = world.next << 8 | 1 << 63;
    let did = world.access(va, access, value);
    if did == Did::Stored {
        let stored = (0..PAGES * 512)
            .map(|word| Gpa::new(BASE + word * 8))
            .find(|at| world.pool_access(at.gfn(), at.page_offset(), None) == value);
        let at = stored.expect("a store that is done is somewhere");
        if let Some(ways) = &ways {
            assert!(ways.contains(&Way::To(at.get())), "a store of {va} went to {at}: {ways:x?}");
        }
        history.store(at, value);
        return;
    }
    let Some(ways) = ways else { return };
    let fine = match &did {
        Did::Loaded(got) => ways.iter().any(|way| match way {
            Way::To(at) => History::index(Gpa::new(*at)).is_some_and(|i| history.now[i] == *got),
            _ => false,
        }),
        Did::Fetched => ways.iter().any(|way| matches!(way, Way::To(_))),
        Did::Faulted(kind) if kind == "Page" => ways.contains(&Way::PageFault),
        Did::Faulted(_) => ways.iter().any(|way| match way {
            Way::AccessFault => true,
            Way::To(at) => History::index(Gpa::new(*at)).is_none(),
            Way::PageFault => false,
        }),
        Did::Stored => true,
    };
    assert!(fine, "{access:?} of {va}: {did:?}, which none of {ways:x?} is");
}

fn run(paging: Paging, steps: &[Step]) {
    let mut world = World::new(paging);
    let mut history = History { words: BTreeMap::new(), now: vec![0; PAGES as usize * 512] };
    for step in tables().iter().chain(steps) {
        world.change(step);
        match *step {
            Step::Entry { table, index, target, flags } => {
                let at = Gpa::new(page(table).base().get() + index * 8);
                history.store(at, page(target).get() << 10 | flags);
            }
            Step::Access { va, access } => {
                check(&mut world, &mut history, Gva::new(va), access, false)
            }
            Step::Fence { va: None, asid: None } => {
                history.words.clear();
                // From here on nothing stale: the first access of anything says what is.
                for index in 0..3_u64 {
                    check(&mut world, &mut history, Gva::new(index << 12), Access::Load, false);
                }
            }
            Step::Fence { va: Some(va), asid: None } => {
                // At that address the leaf is as it is now.
                check(&mut world, &mut history, Gva::new(va), Access::Load, true);
            }
            _ => {}
        }
        let wrong = world.vm.audit();
        assert!(wrong.is_empty(), "{paging}, after {step:?}: {wrong:?}");
        assert_eq!(world.vm.audit_tlb(&world.tlb), vec![], "{paging}, after {step:?}");
        for (table, index, known) in world.vm.policy().unfollowed() {
            let at = Gpa::new(table.base().get() + index as u64 * 8);
            let said = history.values(at).unwrap().into_iter().map(Pte).any(|pte| {
                pte.gfn() == known.gfn
                    && pte.rights_now() == known.guest
                    && pte.has(Pte::U) == known.user
            });
            assert!(said, "{paging}: {at} never said {known:?} since the last fence");
        }
    }
}

fn run_two(paging: Paging, steps: &[Step]) {
    let mut straight = World::new(paging);
    let mut stopped = World::new(paging);
    for (number, step) in tables().iter().chain(steps).enumerate() {
        for world in [&mut straight, &mut stopped] {
            world.change(step);
        }
        if let Step::Access { va, access } = *step {
            let value = (number as u64) << 8 | 1 << 63;
            let both = [&mut straight, &mut stopped].map(|w| w.access(Gva::new(va), access, value));
            assert_eq!(both[0], both[1], "{paging}, step {number}: {step:?}");
        }
        if matches!(step, Step::Save) {
            let kept = vellum_state::to_bytes(&stopped);
            let mut fresh = World::new(paging);
            fresh.satp = stopped.satp;
            fresh.tlb.set_environment(stopped.tlb.environment());
            vellum_state::from_bytes(&mut fresh, &kept).unwrap();
            stopped = fresh;
            assert_eq!(stopped.vm.audit(), vec![], "{paging}");
        }
    }
    assert_eq!(vellum_state::state_hash(&straight), vellum_state::state_hash(&stopped), "{paging}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_guest_that_omits_fences_sees_what_its_tables_said(steps in steps()) {
        lazy().for_each(|paging| run(paging, &steps));
    }

    #[test]
    fn a_restored_machine_sees_the_same_stale_entries(steps in steps()) {
        lazy().for_each(|paging| run_two(paging, &steps));
    }
}

#[test]
fn a_fence_ends_what_is_stale() {
    let va = Gva::new(0x1000);
    let leaf = |target| Step::Entry { table: 3, index: 1, target, flags: Pte::V | 0xce };
    for paging in lazy() {
        for (at, asid) in
            [(None, None), (Some(va.get()), None), (None, Some(0)), (Some(va.get()), Some(0))]
        {
            let mut world = World::new(paging);
            tables().iter().for_each(|step| world.change(step));
            for target in 6..PAGES {
                world.store_physical(page(target).base(), target << 1 | 1 << 63);
            }
            // Often enough that a table is let go of, and that what was let go of is followed again.
            for target in (6..PAGES).cycle().take(100) {
                world.change(&leaf(target));
                world.change(&Step::Fence { va: at, asid });
                let did = world.access(va, Access::Load, 0);
                assert_eq!(did, Did::Loaded(target << 1 | 1 << 63), "{paging}, {at:?}, {asid:?}");
            }
        }
    }
}
