//! `cargo xtask flash-replay FILE`: a trace of block requests, or what `nbd --log` wrote down, on a fresh flash device
//! of any shape: what it writes, and how long requests take in the chip's time.

use crate::powercut::{Cell, Layer as Kind};
use crate::table::Table;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufReader, Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vellum_block::trace::{Format, Reader, Record};
use vellum_block::{Cdf, Duration, Op};
use vellum_ftl::{Cached, Config, Ftl, Health, Layer, Lpn, MapMode, Placement, Small, Stats};
use vellum_nand::{Geometry, Model, ModelConfig, Page};

/// Bytes of a trace's sector.
const SECTOR: u64 = 512;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The trace; `-` for standard input
    file: PathBuf,
    /// Its format; without it, the beginning tells: disksim, validate, srt, msr, spc, vscsi, blkparse, fio or mqsim
    #[arg(long)]
    format: Option<String>,
    /// The translation layer: `tables` in RAM, or `small`, for 4 KiB of RAM
    #[arg(long, value_enum, default_value = "tables")]
    layer: Kind,
    /// Kind of cell
    #[arg(long, value_enum, default_value = "slc")]
    cell: Cell,
    /// Erase blocks
    #[arg(long, default_value_t = 1024)]
    blocks: u32,
    /// Pages of a block
    #[arg(long, default_value_t = 64)]
    block_pages: u32,
    /// Bytes of a page
    #[arg(long, default_value_t = 2048)]
    page_bytes: u32,
    /// Logical pages, of a hundred of the chip's
    #[arg(long, value_name = "PERCENT", default_value_t = 80)]
    fill: u32,
    /// Bytes of RAM for the layer with tables; without it, as many as the whole map takes
    #[arg(long, value_name = "BYTES")]
    ram: Option<usize>,
    /// One frontier and greedy collection, whatever the traffic
    #[arg(long)]
    greedy: bool,
    /// Pages of a write cache
    #[arg(long, value_name = "PAGES", default_value_t = 0)]
    cache: u32,
    /// Run the trace so many times
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,
    /// Do not write the whole device once before
    #[arg(long)]
    empty: bool,
    /// Take only the first so many requests
    #[arg(long)]
    limit: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq)]
struct Outcome {
    stats: Stats,
    health: Health,
    /// Requests that began or ended beyond the device's end, which were wrapped into it.
    wrapped: u64,
    /// Pages that were written in part, and read before.
    modified: u64,
    /// Reads, writes, discards, flushes.
    times: [Cdf; 4],
}

const KINDS: [&str; 4] = ["read", "write", "discard", "flush"];

pub fn run(args: &Args) -> Result<ExitCode> {
    let records = read(args)?;
    let outcome = match args.layer {
        Kind::Tables => play::<Ftl<Model>>(args, &records),
        Kind::Small => play::<Small<Model>>(args, &records),
    }?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&as_json(&outcome))?);
    } else {
        tables(&outcome).iter().for_each(|t| println!("{}", t.text()));
    }
    Ok(ExitCode::SUCCESS)
}

fn read(args: &Args) -> Result<Vec<Record>> {
    let name = args.file.display().to_string();
    let format = args.format.as_deref();
    let known =
        format.map(|f| Format::from_name(f).with_context(|| format!("no trace format `{f}`")));
    let input: Box<dyn Read> = if args.file == Path::new("-") {
        Box::new(stdin())
    } else {
        Box::new(File::open(&args.file).with_context(|| name.clone())?)
    };
    let reader = Reader::new(BufReader::new(input), &name, known.transpose()?)?.with_flushes();
    let limit = args.limit.unwrap_or(usize::MAX);
    let records: Vec<Record> = reader.take(limit).collect::<Result<_, _>>()?;
    if records.is_empty() {
        bail!("{name}: no requests");
    }
    Ok(records)
}

/// The chip, and the layer's parameters.
fn device(args: &Args) -> Result<(ModelConfig, Config)> {
    let (blocks, pages_per_block) = (args.blocks, args.block_pages);
    let like = Geometry::slc_1gbit();
    // As many bytes beside a page, of its size, as there.
    let oob_bytes = (args.page_bytes / (like.page_bytes / like.oob_bytes)).max(like.oob_bytes);
    let page_bytes = args.page_bytes;
    let geometry = Geometry { blocks, pages_per_block, page_bytes, oob_bytes, ..like };
    let geometry = geometry.with_cell(args.cell.kind());
    geometry.check().context("this chip can't be")?;
    let logical = geometry.pages() * u64::from(args.fill) / 100;
    let logical = u32::try_from(logical).context("more than 2^32 logical pages")?;
    let mut config = match args.ram {
        Some(bytes) => Config::for_ram(&geometry, logical, bytes)?,
        None => Config { map: MapMode::Flat, ..Config::new(logical) },
    };
    config.cached_pages = args.cache;
    if args.greedy {
        config.placement = Placement::Greedy;
    }
    Ok((ModelConfig::perfect(geometry), config))
}

fn play<L: Layer<Chip = Model>>(args: &Args, records: &[Record]) -> Result<Outcome> {
    let (chip, config) = device(args)?;
    let mut ftl = Cached::<L>::format(Model::new(chip)?, config)?;
    let (pages, bytes) = (u64::from(ftl.pages()), ftl.page_bytes() as u64);
    let mut page = Page::zeroed(bytes as usize);
    if !args.empty {
        for lpn in 0..ftl.pages() {
            ftl.write_page(Lpn(lpn), &page)?;
        }
        ftl.flush()?;
    }
    let before = ftl.stats();
    let (mut wrapped, mut modified) = (0, 0);
    let mut times: [Vec<Duration>; 4] = Default::default();
    for (number, record) in (0u64..).zip((0..args.times).flat_map(|_| records)) {
        let (start, end) = (
            u128::from(record.lba.get()) * u128::from(SECTOR),
            (u128::from(record.lba.get()) + u128::from(record.sectors)) * u128::from(SECTOR),
        );
        let (first, last) = (start / u128::from(bytes), end.div_ceil(u128::from(bytes)));
        wrapped += u64::from(last > u128::from(pages));
        let begin = ftl.nand_mut().settle();
        page.bytes_mut()[..8].copy_from_slice(&number.to_le_bytes());
        let kind = match record.op {
            Op::Read => 0,
            Op::Write => 1,
            Op::Discard | Op::WriteZeroes => 2,
            Op::Flush => 3,
            other => bail!("{other:?} is nothing that flash does"),
        };
        if kind == 3 {
            ftl.flush()?;
        }
        // No more pages than there are, however long a request says that it is.
        for at in first..last.min(first + u128::from(pages)) {
            let lpn = Lpn((at % u128::from(pages)) as u32);
            let whole = at * u128::from(bytes) >= start && (at + 1) * u128::from(bytes) <= end;
            match kind {
                0 => drop(ftl.read_page(lpn)?),
                1 => {
                    if !whole {
                        ftl.read_page(lpn)?;
                        modified += 1;
                    }
                    ftl.write_page(lpn, &page)?;
                }
                2 if whole => ftl.trim(lpn, 1)?,
                _ => {}
            }
        }
        times[kind].push(ftl.nand_mut().settle().since(begin));
    }
    ftl.flush()?;
    let stats = since(ftl.stats(), before);
    Ok(Outcome { stats, health: ftl.health(), wrapped, modified, times: times.map(Cdf::new) })
}

/// What was done since the device was filled.
fn since(now: Stats, before: Stats) -> Stats {
    let mut s = now;
    s.host_writes -= before.host_writes;
    s.host_reads -= before.host_reads;
    s.host_trims -= before.host_trims;
    s.flushes -= before.flushes;
    s.programs_host -= before.programs_host;
    s.programs_collect -= before.programs_collect;
    s.programs_wear -= before.programs_wear;
    s.programs_refresh -= before.programs_refresh;
    s.programs_rescue -= before.programs_rescue;
    s.programs_recover -= before.programs_recover;
    s.programs_meta -= before.programs_meta;
    s.programs_pad -= before.programs_pad;
    s.erases -= before.erases;
    s.programs_snapshot -= before.programs_snapshot;
    s.read_reads -= before.read_reads;
    s.chip_reads -= before.chip_reads;
    s.moves = std::array::from_fn(|i| now.moves[i] - before.moves[i]);
    s
}

/// The programs by cause.
fn causes(s: &Stats) -> [(&'static str, u64); 8] {
    [
        ("host", s.programs_host),
        ("collection", s.programs_collect),
        ("wear", s.programs_wear),
        ("refresh", s.programs_refresh),
        ("rescue", s.programs_rescue),
        ("recovery", s.programs_recover),
        ("metadata", s.programs_meta),
        ("padding", s.programs_pad),
    ]
}

/// Mean, median, 99 and 99.9 in a hundred, and the longest, in microseconds.
fn quantiles(times: &Cdf) -> [f64; 5] {
    let most = times.samples().last().copied().unwrap_or(Duration::ZERO);
    let at = |part| times.percentile(part, 1000);
    [times.mean(), at(500), at(990), at(999), most].map(|d| d.as_ms_f64() * 1000.0)
}

fn as_json(o: &Outcome) -> Value {
    let s = &o.stats;
    let programs: serde_json::Map<_, _> =
        causes(s).into_iter().map(|(name, n)| (name.to_string(), n.into())).collect();
    let times = KINDS.iter().zip(&o.times).map(|(kind, cdf)| {
        let [mean, median, p99, p999, most] = quantiles(cdf);
        let us = json!({
            "requests": cdf.samples().len(), "mean_us": mean, "median_us": median, "p99_us": p99,
            "p999_us": p999, "max_us": most,
        });
        ((*kind).to_string(), us)
    });
    json!({
        "host_writes": s.host_writes, "host_reads": s.host_reads, "trims": s.host_trims,
        "flushes": s.flushes, "waf_milli": s.waf_milli(), "programs": programs, "erases": s.erases,
        "chip_reads": s.chip_reads, "read_reads": s.read_reads, "wrapped": o.wrapped,
        "modified": o.modified, "erases_least": o.health.erases_least,
        "erases_mean": o.health.erases_mean, "erases_most": o.health.erases_most,
        "ram_bytes": o.health.ram_bytes, "worst_moves": s.worst_moves,
        "moves": s.moves,
        "times": times.collect::<serde_json::Map<_, _>>(),
    })
}

fn tables(o: &Outcome) -> Vec<Table> {
    let (s, h) = (&o.stats, &o.health);
    let title = format!(
        "{} pages written, {} read, {} discarded; WAF {:.3}; {} erases ({}/{}/{} a block); {} bytes of RAM",
        s.host_writes,
        s.host_reads,
        s.host_trims,
        s.waf_milli() as f64 / 1000.0,
        s.erases,
        h.erases_least,
        h.erases_mean,
        h.erases_most,
        h.ram_bytes
    );
    let mut programs = Table::new(&title, &["programs", "pages", "a page written"]);
    for (cause, n) in causes(s).into_iter().filter(|c| c.1 > 0) {
        let share = n as f64 / s.host_writes.max(1) as f64;
        programs.row([cause.into(), n.into(), format!("{share:.3}").into()]);
    }
    let head = ["request", "number", "mean", "median", "99 %", "99.9 %", "longest"];
    let title = format!(
        "in microseconds of the chip's time, one request after the other; {} wrapped into the device, {} pages \
         written in part",
        o.wrapped, o.modified
    );
    let mut times = Table::new(&title, &head);
    for (kind, cdf) in KINDS.iter().zip(&o.times).filter(|(_, cdf)| !cdf.samples().is_empty()) {
        let cells = quantiles(cdf).map(|us| Value::from((us * 10.0).round() / 10.0));
        times.row([(*kind).into(), cdf.samples().len().into()].into_iter().chain(cells));
    }
    let mut moves =
        Table::new("page moves that a write or discard waited for", &["moves", "number", "share"]);
    let all = s.moves.iter().sum::<u64>().max(1) as f64;
    for (i, &n) in s.moves.iter().enumerate().filter(|m| *m.1 > 0) {
        let share = format!("{:.3} %", n as f64 * 100.0 / all);
        moves.row([bucket(i).into(), n.into(), share.into()]);
    }
    vec![programs, times, moves]
}

/// What the `i`-th count of [`Stats::moves`] counts.
fn bucket(i: usize) -> String {
    match i {
        0 | 1 => i.to_string(),
        11 => "1024 or more".into(),
        _ => format!("{}–{}", 1u64 << (i - 1), (1u64 << i) - 1),
    }
}

/// Pages written and discarded by a log on the usual device with `layer`.
#[cfg(test)]
pub fn counts(log: &str, layer: &str) -> (u64, u64) {
    let args = tests::parse(&[log, "--layer", layer, "--empty"]);
    let stats = tests::outcome(&args).stats;
    (stats.host_writes, stats.host_trims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use vellum_block::trace::Recorder;
    use vellum_block::{Lba, Media, Rng};

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    pub fn parse(words: &[&str]) -> Args {
        Cli::parse_from(["flash-replay"].iter().chain(words)).args
    }

    pub fn outcome(args: &Args) -> Outcome {
        let records = read(args).unwrap();
        match args.layer {
            Kind::Tables => play::<Ftl<Model>>(args, &records),
            Kind::Small => play::<Small<Model>>(args, &records),
        }
        .unwrap()
    }

    const SHAPE: [&str; 9] =
        ["--blocks", "64", "--block-pages", "16", "--page-bytes", "512", "--fill", "60", "--empty"];

    /// A life of a device, recorded: its counters, and its log.
    fn recorded<L: Layer<Chip = Model> + Media>(path: &Path, layer: &str) -> Stats {
        let args = parse(&[&[&path.display().to_string(), "--layer", layer], &SHAPE[..]].concat());
        let (chip, config) = device(&args).unwrap();
        let ftl = L::format(Model::new(chip).unwrap(), config).unwrap();
        let before = ftl.stats();
        let mut recorder = Recorder::new(ftl, File::create(path).unwrap());
        let (mut rng, pages) = (Rng::new(4), u64::from(config.logical_pages));
        let mut page = [0; 1024];
        for i in 0..6000u32 {
            let lba = Lba::new(rng.below(pages - 2));
            page[..4].copy_from_slice(&i.to_le_bytes());
            match i % 40 {
                0 => recorder.flush().unwrap(),
                1 => recorder.discard(lba, 2).unwrap(),
                2..12 => recorder.read(lba, &mut page[..512]).unwrap(),
                12 => recorder.write(lba, &page).unwrap(),
                _ => recorder.write(lba, &page[..512]).unwrap(),
            }
        }
        recorder.flush().unwrap();
        since(recorder.finish().unwrap().0.stats(), before)
    }

    fn same<L: Layer<Chip = Model> + Media>(layer: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let live = recorded::<L>(&path, layer);
        let log = path.display().to_string();
        let words = [&[&log[..], "--layer", layer], &SHAPE[..]].concat();
        let again = outcome(&parse(&words));
        // The run ends with a flush of its own.
        let mut expected = live;
        expected.flushes += 1;
        assert_eq!(again.stats, expected);
        assert_eq!(again, outcome(&parse(&words)), "one log, one run");
        let moves = &tables(&again)[2].text();
        let all: u64 = again.stats.moves.iter().sum();
        assert!(all >= again.stats.host_writes, "each write is counted");
        let share = format!("{:.3} %", again.stats.moves[0] as f64 * 100.0 / all as f64);
        assert!(moves.contains(&share), "{moves}");
        let worse = parse(&[&words[..], &["--times", "2", "--cache", "16"]].concat());
        let other = outcome(&worse);
        assert_eq!(other.stats.host_writes, 2 * live.host_writes);
        assert!(other.stats.programs_host < 2 * live.programs_host, "the cache saved some");
    }

    #[test]
    fn a_log_does_to_a_fresh_device_what_the_host_did_to_the_first_and_another_device_may_be_tried()
    {
        same::<Ftl<Model>>("tables");
        same::<Small<Model>>("small");
    }

    #[test]
    fn what_lies_beyond_the_device_is_wrapped_and_parts_of_pages_are_read_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = "fio version 2 iolog\nx add\nx open\nx write 512 512\nx write 9999998976 1024\nx sync\n";
        std::fs::write(&path, log).unwrap();
        let log = path.display().to_string();
        let all = ["--blocks", "64", "--block-pages", "16", "--page-bytes", "1024", "--fill", "60"];
        let o = outcome(&parse(&[&[&log[..]], &all[..]].concat()));
        assert_eq!((o.stats.host_writes, o.modified, o.wrapped), (2, 1, 1));
        assert_eq!(o.times.each_ref().map(|t| t.samples().len()), [0, 2, 0, 1]);
        let written = &o.times[1];
        assert!(written.samples()[0] > Duration::ZERO);
    }

    #[test]
    fn a_device_that_can_not_be_and_an_empty_trace_are_refused() {
        let args = parse(&["x", "--fill", "99"]);
        let record = Record {
            at: vellum_block::Instant::ZERO,
            device: 0,
            op: Op::Write,
            lba: Lba::new(0),
            sectors: 1,
            service: None,
            gap: None,
        };
        let error = play::<Ftl<Model>>(&args, &[record]).unwrap_err().to_string();
        assert!(error.contains("do not fit"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "fio version 2 iolog\n").unwrap();
        let error = read(&parse(&[&path.display().to_string()])).unwrap_err().to_string();
        assert!(error.contains("no requests"), "{error}");
    }
}
