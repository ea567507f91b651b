//! What is refused when a store or a region is opened, with an error that says why, and left alone.

#[path = "common/small.rs"]
#[allow(dead_code, reason = "every program uses some of it")]
mod small;

use small::{open, options};
use vellum_recover::log::{CrashDisk, Storage};
use vellum_recover::{Error, Options, Restore, Store};

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
