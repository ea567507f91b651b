//! The memory that a store takes: its regions' touched pages, what it declares, one batch, one log
//! buffer, and while it truncates one segment. Counted by the allocator and by the kernel.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use vellum_recover::{Background, Durability, Options, Restore, Store};

/// Counts bytes, and the most that there were.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
/// One test at a time: there is one count.
static TURN: Mutex<()> = Mutex::new(());

// SAFETY: hands everything on to the system's allocator, and counts beside.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::SeqCst) + layout.size();
        MOST.fetch_max(now, Ordering::SeqCst);
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: the caller's promise, handed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that were allocated at a time during `work`, beyond those before.
fn most(work: impl FnOnce()) -> usize {
    let before = NOW.load(Ordering::SeqCst);
    MOST.store(before, Ordering::SeqCst);
    work();
    MOST.load(Ordering::SeqCst) - before
}

/// Bytes of this process that are in memory and belong to no file.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib << 10
}

const LEN: u64 = 256 << 20;
/// Small things: names, locks, tables with 3 bytes for each 64 KiB of a region, the test itself.
const SMALL: usize = 256 << 10;

fn options() -> Options {
    Options { background: Background::Caller, ..Options::default() }
}

/// What the documentation promises beside the regions and what a transaction declares: the batch
/// that gathers and the one that is written, the log's buffer, and the segment that is truncated,
/// with an entry for each of its ranges.
fn bound(options: &Options, declared: usize) -> usize {
    let log = &options.log;
    2 * options.pending_max + log.buffer + 3 * log.segment_max as usize + 3 * declared + SMALL
}

fn write(store: &Store, region: &vellum_recover::Region, at: u64, len: u64, how: Durability) {
    let mut transaction = store.begin(Restore::Yes);
    transaction.set_range(region, at..at + len).unwrap().fill(at as u8 | 1);
    transaction.commit(how).unwrap();
}

#[test]
fn a_store_takes_what_it_touches_and_a_bound_that_regions_do_not_change() {
    let _turn = TURN.lock().unwrap();
    let home = tempfile::tempdir().unwrap();
    let before = resident();
    let taken = most(|| {
        let store = Store::open(home.path().join("s"), options()).unwrap();
        let region = store.region("large", LEN).unwrap();
        for turn in 0..20_000_u64 {
            // Inside 4 MiB of the 256, so 64 chunks.
            let how = if turn % 64 == 0 { Durability::Flush } else { Durability::NoFlush };
            write(&store, &region, turn * 7919 % (4 << 20), 600, how);
            if turn % 512 == 0 {
                store.tend().unwrap();
            }
        }
        store.truncate().unwrap();
        let touched = (4 << 20) + (64 << 10);
        let grown = resident().saturating_sub(before);
        let limit = touched + bound(&options(), 600);
        assert!(grown <= limit, "{grown} bytes are resident, {limit} were promised");
    });
    let limit = bound(&options(), 600);
    assert!(taken <= limit, "{taken} bytes were allocated, {limit} were promised");
}

#[test]
fn a_large_transaction_costs_its_own_size_a_few_times() {
    let _turn = TURN.lock().unwrap();
    let home = tempfile::tempdir().unwrap();
    const DECLARED: u64 = 8 << 20;
    let taken = most(|| {
        let store = Store::open(home.path().join("s"), options()).unwrap();
        let region = store.region("large", LEN).unwrap();
        write(&store, &region, 1 << 20, DECLARED, Durability::Flush);
    });
    let limit = bound(&options(), DECLARED as usize);
    assert!(taken <= limit, "{taken} bytes were allocated, {limit} were promised");
    assert!(taken >= DECLARED as usize, "the counter sees nothing");
}

#[test]
fn opening_after_a_crash_takes_no_copy_of_the_log() {
    let _turn = TURN.lock().unwrap();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("s");
    let store = Store::open(&path, options()).unwrap();
    let region = store.region("large", LEN).unwrap();
    let mut turn = 0_u64;
    while store.log_bytes() < 8 << 20 {
        write(&store, &region, turn * 104_729 % (LEN - 8192), 8000, Durability::NoFlush);
        turn += 1;
    }
    store.flush().unwrap();
    // 16 bytes for each frame, and for each chunk that one touches.
    let frames = store.stats().log.frames as usize;
    drop((region, store));
    let taken = most(|| {
        let store = Store::open(&path, options()).unwrap();
        let region = store.region("large", LEN).unwrap();
        assert!(region.read(0..10).unwrap().len() == 10);
    });
    let limit = options().log.buffer + (1 << 20) + 4 * 16 * (frames + 2 * turn as usize) + SMALL;
    assert!(taken <= limit, "{taken} bytes were allocated, {limit} were promised");
}
