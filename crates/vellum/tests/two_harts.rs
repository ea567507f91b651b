//! Two harts on two threads, every order of their steps that a scheduler picks: one edits a table
//! while the other walks it, one loses a page while the other holds a pointer to its frame.
//!
//! A hart runs on its TLB alone, beside the other one, as harts on threads of their own would; a miss
//! and whatever changes the tables stop the world. What must hold is the order of a shootdown: the
//! right is withdrawn, every TLB hears of it before its hart runs again, and only then is the frame
//! anybody else's. Without the look at the mailbox before each run both tests fail.

use shuttle::sync::{Arc, RwLock};
use shuttle::thread;
use std::sync::atomic::{AtomicU64, Ordering};
use vellum::frames::{FrameId, FramePool};
use vellum::translate::host::Token;
use vellum::translate::riscv::{Mode, Pte, Satp};
use vellum::translate::tlb::Tlb;
use vellum::translate::{Environment, Gfn, Gpa, Gva};
use vellum::{Builder, PageSource, Paging, VmMemory};
use vellum_hart::Memory;

const BASE: u64 = 0x8000_0000;
/// Orders that are tried, of each test and policy.
const ORDERS: usize = 120;
const ALL: u64 = Pte::R | Pte::W | Pte::X | Pte::A | Pte::D;
/// What the page of another owner holds: no hart may ever read it.
const FOREIGN: u64 = 0xdead_dead;

fn gfn(page: u64) -> Gfn {
    Gpa::new(BASE).gfn().plus(page)
}

fn at(page: u64, index: u64) -> Gpa {
    Gpa::new(gfn(page).base().get() + index * 8)
}

/// Three levels in pages 0 to 2; page 1 of the address space is page 4, page 2 the leaf table.
fn machine(paging: Paging) -> VmMemory {
    let mut vm = Builder::new(Gpa::new(BASE), 16 << 12)
        .paging(paging)
        .harts(2)
        .shadow_pages(16)
        .build()
        .unwrap();
    let entries = [
        (0, 0, Pte::table(gfn(1))),
        (1, 0, Pte::table(gfn(2))),
        (2, 1, Pte::leaf(gfn(4), ALL)),
        (2, 2, Pte::leaf(gfn(2), ALL)),
    ];
    for (page, index, pte) in entries {
        vm.write(at(page, index), &pte.0.to_le_bytes()).unwrap();
    }
    for page in 4..8 {
        vm.write(at(page, 0), &(100 + page).to_le_bytes()).unwrap();
    }
    vm
}

/// The memory, shared between threads.
struct Shared(VmMemory);

// SAFETY: what is neither `Send` nor `Sync` in a `VmMemory` are its owners and sources, of which this
// file registers one without state; the rest is plain data, and the lock is a model checker's, whose
// tasks take turns on one thread.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// A hart: its TLB, and the pool for what a hit reaches without the lock.
struct Core {
    number: usize,
    tlb: Box<Tlb>,
    vm: Arc<RwLock<Shared>>,
    pool: Arc<FramePool>,
}

impl Core {
    fn new(number: usize, vm: &Arc<RwLock<Shared>>) -> Self {
        let mut tlb = Tlb::new();
        tlb.set_environment(Environment::SUPERVISOR);
        let memory = &mut vm.write().unwrap().0;
        memory.load_root(number, &mut tlb, Satp { mode: Mode::Sv39, asid: 1, root: gfn(0) });
        let pool = Arc::clone(memory.pool());
        Core { number, tlb, vm: Arc::clone(vm), pool }
    }

    fn safe_point(&mut self) {
        self.vm.write().unwrap().0.catch_up(self.number, &mut self.tlb);
    }

    /// The frame and offset behind a host address.
    fn frame(&self, host: u64) -> (FrameId, usize) {
        let zero = self.pool.pointer(FrameId::ZERO).as_ptr().addr() as u64;
        (FrameId::from_index(((host - zero) >> 12) as u32), (host - zero) as usize & 0xfff)
    }

    /// Carries out a hit as a hart does between two safe points: the world does not stop meanwhile,
    /// but other harts run too. It begins only when nothing is left to do that others asked for.
    fn hit(&mut self, va: u64, store: Option<u64>) -> Option<u64> {
        let vm = Arc::clone(&self.vm);
        loop {
            let running = vm.read().unwrap();
            if !running.0.is_caught_up(self.number) {
                drop(running);
                self.safe_point();
                continue;
            }
            let host = match store {
                Some(_) => self.tlb.store(Gva::new(va), 8)?,
                None => self.tlb.load(Gva::new(va), 8)?,
            };
            // The other hart may run between the compare and the access.
            thread::yield_now();
            let (frame, offset) = self.frame(host);
            if let Some(value) = store {
                self.pool.store(frame, offset, 8, value);
            }
            return Some(self.pool.load(frame, offset, 8));
        }
    }

    fn load(&mut self, va: u64) -> Result<u64, String> {
        if let Some(hit) = self.hit(va, None) {
            return Ok(hit);
        }
        let mut vm = self.vm.write().unwrap();
        vm.0.catch_up(self.number, &mut self.tlb);
        vm.0.load(self.number, &mut self.tlb, Gva::new(va), 8).map_err(|s| s.to_string())
    }

    fn store(&mut self, va: u64, value: u64) {
        if self.hit(va, Some(value)).is_none() {
            let mut vm = self.vm.write().unwrap();
            vm.0.catch_up(self.number, &mut self.tlb);
            vm.0.store(self.number, &mut self.tlb, Gva::new(va), 8, value).unwrap();
        }
    }
}

/// Tries [`ORDERS`] orders, on stacks that a TLB fits on.
fn explore(test: impl Fn() + Send + Sync + 'static) {
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 19;
    let scheduler = shuttle::scheduler::RandomScheduler::new_from_seed(7, ORDERS);
    shuttle::Runner::new(scheduler, config).run(test);
}

fn policies() -> impl Iterator<Item = Paging> {
    Paging::ALL.into_iter().filter(|paging| *paging != Paging::Flat)
}

#[test]
fn an_entry_that_one_hart_changes_while_the_other_walks() {
    for paging in policies() {
        explore(move || {
            let vm = Arc::new(RwLock::new(Shared(machine(paging))));
            let (mut editor, mut walker) = (Core::new(0, &vm), Core::new(1, &vm));
            // The number of the last edit that every hart was fenced for.
            let fenced = Arc::new(AtomicU64::new(4));
            let seen = Arc::clone(&fenced);
            let edits = thread::spawn(move || {
                for target in 5..8 {
                    editor.store(0x2008, Pte::leaf(gfn(target), ALL).0);
                    let mut vm = editor.vm.write().unwrap();
                    vm.0.fence(0, &mut editor.tlb, Some(Gva::new(0x1000)), None);
                    drop(vm);
                    assert_eq!(editor.load(0x1000), Ok(100 + target), "{paging}, by the editor");
                    // The other hart carries the remote fence out at its next safe point; the
                    // monitor waits for that.
                    seen.store(target, Ordering::SeqCst);
                    thread::yield_now();
                }
            });
            let mut last = 4;
            for _ in 0..6 {
                let due = fenced.load(Ordering::SeqCst);
                walker.safe_point();
                let mut vm = walker.vm.write().unwrap();
                vm.0.fence(1, &mut walker.tlb, Some(Gva::new(0x1000)), None);
                drop(vm);
                let got = walker.load(0x1000).unwrap();
                assert!((100 + due..108).contains(&got), "{paging}: {got} after fence {due}");
                assert!(got >= 100 + last, "{paging}: back from {last} to {got}");
                last = got - 100;
            }
            edits.join().unwrap();
        });
    }
}

/// Brings pages of one number each, the token.
#[derive(Debug)]
struct Numbers;

impl PageSource for Numbers {
    fn name(&self) -> &str {
        "numbers"
    }

    fn bring(&mut self, _: Gfn, token: Token, pool: &FramePool) -> Result<FrameId, String> {
        let frame = pool.allocate().map_err(|e| e.to_string())?;
        pool.store(frame, 0, 8, token.get());
        Ok(frame)
    }
}

#[test]
fn a_frame_is_nobody_elses_while_a_hart_may_hold_its_pointer() {
    for paging in policies() {
        explore(move || {
            let vm = Arc::new(RwLock::new(Shared(machine(paging))));
            let owner = vm.write().unwrap().0.register_source(Box::new(Numbers)).unwrap();
            let mut reader = Core::new(1, &vm);
            // A hart that stands still in its safe point does not hold anything.
            let mut idle = Core::new(0, &vm);
            assert_eq!(reader.load(0x1000), Ok(104));
            let taker = thread::spawn(move || {
                let pool = Arc::clone(&idle.pool);
                for _ in 0..3 {
                    let mut vm = idle.vm.write().unwrap();
                    vm.0.make_absent(gfn(4), owner, Token::new(104).unwrap()).unwrap();
                    drop(vm);
                    idle.safe_point();
                    // Whatever frames the pool hands out now are somebody else's.
                    let taken: Vec<FrameId> = (0..4).filter_map(|_| pool.allocate().ok()).collect();
                    for &frame in &taken {
                        pool.store(frame, 0, 8, FOREIGN);
                    }
                    thread::yield_now();
                    taken.into_iter().for_each(|frame| pool.release(frame));
                }
            });
            for _ in 0..6 {
                assert_eq!(reader.load(0x1000), Ok(104), "{paging}");
                if shuttle::rand::Rng::gen_bool(&mut shuttle::rand::thread_rng(), 0.5) {
                    reader.safe_point();
                }
            }
            taker.join().unwrap();
        });
    }
}
