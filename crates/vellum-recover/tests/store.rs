//! What a user of transactions sees: committed is there, aborted isn't, and an error is the end.

#[path = "common/small.rs"]
#[allow(dead_code, reason = "every program uses some of it")]
mod small;

use small::{fill_disk, open, options, put, with_region, words};
use vellum_recover::log::CrashDisk;
use vellum_recover::{Durability, Error, Load, Options, Restore, Store};

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
