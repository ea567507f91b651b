//! Truncation: the log's part moves into the regions' files, whatever goes on beside it.

#[path = "common/small.rs"]
#[allow(dead_code, reason = "every program uses some of it")]
mod small;

use small::{open, options, put, with_region};
use vellum_recover::log::{Bug, CrashDisk};
use vellum_recover::{Durability, Options, Restore};

#[test]
fn truncation_moves_the_log_into_the_files_and_empties_it() {
    let disk = CrashDisk::new();
    let store = open(&disk, options()).unwrap();
    let region = store.region("r", 4096).unwrap();
    for turn in 0..200_u64 {
        put(&store, &region, turn * 16 % 4000, &[turn as u8; 40], Durability::Flush);
    }
    let before = region.read(0..4096).unwrap().to_vec();
    assert!(store.log_bytes() > 4000);
    store.truncate().unwrap();
    assert_eq!(store.log_bytes(), 0);
    drop(store);
    let store = open(&disk, options()).unwrap();
    assert_eq!(store.opened().log.frames, 0);
    assert_eq!(&*store.open_region("r").unwrap().read(0..4096).unwrap(), &before[..]);
}

/// Truncation writes pages from memory. What a running transaction has changed there is not to be in
/// the file, and what was committed beside it is.
#[test]
fn truncation_beside_a_running_transaction_writes_what_is_committed_alone() {
    for abandon in [false, true] {
        let disk = CrashDisk::new();
        let (store, region) = with_region(&disk, 20_000);
        put(&store, &region, 0, b"committed", Durability::Flush);
        put(&store, &region, 9000, b"elsewhere", Durability::Flush);
        let mut running = store.begin(Restore::Yes);
        running.set_range(&region, 4..6).unwrap().fill(b'X');
        put(&store, &region, 100, b"later", Durability::NoFlush);
        store.truncate().unwrap();
        assert_eq!(store.log_bytes(), 0);
        put(&store, &region, 200, b"behind", Durability::Flush);
        let holds = |disk: &CrashDisk, first: &[u8]| {
            let store = open(disk, options()).unwrap();
            let bytes = store.open_region("r").unwrap().read(0..20_000).unwrap().to_vec();
            assert_eq!(&bytes[..9], first);
            assert_eq!((&bytes[9000..9009], &bytes[100..105]), (&b"elsewhere"[..], &b"later"[..]));
            assert_eq!(&bytes[200..206], b"behind");
        };
        disk.cuts().last().unwrap().images(60, 1).for_each(|image| holds(&image, b"committed"));
        if abandon {
            running.abort().unwrap();
        } else {
            running.commit(Durability::Flush).unwrap();
        }
        let first = if abandon { b"committed" } else { b"commXXted" };
        store.truncate().unwrap();
        disk.cuts().last().unwrap().images(60, 1).for_each(|image| holds(&image, first));
        drop((region, store));
        holds(&disk, first);
    }
}

/// Commits go on while truncation copies pages, and are in the copies before they are in the log. A
/// file must not have them before the log does: half of one would be seen after a power cut.
#[test]
fn truncation_beside_commits_never_lets_a_file_be_ahead_of_the_log() {
    use std::sync::atomic::{AtomicBool, Ordering};
    const PLACES: [u64; 3] = [0, 8192, 16_384];
    let disk = CrashDisk::new();
    let log = vellum_recover::log::Options {
        segment_min: 1 << 16,
        segment_max: 1 << 16,
        ..options().log
    };
    let store = open(&disk, Options { log, ..options() }).unwrap();
    let region = store.region("r", 20_000).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 1_u64.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let mut transaction = store.begin(Restore::Yes);
                for at in PLACES {
                    let bytes = transaction.set_range(&region, at..at + 8).unwrap();
                    bytes.copy_from_slice(&turn.to_le_bytes());
                }
                transaction.commit(Durability::NoFlush).unwrap();
            }
        });
        while store.stats().commits == 0 {
            std::thread::yield_now();
        }
        for _ in 0..12 {
            put(&store, &region, 4096, b"so that there is something", Durability::Flush);
            disk.forget_record();
            store.truncate().unwrap();
            for image in disk.cuts().flat_map(|cut| cut.images(3, 1).collect::<Vec<_>>()) {
                let store = open(&image, options()).unwrap();
                let region = store.open_region("r").unwrap();
                let values = PLACES.map(|at| region.read(at..at + 8).unwrap().to_vec());
                assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// What a crash left in the log is written from there, and what came after from memory.
#[test]
fn truncation_after_a_crash_writes_the_old_log_and_the_new_pages() {
    let disk = CrashDisk::new();
    let (store, region) = with_region(&disk, 200_000);
    for page in 0..40_u64 {
        put(&store, &region, page * 4096, &[1; 100], Durability::Flush);
    }
    drop((region, store));
    let store = open(&disk, options()).unwrap();
    let region = store.open_region("r").unwrap();
    for page in (0..40_u64).step_by(3) {
        put(&store, &region, page * 4096 + 50, &[2; 100], Durability::Flush);
    }
    store.truncate().unwrap();
    drop((region, store));
    let store = open(&disk, options()).unwrap();
    assert_eq!(store.opened().log.frames, 0);
    let bytes = store.open_region("r").unwrap().read(0..200_000).unwrap().to_vec();
    for page in 0..40 {
        let changed = page % 3 == 0;
        let expected = |at| match at {
            0..50 => 1,
            50..100 => 1 + u8::from(changed),
            100..150 => 2 * u8::from(changed),
            _ => 0,
        };
        let found = &bytes[page * 4096..(page + 1) * 4096];
        assert!(found.iter().enumerate().all(|(at, byte)| *byte == expected(at)), "page {page}");
    }
}

/// What a store keeps of the log it was told to leave in place must survive its file being synced
/// late: the sync of the regions' files comes before the log lets go.
#[test]
fn the_sync_of_the_regions_files_is_needed() {
    for (planted, lost) in [(None, false), (Some(Bug::SkipDataSync), true)] {
        let disk = CrashDisk::new();
        let log = vellum_recover::log::Options { planted, ..options().log };
        let store = open(&disk, Options { log, ..options() }).unwrap();
        let region = store.region("r", 1000).unwrap();
        put(&store, &region, 0, b"promised", Durability::Flush);
        store.truncate().unwrap();
        let cut = disk.cuts().last().unwrap();
        let found = cut.images(200, 1).filter(|image| {
            let store = open(image, options()).unwrap();
            let region = store.open_region("r").unwrap();
            let bytes = region.read(0..8).unwrap();
            *bytes != *b"promised"
        });
        assert_eq!(found.count() > 0, lost);
    }
}
