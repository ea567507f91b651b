//! Increments of a large memory, their pauses, and the first byte of a restore.
//!
//! The row of the pause: a hundredth of all pages, scattered, is written *before* the increment
//! begins; the pause is the owner's stop time, from when it stands still until it is let go. Beside it:
//! the same with nothing copied ahead, and with an owner that writes on during the copy.

use crate::memory::thread_cpu;
use crate::rounds::{Row, row};
use crate::seconds;
use anyhow::Result;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vellum_bench::Series;
use vellum_recover::checkpoint::{
    Captured, Checkpoints, Compression, DirObjects, IncrementOptions, Increments, Pages, Restored,
};
use vellum_recover::{PAGE, Tracked};

/// Every hundredth page, scattered.
fn scattered(pages: u64) -> impl Iterator<Item = u64> {
    let step = 100 * 97 % pages.max(1);
    (0..pages / 100).map(move |turn| turn * step.max(1) % pages)
}

/// Writes to the hundredth.
fn dirty(memory: &mut Tracked, value: u8) {
    for page in scattered(memory.pages()) {
        memory.bytes_mut()[page as usize * PAGE + 100] = value;
    }
}

/// Milliseconds, but for pages.
#[derive(Default)]
struct Pauses {
    ahead: Series,
    plain: Series,
    busy: Series,
    scans: Series,
    scans_again: Series,
}

/// The rows.
pub fn measure(home: &Path, len: u64, rounds: u32) -> Result<Vec<Row>> {
    let size = format!("{} MiB", len >> 20);
    let mut memory = Tracked::new(usize::try_from(len)?, None)?;
    for (page, bytes) in memory.bytes_mut().chunks_exact_mut(PAGE).enumerate() {
        bytes[..8].copy_from_slice(&(page as u64 % 5000 + 1).to_le_bytes());
    }
    memory.take_dirty()?;
    let objects = Arc::new(DirObjects::open(home.join("checkpoints"))?);
    let checkpoints = Checkpoints::new(objects.clone(), Compression::Lz4);
    let everything: Vec<_> = std::iter::once(0..memory.pages()).collect();
    let (id, _) = checkpoints.save("m", &Captured::take(&memory, &everything), b"", false)?;
    let mut pauses = Pauses::default();
    let increments = |passes| Increments::of(&memory, IncrementOptions { passes });
    let (mut plain, mut ahead) = (increments(0), increments(IncrementOptions::default().passes));
    for round in 0..rounds.max(3) as u8 {
        dirty(&mut memory, round);
        let (captured, (), report) = plain.take(|| (&mut memory, ()))?;
        pauses.plain.add(report.pause_us as f64 / 1e3);
        checkpoints.save("m", captured, b"", true)?;
        dirty(&mut memory, round + 1);
        let before = thread_cpu();
        let (captured, (), report) = ahead.take(|| (&mut memory, ()))?;
        pauses.busy.add(1e3 * (thread_cpu() - before));
        anyhow::ensure!(captured.len() as u64 == memory.pages() / 100, "{report:?}");
        pauses.ahead.add(report.pause_us as f64 / 1e3);
        checkpoints.save("m", captured, b"", true)?;
        // The same again, without a copy: the kernel's part, for all of it and then for nothing.
        dirty(&mut memory, round + 2);
        pauses.scans.add(1e3 * seconds(|| Ok(memory.take_dirty().map(drop)?))?);
        pauses.scans_again.add(1e3 * seconds(|| Ok(memory.take_dirty().map(drop)?))?);
    }
    let memory = Mutex::new(memory);
    let slow = beside(&memory, &mut ahead, rounds, Some(Duration::from_millis(1)))?;
    let fast = beside(&memory, &mut ahead, rounds, None)?;
    let memory = memory.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (mut firsts, mut faults) = (Series::default(), Series::default());
    for _ in 0..rounds.max(3) {
        firsts.add(
            1e3 * seconds(|| {
                let mut restored = Restored::open(objects.clone(), id)?;
                let mut page = [0; PAGE];
                restored.read_page(len / PAGE as u64 / 2, &mut page)?;
                anyhow::ensure!(page[0] != 0 || page[1] != 0, "an empty page");
                Ok(())
            })?,
        );
    }
    for _ in 0..rounds.max(3) {
        let mut kept = None;
        faults.add(
            1e3 * seconds(|| {
                let (restored, _) = checkpoints.restore_lazily("m", false)?;
                let at = restored.len() / 2;
                anyhow::ensure!(restored.bytes(at..at + 8)? == &memory.bytes()[at..at + 8]);
                kept = Some(restored);
                Ok(())
            })?,
        );
        drop(kept);
    }
    let pause = format!("incremental checkpoint of {size}, 1 % dirty: pause, ms");
    let way = memory.capture().name();
    let first = format!("lazy restore of {size}: to the first byte touched, ms");
    let depth = checkpoints.restore("m")?.depth();
    let fault = format!("the same by page fault, a chain of {depth} images");
    Ok(vec![
        (
            "written pages are found by".to_owned(),
            "",
            way.split(' ').next().unwrap_or(way).to_owned(),
        ),
        row(&pause, "≤ 3", &pauses.ahead),
        row("  with nothing copied ahead of it", "", &pauses.plain),
        row("  beside an owner that writes 100 of these pages each ms: pause, ms", "", &slow.0),
        row("    pages copied in that pause", "", &slow.1),
        row("  beside an owner that writes to them without a break: pause, ms", "", &fast.0),
        row("    pages copied in that pause", "", &fast.1),
        row("  the search in a pause with nothing copied ahead, ms", "", &pauses.scans),
        row(
            "  the search behind a copy, when nothing was written since, ms",
            "",
            &pauses.scans_again,
        ),
        row("  CPU ms of the whole increment, the copy ahead counted", "", &pauses.busy),
        row(&first, "≤ 2", &firsts),
        row(&fault, "≤ 2", &faults),
    ])
}

/// Pauses (ms), and the pages copied in them, beside an owner that writes to the hundredth: to all of
/// it before the increment begins, and on during it, in a burst of 100 pages each `pace`, or all the
/// time. It holds a lock for 25 pages at a time, which is how it can be stopped.
fn beside(
    memory: &Mutex<Tracked>,
    increments: &mut Increments,
    rounds: u32,
    pace: Option<Duration>,
) -> Result<(Series, Series)> {
    let hold = || memory.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut pauses, mut pages) = (Series::default(), Series::default());
    let pages_there = hold().pages();
    let end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let all: Vec<u64> = scattered(pages_there).collect();
            let mut turn = 0_u8;
            while !end.load(Ordering::Relaxed) {
                turn = turn.wrapping_add(1);
                for burst in all.chunks(100) {
                    for few in burst.chunks(25) {
                        let mut memory = hold();
                        few.iter().for_each(|page| {
                            memory.bytes_mut()[*page as usize * PAGE + 100] = turn;
                        });
                    }
                    if end.load(Ordering::Relaxed) {
                        break;
                    }
                    match pace {
                        Some(pace) => std::thread::sleep(pace),
                        None => std::thread::yield_now(),
                    }
                }
            }
        });
        let taken = (0..rounds.max(3)).try_for_each(|round| {
            dirty(&mut hold(), round as u8);
            let (_, (), report) = increments.take(|| (hold(), ()))?;
            pauses.add(report.pause_us as f64 / 1e3);
            pages.add(report.in_pause as f64);
            Ok::<(), anyhow::Error>(())
        });
        end.store(true, Ordering::Relaxed);
        taken.map(|()| (pauses, pages))
    })
}
