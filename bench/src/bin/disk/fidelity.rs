//! Against DiskSim: each request's time, and the means of scheduling policies.

use crate::Args;
use crate::data::{DRIVES, Data, Logged};
use anyhow::Result;
use vellum_bench::Table;
use vellum_block::trace::Record;
use vellum_block::{Cdf, Duration, Instant};
use vellum_disk::profile::Profile;
use vellum_disk::replay::open_loop;
use vellum_disk::{Disk, Policy};

/// Part of the requests within a microsecond of DiskSim's, and the distance of the distributions.
fn compare(profile: &Profile, log: &[Logged]) -> Result<[String; 4]> {
    let records: Vec<Record> = log.iter().map(|l| l.record).collect();
    let done = open_loop(&mut Disk::new(profile, Policy::Fcfs)?, &records)?;
    let near = |(c, l): &(&vellum_block::Completion, &Logged)| {
        c.response().as_ps().abs_diff(l.response().as_ps()) <= 1_000_000
    };
    let close = done.iter().zip(log).filter(near).count();
    let ours = Cdf::new(done.iter().map(|c| c.response()).collect());
    let theirs = Cdf::new(log.iter().map(Logged::response).collect());
    Ok([
        format!("{:.3}", ours.mean().as_ms_f64()),
        format!("{:.3}", theirs.mean().as_ms_f64()),
        format!("{:.2} %", 100.0 * close as f64 / log.len() as f64),
        ours.demerit(&theirs).to_string(),
    ])
}

pub fn requests(data: &Data, _: &Args) -> Result<Table> {
    let head = ["trace on drive", "requests", "mean ms", "DiskSim", "within 1 µs", "rms of CDFs"];
    let mut table = Table::new(&head);
    let mut row = |name: String, profile: &Profile, log: &[Logged]| -> Result<()> {
        let [ours, theirs, close, rms] = compare(profile, log)?;
        table.row(&[name, log.len().to_string(), ours, theirs, close, rms]);
        Ok(())
    };
    for (name, _) in DRIVES {
        row(format!("validate on {name}"), &data.drive(name)?, &data.log(name)?)?;
    }
    for (trace, drive) in [("wsrch", "atlas10k"), ("wsrch", "hp_c3323a"), ("dtrs", "cheetah9LP")] {
        let log = data.real(&format!("{trace}-{drive}"))?;
        row(format!("{trace} on {drive}"), &data.drive(drive)?, &log)?;
        let early = log.partition_point(|l| l.end < COARSE);
        if early < log.len() {
            row(format!("{trace} on {drive}, first 2^24 ms"), &data.drive(drive)?, &log[..early])?;
        }
    }
    Ok(table)
}

/// From 2^24 ms on, DiskSim's time, milliseconds in double precision, has steps of more than three
/// picoseconds; its platter then falls behind by a hundred and fifty for each sector that passes.
const COARSE: Instant = Instant::from_ps((1 << 24) * 1_000_000_000);

const POLICIES: [(&str, &str, Policy); 9] = [
    ("FCFS", "FCFS", Policy::Fcfs),
    ("LOOK", "ELEVATOR_LBN(LOOK)", Policy::Look),
    ("C-LOOK", "CYCLE_LBN(C-LOOK)", Policy::CLook),
    ("SSTF", "SSTF_LBN", Policy::Sstf),
    ("SPTF", "SPTF_OPT", Policy::Sptf),
    ("SPCTF", "SPCTF_OPT", Policy::Spctf),
    ("ASPTF", "ASPTF_OPT", Policy::Asptf { weight: 6 }),
    ("WPTF", "WPTF_OPT", Policy::Wptf { weight: 6 }),
    ("SATF", "", Policy::Satf),
];

pub fn schedule(data: &Data, _: &Args) -> Result<Table> {
    let (profile, log) = (data.drive("atlas10k")?, data.real("wsrch-atlas10k")?);
    let summary = data.summary("sched-table.psv")?;
    let head = ["policy", "load", "mean ms", "DiskSim", "off", "p99 ms", "DiskSim"];
    let mut table = Table::new(&head);
    for (load, eighths) in [("wsrch", 8), ("wsrch5", 5)] {
        let stretched =
            |r: &Record| Record { at: Instant::from_ps(r.at.as_ps() / 8 * eighths), ..*r };
        let records: Vec<Record> = log.iter().map(|l| stretched(&l.record)).collect();
        for (name, theirs, policy) in POLICIES {
            let done = open_loop(&mut Disk::new(&profile, policy)?, &records)?;
            let ours = Cdf::new(done.iter().map(|c| c.response()).collect());
            let line = summary.lines().find(|l| l.starts_with(&format!("{load}|{theirs}|")));
            let cell = |i: usize| line.and_then(|l| l.split('|').nth(i)).unwrap_or("aborts");
            let (mean, theirs) = (ours.mean().as_ms_f64(), cell(3));
            let off = theirs.parse::<f64>().map_or_else(
                |_| "–".to_string(),
                |t| format!("{:+.2} %", 100.0 * (mean / t - 1.0)),
            );
            table.row(&[
                name.to_string(),
                load.to_string(),
                format!("{mean:.3}"),
                theirs.to_string(),
                off,
                ms(ours.percentile(99, 100)),
                cell(6).to_string(),
            ]);
        }
    }
    Ok(table)
}

fn ms(d: Duration) -> String {
    format!("{:.2}", d.as_ms_f64())
}
