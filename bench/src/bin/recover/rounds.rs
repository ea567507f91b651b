//! Windows in turn: transactions a second of each engine, as a ratio to the raw loop of its round.

use crate::Args;
use crate::engines::{Direct, Engine, Fjall, Lmdb, RECORDS, Raw, Redb, Sqlite, Vellum, Work};
use crate::rocks::Rocks;
use crate::{paired, seconds};
use anyhow::Result;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use vellum_bench::Series;

/// A measure, what it has to reach, and what it was.
pub type Row = (String, &'static str, String);

/// CPU seconds of this process.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// What the disk below `home` has been asked for: sectors of 512 bytes written, and flushes, by the
/// kernel's count. `None` where it isn't one disk.
fn device(home: &Path) -> Option<[f64; 2]> {
    let id = rustix::fs::stat(home).ok()?.st_dev;
    let (major, minor) = (rustix::fs::major(id), rustix::fs::minor(id));
    let stat = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    let fields: Vec<f64> = stat.split_whitespace().map_while(|field| field.parse().ok()).collect();
    Some([*fields.get(6)?, *fields.get(15)?])
}

/// A window's outcome.
struct Window {
    /// Transactions a second.
    rate: f64,
    /// CPU microseconds a transaction.
    cpu: f64,
    /// Bytes that the disk was given, and flushes that it carried out, a transaction.
    device: Option<[f64; 2]>,
}

/// One engine's window.
fn window(
    home: &Path,
    engine: &dyn Engine,
    threads: u64,
    length: f64,
    turn: u64,
) -> Result<Window> {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let failed = Mutex::new(None);
    let (before, asked) = (cpu(), device(home));
    let took = seconds(|| {
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (stop, done, failed) = (&stop, &done, &failed);
                scope.spawn(move || {
                    let mut state = turn << 32 | thread << 24 | 1;
                    while !stop.load(Ordering::Relaxed) {
                        let records = [0; 4].map(|_: u64| {
                            // SplitMix64, as everywhere.
                            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                            let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                            (z ^ (z >> 27)) % RECORDS
                        });
                        let entry = done.fetch_add(1, Ordering::Relaxed) + turn * (1 << 20);
                        if let Err(error) = engine.run(&Work { records, entry, value: state as u8 })
                        {
                            if let Ok(mut failed) = failed.lock() {
                                *failed = Some(error);
                            }
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_secs_f64(length));
            // What an engine does behind its transactions falls into its own window.
            while engine.is_busy() && !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            stop.store(true, Ordering::Relaxed);
        });
        Ok(())
    })?;
    if let Ok(mut failed) = failed.lock()
        && let Some(error) = failed.take()
    {
        return Err(error.context(engine.name()));
    }
    let count = done.load(Ordering::Relaxed).max(1) as f64;
    let asked = asked.zip(device(home)).map(|(before, after)| {
        [(after[0] - before[0]) * 512.0 / count, (after[1] - before[1]) / count]
    });
    Ok(Window { rate: count / took, cpu: (cpu() - before) / count * 1e6, device: asked })
}

/// The raw loop is the first engine, and ours the third.
const OURS: usize = 2;

/// The table of engines, and the rows of the reach table that are about transactions.
pub fn transactions(home: &Path, args: &Args) -> Result<Vec<Row>> {
    let (length, rounds, quiet) = (args.window, args.rounds, args.json);
    let (raw, vellum) = (Raw::new(home)?, Vellum::new(home)?);
    let (redb, lmdb) = (Redb::new(home)?, Lmdb::new(home)?);
    let (sqlite, fjall) = (Sqlite::new(home)?, Fjall::new(home)?);
    let rocks = Rocks::new(home)?;
    // The best of them at many threads has its turn next to ours, so that both meet the same machine.
    let mut peers: Vec<&dyn Engine> = rocks.iter().map(|rocks| rocks as &dyn Engine).collect();
    peers.extend([&redb as &dyn Engine, &lmdb, &sqlite, &fjall]);
    peers.retain(|peer| peer.name().contains(&args.engine));
    let direct = Direct::new(home)?;
    let mut engines: Vec<&dyn Engine> = vec![&raw, &direct, &vellum];
    engines.extend(peers);
    let mut rows = Vec::new();
    for threads in [1, 8].into_iter().filter(|count| args.threads.is_none_or(|only| only == *count))
    {
        let mut rates = vec![Vec::new(); engines.len()];
        let mut cpus = vec![Series::default(); engines.len()];
        let mut devices = vec![[Series::default(), Series::default()]; engines.len()];
        // A window that doesn't count, for all alike: what an engine makes or reads at first is there.
        for engine in &engines {
            window(home, *engine, threads, length, u64::from(rounds) * 8 + threads)?;
        }
        let before = vellum.store.stats();
        for round in 0..rounds {
            for (at, engine) in engines.iter().enumerate() {
                let turn = u64::from(round) * 8 + threads;
                let window = window(home, *engine, threads, length, turn)?;
                rates[at].push(window.rate);
                cpus[at].add(window.cpu);
                let device = window.device.unwrap_or([f64::NAN; 2]);
                devices[at].iter_mut().zip(device).for_each(|(series, value)| series.add(value));
            }
        }
        let after = vellum.store.stats();
        let ratio = |at: usize, of: usize| {
            let mut series = Series::default();
            rates[at].iter().zip(&rates[of]).for_each(|(a, b)| series.add(a / b));
            series
        };
        if !quiet {
            println!(
                "\n{threads} thread(s)            median txn/s (least–most)     CPU µs/txn   disk: B/txn  flushes/txn   ÷ raw (least–most)"
            );
            for (at, engine) in engines.iter().enumerate() {
                let mut rate = Series::default();
                rates[at].iter().for_each(|value| rate.add(*value));
                let ((least, most), ratio) = (rate.spread(), ratio(at, 0));
                println!(
                    "{:<30} {:>8.0} ({least:.0}–{most:.0})   {:>8.1}   {:>8.0} {:>8.2}   {:>6.2} ({:.2}–{:.2})",
                    engine.name(),
                    rate.median(),
                    cpus[at].median(),
                    devices[at][0].median(),
                    devices[at][1].median(),
                    ratio.median(),
                    ratio.spread().0,
                    ratio.spread().1,
                );
            }
        }
        let commits = (after.commits - before.commits) as f64;
        let flushes = (after.log.flushes - before.log.flushes) as f64 / commits;
        let bytes = (after.log.bytes - before.log.bytes) as f64 / commits;
        let best = (OURS + 1..engines.len())
            .map(|peer| (engines[peer].name(), ratio(OURS, peer)))
            .min_by(|one, two| one.1.median().total_cmp(&two.1.median()));
        if threads == 1 {
            let pairs = paired::ratios(&raw, &vellum, rounds, length * 4.0)?;
            rows.push(row("1 thread, against the raw loop, in bursts", "≥ 0.92", &pairs));
        } else {
            rows.push(row("8 threads, against 8 raw threads", "≥ 1.3", &ratio(OURS, 0)));
        }
        if let Some((name, ratio)) = best {
            let reach = if threads == 1 { "" } else { "≥ 3" };
            rows.push(row(
                &format!("{threads} thread(s), against the best peer, {name}"),
                reach,
                &ratio,
            ));
        }
        let reach = if threads == 1 { "1.00" } else { "≤ 0.3" };
        rows.push((
            format!("{threads} thread(s), flushes a transaction"),
            reach,
            format!("{flushes:.3}"),
        ));
        let reach = if threads == 1 { "≤ 645" } else { "" };
        let what =
            format!("{threads} thread(s), bytes a transaction of 576 takes in the log, encrypted");
        rows.push((what, reach, format!("{bytes:.1}")));
        let written = (after.log.written - before.log.written) as f64 / commits;
        let what = format!("{threads} thread(s), bytes that write() was given for them");
        rows.push((what, "", format!("{written:.1}")));
    }
    if !quiet {
        let stats = vellum.store.stats();
        println!("\nvellum-recover, all windows: write and flush, µs: {}", stats.flush_us);
        println!("  of these beside a truncation: {}", stats.flush_beside_truncation_us);
        println!("  truncation, µs: {}", stats.truncate_us);
        let log = stats.log;
        let (segments, reused, waited) = (log.segments, log.reused, log.unprepared);
        println!("  {segments} segments, {reused} of them reused, {waited} waited for");
    }
    if rocks.is_none() {
        rows.push(("RocksDB, WAL sync".to_owned(), "", "skipped: no library".to_owned()));
    }
    Ok(rows)
}

/// A row of a median and its spread.
pub fn row(measure: &str, reach: &'static str, series: &Series) -> Row {
    let (low, high) = series.spread();
    (measure.to_owned(), reach, format!("{:.2} ({low:.2}–{high:.2})", series.median()))
}
