//! `cargo xtask flash-replay FILE`: a trace of block requests, or what `nbd --log` wrote down, on a fresh flash device
//! of any shape: what it writes, and how long requests take in the chip's time.

mod report;

use crate::powercut::{Cell, Layer as Kind};
use anyhow::{Context, Result, bail};
use report::{as_json, tables};
use std::fs::File;
use std::io::{BufReader, Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vellum_block::trace::{Format, Reader, Record};
use vellum_block::{Cdf, Duration, Op};
use vellum_ftl::{Cached, Config, Ftl, Health, Layer, Lpn, MapMode, Placement, Small, Stats};
use vellum_nand::model::Pipeline;
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
    /// What programs and erases wait for: until the `array` is done; until their bytes are over the `bus`; or until those
    /// are in a second `register`, while the array may still program the page before
    #[arg(long, value_enum, default_value = "array")]
    wait_for: WaitFor,
    /// Reads suspend the program or erase that their unit is at, which takes so long, and as long to go on
    #[arg(long, value_name = "MICROSECONDS", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    suspend: Option<u32>,
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

/// What programs and erases wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum WaitFor {
    Array,
    Bus,
    Register,
}

impl WaitFor {
    fn pipeline(self) -> Pipeline {
        match self {
            WaitFor::Array => Pipeline::Waits,
            WaitFor::Bus => Pipeline::Overlapped,
            WaitFor::Register => Pipeline::Cached,
        }
    }
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
    /// From the first request until the chip was idle.
    took: Duration,
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
    let chip = ModelConfig {
        pipeline: args.wait_for.pipeline(),
        suspend: args.suspend.map(|us| Duration::from_us(us.into())),
        ..ModelConfig::perfect(geometry)
    };
    Ok((chip, config))
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
    let (before, started) = (ftl.stats(), ftl.nand_mut().settle());
    let (mut wrapped, mut modified) = (0, 0);
    let mut times: [Vec<Duration>; 4] = Default::default();
    for (number, record) in (0u64..).zip((0..args.times).flat_map(|_| records)) {
        let (start, end) = (
            u128::from(record.lba.get()) * u128::from(SECTOR),
            (u128::from(record.lba.get()) + u128::from(record.sectors)) * u128::from(SECTOR),
        );
        let (first, last) = (start / u128::from(bytes), end.div_ceil(u128::from(bytes)));
        wrapped += u64::from(last > u128::from(pages));
        let begin = ftl.nand().now();
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
        times[kind].push(ftl.nand().now().since(begin));
    }
    ftl.flush()?;
    let stats = since(ftl.stats(), before);
    let (health, took) = (ftl.health(), ftl.nand_mut().settle().since(started));
    Ok(Outcome { stats, health, wrapped, modified, times: times.map(Cdf::new), took })
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

/// Pages written and discarded by a log on the usual device with `layer`.
#[cfg(test)]
pub fn counts(log: &str, layer: &str) -> (u64, u64) {
    let args = tests::parse(&[log, "--layer", layer, "--empty"]);
    let stats = tests::outcome(&args).stats;
    (stats.host_writes, stats.host_trims)
}

#[cfg(test)]
mod tests;
