//! Writing without declaring: capture by pages, and the audit that finds a forgotten range.

#[path = "common/small.rs"]
#[allow(dead_code, reason = "every program uses some of it")]
mod small;

use small::{open, options, put};
use vellum_recover::log::CrashDisk;
use vellum_recover::{Durability, Error, Options, Restore};

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
