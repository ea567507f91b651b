//! Speed, in CPU time.

use crate::Args;
use crate::data::{DRIVES, Data};
use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use vellum_bench::{Series, Table};
use vellum_block::Rng;
use vellum_block::trace::Record;
use vellum_disk::replay::open_loop;
use vellum_disk::{Disk, Policy};

/// CPU seconds that `f` takes.
fn cpu<T>(f: impl FnOnce() -> T) -> (f64, T) {
    let now = || {
        let t = clock_gettime(ClockId::ProcessCPUTime);
        t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
    };
    let start = now();
    let value = f();
    (now() - start, value)
}

pub fn requests(data: &Data, args: &Args) -> Result<Table> {
    // DiskSim's requests a second, from its summary tables, on the same trace and drive.
    let rows = [
        ("wsrch-hp_c3323a", "hp_c3323a", 75_009.0),
        ("wsrch-atlas10k", "atlas10k", 51_194.0),
        ("dtrs-cheetah9LP", "cheetah9LP", 23_899.0),
        ("validate", "cheetah15k5", 12_600.0),
        ("validate", "hp_c3323a", 78_251.0),
    ];
    let head = ["trace", "drive", "requests/s (median, spread)", "DiskSim", "ratio"];
    let mut table = Table::new(&head);
    for (trace, drive, theirs) in rows {
        let log = if trace == "validate" { data.log(drive)? } else { data.real(trace)? };
        let records: Vec<Record> = log.iter().map(|l| l.record).collect();
        let profile = data.drive(drive)?;
        let disk = Disk::new(&profile, Policy::Fcfs)?;
        let mut series = Series::default();
        for _ in 0..args.rounds {
            let mut fresh = disk.clone();
            let (seconds, done) = cpu(|| open_loop(&mut fresh, &records));
            series.add(done?.len() as f64 / seconds);
        }
        let ratio = series.median() / theirs;
        table.row(&[
            trace.to_string(),
            drive.to_string(),
            series.to_string(),
            format!("{theirs}"),
            format!("{ratio:.1}"),
        ]);
    }
    Ok(table)
}

/// DiskSim's nanoseconds for an LBN's place.
const MAP: [f64; 9] = [108.0, 150.0, 130.0, 46.0, 243.0, 409.0, 124.0, 104.0, 232.0];

pub fn map(data: &Data, args: &Args) -> Result<Table> {
    let mut table = Table::new(&["drive", "sectors", "ns (median, spread)", "DiskSim ns", "ratio"]);
    for ((name, _), theirs) in DRIVES.into_iter().zip(MAP) {
        let geometry = data.drive(name)?.layout.build()?;
        let mut rng = Rng::new(1);
        let lbns: Vec<u64> = (0..1 << 18).map(|_| rng.below(geometry.sectors())).collect();
        let mut series = Series::default();
        for _ in 0..args.rounds.max(3) {
            let (seconds, _) = cpu(|| {
                for &lbn in &lbns {
                    if let Some(spot) = geometry.locate(lbn) {
                        black_box(geometry.place(spot));
                    }
                }
            });
            series.add(seconds * 1e9 / lbns.len() as f64);
        }
        let ratio = theirs / series.median();
        table.row(&[
            name.to_string(),
            geometry.sectors().to_string(),
            series.to_string(),
            format!("{theirs}"),
            format!("{ratio:.1}"),
        ]);
    }
    Ok(table)
}

pub fn nvm(_: &Data, args: &Args) -> Result<Table> {
    // NVMain 2.0, byte endurance, 100,000 requests: operations a second.
    const THEIRS: f64 = 8_800.0;
    let mut table =
        Table::new(&["device", "line operations/s (median, spread)", "NVMain", "ratio"]);
    for name in vellum_nvm::profiles::NAMES {
        let profile = vellum_nvm::profiles::find(name).expect("a shipped profile");
        let mut series = Series::default();
        for _ in 0..args.rounds {
            let mut device = vellum_nvm::Nvm::new(profile, 1 << 16, 1)?;
            let (seconds, n) = cpu(|| vellum_nvm::random_lines(&mut device, 300_000, 7));
            series.add(n? as f64 / seconds);
        }
        let ratio = series.median() / THEIRS;
        table.row(&[
            name.to_string(),
            series.to_string(),
            format!("{THEIRS}"),
            format!("{ratio:.0}"),
        ]);
    }
    Ok(table)
}
