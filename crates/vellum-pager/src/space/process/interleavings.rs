//! The order of messages under a schedule explorer: a kernel of a few lines, with threads that write,
//! read and discard, and the handler's own code (`order.rs`) between them.
//!
//! What the model keeps of the real one: faults are handed out before removals; a discard waits until
//! its message was read, and only then takes effect; while one waits, nothing can be placed
//! (`EAGAIN`); a page is moved out in one step. `VELLUM_SCHEDULES` says how many schedules are tried.

use super::order::{catch_up, removals};
use super::sys::Message;
use super::*;
use crate::space::{Filled, Save, Write};
use crate::store::RamStore;
use crate::{Options, Resolved};
use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard};
use shuttle::thread;
use std::collections::VecDeque;

const PAGES: u32 = 3;

/// The kernel's side.
#[derive(Default)]
struct Kernel {
    /// A present page's one byte, and whether it may be written.
    pages: Vec<Option<(u8, bool)>>,
    faults: VecDeque<Message>,
    removals: VecDeque<(u32, u64)>,
    /// Removals that were read.
    heard: u64,
    announced: u64,
    /// Counts wake-ups, so that a waiting thread sees one.
    woken: u64,
    ended: u32,
}

type Machine = Arc<(Mutex<Kernel>, Condvar)>;
/// What a thread of the program does.
type Work = Box<dyn FnOnce(&Machine) + Send>;

fn lock(machine: &Machine) -> MutexGuard<'_, Kernel> {
    machine.0.lock().unwrap()
}

/// A thread's access: waits at a page that is absent, or must not be written.
fn access(machine: &Machine, page: u32, write: Option<u8>) -> u8 {
    let mut kernel = lock(machine);
    loop {
        let protected = match (&mut kernel.pages[page as usize], write) {
            (Some((byte, _)), None) => return *byte,
            (Some((byte, true)), Some(value)) => {
                *byte = value;
                return value;
            }
            (Some(_), Some(_)) => true,
            (None, _) => false,
        };
        let address = u64::from(page) * PAGE as u64;
        kernel.faults.push_back(Message::Fault { address, write: write.is_some(), protected });
        machine.1.notify_all();
        let before = kernel.woken;
        while kernel.woken == before {
            kernel = machine.1.wait(kernel).unwrap();
        }
    }
}

/// `madvise(MADV_DONTNEED)` of one page.
fn discard(machine: &Machine, page: u32) {
    let mut kernel = lock(machine);
    kernel.announced += 1;
    let number = kernel.announced;
    kernel.removals.push_back((page, number));
    machine.1.notify_all();
    while kernel.heard < number {
        kernel = machine.1.wait(kernel).unwrap();
    }
    drop(kernel);
    // Between its message and its effect anything may happen.
    thread::yield_now();
    lock(machine).pages[page as usize] = None;
}

/// The handler's side of the same.
struct Sim {
    machine: Machine,
    waiting: Vec<Message>,
    /// Carries removals out where the tested code would, or, to see the test fail, not at all.
    heed: bool,
}

impl Sim {
    /// As `read` on the descriptor: faults first; a removal is heard once it was read.
    fn read(&mut self, kernel: &mut Kernel) -> usize {
        let before = self.waiting.len();
        self.waiting.extend(kernel.faults.drain(..));
        while let Some((page, number)) = kernel.removals.pop_front() {
            kernel.heard = number;
            let start = u64::from(page) * PAGE as u64;
            if self.heed {
                self.waiting.push(Message::Remove { start, end: start + PAGE as u64 });
            }
        }
        self.machine.1.notify_all();
        self.waiting.len() - before
    }

    fn change(
        &mut self,
        page: PageNo,
        change: impl FnOnce(&mut Kernel) -> Result<Filled, Error>,
    ) -> Result<Filled, Error> {
        let machine = Arc::clone(&self.machine);
        let mut kernel = lock(&machine);
        if !kernel.removals.is_empty() {
            self.read(&mut kernel);
            return Err(Error::Interrupted { page });
        }
        let changed = change(&mut kernel);
        kernel.woken += 1;
        self.machine.1.notify_all();
        changed
    }
}

impl Space for Sim {
    fn fill(&mut self, page: PageNo, writable: bool, write: Write<'_>) -> Result<Filled, Error> {
        let mut content = [0; PAGE];
        write(&mut content)?;
        self.change(page, |kernel| {
            let slot = &mut kernel.pages[page.index()];
            if slot.is_some() {
                return Ok(Filled::Already);
            }
            *slot = Some((content[0], writable));
            Ok(Filled::Done)
        })
    }

    fn fill_zero(&mut self, page: PageNo, writable: bool) -> Result<Filled, Error> {
        self.fill(page, writable, &mut |_| Ok(()))
    }

    fn allow_writes(&mut self, page: PageNo) -> Result<(), Error> {
        let allow = |kernel: &mut Kernel| {
            if let Some((_, writable)) = &mut kernel.pages[page.index()] {
                *writable = true;
            }
            Ok(Filled::Done)
        };
        self.change(page, allow).map(|_| ())
    }

    fn forbid_writes(&mut self, page: PageNo) -> Result<(), Error> {
        let forbid = |kernel: &mut Kernel| {
            if let Some((_, writable)) = &mut kernel.pages[page.index()] {
                *writable = false;
            }
            Ok(Filled::Done)
        };
        self.change(page, forbid).map(|_| ())
    }

    fn read(&mut self, page: PageNo, into: &mut Page) -> Result<(), Error> {
        let byte = lock(&self.machine).pages[page.index()].map_or(0, |(byte, _)| byte);
        into.fill(byte);
        Ok(())
    }

    fn take(&mut self, pages: &[PageNo], _: &mut Vec<Page>, save: Save<'_>) -> Result<(), Error> {
        for &page in pages {
            // Moved out in one step; what waits for the store meanwhile can't change it.
            let moved = lock(&self.machine).pages[page.index()].take();
            // A discard that took effect after its message was carried out leaves zeros.
            let byte = moved.map_or(0, |(byte, _)| byte);
            thread::yield_now();
            save(&[(page, &[byte; PAGE])])?;
        }
        Ok(())
    }

    fn discard(&mut self, page: PageNo) -> Result<(), Error> {
        lock(&self.machine).pages[page.index()] = None;
        Ok(())
    }
}

impl ProcessSpace for Sim {
    fn base(&self) -> u64 {
        0
    }

    fn wake(&mut self, _: PageNo) -> Result<(), Error> {
        lock(&self.machine).woken += 1;
        self.machine.1.notify_all();
        Ok(())
    }

    fn waiting(&mut self) -> &mut Vec<Message> {
        &mut self.waiting
    }

    fn confirm(&mut self, page: PageNo, _: bool) -> Result<Filled, Error> {
        self.fill_zero(page, true)
    }

    fn poison(&mut self, page: PageNo) -> Result<bool, Error> {
        panic!("{page} is poisoned, though the store is well");
    }

    fn access(&self, _: PageNo, _: usize, _: Access<'_>) {}
}

/// Two pages may be present of three. One thread counts in page 0, which nobody discards; one writes
/// and discards page 1 and must find zeros; one reads all the while.
fn scenario(heed: bool) {
    let pages = vec![None; PAGES as usize];
    let machine: Machine =
        Arc::new((Mutex::new(Kernel { pages, ..Kernel::default() }), Condvar::new()));
    let threads: [Work; 3] = [
        Box::new(|machine| {
            for value in 1..4 {
                access(machine, 0, Some(value));
                assert_eq!(access(machine, 0, None), value, "a write is lost");
            }
        }),
        Box::new(|machine| {
            for value in 1..3 {
                access(machine, 1, Some(value));
                discard(machine, 1);
                assert_eq!(access(machine, 1, None), 0, "what was discarded is back");
            }
        }),
        Box::new(|machine| {
            for page in [1, 2, 1, 2] {
                access(machine, page, None);
            }
        }),
    ];
    let users: Vec<_> = threads
        .into_iter()
        .map(|work| {
            let machine = Arc::clone(&machine);
            thread::spawn(move || {
                work(&machine);
                lock(&machine).ended += 1;
                machine.1.notify_all();
            })
        })
        .collect();
    let options = Options { policy: "clock".into(), ..Options::new(PAGES, 2) };
    let mut pager = Pager::new(options, Box::new(RamStore::new(8))).unwrap();
    let mut space = Sim { machine: Arc::clone(&machine), waiting: Vec::new(), heed };
    loop {
        let mut kernel = lock(&machine);
        while kernel.faults.is_empty() && kernel.removals.is_empty() && kernel.ended < 3 {
            kernel = machine.1.wait(kernel).unwrap();
        }
        if kernel.ended == 3 {
            break;
        }
        space.read(&mut kernel);
        drop(kernel);
        catch_up(&mut pager, &mut space);
    }
    users.into_iter().for_each(|user| user.join().unwrap());
    // A call from outside sees removals first, too.
    removals(&mut pager, &mut space);
    let resolved = pager.fault(&mut space, PageNo::new(2), Right::Load).unwrap();
    assert!(matches!(resolved, Resolved::Present | Resolved::Zero | Resolved::Brought));
}

#[test]
fn no_write_is_lost_and_nothing_discarded_comes_back() {
    let schedules = std::env::var("VELLUM_SCHEDULES").ok().and_then(|n| n.parse().ok());
    shuttle::check_random(|| scenario(true), schedules.unwrap_or(500));
}

/// What others call the removal race: a handler that does not carry removals out first gives stale
/// pages back.
#[test]
fn the_test_sees_the_race_where_removals_are_not_heeded() {
    let caught = std::panic::catch_unwind(|| shuttle::check_random(|| scenario(false), 500));
    assert!(caught.is_err(), "500 schedules without removals, and nothing was stale");
}
