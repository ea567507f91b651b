//! Increments that are copied ahead of their pause are the memory of the pause's instant, whatever the
//! owner wrote during the copy.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vellum_recover::checkpoint::{
    Captured, Checkpoints, Compression, DirObjects, IncrementOptions, Increments, Pages,
};
use vellum_recover::log::CrashDisk;
use vellum_recover::{Capture, PAGE, Tracked};

/// More than the runs that the kernel lists in one part (512).
const PAGES: usize = 2400;

/// A memory, and the turn that its owner has reached.
struct Owned {
    memory: Tracked,
    turn: u64,
}

impl Owned {
    /// A word somewhere changes, most often in a few pages.
    fn step(&mut self) {
        self.turn += 1;
        write(self.memory.bytes_mut(), self.turn);
    }
}

fn write(bytes: &mut [u8], turn: u64) {
    let spread = if turn.is_multiple_of(2) { PAGES } else { 24 };
    let hash = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let at = (hash >> 32) as usize % spread * PAGE + (hash >> 8) as usize % (PAGE / 8) * 8;
    bytes[at..at + 8].copy_from_slice(&turn.to_le_bytes());
}

/// The memory after so many turns, done from the beginning: what has to come out.
fn expected(turns: u64) -> Vec<u8> {
    let mut memory = vec![0; PAGES * PAGE];
    (1..=turns).for_each(|turn| write(&mut memory, turn));
    memory
}

fn hold<T>(memory: &Mutex<T>) -> MutexGuard<'_, T> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A lock on the owner that is a lock on its memory.
struct Stopped<'a>(MutexGuard<'a, Owned>);

impl std::ops::Deref for Stopped<'_> {
    type Target = Tracked;

    fn deref(&self) -> &Tracked {
        &self.0.memory
    }
}

impl std::ops::DerefMut for Stopped<'_> {
    fn deref_mut(&mut self) -> &mut Tracked {
        &mut self.0.memory
    }
}

fn stop(owned: &Mutex<Owned>) -> (Stopped<'_>, u64) {
    let guard = hold(owned);
    let turn = guard.turn;
    (Stopped(guard), turn)
}

fn checkpoints() -> Checkpoints {
    let objects = DirObjects::in_storage(Arc::new(CrashDisk::new())).unwrap();
    Checkpoints::new(Arc::new(objects), Compression::None)
}

fn restored(checkpoints: &Checkpoints) -> Vec<u8> {
    let mut out = vec![0; PAGES * PAGE];
    let mut restored = checkpoints.restore("m").unwrap();
    restored
        .read_all(|page, bytes| out[page as usize * PAGE..][..PAGE].copy_from_slice(bytes))
        .unwrap();
    out
}

fn each_capture(check: impl Fn(Capture, Tracked)) {
    for capture in [Capture::WriteProtect, Capture::Fault, Capture::Hash] {
        match Tracked::new(PAGES * PAGE, Some(capture)) {
            Ok(memory) => check(capture, memory),
            Err(error) => println!("skipped: {error}"),
        }
    }
}

#[test]
fn an_increment_is_the_memory_of_its_pause_beside_an_owner_that_writes_all_the_time() {
    each_capture(|capture, memory| {
        let checkpoints = checkpoints();
        let options = IncrementOptions { passes: 2 };
        let mut increments = Increments::of(&memory, options);
        let owned = Mutex::new(Owned { memory, turn: 0 });
        let mut ahead = 0;
        let end = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !end.load(Ordering::Acquire) {
                    // Several turns in one hold, so that it is in the middle of them during a pass.
                    let mut owned = hold(&owned);
                    (0..20).for_each(|_| owned.step());
                    drop(owned);
                    std::thread::yield_now();
                }
            });
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for round in 0..12 {
                    let (captured, turn, report) = increments.take(|| stop(&owned)).unwrap();
                    checkpoints.save("m", captured, b"", round > 0).unwrap();
                    assert!(restored(&checkpoints) == expected(turn), "{capture:?}, round {round}");
                    ahead += report.ahead;
                }
            }));
            end.store(true, Ordering::Release);
            if let Err(panic) = outcome {
                std::panic::resume_unwind(panic);
            }
        });
        assert!(capture == Capture::Hash || ahead > 0, "{capture:?}: nothing was copied ahead");
    });
}

#[test]
fn a_page_written_between_its_copy_and_the_pause_is_taken_again() {
    each_capture(|capture, mut memory| {
        let mut increments = Increments::of(&memory, IncrementOptions { passes: 0 });
        for page in [3, 4, 500] {
            memory.bytes_mut()[page * PAGE] = 1;
        }
        let ahead = increments.pass().unwrap();
        assert_eq!(ahead, if capture == Capture::Hash { 0 } else { 3 });
        for page in [4, 7] {
            memory.bytes_mut()[page * PAGE + 1] = 2;
        }
        let (captured, (), report) = increments
            .take(|| {
                // The last instant that counts.
                memory.bytes_mut()[500 * PAGE] = 9;
                (&mut memory, ())
            })
            .unwrap();
        let expected = if capture == Capture::Hash { (0, 4, 0) } else { (3, 3, 2) };
        assert_eq!((report.ahead, report.in_pause, report.again), expected, "{capture:?}");
        assert_eq!(captured.len(), 4);
        let checkpoints = checkpoints();
        checkpoints.save("m", captured, b"", false).unwrap();
        assert!(restored(&checkpoints) == memory.bytes(), "{capture:?}");
        // What was delivered is not delivered again.
        let (captured, (), _) = increments.take(|| (&mut memory, ())).unwrap();
        assert!(captured.is_empty(), "{capture:?}");
    });
}

#[test]
fn a_pause_that_fails_leaves_what_was_copied_ahead_to_the_next_one() {
    let mut memory = Tracked::new(PAGES * PAGE, None).unwrap();
    let mut other = Tracked::new(PAGES * PAGE, None).unwrap();
    let mut increments = Increments::of(&memory, IncrementOptions::default());
    memory.bytes_mut()[9 * PAGE] = 1;
    let error = increments.take(|| (&mut other, ())).unwrap_err();
    let text = format!("{error}: {}", std::error::Error::source(&error).unwrap());
    assert!(text.contains("another memory"), "{text}");
    memory.bytes_mut()[11 * PAGE] = 1;
    let (captured, (), _) = increments.take(|| (&mut memory, ())).unwrap();
    assert_eq!(captured.len(), 2);
}

#[test]
fn a_power_cut_leaves_the_checkpoint_before_or_the_one_that_was_copied_ahead() {
    let disk = CrashDisk::new();
    let open = |disk: &CrashDisk| {
        let objects = DirObjects::in_storage(Arc::new(disk.clone())).unwrap();
        Checkpoints::new(Arc::new(objects), Compression::Lz4)
    };
    let memory = Tracked::new(PAGES * PAGE, None).unwrap();
    let all: Vec<_> = std::iter::once(0..memory.pages()).collect();
    let mut increments = Increments::of(&memory, IncrementOptions { passes: 0 });
    let mut owned = Owned { memory, turn: 0 };
    (0..40).for_each(|_| owned.step());
    owned.memory.take_dirty().unwrap();
    let checkpoints = open(&disk);
    let full = Captured::take(&owned.memory, &all);
    checkpoints.save("m", &full, &owned.turn.to_le_bytes(), false).unwrap();
    disk.forget_record();
    (0..40).for_each(|_| owned.step());
    increments.pass().unwrap();
    (0..40).for_each(|_| owned.step());
    let (captured, (), report) = increments.take(|| (&mut owned.memory, ())).unwrap();
    assert!(report.again > 0 || owned.memory.capture() == Capture::Hash, "{report:?}");
    checkpoints.save("m", captured, &owned.turn.to_le_bytes(), true).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for cut in disk.cuts() {
        for image in cut.images(20, 1) {
            let checkpoints = open(&image);
            let state = checkpoints.restore("m").unwrap().state().to_vec();
            let turn = u64::from_le_bytes(state.try_into().unwrap());
            assert!(restored(&checkpoints) == expected(turn), "turn {turn}");
            seen.insert(turn);
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [40, 120]);
}
