//! A memory that is written all the time and moves to another process, which goes on writing.
//! Shared by the test and by `examples/migrate.rs`.

use std::net::TcpStream;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vellum_recover::checkpoint::Pages;
use vellum_recover::migrate::{MigrateError, Report, SendOptions, receive_lazily, send};
use vellum_recover::ondemand::Fetch;
use vellum_recover::{Error, PAGE, SafePoints, Tracked};

/// Most pages that a receiver takes: 4 GiB.
const PAGES_MAX: u64 = 1 << 20;
/// Turns that the owner does after the move, page by page as they arrive.
const TURNS_AFTER: u64 = 500;

/// What the owner does in turn `turn`: a byte somewhere changes, most often in a few pages.
fn step(turn: u64, len: usize, mut write: impl FnMut(usize, u8)) {
    let spread = if turn.is_multiple_of(16) { len / PAGE } else { (len / PAGE).min(8) };
    let page = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize % spread;
    write(page * PAGE + turn as usize % PAGE, turn as u8 | 1);
}

/// The memory after so many turns, done from the beginning: what has to come out.
fn expected(turns: u64, len: usize) -> Vec<u8> {
    let mut memory = vec![0; len];
    (0..turns).for_each(|turn| step(turn, len, |at, byte| memory[at] = byte));
    memory
}

/// The memory at its source, with an owner that writes until the world is stopped.
pub struct Source {
    memory: Arc<Mutex<Tracked>>,
    points: SafePoints,
    turns: Arc<AtomicU64>,
    end: Arc<AtomicBool>,
    /// The owner stands still, or is about to.
    still: AtomicBool,
    owner: Option<std::thread::JoinHandle<()>>,
}

fn hold(memory: &Mutex<Tracked>) -> MutexGuard<'_, Tracked> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pages for Source {
    fn pages(&self) -> u64 {
        hold(&self.memory).pages()
    }

    fn read_page(&self, page: u64, out: &mut [u8]) {
        if page.is_multiple_of(256) {
            // A sender that never let the owner in between would show nothing.
            let before = self.turns();
            while self.turns() == before && !self.still.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
        }
        hold(&self.memory).read_page(page, out);
    }

    fn take_dirty(&mut self) -> Result<Vec<Range<u64>>, Error> {
        hold(&self.memory).take_dirty()
    }
}

impl Source {
    /// Memory of `pages` pages, and its owner at work.
    pub fn start(pages: usize) -> Result<Self, Error> {
        let memory = Arc::new(Mutex::new(Tracked::new(pages * PAGE, None)?));
        let (points, turns, end) = (SafePoints::new(), Arc::default(), Arc::default());
        let still = AtomicBool::new(false);
        let mut source = Self { memory, points, turns, end, still, owner: None };
        let participant = source.points.register("owner");
        let (memory, turns, end) =
            (source.memory.clone(), source.turns.clone(), source.end.clone());
        let owner = std::thread::spawn(move || {
            let mut turn = 0_u64;
            while !end.load(Ordering::Acquire) {
                step(turn, pages * PAGE, |at, byte| hold(&memory).bytes_mut()[at] = byte);
                turn += 1;
                turns.store(turn, Ordering::Release);
                participant.check(|| turn.to_le_bytes().to_vec());
                std::thread::yield_now();
            }
        });
        source.owner = Some(owner);
        Ok(source)
    }

    /// Turns that the owner has done.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Acquire)
    }

    /// Moves it over `link`. After an error the owner runs on here.
    pub fn send(&mut self, link: TcpStream, options: SendOptions) -> Result<Report, MigrateError> {
        limit(&link)?;
        let points = self.points.clone();
        let mut stopped = None;
        let result = send(self, link, options, |source| {
            source.still.store(true, Ordering::Release);
            let world = points.stop();
            let state = world.states().first().map(|(_, state)| state.clone()).unwrap_or_default();
            stopped = Some(world);
            state
        });
        if result.is_ok() {
            // It goes on over there; here it ends.
            self.end.store(true, Ordering::Release);
        }
        drop(stopped);
        self.still.store(false, Ordering::Release);
        result
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Release);
        if let Some(owner) = self.owner.take() {
            let _ = owner.join();
        }
    }
}

/// A peer that says nothing for so long is dead.
fn limit(link: &TcpStream) -> Result<(), MigrateError> {
    let patience = Some(Duration::from_secs(20));
    link.set_nodelay(true)
        .and_then(|()| link.set_read_timeout(patience))
        .and_then(|()| link.set_write_timeout(patience))
        .map_err(|source| MigrateError::Link { what: "setting up", source })
}

/// What the other side saw.
pub struct Landed {
    pub pages: u64,
    /// Turns at the move.
    pub turns: u64,
    /// Pages that the owner touched before they had come.
    pub touched: usize,
    /// All bytes are those that so many turns (and those done here) make.
    pub whole: bool,
}

/// Receives the memory, does some turns in it while pages still come, and looks at all of it.
pub fn land(link: TcpStream) -> Result<Landed, Box<dyn std::error::Error>> {
    limit(&link)?;
    let fetch = Fetch { first: Vec::new(), rest: true };
    let (arrived, mut memory) = receive_lazily(link, PAGES_MAX, fetch)?;
    let state = arrived.state.first_chunk().ok_or("a state of eight bytes")?;
    let (turns, len) = (u64::from_le_bytes(*state), memory.len());
    for turn in turns..turns + TURNS_AFTER {
        let mut failed = Ok(());
        step(turn, len, |at, byte| {
            failed = memory.bytes_mut(at..at + 1).map(|bytes| bytes[0] = byte);
        });
        failed?;
    }
    let touched = memory.working_set().len();
    memory.wait()?;
    let whole = *memory.bytes(0..len)? == expected(turns + TURNS_AFTER, len);
    Ok(Landed { pages: arrived.pages, turns, touched, whole })
}
