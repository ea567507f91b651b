//! Snapshots of memory whose owner writes all the time and is not asked: each is one instant.

use std::sync::atomic::{AtomicBool, Ordering};
use vellum_recover::checkpoint::{Captured, Compression, DirObjects, Restored};
use vellum_recover::{LiveMemory, PAGE, SnapshotReport};

/// Lets the owner end also when an assertion fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Snapshots under an owner that writes round after round of one number to `hot` pages, in their
/// order. In any instant the pages up to some point hold the new number, and the others the old one.
fn snapshots(pages: usize, hot: usize, count: usize) -> Option<Vec<(Vec<u64>, SnapshotReport)>> {
    let (mut memory, snapshots) = match LiveMemory::new(pages * PAGE) {
        Ok(both) => both,
        Err(error) => {
            println!("skipped: {error}");
            return None;
        }
    };
    memory[(pages - 1) * PAGE] = 77;
    let stop = AtomicBool::new(false);
    let (result, _memory) = std::thread::scope(|scope| {
        let stop = &stop;
        let owner = scope.spawn(move || {
            let mut number = 0_u64;
            while !stop.load(Ordering::Acquire) {
                number += 1;
                for page in 0..hot {
                    // Scattered, so that neither arming nor copying meets them in their order.
                    let at = page * 37 % hot * (pages / hot) * PAGE;
                    memory[at..at + 8].copy_from_slice(&number.to_le_bytes());
                }
                std::thread::yield_now();
            }
            memory
        });
        let end = Stop(stop);
        let taken: Vec<_> = (0..count)
            .map(|_| {
                // Long enough for the owner to run into a closed page.
                let wait = || std::thread::sleep(std::time::Duration::from_millis(10));
                let (captured, (), report) = snapshots.take(wait).unwrap();
                (numbers(&captured, pages, hot), report)
            })
            .collect();
        drop(end);
        (taken, owner.join().unwrap())
    });
    Some(result)
}

/// The number on each hot page, in the order in which the owner writes them.
fn numbers(captured: &Captured, pages: usize, hot: usize) -> Vec<u64> {
    let home = tempfile::tempdir().unwrap();
    let objects = std::sync::Arc::new(DirObjects::open(home.path().join("o")).unwrap());
    let checkpoints =
        vellum_recover::checkpoint::Checkpoints::new(objects.clone(), Compression::None);
    let (id, _) = checkpoints.save("m", captured, b"", false).unwrap();
    let mut restored = Restored::open(objects, id).unwrap();
    let mut bytes = vec![0; PAGE];
    restored.read_page(pages as u64 - 1, &mut bytes).unwrap();
    assert_eq!(bytes[0], 77, "a page that nobody writes to");
    (0..hot)
        .map(|page| {
            let at = page * 37 % hot * (pages / hot);
            restored.read_page(at as u64, &mut bytes).unwrap();
            u64::from_le_bytes(bytes[..8].try_into().unwrap())
        })
        .collect()
}

#[test]
fn a_snapshot_is_one_instant_of_a_memory_that_is_written_all_the_time() {
    let Some(taken) = snapshots(640, 16, 12) else { return };
    let mut last = 0;
    for (numbers, report) in &taken {
        let (newest, oldest) = (numbers[0], numbers[15]);
        assert!(newest - oldest <= 1, "{numbers:?}");
        assert!(numbers.is_sorted_by(|one, two| one >= two), "{numbers:?}");
        assert!(oldest >= last, "an instant before the last one");
        assert!(report.pause_pages <= 16, "only what the owner writes to is closed in the pause");
        last = oldest;
    }
    assert!(last > 0, "the owner never ran");
    assert!(taken.iter().any(|(_, report)| report.pre_images > 0), "nothing was ever saved");
}

#[test]
fn the_pause_does_not_grow_with_the_memory() {
    for pages in [640, 16 * 640] {
        let Some(taken) = snapshots(pages, 8, 2) else { return };
        for (_, report) in taken {
            assert!(report.pause_pages <= 8, "{} pages, {report:?}", pages);
        }
    }
}

#[test]
fn what_was_never_written_is_not_in_a_snapshot() {
    let Ok((memory, snapshots)) = LiveMemory::new(1000 * PAGE) else { return };
    let (captured, instant, report) = snapshots.take(|| 5).unwrap();
    assert_eq!((captured.len(), instant, report.pre_images), (0, 5, 0));
    assert!(memory.iter().all(|byte| *byte == 0));
}
