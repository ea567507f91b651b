//! A disk without room: what needs more of it is refused, and nothing is lost.

#[path = "common/small.rs"]
#[allow(dead_code, reason = "every program uses some of it")]
mod small;

use small::{fill_disk, open, options, put, with_region, words};
use vellum_recover::log::{CrashDisk, Storage};
use vellum_recover::{Durability, Error, Options, Restore};

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
