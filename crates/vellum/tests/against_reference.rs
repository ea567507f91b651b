//! Everything at once against the plain reference walker: a guest that edits its own tables at
//! random, through the memory it edits them in, while shadows are dropped, devices write, pages are
//! shared and copied. Every access must do what the specification's algorithm says about the tables
//! as they are at that moment.

use proptest::prelude::*;
use vellum::translate::riscv::reference::{Verdict, translate};
use vellum::translate::riscv::{Mode, Pte, Satp, TableMemory};
use vellum::translate::tlb::Tlb;
use vellum::translate::{Access, Environment, FaultKind, Gfn, Gpa, Gva, PAGE_SIZE, Privilege};
use vellum::{Builder, Paging, VmMemory};
use vellum_hart::{Memory, Stop};

/// Pages of the guest: tables and data alike, so that tables point at tables.
const PAGES: u64 = 24;
const BASE: u64 = 0x8000_0000;

fn page(number: u64) -> Gfn {
    Gpa::new(BASE).gfn().plus(number % PAGES)
}

/// What the memory should hold: plain bytes.
struct Model {
    bytes: Vec<u8>,
}

impl TableMemory for Model {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        let at = usize::try_from(at.get().checked_sub(BASE)?).ok()?;
        let bytes = self.bytes.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().unwrap()))
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// The guest stores an entry into a table, by its virtual address if it has one.
    Entry {
        table: u64,
        index: u64,
        target: u64,
        flags: u64,
    },
    /// The guest accesses a virtual address.
    Access {
        va: u64,
        access: Access,
        value: u64,
    },
    /// A device writes.
    Device {
        page: u64,
        offset: u64,
        value: u64,
    },
    /// Another address space.
    Root {
        page: u64,
        asid: u16,
    },
    Environment {
        user: bool,
        sum: bool,
        mxr: bool,
    },
    DropSome {
        choice: u64,
    },
    DropAll,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few indices and pages, so that walks arrive somewhere.
    let index = prop_oneof![0..4_u64, Just(256), Just(511)];
    let va = (index.clone(), index.clone(), index.clone(), 0..4096_u64, 0..20_u8).prop_map(
        |(a, b, c, offset, spoil)| {
            let va = a << 30 | b << 21 | c << 12 | offset & !7;
            let va = (va << 25) as i64 >> 25;
            // Now and then not canonical.
            if spoil == 0 { va as u64 ^ 1 << 45 } else { va as u64 }
        },
    );
    let flags = prop_oneof![
        3 => Just(Pte::V),
        2 => Just(Pte::V | Pte::R | Pte::W | Pte::X | Pte::A | Pte::D),
        2 => Just(Pte::V | Pte::R | Pte::W | Pte::U | Pte::A | Pte::D),
        1 => Just(Pte::V | Pte::R | Pte::A),
        1 => any::<u8>().prop_map(u64::from),
        1 => Just(Pte::V | Pte::R | Pte::W | Pte::A | Pte::D | 1 << 60),
    ];
    let access = prop_oneof![Just(Access::Load), Just(Access::Store), Just(Access::Fetch)];
    let step = prop_oneof![
        6 => (0..PAGES, index, 0..PAGES, flags)
            .prop_map(|(table, index, target, flags)| Step::Entry { table, index, target, flags }),
        8 => (va, access, any::<u64>())
            .prop_map(|(va, access, value)| Step::Access { va, access, value }),
        1 => (0..PAGES, 0..512_u64, any::<u64>())
            .prop_map(|(page, offset, value)| Step::Device { page, offset, value }),
        1 => (0..PAGES, 0..3_u16).prop_map(|(page, asid)| Step::Root { page, asid }),
        1 => any::<(bool, bool, bool)>()
            .prop_map(|(user, sum, mxr)| Step::Environment { user, sum, mxr }),
        1 => any::<u64>().prop_map(|choice| Step::DropSome { choice }),
        1 => Just(Step::DropAll),
    ];
    prop::collection::vec(step, 1..200)
}

/// Three levels of tables that map themselves and some pages beside: a guest that edits its tables
/// where it sees them.
fn mapped() -> impl Iterator<Item = Step> {
    let all = Pte::V | Pte::R | Pte::W | Pte::X | Pte::A | Pte::D;
    let inner = [(0, 0, 1), (0, 511, 1), (1, 0, 2), (1, 1, 3)];
    let leaves = [(2, 0, 2), (2, 1, 3), (2, 2, 1), (2, 3, 9), (2, 256, 0), (2, 511, 10)];
    let more = [(3, 0, 2), (3, 1, 11), (3, 2, 12), (3, 3, 3)];
    let inner = inner.into_iter().map(|(table, index, to)| (table, index, to, Pte::V));
    let leaves =
        leaves.into_iter().chain(more).map(move |(table, index, to)| (table, index, to, all));
    inner.chain(leaves).map(|(table, index, target, flags)| Step::Entry {
        table,
        index,
        target,
        flags,
    })
}

struct World {
    vm: VmMemory,
    tlb: Box<Tlb>,
    model: Model,
    satp: Satp,
    paging: Paging,
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
        let model = Model { bytes: vec![0; PAGES as usize * PAGE_SIZE] };
        World { vm, tlb, model, satp, paging }
    }

    fn store_model(&mut self, at: Gpa, value: u64) {
        let at = (at.get() - BASE) as usize;
        self.model.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// A store by physical address, as a guest does whose translation is off.
    fn store_physical(&mut self, at: Gpa, value: u64) {
        let (satp, environment) = (self.satp, self.tlb.environment());
        self.vm.load_root(0, &mut self.tlb, Satp::BARE);
        self.tlb.set_environment(Environment::SUPERVISOR);
        let va = Gva::new(at.get());
        assert!(
            self.tlb.store(va, 8).is_none() || !self.vm.policy().is_followed(at.gfn()),
            "{at} is in a followed table, and a hart without paging may store there unseen"
        );
        self.vm.store(0, &mut self.tlb, va, 8, value).unwrap();
        self.vm.load_root(0, &mut self.tlb, satp);
        self.tlb.set_environment(environment);
        self.store_model(at, value);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Entry { table, index, target, flags } => {
                let at = Gpa::new(page(table).base().get() + index * 8);
                self.store_physical(at, page(target).get() << 10 | flags);
                // Only in-step shadow tables need no fence.
                if !self.paging.in_step() {
                    self.vm.fence(0, &mut self.tlb, None, None);
                }
            }
            Step::Access { va, access, value } => self.access(Gva::new(va), access, value),
            Step::Device { page: number, offset, value } => {
                let at = Gpa::new(page(number).base().get() + offset * 8);
                self.vm.write(at, &value.to_le_bytes()).unwrap();
                self.vm.catch_up(0, &mut self.tlb);
                self.store_model(at, value);
                if !self.paging.in_step() {
                    self.vm.fence(0, &mut self.tlb, None, None);
                }
            }
            Step::Root { page: number, asid } => {
                self.satp = Satp { mode: Mode::Sv39, asid, root: page(number) };
                self.vm.load_root(0, &mut self.tlb, self.satp);
            }
            Step::Environment { user, sum, mxr } => {
                let privilege = if user { Privilege::User } else { Privilege::Supervisor };
                self.tlb.set_environment(Environment { privilege, sum: sum && !user, mxr });
            }
            Step::DropSome { choice } => {
                self.vm.drop_some_shadow(choice);
                self.vm.catch_up(0, &mut self.tlb);
            }
            Step::DropAll => {
                self.vm.drop_shadow();
                self.vm.catch_up(0, &mut self.tlb);
            }
        }
        let wrong = self.vm.audit();
        assert!(wrong.is_empty(), "after {step:?}: {wrong:?}");
        assert_eq!(self.vm.audit_tlb(&self.tlb), vec![], "after {step:?}");
    }

    fn access(&mut self, va: Gva, access: Access, value: u64) {
        let environment = self.tlb.environment();
        let said = translate(&self.model, self.satp, environment, va, access);
        // A TLB tag is an answer too: it must be the right one.
        let tag = match access {
            Access::Load => self.tlb.load(va, 8).is_some(),
            Access::Store => self.tlb.store(va, 8).is_some(),
            Access::Fetch => self.tlb.fetch(va).is_some(),
        };
        if tag {
            assert!(matches!(said, Verdict::Translated(_)), "a tag for {va}, {access:?}: {said:?}");
        }
        let did = match access {
            Access::Load => self.vm.load(0, &mut self.tlb, va, 8),
            Access::Store => self.vm.store(0, &mut self.tlb, va, 8, value).map(|_| value),
            Access::Fetch => self.vm.fetch(0, &mut self.tlb, va).map(|frame| frame.index().into()),
        };
        let inside = |at: Gpa| at.get() >= BASE && at.get() < BASE + PAGES * PAGE_SIZE as u64;
        match (said, did) {
            (Verdict::Translated(at), Ok(got)) => {
                assert!(inside(at), "{va} leads to {at}, where nothing is");
                match access {
                    Access::Load => assert_eq!(Some(got), self.model.load_entry(at)),
                    Access::Store => self.store_model(at, value),
                    Access::Fetch => {}
                }
            }
            (Verdict::Translated(at), Err(Stop::Fault(fault))) => {
                assert_eq!(fault.kind, FaultKind::Access);
                assert!(!inside(at), "{va} is refused, though {at} is there");
            }
            (Verdict::PageFault, Err(Stop::Fault(fault))) => {
                assert_eq!((fault.kind, fault.va), (FaultKind::Page, va));
            }
            (Verdict::AccessFault, Err(Stop::Fault(fault))) => {
                assert_eq!(fault.kind, FaultKind::Access);
            }
            (said, did) => panic!("{access:?} of {va}: {did:?}, the specification says {said:?}"),
        }
        if !self.paging.in_step() && access == Access::Store {
            // The store may have changed a table.
            self.vm.fence(0, &mut self.tlb, None, None);
        }
    }

    /// Takes the steps twice: from empty memory, and from tables that lead somewhere.
    fn runs(paging: Paging, steps: &[Step]) {
        let mut world = World::new(paging);
        steps.iter().for_each(|step| world.step(step));
        world.check_memory();
        let mut world = World::new(paging);
        mapped().for_each(|step| world.step(&step));
        steps.iter().for_each(|step| world.step(step));
        world.check_memory();
    }

    fn check_memory(&mut self) {
        let mut bytes = vec![0; self.model.bytes.len()];
        self.vm.read(Gpa::new(BASE), &mut bytes).unwrap();
        assert!(bytes == self.model.bytes, "memory is not what was stored");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn in_step_policies_without_a_single_fence(steps in steps()) {
        let all = Paging::ALL.into_iter();
        all.filter(|paging| paging.in_step()).for_each(|paging| World::runs(paging, &steps));
    }

    #[test]
    fn other_policies_with_a_fence_after_each_edit(steps in steps()) {
        let all = Paging::ALL.into_iter();
        all.filter(|paging| !paging.in_step()).for_each(|paging| World::runs(paging, &steps));
    }
}

/// The root's upper half translates addresses whose unused bits are all set: what is dropped from a
/// TLB must be named by those.
#[test]
fn an_entry_of_the_roots_upper_half_that_goes_is_gone_from_the_tlb() {
    for paging in Paging::ALL.into_iter().filter(|paging| paging.in_step()) {
        let mut world = World::new(paging);
        let all = Pte::V | Pte::R | Pte::W | Pte::X | Pte::A | Pte::D;
        for (table, index, target, flags) in
            [(0, 511, 1, Pte::V), (1, 5, 2, Pte::V), (2, 7, 9, all), (0, 0, 1, Pte::V)]
        {
            world.step(&Step::Entry { table, index, target, flags });
        }
        let va = (511_u64 << 30 | 5 << 21 | 7 << 12) | u64::MAX << 39;
        world.step(&Step::Access { va, access: Access::Store, value: 7 });
        assert!(world.tlb.has(Gva::new(va), Access::Load));
        world.step(&Step::Entry { table: 0, index: 511, target: 0, flags: 0 });
        assert!(!world.tlb.has(Gva::new(va), Access::Load), "{paging}");
        world.step(&Step::Access { va, access: Access::Load, value: 0 });
    }
}
