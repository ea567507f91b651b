//! Checkpoints, snapshots, opening and restoring of a large memory.

use crate::checkpoint;
use crate::rounds::{Row, row};
use crate::seconds;
use anyhow::Result;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vellum_bench::Series;
use vellum_recover::{Capture, Durability, LiveMemory, Options, PAGE, Restore, Store, Tracked};

/// The rows about a memory of `len` bytes.
pub fn measure(home: &Path, len: u64, rounds: u32) -> Result<Vec<Row>> {
    let mut rows = checkpoint::measure(home, len, rounds)?;
    rows.extend(snapshots(len, rounds)?);
    rows.extend(tracking(rounds)?);
    rows.extend(opening(home, len)?);
    rows.extend(replay(home)?);
    Ok(rows)
}

/// CPU seconds of this thread.
pub fn thread_cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Snapshots beside an owner that writes to a few pages all the time: the pause, of much memory and
/// of little.
fn snapshots(len: u64, rounds: u32) -> Result<Vec<Row>> {
    const LITTLE: usize = 64 << 20;
    let (mut large, mut ratios) = (Series::default(), Series::default());
    for _ in 0..rounds.max(3) {
        let little = pause(LITTLE)?;
        let much = pause(usize::try_from(len)?)?;
        large.add(much);
        ratios.add(much / little);
    }
    let what = format!("snapshot of {} MiB beside a writing owner: pause, ms", len >> 20);
    let against = "its pause, against that of 64 MiB".to_owned();
    Ok(vec![row(&what, "", &large), row(&against, "", &ratios)])
}

/// The middle pause of a few snapshots, in milliseconds.
fn pause(len: usize) -> Result<f64> {
    let (mut memory, snapshots) = LiveMemory::new(len)?;
    memory.chunks_exact_mut(16 * PAGE).for_each(|pages| pages[0] = 1);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || {
            let mut turn = 0_usize;
            while !stop.load(Ordering::Relaxed) {
                turn += 1;
                memory[turn * 37 % 24 * (len / 24 / PAGE) * PAGE] = turn as u8;
                std::thread::sleep(std::time::Duration::from_micros(50));
            }
        });
        let mut pauses = Series::default();
        let taken = (0..5).try_for_each(|_| {
            let (captured, (), report) = snapshots.take(|| ())?;
            anyhow::ensure!(captured.len() >= len / PAGE / 16, "pages are missing");
            pauses.add(report.pause_us as f64 / 1e3);
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        taken.map(|()| pauses.median())
    })
}

/// The cost of a first write to a page, in nanoseconds.
fn first_write(capture: Capture) -> Result<f64> {
    const PAGES: usize = 8192;
    let mut memory = Tracked::new(PAGES * PAGE, Some(capture))?;
    memory.bytes_mut().fill(1);
    memory.take_dirty()?;
    let took = seconds(|| {
        // Every other page, as scattered writes are.
        memory.bytes_mut().chunks_exact_mut(2 * PAGE).for_each(|pages| pages[0] = 2);
        Ok(())
    })?;
    Ok(took * 1e9 / (PAGES / 2) as f64)
}

fn tracking(rounds: u32) -> Result<Vec<Row>> {
    let (mut ratios, mut costs) = (Series::default(), Series::default());
    for _ in 0..rounds.max(3) {
        let ours = first_write(Capture::WriteProtect)?;
        ratios.add(ours / first_write(Capture::Fault)?);
        costs.add(ours);
    }
    Ok(vec![
        row("tracking a first write, against SIGSEGV + mprotect", "≤ 0.20", &ratios),
        row("tracking a first write, ns", "", &costs),
    ])
}

/// Opening after a crash: the log is as full as it gets before truncation.
fn opening(home: &Path, len: u64) -> Result<Vec<Row>> {
    let path = home.join("open");
    let options =
        || Options { background: vellum_recover::Background::Caller, ..Options::default() };
    let store = Store::open(&path, options())?;
    let region = store.region("r", len)?;
    let mut turn = 0_u64;
    while store.log_bytes() < options().truncate_at {
        let mut transaction = store.begin(Restore::Yes);
        for piece in 0..64 {
            let at = (turn * 64 + piece).wrapping_mul(0x9E37_79B9_7F4A_7C15) % (len - 4096);
            if let Ok(bytes) = transaction.set_range(&region, at..at + 512) {
                bytes.fill(turn as u8);
            }
        }
        transaction.commit(Durability::NoFlush)?;
        turn += 1;
    }
    store.flush()?;
    let bytes = store.log_bytes();
    drop((region, store));
    let (mut times, mut busy) = (Series::default(), Series::default());
    for _ in 0..7 {
        let (mut kept, before) = (None, thread_cpu());
        times.add(
            1e3 * seconds(|| {
                let store = Store::open(&path, options())?;
                let region = store.region("r", len)?;
                anyhow::ensure!(region.read(len / 2..len / 2 + 8)?.len() == 8);
                kept = Some(store);
                Ok(())
            })?,
        );
        busy.add(1e3 * (thread_cpu() - before));
        drop(kept);
    }
    let what = format!(
        "open after a crash, {} MiB region, {:.1} MiB of log: to first use, ms",
        len >> 20,
        bytes as f64 / f64::from(1 << 20)
    );
    Ok(vec![row(&what, "≤ 5", &times), row("its CPU time, ms", "", &busy)])
}

/// Replay: read, check and decrypt a log of 4 KiB ranges, and put the bytes into memory.
fn replay(home: &Path) -> Result<Vec<Row>> {
    const LEN: u64 = 64 << 20;
    let path = home.join("replay");
    let options =
        || Options { background: vellum_recover::Background::Caller, ..Options::default() };
    let store = Store::open(&path, options())?;
    let region = store.region("r", LEN)?;
    for chunk in 0..LEN >> 16 {
        let mut transaction = store.begin(Restore::No);
        transaction.set_range(&region, chunk << 16..(chunk + 1) << 16)?.fill(chunk as u8 | 1);
        transaction.commit(Durability::NoFlush)?;
    }
    store.flush()?;
    let bytes = store.log_bytes() as f64;
    drop((region, store));
    let (mut rates, mut busy) = (Series::default(), Series::default());
    for _ in 0..7 {
        let mut target = vec![1_u8; usize::try_from(LEN)?];
        let mut segments = Vec::new();
        let storage = Arc::new(vellum_recover::log::DirStorage::new(&path)?);
        let before = thread_cpu();
        let took = seconds(|| {
            let log = vellum_recover::log::Log::open(storage, options().log, &mut |found| {
                if let vellum_recover::log::Found::Frame { segment, offset: 4096, .. } = found {
                    segments.push(segment.clone());
                }
            })?;
            let mut at = 0;
            for segment in &segments {
                segment.for_each_frame(|_, body, _| {
                    let end = (at + body.len()).min(target.len());
                    target[at..end].copy_from_slice(&body[..end - at]);
                    at = end;
                    Ok::<(), vellum_recover::log::Error>(())
                })?;
            }
            anyhow::ensure!(at == target.len(), "{at} bytes");
            drop(log);
            Ok(())
        })?;
        rates.add(bytes / took / 1e9);
        busy.add(bytes / (thread_cpu() - before) / 1e9);
    }
    let what = "log replay (scan, check, decrypt, apply), encrypted, GB/s";
    Ok(vec![row(what, "≥ 1", &rates), row("its GB a CPU second", "", &busy)])
}
