//! Two harts, in many interleavings (shuttle): tables that one changes while the other walks them, and
//! an editor that gives frames back. Each scenario is also run with a bug planted into what it relies
//! on, which must be noticed.

use shuttle::sync::Mutex;
use shuttle::thread;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vellum_translate::edit::{AddressSpace, Attributes, EditMemory, Pool};
use vellum_translate::riscv::{Extensions, Mode, Pte, Satp, Sv, walk_with};
use vellum_translate::x86::{self, Entry, LongMode, Paging};
use vellum_translate::{Access, Environment, Gfn, Gpa, Gva, Privilege, Rights, TableMemory};

const SCHEDULES: usize = 400;

/// Tables in memory; another thread may run before each access to an entry.
struct Memory {
    words: Vec<AtomicU64>,
    /// The planted bug: a compare-and-exchange in two steps.
    torn: bool,
}

impl Memory {
    fn new(pages: usize, torn: bool) -> Memory {
        Memory { words: (0..pages * 512).map(|_| AtomicU64::new(0)).collect(), torn }
    }

    fn word(&self, at: Gpa) -> Option<&AtomicU64> {
        thread::yield_now();
        self.words.get(at.get() as usize / 8)
    }
}

impl TableMemory for Memory {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        Some(self.word(at)?.load(Ordering::SeqCst))
    }

    fn exchange_entry(&self, at: Gpa, current: u64, new: u64) -> Option<bool> {
        let word = self.word(at)?;
        if self.torn {
            let same = word.load(Ordering::SeqCst) == current;
            thread::yield_now();
            if same {
                word.store(new, Ordering::SeqCst);
            }
            return Some(same);
        }
        Some(word.compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst).is_ok())
    }
}

impl EditMemory for Memory {
    fn store_entry(&self, at: Gpa, entry: u64) -> Option<()> {
        self.word(at)?.store(entry, Ordering::SeqCst);
        Some(())
    }

    /// A new table, which nobody reads yet: not worth an interleaving an entry.
    fn write_entries(&self, at: Gpa, count: u64, mut entry: impl FnMut(u64) -> u64) -> Option<()> {
        let first = at.get() as usize / 8;
        thread::yield_now();
        for (i, word) in (0..).zip(self.words.get(first..first + count as usize)?) {
            word.store(entry(i), Ordering::SeqCst);
        }
        Some(())
    }

    fn all_entries(
        &self,
        at: Gpa,
        count: u64,
        mut see: impl FnMut(u64, u64) -> bool,
    ) -> Option<bool> {
        let first = at.get() as usize / 8;
        thread::yield_now();
        let words = self.words.get(first..first + count as usize)?;
        Some((0..).zip(words).all(|(i, word)| see(i, word.load(Ordering::SeqCst))))
    }
}

/// The scenario holds in every schedule, and with its bug planted it does not.
fn holds(scenario: impl Fn(bool) + Copy + Send + Sync + 'static) {
    shuttle::check_random(move || scenario(false), SCHEDULES);
    let planted = catch_unwind(AssertUnwindSafe(|| {
        shuttle::check_random(move || scenario(true), 20 * SCHEDULES);
    }));
    assert!(planted.is_err(), "the planted bug was not noticed");
}

const OLD: Gfn = Gfn::new(0x100);
const NEW: Gfn = Gfn::new(0x200);

/// Svadu: one hart stores through an entry, so that A and D are to be set, while another replaces it
/// by the entry of another page. The walk's answer and the bits in memory must be of one entry.
fn replaced_under_a_riscv_walk(torn: bool) {
    let memory = Arc::new(Memory::new(3, torn));
    for (table, below) in [(0, 1), (512, 2)] {
        memory.words[table].store(Pte::table(Gfn::new(below)).0, Ordering::SeqCst);
    }
    let rw = Pte::R | Pte::W;
    let (old, new) = (Pte::leaf(OLD, rw), Pte::leaf(NEW, rw));
    memory.words[1024].store(old.0, Ordering::SeqCst);
    let satp = Satp { mode: Mode::Sv39, asid: 0, root: Gfn::new(0) };
    let walker = {
        let memory = Arc::clone(&memory);
        thread::spawn(move || {
            let (all, s) = (Extensions::ALL, Environment::SUPERVISOR);
            walk_with(&*memory, all, satp, s, Gva::new(0), Access::Store, |_, _, _| {})
        })
    };
    // The other hart's kernel: what it took out tells it whether the old page was written.
    let leaf = Gpa::new(0x2000);
    let taken = loop {
        let found = memory.load_entry(leaf).unwrap();
        if memory.exchange_entry(leaf, found, new.0).unwrap() {
            break Pte(found);
        }
    };
    let walked = walker.join().unwrap().expect("both entries allow the store");
    let left = Pte(memory.words[1024].load(Ordering::SeqCst));
    let used = |entry: Pte| entry.has(Pte::A | Pte::D);
    assert_eq!(left.gfn(), NEW, "the walk never brings an entry back");
    match walked.gfn {
        OLD => assert!(used(taken) && !used(left), "a store to the old page is in its entry"),
        NEW => assert!(used(left) && !used(taken), "a store to the new page is in its entry"),
        other => panic!("{other} was never mapped"),
    }
}

#[test]
fn an_entry_replaced_under_a_riscv_walk_is_noticed() {
    holds(replaced_under_a_riscv_walk);
}

/// The same on x86-64, where the entries above have accessed bits as well, and the one above the leaf
/// is what changes.
fn replaced_under_an_x86_walk(torn: bool) {
    let memory = Arc::new(Memory::new(5, torn));
    let table = |page| Entry::new(Gfn::new(page), Entry::P | Entry::W | Entry::U).0;
    for (at, entry) in [(0, table(1)), (512, table(2)), (1024, table(3))] {
        memory.words[at].store(entry, Ordering::SeqCst);
    }
    memory.words[3 * 512].store(Entry::new(OLD, Entry::P | Entry::W).0, Ordering::SeqCst);
    memory.words[4 * 512].store(Entry::new(NEW, Entry::P | Entry::W).0, Ordering::SeqCst);
    let walker = {
        let memory = Arc::clone(&memory);
        thread::spawn(move || {
            let paging = Paging::four_level(Gfn::new(0));
            let store = x86::Access::new(Access::Store, Privilege::Supervisor);
            x86::walk(&*memory, &paging, Gva::new(0), store, |_, _, _| {})
        })
    };
    let above = Gpa::new(0x2000);
    let taken = loop {
        let found = memory.load_entry(above).unwrap();
        if memory.exchange_entry(above, found, table(4)).unwrap() {
            break Entry(found);
        }
    };
    let walked = walker.join().unwrap().expect("both paths allow the store");
    let entry = |at: usize| Entry(memory.words[at].load(Ordering::SeqCst));
    assert_eq!(entry(1024).table(), Gfn::new(4), "the walk never brings an entry back");
    let (path, leaf) = match walked.gfn {
        OLD => (taken, entry(3 * 512)),
        NEW => (entry(1024), entry(4 * 512)),
        other => panic!("{other} was never mapped"),
    };
    assert!(path.has(Entry::A), "the path that was used is accessed");
    assert!(leaf.has(Entry::A | Entry::D), "the page that was used is dirty");
    assert!(walked.dirty);
}

#[test]
fn an_entry_replaced_under_an_x86_walk_is_noticed() {
    holds(replaced_under_an_x86_walk);
}

/// The editor changes rights while another hart's stores set D: `protect` must not lose it.
fn dirtied_under_an_editor(torn: bool) {
    let memory = Arc::new(Memory::new(4, torn));
    let format = Sv::new(Mode::Sv39, Extensions::ALL).unwrap();
    let pool = Pool::new(Gfn::new(0), Gfn::new(4));
    let mut space = AddressSpace::new(format, &*memory, pool).unwrap();
    let clean = Attributes {
        accessed: false,
        dirty: false,
        ..Attributes::kernel(Rights::READ | Rights::WRITE)
    };
    let mapped = space.map(Gva::new(0), 1, OLD, clean, 0).unwrap();
    let released = mapped.issue(|_| {});
    space.reclaim(released).unwrap();
    let satp = Satp { mode: Mode::Sv39, asid: 0, root: space.root() };
    let hart = {
        let memory = Arc::clone(&memory);
        thread::spawn(move || {
            let (all, s) = (Extensions::ALL, Environment::SUPERVISOR);
            walk_with(&*memory, all, satp, s, Gva::new(0), Access::Store, |_, _, _| {}).is_ok()
        })
    };
    let change = vellum_translate::edit::Change::rights(Rights::READ);
    let protected = space.protect(Gva::new(0), 1, change).unwrap();
    let stored = hart.join().unwrap();
    let released = protected.issue(|_| {});
    space.reclaim(released).unwrap();
    let runs = {
        let unmapped = space.unmap(Gva::new(0), 1).unwrap();
        let released = unmapped.issue(|_| {});
        space.reclaim(released).unwrap()
    };
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].dirty, stored, "the dirty bit says whether the page was written");
}

#[test]
fn no_dirty_bit_is_lost_under_an_editor() {
    holds(dirtied_under_an_editor);
}

/// What the harts say to each other: who must forget, and who did.
#[derive(Default)]
struct Mailbox {
    asked: bool,
    stop: bool,
}

/// One hart keeps a translation and loads through it; the other unmaps the page, has the first forget
/// it, and gives page and tables to somebody else. `early`, the planted bug, does not wait for the
/// first hart to have forgotten.
fn freed_only_after_the_flush(early: bool) {
    const PAGE: usize = 6;
    let memory = Arc::new(Memory::new(8, false));
    let format = LongMode(Paging::four_level(Gfn::new(0)));
    let pool = Pool::new(Gfn::new(0), Gfn::new(5));
    let mut space = AddressSpace::new(format, &*memory, pool).unwrap();
    let attributes = Attributes::kernel(Rights::READ | Rights::WRITE);
    let va = Gva::new(0x20_0000);
    let mapped = space.map(va, 1, Gfn::new(PAGE as u64), attributes, 0).unwrap();
    let released = mapped.issue(|_| {});
    space.reclaim(released).unwrap();
    memory.words[PAGE * 512].store(7, Ordering::SeqCst);

    let paging = Paging::four_level(space.root());
    let mailbox = Arc::new(Mutex::new(Mailbox::default()));
    let hart = {
        let (memory, mailbox) = (Arc::clone(&memory), Arc::clone(&mailbox));
        thread::spawn(move || {
            let load = x86::Access::new(Access::Load, Privilege::Supervisor);
            let mut tlb = None;
            for _ in 0..6 {
                let to = tlb.or_else(|| {
                    let walked = x86::walk(&*memory, &paging, va, load, |_, _, _| {});
                    walked.ok().map(|leaf| leaf.gfn)
                });
                tlb = to;
                if let Some(page) = to {
                    let word = memory.load_entry(page.base()).expect("the page is memory");
                    assert_eq!((page.get(), word), (PAGE as u64, 7), "what belongs to another");
                }
                // Between two instructions it hears what others ask.
                let mut mailbox = mailbox.lock().unwrap();
                if mailbox.asked {
                    tlb = None;
                    mailbox.asked = false;
                }
                if mailbox.stop {
                    return;
                }
            }
            mailbox.lock().unwrap().stop = true;
            mailbox.lock().unwrap().asked = false;
        })
    };
    let flush = space.unmap(va, 1).unwrap();
    let released = flush.issue(|what| {
        assert!(!what.is_empty(), "the page was mapped");
        mailbox.lock().unwrap().asked = true;
        loop {
            let mailbox = mailbox.lock().unwrap();
            if early || !mailbox.asked || mailbox.stop {
                break;
            }
            drop(mailbox);
            thread::yield_now();
        }
    });
    let runs = space.reclaim(released).unwrap();
    assert_eq!(runs.iter().map(|run| run.pages).sum::<u64>(), 1);
    assert_eq!(space.frames().available(), 4, "all tables but the root are back");
    // Somebody else's now: the page, and what the tables were.
    memory.words[PAGE * 512].store(8, Ordering::SeqCst);
    for table in 1..5 {
        let stranger = Entry::new(Gfn::new(7), Entry::P | Entry::A | Entry::PS).0;
        memory.write_entries(Gfn::new(table).base(), 512, |_| stranger).unwrap();
    }
    mailbox.lock().unwrap().stop = true;
    hart.join().unwrap();
}

#[test]
fn a_frame_is_freed_only_after_the_flush_it_needs() {
    holds(freed_only_after_the_flush);
}
