//! Everything that is done to a machine's pages, in any order: written, shared, told as a delta,
//! compressed, evicted, lent, exchanged, kept as a root, cloned, saved and restored; by a scavenger, by a
//! pager, and by a pager whose store is a scavenger's, so that all of it is one sequence. Two machines over one
//! pool of frames are held against plain copies of their memory: each page reads what was last
//! written to it, what was sent or kept stays what it was, the books balance, and no frame is left.

use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use vellum::frames::{FramePool, Held, Options as PoolOptions};
use vellum::remap::{Buffer, Token, Transfers};
use vellum::scavenger::{Domain, Mode, Options as ScavengerOptions, Scavenger, SharedScavenger};
use vellum::translate::host::Snapshot;
use vellum::translate::tlb::Tlb;
use vellum::translate::{Environment, Gpa, Gva, PAGE_SIZE};
use vellum::vellum_pager::store::{Get, PageStore, Put, RamStore, Traffic};
use vellum::vellum_pager::{Options, PageNo, Pager, StoreError};
use vellum::{Builder, Paging, ScavengedStore, VmMemory};
use vellum_hart::Memory;
use vellum_state::{from_bytes, state_hash, to_bytes};

const BASE: u64 = 0x8000_0000;
const PAGES: u64 = 24;
const PAGE: u64 = PAGE_SIZE as u64;
/// Frames of the pool: enough for what is kept and in flight, since a full pool is another test's.
const FRAMES: u64 = 4000;
/// Roots and saved states that are kept at once.
const KEPT: usize = 3;

type Page = [u8; PAGE_SIZE];
type Plain = Vec<Page>;

/// Who takes pages away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Scavenger(Mode),
    Pager(u32),
    /// A pager of so many frames that keeps what it evicts in scavenged memory: there it is shared, told
    /// as a delta and compressed.
    Both(u32),
}

#[derive(Debug, Clone)]
enum Step {
    Store {
        page: u64,
        at: u64,
        value: u64,
    },
    /// A device fills a page: pages of one family are similar, of one family and variant equal.
    Fill {
        page: u64,
        family: u8,
        variant: u8,
    },
    Read {
        page: u64,
    },
    /// The scavenger or the pager goes on for so many turns.
    Work {
        turns: u8,
    },
    Send {
        page: u64,
        count: u64,
    },
    /// The device is done with one of the transfers.
    Complete {
        which: usize,
    },
    /// What was sent comes back to other pages.
    Deliver {
        which: usize,
        page: u64,
    },
    GiveUp {
        which: usize,
    },
    Keep,
    Reset {
        which: usize,
    },
    /// The machine becomes what a root of the other one was.
    Clone {
        which: usize,
    },
    Save,
    Restore {
        which: usize,
    },
    ForgetKept {
        which: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let page = || 0..PAGES;
    let which = || 0..KEPT;
    let step = prop_oneof![
        6 => (page(), 0..PAGE / 8, any::<u64>())
            .prop_map(|(page, at, value)| Step::Store { page, at: at * 8, value }),
        8 => (page(), 0..5_u8, 0..3_u8)
            .prop_map(|(page, family, variant)| Step::Fill { page, family, variant }),
        4 => page().prop_map(|page| Step::Read { page }),
        8 => (1..8_u8).prop_map(|turns| Step::Work { turns }),
        3 => (page(), 1..5_u64).prop_map(|(page, count)| Step::Send { page, count }),
        2 => which().prop_map(|which| Step::Complete { which }),
        2 => (which(), page()).prop_map(|(which, page)| Step::Deliver { which, page }),
        1 => which().prop_map(|which| Step::GiveUp { which }),
        1 => Just(Step::Keep),
        1 => which().prop_map(|which| Step::Reset { which }),
        2 => which().prop_map(|which| Step::Clone { which }),
        1 => Just(Step::Save),
        1 => which().prop_map(|which| Step::Restore { which }),
        1 => which().prop_map(|which| Step::ForgetKept { which }),
    ];
    prop::collection::vec((0..2_usize, step), 1..70)
}

/// Zeros, one pattern, text, text that differs a little, and noise.
fn content(family: u8, variant: u8) -> Page {
    let mut state = u64::from(family) << 8 | 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    let mut page: Page = match family {
        0 => [0; PAGE_SIZE],
        1 => [0xcc; PAGE_SIZE],
        2 => core::array::from_fn(|at| b"guests have much in common "[at % 27] ^ (at / 512) as u8),
        _ => core::array::from_fn(|at| if family == 3 && at % 8 > 1 { 7 } else { next() }),
    };
    if family > 1 {
        page[usize::from(variant) * 700..][..8].fill(variant);
    }
    page
}

/// A scavenger's store, at which the test looks while a pager has it.
#[derive(Debug, Clone)]
struct Watched(Arc<Mutex<ScavengedStore>>);

impl PageStore for Watched {
    fn name(&self) -> &str {
        "watched"
    }

    fn get(&mut self, batch: &mut [Get<'_>]) {
        self.0.lock().unwrap().get(batch);
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        self.0.lock().unwrap().put(batch)
    }

    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        self.0.lock().unwrap().discard(pages)
    }

    fn traffic(&self) -> Traffic {
        self.0.lock().unwrap().traffic()
    }
}

struct Machine {
    vm: VmMemory,
    /// Where the pager keeps pages, if that is scavenged memory.
    store: Option<Watched>,
    tlb: Box<Tlb>,
    transfers: Transfers<Held>,
    plain: Plain,
    flights: Vec<(Token, Plain)>,
    roots: Vec<(Snapshot, Plain)>,
    saved: Vec<(Vec<u8>, Plain)>,
}

fn at(page: u64) -> Gpa {
    Gpa::new(BASE + page * PAGE)
}

impl Machine {
    fn new(
        pool: &Arc<FramePool>,
        paging: Paging,
        service: Service,
        scavenger: Option<&SharedScavenger>,
    ) -> Self {
        let mut vm = Builder::new(Gpa::new(BASE), PAGES * PAGE)
            .paging(paging)
            .shadow_pages(16)
            .frames_of(Arc::clone(pool))
            .build()
            .unwrap();
        let mut store = None;
        match (service, scavenger) {
            (Service::Scavenger(mode), Some(scavenger)) => {
                vm.attach_scavenger(Arc::clone(scavenger), Domain(1), mode).unwrap();
            }
            (Service::Pager(quota) | Service::Both(quota), _) => {
                let options = Options { twins: 2, ..Options::new(PAGES as u32, quota) };
                let kept: Box<dyn PageStore> = match service {
                    Service::Both(_) => {
                        let inner = ScavengedStore::new(PAGES as u32, scavenging()).unwrap();
                        let watched = Watched(Arc::new(Mutex::new(inner)));
                        store = Some(watched.clone());
                        Box::new(watched)
                    }
                    _ => Box::new(RamStore::new(PAGES)),
                };
                vm.attach_pager(Pager::new(options, kept).unwrap()).unwrap();
            }
            (Service::Scavenger(_), None) => unreachable!("made with a scavenger"),
        }
        let mut tlb = Tlb::new();
        tlb.set_environment(Environment::SUPERVISOR);
        Machine {
            vm,
            store,
            tlb,
            transfers: Transfers::default(),
            plain: vec![[0; PAGE_SIZE]; PAGES as usize],
            flights: Vec::new(),
            roots: Vec::new(),
            saved: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Store { page, at: offset, value } => {
                self.vm.catch_up(0, &mut self.tlb);
                let va = Gva::new(BASE + page * PAGE + offset);
                self.vm.store(0, &mut self.tlb, va, 8, value).unwrap();
                self.plain[page as usize][offset as usize..][..8]
                    .copy_from_slice(&value.to_le_bytes());
            }
            Step::Fill { page, family, variant } => {
                let content = content(family, variant);
                self.vm.write(at(page), &content).unwrap();
                self.plain[page as usize] = content;
            }
            Step::Read { page } => self.check(page),
            Step::Work { turns } => {
                for _ in 0..turns {
                    if self.vm.scavenger().is_some() {
                        // A whole pass, and then the objects, as its own turns.
                        self.vm.scavenge(u64::MAX / 4).unwrap();
                    } else {
                        self.vm.take_accessed();
                    }
                }
            }
            Step::Send { page, count } => {
                let count = count.min(PAGES - page);
                let list = [Buffer::new(at(page).get(), count * PAGE)];
                let token = self.transfers.send(&mut self.vm, &list).unwrap();
                let was = self.plain[page as usize..][..count as usize].to_vec();
                self.flights.push((token, was));
            }
            Step::Complete { which } | Step::GiveUp { which } => {
                if which >= self.flights.len() {
                    return;
                }
                self.check_flight(which);
                let (token, _) = self.flights.remove(which);
                if matches!(step, Step::Complete { .. }) {
                    self.transfers.complete(&mut self.vm, token).unwrap();
                } else {
                    self.transfers.give_up(&mut self.vm, token).unwrap();
                }
            }
            Step::Deliver { which, page } => self.deliver(which, page),
            Step::Keep => {
                if self.roots.len() < KEPT {
                    self.roots.push((self.vm.keep_root().unwrap(), self.plain.clone()));
                }
            }
            Step::Reset { which } => {
                let Some((root, plain)) = self.roots.get(which) else { return };
                if self.vm.scavenger().is_some() {
                    self.vm.reset_to_root(root).unwrap_err();
                    return;
                }
                // What is lent is pinned to pages whose frames change: a device must be done first.
                if !self.flights.is_empty() {
                    return;
                }
                self.vm.reset_to_root(root).unwrap();
                self.plain = plain.clone();
            }
            Step::Clone { .. } => unreachable!("takes two machines"),
            Step::Save => {
                if self.saved.len() < KEPT {
                    self.vm.bring_all().unwrap();
                    self.saved.push((to_bytes(&self.vm), self.plain.clone()));
                }
            }
            Step::Restore { which } => {
                let Some((saved, plain)) = self.saved.get(which) else { return };
                from_bytes(&mut self.vm, saved).unwrap();
                self.plain = plain.clone();
            }
            Step::ForgetKept { which } => {
                if which < self.roots.len() {
                    self.roots.remove(which);
                }
            }
        }
    }

    /// Becomes what a root of another machine was; whether it could.
    fn become_clone(&mut self, (root, plain): &(Snapshot, Plain)) -> bool {
        // As for going back to a root of its own.
        if !self.flights.is_empty() {
            return false;
        }
        // What only the other machine's pager or scavenger can bring is refused, and so is a clone whose
        // scavenger has books of what it was.
        let away = root.first_absent(None).is_some();
        let may = !away && self.vm.scavenger().is_none();
        let cloned = self.vm.reset_to_root(root);
        assert_eq!(cloned.is_ok(), may, "{cloned:?}");
        if may {
            self.plain = plain.clone();
        }
        may
    }

    fn deliver(&mut self, which: usize, page: u64) {
        let Some((token, was)) = self.flights.get(which) else { return };
        let data = self.transfers.data(*token).unwrap().clone();
        let count = (was.len() as u64).min(PAGES - page);
        let list = [Buffer::new(at(page).get(), count * PAGE)];
        let posted = self.transfers.post(&self.vm, &list).unwrap();
        // A page that is lent is pinned, and can't become another; it says so, and those before it
        // are filled.
        let pinned = (page..page + count).position(|page| self.vm.host().is_pinned(at(page).gfn()));
        let delivered = self.transfers.deliver(&mut self.vm, posted, &data);
        match pinned {
            None => {
                let (end, _back) = delivered.unwrap();
                assert_eq!(end.remapped + end.copied, count * PAGE);
                self.plain[page as usize..][..count as usize]
                    .clone_from_slice(&was[..count as usize]);
            }
            Some(_) => {
                // Copied over it, or refused: what the memory says is taken for true, if each page is
                // the old or the new one.
                for (n, new) in was.iter().take(count as usize).enumerate() {
                    let old = &mut self.plain[page as usize + n];
                    let mut now = [0; PAGE_SIZE];
                    self.vm.read(at(page + n as u64), &mut now).unwrap();
                    assert!(now == *old || now == *new, "a page is old or new");
                    *old = now;
                }
            }
        }
    }

    fn check(&mut self, page: u64) {
        let mut now = [0; PAGE_SIZE];
        self.vm.read(at(page), &mut now).unwrap();
        assert!(now == self.plain[page as usize], "page {page} is not what was written to it");
    }

    fn check_flight(&self, which: usize) {
        let (token, was) = &self.flights[which];
        let data = self.transfers.data(*token).unwrap();
        for (n, page) in was.iter().enumerate() {
            let mut sent = [0; PAGE_SIZE];
            data.read(n * PAGE_SIZE, &mut sent);
            assert!(sent == *page, "what was sent stays what it was");
        }
    }

    fn check_all(&mut self) {
        (0..self.flights.len()).for_each(|which| self.check_flight(which));
        (0..PAGES).for_each(|page| self.check(page));
        self.vm.catch_up(0, &mut self.tlb);
        assert_eq!(self.vm.audit(), vec![]);
        assert_eq!(self.vm.audit_tlb(&self.tlb), vec![]);
    }
}

fn scavenging() -> ScavengerOptions {
    ScavengerOptions { lottery: 8, ..ScavengerOptions::default() }
}

/// How many clones there were.
fn run(paging: Paging, service: Service, steps: &[(usize, Step)]) -> u64 {
    let pool = FramePool::new(PoolOptions::new(FRAMES)).unwrap();
    let scavenger = matches!(service, Service::Scavenger(_))
        .then(|| Scavenger::new(Arc::clone(&pool), scavenging()).shared());
    let mut machines = [(); 2].map(|()| Machine::new(&pool, paging, service, scavenger.as_ref()));
    let mut clones = 0;
    for (which, step) in steps {
        if let Step::Clone { which: root } = *step {
            let Some(root) = machines[1 - which].roots.get(root).cloned() else { continue };
            clones += u64::from(machines[*which].become_clone(&root));
        } else {
            machines[*which].step(step);
        }
        let stores = machines.iter().filter_map(|machine| machine.store.as_ref());
        let reports = stores.map(|store| store.0.lock().unwrap().report());
        for report in reports.chain(scavenger.iter().map(|scavenger| scavenger.lock().report())) {
            let bytes = report.store;
            assert_eq!(bytes.live + bytes.dead + bytes.free, bytes.allocated, "{bytes:?}");
        }
    }
    // A state's hash is of what memory holds, whoever has it.
    let mut plain = Builder::new(Gpa::new(BASE), PAGES * PAGE).build().unwrap();
    for machine in &mut machines {
        machine.vm.bring_all().unwrap();
        for (page, content) in (0..).zip(&machine.plain) {
            plain.write(at(page), content).unwrap();
        }
        assert_eq!(state_hash(&machine.vm), state_hash(&plain));
        machine.check_all();
    }
    for mut machine in machines {
        // In flight while its machine goes.
        let flights: Vec<_> = (0..machine.flights.len()).collect();
        drop(machine.vm);
        drop(machine.roots);
        if let Some(Watched(store)) = machine.store {
            // Nobody else has it now. What is not wanted any more takes nothing once it is looked through.
            let mut store =
                Arc::into_inner(store).expect("the pager let it go").into_inner().unwrap();
            let all: Vec<PageNo> = (0..PAGES as u32).map(PageNo::new).collect();
            store.discard(&all).unwrap();
            assert_eq!(store.report().store.live, 0, "{:?}", store.report());
        }
        flights.into_iter().for_each(|which| {
            let (token, was) = &machine.flights[which];
            let mut sent = [0; PAGE_SIZE];
            machine.transfers.data(*token).unwrap().read(0, &mut sent);
            assert!(sent == was[0]);
        });
        machine.transfers.forget();
    }
    if let Some(scavenger) = scavenger {
        let scavenger = Arc::into_inner(scavenger).expect("the machines let it go").into_inner();
        let report = scavenger.report();
        drop(scavenger);
        assert_eq!(report.store.live, 0, "{report:?}");
    }
    assert_eq!(pool.counters().used, 0, "every reference came back");
    clones
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sharing_packing_lending_and_keeping_change_no_byte(
        steps in steps(),
        nested in any::<bool>(),
        conceal in any::<bool>(),
    ) {
        let paging = if nested { Paging::Nested } else { Paging::Shadow };
        let mode = if conceal { Mode::Conceal } else { Mode::Share };
        run(paging, Service::Scavenger(mode), &steps);
    }

    #[test]
    fn all_at_once_changes_no_byte(
        steps in steps(),
        nested in any::<bool>(),
        quota in 16..PAGES as u32,
    ) {
        let paging = if nested { Paging::Nested } else { Paging::Shadow };
        run(paging, Service::Both(quota), &steps);
    }

    #[test]
    fn paging_lending_and_going_back_change_no_byte(
        steps in steps(),
        nested in any::<bool>(),
        quota in 16..PAGES as u32,
    ) {
        let paging = if nested { Paging::Nested } else { Paging::Shadow };
        run(paging, Service::Pager(quota), &steps);
    }
}

/// One sequence in which each thing happens at least once, with the scavenger and the pager both on.
#[test]
fn a_machine_is_cloned_while_its_pages_are_scavenged_paged_and_lent() {
    let fills = (0..PAGES).map(|page| (0, Step::Fill { page, family: 2, variant: page as u8 % 3 }));
    let mut steps: Vec<(usize, Step)> = (0..6).map(|page| fill(0, page)).collect();
    steps.extend([
        (0, Step::Send { page: 0, count: 3 }),
        (0, Step::Keep),
        (1, Step::Clone { which: 0 }),
        (1, Step::Store { page: 1, at: 8, value: 7 }),
        (1, Step::Send { page: 1, count: 2 }),
        (0, Step::Store { page: 2, at: 0, value: 9 }),
        (1, Step::Keep),
        (0, Step::Complete { which: 0 }),
        (0, Step::Clone { which: 0 }),
        (0, Step::Save),
    ]);
    // More than the quota: the pager evicts, and its store is scavenged.
    steps.extend(fills);
    steps.extend([
        (0, Step::Keep),
        (1, Step::Complete { which: 0 }),
        // Pages that only the other machine's pager has: refused, and nothing has changed.
        (1, Step::Clone { which: 1 }),
        (0, Step::Restore { which: 0 }),
        (1, Step::Reset { which: 0 }),
        (0, Step::Work { turns: 2 }),
    ]);
    assert_eq!(run(Paging::Shadow, Service::Both(16), &steps), 2);
}

fn fill(machine: usize, page: u64) -> (usize, Step) {
    (machine, Step::Fill { page, family: 3, variant: page as u8 % 3 })
}

/// A root is another machine's memory only where the frames are the same.
#[test]
fn a_root_over_another_pool_is_refused() {
    let mut machines = [(); 2].map(|()| {
        let pool = FramePool::new(PoolOptions::new(FRAMES)).unwrap();
        Machine::new(&pool, Paging::Shadow, Service::Pager(20), None)
    });
    machines[0].step(&fill(0, 3).1);
    let root = machines[0].vm.keep_root().unwrap();
    let error = machines[1].vm.reset_to_root(&root).unwrap_err();
    assert!(error.to_string().contains("another pool"), "{error}");
    machines[1].check_all();
    // What is delivered from there is copied.
    let [one, two] = &mut machines;
    let list = [Buffer::new(at(3).get(), PAGE)];
    let token = one.transfers.send(&mut one.vm, &list).unwrap();
    let data = one.transfers.data(token).unwrap().clone();
    let posted = two.transfers.post(&two.vm, &list).unwrap();
    let (end, _) = two.transfers.deliver(&mut two.vm, posted, &data).unwrap();
    assert_eq!((end.remapped, end.copied), (0, PAGE));
    two.plain[3] = one.plain[3];
    two.check_all();
}
