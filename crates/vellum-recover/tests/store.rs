//! What a user of a store sees: committed is there, aborted isn't, and bad input is refused.

use std::sync::Arc;
use vellum_recover::log::{Bug, Cipher, CrashDisk, Entropy, Fault, Storage};
use vellum_recover::{Background, Durability, Error, Load, Options, Restore, Store};

fn options() -> Options {
    let log = vellum_recover::log::Options {
        segment_min: 6144,
        segment_max: 12_288,
        buffer: 2048,
        spares: 2,
        cipher: Cipher::Aes256Gcm,
        entropy: Entropy::from_fn(|bytes| {
            bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = at as u8 + 1);
            Ok(())
        }),
        planted: None,
    };
    Options { log, background: Background::Caller, ..Options::default() }
}

fn open(disk: &CrashDisk, options: Options) -> Result<Store, Error> {
    Store::open_in(Arc::new(disk.clone()), options)
}

fn put(store: &Store, region: &vellum_recover::Region, at: u64, bytes: &[u8], how: Durability) {
    let mut transaction = store.begin(Restore::Yes);
    transaction.set_range(region, at..at + bytes.len() as u64).unwrap().copy_from_slice(bytes);
    transaction.commit(how).unwrap();
}

#[test]
fn committed_is_there_after_reopening_and_aborted_is_not() {
    let disk = CrashDisk::new();
    let store = open(&disk, options()).unwrap();
    let region = store.region("r", 100_000).unwrap();
    put(&store, &region, 65_530, b"across two chunks", Durability::Flush);
    let mut transaction = store.begin(Restore::Yes);
    transaction.set_range(&region, 0..4).unwrap().copy_from_slice(b"lost");
    transaction.abort().unwrap();
    assert_eq!(&*region.read(0..4).unwrap(), [0; 4], "aborting restores");
    drop(store);
    for load in [Load::Lazy, Load::Eager] {
        let store = open(&disk, Options { load, ..options() }).unwrap();
        let region = store.open_region("r").unwrap();
        assert_eq!(&*region.read(65_530..65_547).unwrap(), b"across two chunks");
        assert_eq!(&*region.read(0..4).unwrap(), [0; 4]);
    }
}

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

#[test]
fn ranges_are_exclusive_between_transactions() {
    let disk = CrashDisk::new();
    let store = open(&disk, options()).unwrap();
    let region = store.region("r", 100).unwrap();
    let mut one = store.begin(Restore::Yes);
    one.set_range(&region, 10..20).unwrap().fill(1);
    one.set_range(&region, 15..30).unwrap().fill(2);
    assert_eq!(&*one.read(&region, 14..16).unwrap(), [1, 2]);
    let mut two = store.begin(Restore::Yes);
    assert!(two.set_range(&region, 29..31).unwrap_err().is_conflict());
    assert!(region.read(0..11).unwrap_err().is_conflict());
    two.set_range(&region, 30..31).unwrap();
    let guard = region.read(50..60).unwrap();
    assert!(two.set_range(&region, 59..61).unwrap_err().is_conflict());
    drop(guard);
    two.set_range(&region, 59..61).unwrap();
    drop(two);
    one.abort().unwrap();
    assert_eq!(&*region.read(0..100).unwrap(), [0; 100]);
}

#[test]
fn without_restore_abandoning_poisons() {
    let disk = CrashDisk::new();
    let store = open(&disk, options()).unwrap();
    let region = store.region("r", 100).unwrap();
    let mut transaction = store.begin(Restore::No);
    transaction.set_range(&region, 0..1).unwrap()[0] = 1;
    transaction.commit(Durability::Flush).unwrap();
    let mut transaction = store.begin(Restore::No);
    transaction.set_range(&region, 0..1).unwrap()[0] = 2;
    assert!(matches!(transaction.abort(), Err(Error::NoRestore)));
    assert!(matches!(store.flush(), Err(Error::Poisoned { .. })));
    drop(store);
    let store = open(&disk, options()).unwrap();
    assert_eq!(store.open_region("r").unwrap().read(0..1).unwrap()[0], 1);
}

#[test]
fn unflushed_commits_are_merged_and_reach_the_log_with_the_next_flush() {
    let disk = CrashDisk::new();
    let store = open(&disk, options()).unwrap();
    let region = store.region("r", 100).unwrap();
    for turn in 0..50 {
        put(&store, &region, 0, &[turn; 80], Durability::NoFlush);
    }
    assert_eq!(store.stats().log.frames, 0);
    put(&store, &region, 90, b"x", Durability::Flush);
    let stats = store.stats();
    assert_eq!((stats.log.frames, stats.log.flushes, stats.commits), (1, 1, 51));
    assert_eq!((stats.declared_bytes, stats.saved_bytes), (50 * 80 + 1, 49 * 80));
    drop(store);
    let store = open(&disk, options()).unwrap();
    assert_eq!(&*store.open_region("r").unwrap().read(0..80).unwrap(), [49; 80]);
}

#[test]
fn asynchronous_commits_become_durable() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), Options::default()).unwrap();
    let region = store.region("r", 100).unwrap();
    let mut transaction = store.begin(Restore::Yes);
    transaction.set_range(&region, 0..1).unwrap()[0] = 7;
    let commit = transaction.commit(Durability::Async).unwrap();
    commit.wait(&store).unwrap();
    assert!(commit.is_durable(&store));
}

#[test]
fn one_flush_a_commit_alone_and_as_few_log_bytes_as_promised() {
    let disk = CrashDisk::new();
    let log = vellum_recover::log::Options {
        segment_min: 1 << 18,
        segment_max: 1 << 20,
        ..options().log
    };
    let log = vellum_recover::log::Options { buffer: 1 << 16, ..log };
    let store = open(&disk, Options { log, ..options() }).unwrap();
    let accounts = store.region("accounts", 100_000 * 128).unwrap();
    let history = store.region("history", 1 << 16).unwrap();
    put(&store, &accounts, 0, b"first", Durability::Flush);
    let before = store.stats().log;
    for turn in 0..100_u64 {
        let mut transaction = store.begin(Restore::Yes);
        for record in 0..4 {
            let at = (turn * 7919 + record * 25_013) % 100_000 * 128;
            transaction.set_range(&accounts, at..at + 128).unwrap().fill(turn as u8);
        }
        transaction.set_range(&history, turn * 64..turn * 64 + 64).unwrap().fill(1);
        transaction.commit(Durability::Flush).unwrap();
    }
    let after = store.stats().log;
    assert_eq!((after.flushes - before.flushes, after.writes - before.writes), (100, 100));
    let bytes = (after.bytes - before.bytes) as f64 / 100.0;
    assert!(bytes <= 645.0, "{bytes} log bytes a transaction of 576");
}

#[test]
fn a_transaction_larger_than_segments_is_whole_or_nothing() {
    let disk = CrashDisk::new();
    let store = open(&disk, options()).unwrap();
    let region = store.region("r", 100_000).unwrap();
    put(&store, &region, 0, &vec![3; 90_000], Durability::Flush);
    store.truncate().unwrap();
    put(&store, &region, 5, &vec![4; 70_000], Durability::Flush);
    drop(store);
    let store = open(&disk, options()).unwrap();
    let region = store.open_region("r").unwrap();
    let bytes = region.read(0..100_000).unwrap();
    assert!(bytes[..5].iter().chain(&bytes[70_005..90_000]).all(|b| *b == 3));
    assert!(bytes[5..70_005].iter().all(|b| *b == 4));
}

#[test]
fn an_io_error_poisons_the_store_and_reopening_shows_what_was_durable() {
    let disk = CrashDisk::new();
    let (store, region) = with_region(&disk, 100);
    put(&store, &region, 0, b"a", Durability::Flush);
    fill_disk(&disk, 0);
    let mut transaction = store.begin(Restore::Yes);
    transaction.set_range(&region, 0..1).unwrap()[0] = b'b';
    let error = transaction.commit(Durability::Flush).unwrap_err();
    // The one that met it hears of it at first hand, later ones that it was earlier.
    let text = words(&error);
    assert!(text.contains("no storage space") && !text.contains("earlier"), "{text}");
    let mut transaction = store.begin(Restore::Yes);
    assert!(matches!(transaction.set_range(&region, 0..1), Err(Error::Poisoned { .. })));
    drop(transaction);
    drop(store);
    let store = open(&disk, options()).unwrap();
    assert_eq!(store.open_region("r").unwrap().read(0..1).unwrap()[0], b'a');
}

#[test]
fn a_spare_that_a_full_disk_has_no_room_for_is_reported_and_made_later() {
    let disk = CrashDisk::new();
    let (store, region) = with_region(&disk, 100);
    put(&store, &region, 0, b"a", Durability::Flush);
    // The file is made, and the disk is full when it is filled.
    fill_disk(&disk, 1);
    let error = store.tend().unwrap_err();
    let text = words(&error);
    assert!(text.contains("spare-") && text.contains("no storage space"), "{text}");
    assert!(!disk.list().unwrap().iter().any(|name| name.starts_with("spare-")), "a part of it");
    assert_eq!(store.stats().log.spare_failures, 1);
    // Nothing was lost: commits go on, and the spare comes when the log has grown.
    store.tend().unwrap();
    for turn in 0..200_u8 {
        put(&store, &region, 0, &[turn; 50], Durability::Flush);
        store.tend().unwrap();
    }
    assert_eq!((region.read(0..1).unwrap()[0], store.stats().log.spare_failures), (199, 1));
    assert!(disk.list().unwrap().iter().any(|name| name.starts_with("spare-")));
}

#[test]
fn a_truncation_that_a_full_disk_has_no_room_for_harms_nothing_and_a_failed_sync_poisons() {
    let disk = CrashDisk::new();
    let (store, region) = with_region(&disk, 10_000);
    put(&store, &region, 0, b"one", Durability::Flush);
    put(&store, &region, 9000, b"far", Durability::Flush);
    // The second of the two pages has no room.
    fill_disk(&disk, 1);
    let error = store.truncate().unwrap_err();
    let text = words(&error);
    assert!(error.is_disk_full() && text.contains("region-00000000"), "{text}");
    assert_eq!((store.stats().truncations, store.stats().truncation_failures), (0, 1));
    let holds = |disk: &CrashDisk, one: &[u8]| {
        let store = open(disk, options()).unwrap();
        let region = store.open_region("r").unwrap();
        assert_eq!(&*region.read(0..3).unwrap(), one);
        assert_eq!(&*region.read(9000..9003).unwrap(), b"far");
    };
    // Whatever a power cut leaves of it, and after more commits and the truncation's success.
    disk.cuts().last().unwrap().images(60, 1).for_each(|image| holds(&image, b"one"));
    put(&store, &region, 0, b"two", Durability::Flush);
    disk.cuts().last().unwrap().images(60, 1).for_each(|image| holds(&image, b"two"));
    store.truncate().unwrap();
    assert_eq!((store.log_bytes(), store.stats().truncations), (0, 1));
    disk.cuts().last().unwrap().images(60, 1).for_each(|image| holds(&image, b"two"));
    // One write, and then the sync, of which nobody knows what it has written.
    put(&store, &region, 0, b"six", Durability::Flush);
    fill_disk(&disk, 1);
    assert!(store.truncate().unwrap_err().is_disk_full());
    assert!(matches!(store.flush(), Err(Error::Poisoned { .. })));
    drop(store);
    holds(&disk, b"six");
}

#[test]
fn a_full_disk_is_not_asked_again_at_every_commit() {
    let disk = CrashDisk::new();
    let store = open(&disk, Options { truncate_at: 4000, ..options() }).unwrap();
    let region = store.region("r", 100).unwrap();
    while store.log_bytes() <= 4000 {
        put(&store, &region, 0, &[1; 60], Durability::Flush);
    }
    // A spare first, which has room: its name, its zeros, its sync.
    store.tend().unwrap();
    assert_eq!(store.stats().truncations, 1);
    while store.log_bytes() <= 4000 {
        put(&store, &region, 0, &[2; 60], Durability::Flush);
    }
    fill_disk(&disk, 0);
    assert!(store.tend().unwrap_err().is_disk_full());
    let mut commits = 0;
    while store.stats().truncations < 2 {
        put(&store, &region, 0, &[3; 60], Durability::Flush);
        store.tend().unwrap();
        commits += 1;
    }
    assert_eq!(store.stats().truncation_failures, 1);
    assert!(commits > 5, "asked again after {commits} commits");
    assert_eq!(region.read(0..1).unwrap()[0], 3);
}

/// What a disk without any room does to commits: refuses those that need another segment, whole.
#[test]
fn a_commit_that_a_full_disk_has_no_room_for_is_undone_and_the_store_goes_on() {
    let disk = CrashDisk::new();
    let (store, region) = with_region(&disk, 10_000);
    // The first segment of all, then every one after.
    let (mut last, mut refused) = (0, 0);
    for turn in 1..=120_u8 {
        if turn % 40 == 1 {
            disk.fill(true);
            let mut commits = 0;
            let error = loop {
                commits += 1;
                let mut transaction = store.begin(Restore::Yes);
                transaction.set_range(&region, 0..200).unwrap().fill(turn);
                match transaction.commit(Durability::Flush) {
                    Ok(_) => last = turn,
                    Err(error) => break error,
                }
                assert!(commits < 100, "a segment has room for ever");
            };
            let text = words(&error);
            assert!(error.is_disk_full() && text.contains("spare-"), "{text}");
            assert!(text.contains("no storage space") && !text.contains("poison"), "{text}");
            // Undone, and free for others, who are refused as well; reading goes on.
            assert!(region.read(0..200).unwrap().iter().all(|byte| *byte == last));
            let mut without = store.begin(Restore::No);
            assert!(without.set_range(&region, 0..9000).unwrap_err().is_disk_full());
            drop(without);
            store.begin(Restore::Yes).commit(Durability::Flush).unwrap();
            disk.cuts().last().unwrap().images(20, 1).for_each(|image| {
                let store = open(&image, options()).unwrap();
                let bytes = store.open_region("r").unwrap().read(0..200).unwrap().to_vec();
                assert!(bytes.iter().all(|byte| *byte == last), "{} for {last}", bytes[0]);
            });
            refused += 1;
            disk.fill(false);
        }
        put(&store, &region, 0, &[turn; 200], Durability::Flush);
        last = turn;
    }
    assert_eq!((refused, store.stats().aborts), (3, 3));
    drop((region, store));
    let store = open(&disk, options()).unwrap();
    assert_eq!(&*store.open_region("r").unwrap().read(0..200).unwrap(), [120; 200]);
}

#[test]
fn a_refused_commit_makes_truncation_due_which_makes_room() {
    let disk = CrashDisk::new();
    let (store, region) = with_region(&disk, 10_000);
    let fills = |value: u8| {
        store.transact(|transaction| {
            transaction.set_range(&region, 0..300)?.fill(value);
            Ok(())
        })
    };
    fills(0).unwrap();
    disk.fill(true);
    for round in 0..3 {
        let refused = (1..100).find_map(|value| fills(value).err()).expect("a refusal");
        assert!(refused.is_disk_full(), "{refused}");
        assert!(store.log_bytes() < options().truncate_at);
        // It may say that the spare that it would make as well has no room.
        let _ = store.tend();
        assert_eq!(store.stats().truncations, round + 1);
        fills(200).unwrap();
        // Once, not at every look.
        let _ = store.tend();
        assert_eq!(store.stats().truncations, round + 1);
    }
}

#[test]
fn what_was_promised_to_a_transaction_without_restore_is_kept_on_a_full_disk() {
    let disk = CrashDisk::new();
    let (store, region) = with_region(&disk, 10_000);
    put(&store, &region, 0, b"first", Durability::Flush);
    let mut without = store.begin(Restore::No);
    without.set_range(&region, 5000..5100).unwrap().fill(7);
    disk.fill(true);
    // Truncation would end the segment that the transaction was promised the rest of.
    assert!(store.truncate().unwrap_err().is_disk_full());
    assert_eq!(store.stats().truncation_failures, 1);
    without.commit(Durability::Flush).unwrap();
    // Promised to nobody, its end can be given up: what becomes of the segment is room again.
    store.truncate().unwrap();
    put(&store, &region, 0, b"later", Durability::Flush);
    drop((region, store));
    let store = open(&disk, options()).unwrap();
    let region = store.open_region("r").unwrap();
    assert_eq!(&*region.read(5000..5100).unwrap(), [7; 100]);
    assert_eq!(&*region.read(0..5).unwrap(), b"later");
}

#[test]
fn a_page_commit_that_a_full_disk_has_no_room_for_can_be_repeated_or_rolled_back() {
    let disk = CrashDisk::new();
    let store = open(&disk, options()).unwrap();
    let mut region = store.paged_region("r", 20_000, None).unwrap();
    for repeat in [true, false] {
        (region[10], region[9000]) = (5, 5);
        region.commit().unwrap();
        disk.fill(true);
        let mut commits = 0;
        let error = loop {
            region[9000..19_000].fill(100 + commits);
            match region.commit() {
                Ok(_) => commits += 1,
                Err(error) => break error,
            }
        };
        assert!(error.is_disk_full(), "{error}");
        region[10] = 7;
        disk.fill(false);
        if repeat {
            assert_eq!(region.commit().unwrap(), 10_001);
        } else {
            region.rollback().unwrap();
        }
        let before = if commits > 0 { 99 + commits } else { 5 };
        let kept = if repeat { (7, 100 + commits) } else { (5, before) };
        assert_eq!((region[10], region[9000]), kept);
        assert_eq!(region.commit().unwrap(), 0);
    }
}

/// Commits that wait for their flush are promised room, however many there are of the same bytes.
#[test]
fn commits_that_overwrite_each_other_are_not_promised_more_and_more_of_the_disk() {
    let disk = CrashDisk::new();
    let store = open(&disk, Options { pending_max: 4000, ..options() }).unwrap();
    let region = store.region("r", 100).unwrap();
    for turn in 0..5000_u32 {
        put(&store, &region, 0, &[turn as u8; 80], Durability::NoFlush);
    }
    let files = disk.list().unwrap();
    assert!(files.len() < 8, "{files:?}");
    assert_eq!(store.stats().log.frames, 0);
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

/// A store with region `r` of so many bytes.
fn with_region(disk: &CrashDisk, len: u64) -> (Store, vellum_recover::Region) {
    let store = open(disk, options()).unwrap();
    let region = store.region("r", len).unwrap();
    (store, region)
}

/// The `after`th operation from now finds the disk full.
fn fill_disk(disk: &CrashDisk, after: u64) {
    let kind = std::io::ErrorKind::StorageFull;
    disk.plant(Some(Fault { at: disk.operations() + after, kind, forever: false }));
}

/// An error and its cause.
fn words(error: &Error) -> String {
    format!("{error}: {}", std::error::Error::source(error).unwrap())
}

/// Opening must fail with an error that `fits`, and write nothing.
fn refused(disk: &CrashDisk, fits: impl Fn(&Error) -> bool) {
    let before = disk.operations();
    let error = open(disk, options()).expect_err("an error");
    assert!(fits(&error), "{error}");
    // Syncs before reading are the only operations.
    let writes = disk.operations() - before;
    assert!(writes <= 2, "{writes} operations");
}

#[test]
fn what_is_not_a_store_is_refused_and_left_alone() {
    let disk = CrashDisk::new();
    disk.create("letter.txt").unwrap();
    refused(&disk, |e| matches!(e, Error::NotAStore { found, .. } if found.contains("letter.txt")));

    let disk = CrashDisk::new();
    disk.create("store").unwrap().write_at(0, &[b'x'; 100]).unwrap();
    refused(&disk, |e| matches!(e, Error::NotAStore { .. }));

    let disk = CrashDisk::new();
    drop(open(&disk, options()).unwrap());
    disk.damage("store", 8, |bytes| bytes[0] = 9);
    refused(&disk, |e| matches!(e, Error::Version { found: 9, known: 1, .. }));

    let disk = CrashDisk::new();
    drop(open(&disk, options()).unwrap());
    disk.damage("store", 20, |bytes| bytes[0] ^= 1);
    refused(&disk, |e| matches!(e, Error::Damaged { .. }));
}

#[test]
fn a_region_of_another_size_or_with_another_file_is_refused() {
    let disk = CrashDisk::new();
    let store = open(&disk, options()).unwrap();
    store.region("r", 100).unwrap();
    let error = store.region("r", 101).unwrap_err();
    assert!(matches!(error, Error::RegionLength { found: 100, asked: 101, .. }));
    assert!(matches!(store.open_region("q"), Err(Error::NoRegion { .. })));
    assert!(matches!(store.region("", 1), Err(Error::RegionLimit { .. })));
    assert!(matches!(store.region("z", 0), Err(Error::RegionLimit { .. })));
    let region = store.region("r", 100).unwrap();
    assert!(matches!(region.read(99..101), Err(Error::OutOfRange { length: 100, .. })));
    drop(store);
    disk.open("region-00000000").unwrap().set_len(50).unwrap();
    let store = open(&disk, options()).unwrap();
    assert!(matches!(store.open_region("r"), Err(Error::Damaged { .. })));
}

#[test]
fn a_second_opener_is_told_so() {
    let home = tempfile::tempdir().unwrap();
    let _held = Store::open(home.path(), Options::default()).unwrap();
    let error = Store::open(home.path(), Options::default()).unwrap_err();
    let place = home.path().display().to_string();
    assert!(error.to_string().contains("in use") && error.to_string().contains(&place), "{error}");
}

#[test]
fn reusing_one_transaction_of_another_store_is_refused() {
    let (one, two) = (CrashDisk::new(), CrashDisk::new());
    let (one, two) = (open(&one, options()).unwrap(), open(&two, options()).unwrap());
    let (_, theirs) = (one.region("r", 10).unwrap(), two.region("r", 10).unwrap());
    let mut transaction = one.begin(Restore::Yes);
    assert!(matches!(transaction.set_range(&theirs, 0..1), Err(Error::NoRegion { .. })));
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

#[test]
fn capture_by_pages_commits_what_differs_and_rolls_back_the_rest() {
    use vellum_recover::Capture;
    for capture in [Capture::WriteProtect, Capture::Fault, Capture::Hash] {
        let disk = CrashDisk::new();
        let store = open(&disk, options()).unwrap();
        let plain = store.region("plain", 100).unwrap();
        let Ok(mut region) = store.paged_region("r", 50_000, Some(capture)) else {
            assert_ne!(capture, Capture::Hash);
            continue;
        };
        region[10] = 1;
        region[20_000..20_100].fill(2);
        assert_eq!(region.commit().unwrap(), 101);
        assert_eq!(region.commit().unwrap(), 0, "nothing changed since");
        put(&store, &plain, 0, b"other", Durability::Flush);
        region[10] = 9;
        region[49_999] = 9;
        region.rollback().unwrap();
        assert_eq!((region[10], region[49_999]), (1, 0));
        store.truncate().unwrap();
        region[11] = 3;
        assert_eq!(region.commit().unwrap(), 1);
        region[12] = 4;
        assert!(store.open_region("r").unwrap().read(0..1).unwrap_err().is_conflict());
        assert_eq!(store.stats().page_capture, Some(capture.name()));
        drop(region);
        drop(store);
        let store = open(&disk, options()).unwrap();
        let region = store.open_region("r").unwrap();
        let bytes = region.read(0..50_000).unwrap();
        assert_eq!(bytes[10..13], [1, 3, 0]);
        assert!(bytes[20_000..20_100].iter().all(|b| *b == 2) && bytes[20_100] == 0);
    }
}

#[test]
fn a_power_cut_leaves_a_page_commit_whole_or_absent() {
    let disk = CrashDisk::new();
    let store = open(&disk, options()).unwrap();
    let mut region = store.paged_region("r", 3000, None).unwrap();
    region.fill(1);
    region.commit().unwrap();
    disk.forget_record();
    region.fill(2);
    region.commit().unwrap();
    let mut seen = [0; 3];
    for cut in disk.cuts() {
        for image in cut.images(40, 3) {
            let store = open(&image, options()).unwrap();
            let region = store.open_region("r").unwrap();
            let bytes = region.read(0..3000).unwrap();
            assert!(bytes.iter().all(|b| *b == bytes[0]), "torn at cut {}", cut.index);
            seen[bytes[0] as usize] += 1;
        }
    }
    assert!(seen[0] == 0 && seen[1] > 0 && seen[2] > 0, "{seen:?}");
}

/// The audit finds what a forgotten `set_range` of unsafe code would lose. Safe code can't do it, so
/// the damage is done by a device that writes to memory: here, through the kernel.
#[test]
fn the_audit_names_the_byte_that_was_not_declared() {
    use std::io::{Seek, SeekFrom, Write};
    let disk = CrashDisk::new();
    let store = open(&disk, Options { audit: true, ..options() }).unwrap();
    let region = store.region("r", 10_000).unwrap();
    put(&store, &region, 100, &[1; 50], Durability::Flush);
    put(&store, &region, 120, &[2; 50], Durability::Flush);
    let address = region.read(0..1).unwrap().as_ptr() as u64;
    let mut memory = std::fs::File::options().write(true).open("/proc/self/mem").unwrap();
    memory.seek(SeekFrom::Start(address + 170)).unwrap();
    memory.write_all(&[9]).unwrap();
    let mut transaction = store.begin(Restore::Yes);
    transaction.set_range(&region, 160..168).unwrap().fill(3);
    let error = transaction.commit(Durability::Flush).unwrap_err();
    let expected =
        matches!(&error, Error::Undeclared { at: 170, nearest, .. } if nearest == "160..168");
    assert!(expected, "{error}");
}
