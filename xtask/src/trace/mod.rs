//! `cargo xtask trace FILE --device PROFILE`: a trace of block requests on a model of a drive.

mod faults;
mod report;

use crate::table::Table;
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, IsTerminal, Read, stderr, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vellum_block::trace::{Format, Reader, Record};
use vellum_block::{
    Cdf, Completion, Device, Duration, Instant, Lba, Op, Phase, Request, Tag, drain,
};
use vellum_disk::faults::FaultCounters;
use vellum_disk::profile::Profile;
use vellum_disk::replay::closed_loop;
use vellum_disk::shingled::{Shingled, ShingledConfig};
use vellum_disk::{Disk, Policy, profiles};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The trace; `-` for standard input (so that packed traces can be piped in)
    file: PathBuf,
    /// A drive: hp97560, enterprise15k, desktop7200, a .drive file, or a DiskSim .parv/.diskspecs file
    #[arg(long, default_value = "desktop7200")]
    device: String,
    /// The trace's format; without it, the beginning tells. One of disksim, validate, srt, msr, spc,
    /// vscsi, blkparse, fio, mqsim
    #[arg(long)]
    format: Option<String>,
    /// Scheduling: fcfs, sstf, look, clook, vscan, sptf, spctf, satf, asptf, wptf
    #[arg(long, default_value = "fcfs")]
    policy: String,
    /// Requests that waited longer than this many milliseconds go first, whatever the policy
    #[arg(long)]
    age_limit: Option<u64>,
    /// Cut the drive into host-managed zones of so many MiB (SMR): writes that do not follow a zone's
    /// pointer are refused, and counted
    #[arg(long, value_name = "MIB")]
    zones: Option<u64>,
    /// Stretch the trace's times by this many percent: 200 halves the load
    #[arg(long, default_value_t = 100)]
    stretch: u64,
    /// Take only the first so many requests
    #[arg(long)]
    limit: Option<usize>,
    /// Write a report with the distribution, seek distances and where the time went; .svg or .html
    #[arg(long)]
    report: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    faults: faults::Options,
}

/// The names that `--policy` and `--format` take.
const POLICIES: &str = "fcfs, sstf, look, clook, vscan, sptf, spctf, satf, asptf or wptf";
const FORMATS: &str = "disksim, validate, srt, msr, spc, vscsi, blkparse, fio or mqsim";

/// Most records that are read from a trace.
const RECORDS: usize = 1 << 26;

/// What a run gave.
struct Outcome {
    name: String,
    done: Vec<Completion>,
    /// Requests beyond the drive's end, which were wrapped into it.
    wrapped: usize,
    /// Requests that ended with an error: a zone's rules, a fault.
    failed: usize,
    accesses: u64,
    hits: u64,
    distance: u64,
    /// Writes of part of a physical sector.
    modified: u64,
    /// Cylinders between the homes of successive requests.
    distances: Vec<u32>,
    measured: Option<Cdf>,
    counters: FaultCounters,
    cut: Option<faults::Cut>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let records = read(args)?;
    let profile = device(&args.device)?;
    if args.faults.enumerates() {
        return enumerate(args, &profile, records);
    }
    let outcome = play(args, &profile, records)?;
    let responses = Cdf::new(outcome.done.iter().map(Completion::response).collect());
    if args.json {
        println!("{}", serde_json::to_string_pretty(&as_json(&outcome, &responses))?);
    } else {
        tables(&outcome, &responses).iter().for_each(|t| println!("{}", t.text()));
    }
    if let Some(path) = &args.report {
        let svg = report::svg(&outcome, &responses);
        let html = path.extension().is_some_and(|e| e == "html");
        let text = if html { report::html(&outcome.name, &svg) } else { svg };
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
        eprintln!("wrote {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The drive called `name`: one that ships, or a file.
pub fn device(name: &str) -> Result<Profile> {
    if let Some(profile) = profiles::find(name) {
        return Ok(profile);
    }
    let path = Path::new(name);
    if !path.exists() {
        bail!("no drive `{name}`: not one of {}, and no file", profiles::NAMES.join(", "));
    }
    if path.extension().is_some_and(|e| e == "drive") {
        return Ok(vellum_disk::describe::read(path)?);
    }
    Ok(vellum_disk::disksim::read_drive(path)?.profile)
}

fn read(args: &Args) -> Result<Vec<Record>> {
    let format = match args.format.as_deref() {
        None => None,
        Some(name) => match Format::from_name(name) {
            Some(format) => Some(format),
            None => bail!("no trace format `{name}`: {FORMATS}"),
        },
    };
    let name = args.file.display().to_string();
    let (input, length): (Box<dyn Read>, _) = if args.file == Path::new("-") {
        (Box::new(stdin()), 0)
    } else {
        let file = File::open(&args.file).with_context(|| name.clone())?;
        let length = file.metadata().map_or(0, |m| m.len());
        (Box::new(file), length)
    };
    let bar = bar(length, "{bar:40} {bytes}/{total_bytes} read, {eta} left")?;
    let input = bar.wrap_read(input);
    let reader = Reader::new(BufReader::with_capacity(1 << 16, input), &name, format)?;
    let limit = args.limit.unwrap_or(RECORDS).min(RECORDS);
    let records: Vec<Record> = reader.take(limit).collect::<Result<_, _>>()?;
    bar.finish_and_clear();
    if records.is_empty() {
        bail!("{name}: no requests");
    }
    Ok(records)
}

/// Brings records into the drive and in order of time.
fn fit(args: &Args, disk: &Disk, records: &mut Vec<Record>) -> usize {
    let total = disk.geometry().sectors();
    let mut wrapped = 0;
    records.retain(|r| disk.supports(r.op) && u64::from(r.sectors) <= total);
    for r in records.iter_mut() {
        let room = total - u64::from(r.sectors) + 1;
        wrapped += usize::from(r.lba.get() >= room);
        r.lba = Lba::new(r.lba.get() % room);
        r.at = Instant::from_ps((u128::from(r.at.as_ps()) * u128::from(args.stretch) / 100) as u64);
    }
    records.sort_by_key(|r| r.at);
    wrapped
}

/// A drive, or one whose zones are written in order.
enum Drive {
    Plain(Disk),
    Zoned(Box<Shingled>),
}

impl Drive {
    fn new(args: &Args, profile: &Profile) -> Result<Drive> {
        let Some(policy) = Policy::from_name(&args.policy) else {
            bail!("no policy `{}`: {POLICIES}", args.policy);
        };
        let mut drive = match args.zones {
            None => Drive::Plain(Disk::new(profile, policy)?),
            Some(mib) => {
                let zone_sectors = mib.saturating_mul(1 << 20) / u64::from(profile.sector_bytes);
                let config = ShingledConfig { zone_sectors, ..ShingledConfig::default() };
                Drive::Zoned(Box::new(Shingled::new(profile, policy, config)?))
            }
        };
        let disk = match &mut drive {
            Drive::Plain(d) => d,
            Drive::Zoned(d) => d.disk_mut(),
        };
        if let Some(ms) = args.age_limit {
            disk.set_age_limit(Duration::from_ms(ms));
        }
        args.faults.plant(disk)?;
        Ok(drive)
    }

    fn disk(&self) -> &Disk {
        match self {
            Drive::Plain(d) => d,
            Drive::Zoned(d) => d.disk(),
        }
    }
}

/// Prints what power cuts can leave, instead of the run.
fn enumerate(args: &Args, profile: &Profile, mut records: Vec<Record>) -> Result<ExitCode> {
    let Drive::Plain(mut disk) = Drive::new(args, profile)? else {
        bail!("--crash-states knows drives without --zones");
    };
    fit(args, &disk, &mut records);
    let table = faults::states(&mut disk, &records)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&table.json())?);
    } else {
        println!("{}", table.text());
    }
    Ok(ExitCode::SUCCESS)
}

fn play(args: &Args, profile: &Profile, mut records: Vec<Record>) -> Result<Outcome> {
    let mut drive = Drive::new(args, profile)?;
    let wrapped = fit(args, drive.disk(), &mut records);
    if records.is_empty() {
        bail!("no request of the trace is one that {} can do", profile.name);
    }
    let closed = records.iter().all(|r| r.gap.is_some());
    let measured = records.iter().map(|r| r.service).collect::<Option<Vec<_>>>().map(Cdf::new);
    let mut cut = None;
    let done = match &mut drive {
        drive if args.faults.power_loss().is_some() => {
            let at = args.faults.power_loss().unwrap_or(Instant::MAX);
            let device: &mut dyn Device = match drive {
                Drive::Plain(disk) => disk,
                Drive::Zoned(zoned) => zoned.as_mut(),
            };
            let (done, left) = faults::until_cut(device, &records, closed, at)?;
            cut = Some(left);
            done
        }
        Drive::Plain(disk) if closed => closed_loop(disk, &records)?,
        Drive::Plain(disk) => open(disk, &records)?,
        Drive::Zoned(zoned) => open(zoned.as_mut(), &records)?,
    };
    let disk = drive.disk();
    let cylinder = |r: &Record| {
        let g = disk.geometry();
        g.locate(r.lba.get()).map_or(0, |s| g.place(s).cylinder)
    };
    let distances = records.windows(2).map(|w| cylinder(&w[0]).abs_diff(cylinder(&w[1]))).collect();
    let m = disk.media();
    Ok(Outcome {
        name: profile.name.clone(),
        failed: done.iter().filter(|c| !c.status.is_ok()).count(),
        done,
        wrapped,
        accesses: m.accesses,
        hits: m.hits,
        distance: m.distance,
        modified: m.modified,
        distances,
        measured: measured.filter(|_| cut.is_none()),
        counters: disk.faults().counters(),
        cut,
    })
}

/// A bar for something of so many parts; hidden where nobody sees it, or nobody knows how many.
fn bar(parts: u64, template: &str) -> Result<ProgressBar> {
    let seen = parts > 0 && stderr().is_terminal();
    let bar = if seen { ProgressBar::new(parts) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template(template)?);
    Ok(bar)
}

/// Open loop, with a bar on a terminal.
fn open(disk: &mut dyn Device, records: &[Record]) -> Result<Vec<Completion>> {
    let bar = bar(records.len() as u64, "{bar:40} {pos}/{len} requests, {eta} left")?;
    let mut done = vec![None; records.len()];
    for (i, r) in records.iter().enumerate() {
        disk.advance(r.at, &mut |c: Completion| done[c.tag().0 as usize] = Some(c));
        let request = Request::new(Tag(i as u64), r.op, r.lba, r.sectors);
        disk.submit(r.at, request).with_context(|| format!("request {i}"))?;
        if i % 4096 == 0 {
            bar.set_position(i as u64);
        }
    }
    drain(disk, &mut |c: Completion| done[c.tag().0 as usize] = Some(c));
    bar.finish_and_clear();
    Ok(done.into_iter().flatten().collect())
}

const PERCENTILES: [(&str, u64, u64); 5] =
    [("p50", 50, 100), ("p95", 95, 100), ("p99", 99, 100), ("p99.9", 999, 1000), ("max", 1, 1)];

fn mean_ms(o: &Outcome, phase: Phase) -> f64 {
    let sum: f64 = o.done.iter().map(|c| c.breakdown.get(phase).as_ms_f64()).sum();
    sum / o.done.len().max(1) as f64
}

fn tables(o: &Outcome, responses: &Cdf) -> Vec<Table> {
    let mut table = Table::new("the run", &["measure", "value"]);
    let mut row = |name: &str, value: String| table.row([json!(name), json!(value)]);
    let reads = o.done.iter().filter(|c| c.request.op == Op::Read).count();
    let last = o.done.iter().map(|c| c.at).max().unwrap_or(Instant::ZERO);
    let bytes: u64 = o.done.iter().map(|c| u64::from(c.request.sectors) * 512).sum();
    row("drive", o.name.clone());
    row("requests", format!("{} ({reads} reads)", o.done.len()));
    row("wrapped into the drive", o.wrapped.to_string());
    row("refused or failed", o.failed.to_string());
    row("read before written", o.modified.to_string());
    row("virtual time", last.to_string());
    let seconds = last.since(Instant::ZERO).as_ms_f64() / 1000.0;
    row("throughput", format!("{:.3} MB/s", bytes as f64 / 1e6 / seconds.max(1e-9)));
    row("mean response", format!("{:.3} ms", responses.mean().as_ms_f64()));
    for (name, part, whole) in PERCENTILES {
        row(name, format!("{:.3} ms", responses.percentile(part, whole).as_ms_f64()));
    }
    row("buffer hits", o.hits.to_string());
    let mean = o.distance as f64 / o.accesses.max(1) as f64;
    row("mean seek distance", format!("{mean:.1} cylinders"));
    if let Some(real) = &o.measured {
        let demerit = responses.demerit(real);
        let part = 100.0 * demerit.as_ms_f64() / real.mean().as_ms_f64().max(1e-9);
        row("measured mean", format!("{:.3} ms", real.mean().as_ms_f64()));
        row("demerit", format!("{demerit} ({part:.2} % of the measured mean)"));
    }
    let mut parts = Table::new("where the time went", &["part of the response", "mean ms"]);
    for phase in Phase::ALL {
        let mean = mean_ms(o, phase);
        if mean > 0.0 {
            parts.row([json!(phase.name()), json!(format!("{mean:.4}"))]);
        }
    }
    let mut tables = vec![table, parts];
    tables.extend(faults::counters(o));
    tables.extend(o.cut.as_ref().map(faults::Cut::table));
    tables
}

fn as_json(o: &Outcome, responses: &Cdf) -> serde_json::Value {
    let parts: serde_json::Map<_, _> =
        Phase::ALL.iter().map(|&p| (p.name().to_string(), json!(mean_ms(o, p)))).collect();
    let percentiles: serde_json::Map<_, _> = PERCENTILES
        .iter()
        .map(|&(n, a, b)| (n.to_string(), json!(responses.percentile(a, b).as_ms_f64())))
        .collect();
    json!({
        "drive": o.name,
        "requests": o.done.len(),
        "wrapped": o.wrapped,
        "refused_or_failed": o.failed,
        "read_before_written": o.modified,
        "mean_ms": responses.mean().as_ms_f64(),
        "percentiles_ms": percentiles,
        "parts_ms": parts,
        "buffer_hits": o.hits,
        "media_accesses": o.accesses,
        "faults": faults::counters_json(&o.counters),
        "power_cut": o.cut.as_ref().map(faults::Cut::json),
        "demerit_ms": o.measured.as_ref().map(|m| responses.demerit(m).as_ms_f64()),
    })
}
