//! `cargo xtask share FILE…`: what memory images have in common, and in how few bytes they fit.

mod plot;
mod sketch;

use crate::table::{Table, grouped};
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufReader, IsTerminal, Read, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use vellum::frames::{FramePool, Options as PoolOptions, PAGE_SIZE};
use vellum::scavenger::content::{Codec, Page};
use vellum::scavenger::{
    Class, Costs, Domain, Mode, Options, PageSet, Pages, Policy, Report, Scavenger, SetId,
};

/// Passes after which memory that nobody uses has come to rest.
const PASSES: u32 = 10;
/// Bytes of all images together.
const LIMIT: u64 = 64 << 30;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Raw memory images; each is a guest of its own
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Share only: nothing is told as a delta or compressed
    #[arg(long)]
    sharing_only: bool,
    /// Pages are taken away and copied on any access, merged or not (VUsion)
    #[arg(long, value_enum, default_value_t = ModeKind::Share)]
    mode: ModeKind,
    /// Every image is a sharing domain of its own
    #[arg(long)]
    domains: bool,
    /// What a page may take to come back in 99 of 100 cases, in nanoseconds
    #[arg(long, value_name = "NS", default_value_t = Policy::default().restore_p99)]
    restore: u32,
    /// Measure what codecs take on this machine, after each pass on what is packed by then, and hold the
    /// budget against that: pages whose way back would be too long here stay larger. The result depends on
    /// the machine
    #[arg(long)]
    measure: bool,
    /// Passes over all pages; memory is taken to be unused between them
    #[arg(long, value_name = "N", default_value_t = PASSES, value_parser = clap::value_parser!(u32).range(1..=100))]
    passes: u32,
    #[command(flatten)]
    sketching: sketch::Args,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw where the bytes are after each pass, as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeKind {
    /// A page is shared as soon as another is equal; a write copies
    Share,
    /// Every candidate loses its rights and moves to a random place; any access copies
    Conceal,
}

impl ModeKind {
    pub fn mode(self) -> Mode {
        match self {
            Self::Share => Mode::Share,
            Self::Conceal => Mode::Conceal,
        }
    }
}

/// The images as guests.
struct Guests {
    scavenger: Scavenger,
    ids: Vec<SetId>,
    sets: Vec<Pages>,
    pages: u64,
    /// Pages that were not all zeros.
    resident: u64,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if sketch::run(&args.sketching, &args.files, args.json)? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut guests = load(args)?;
    let bar = progress(u64::from(args.passes), "pass");
    let mut passes = vec![guests.scavenger.report()];
    for _ in 0..args.passes {
        let sets = guests.sets.iter_mut().map(|set| set as &mut dyn PageSet);
        let mut sets: Vec<_> = guests.ids.iter().copied().zip(sets).collect();
        guests.scavenger.pass(&mut sets)?;
        if args.measure && guests.scavenger.report().store.records > 0 {
            let costs = guests.scavenger.measured_costs();
            guests.scavenger.set_costs(costs);
        }
        passes.push(guests.scavenger.report());
        bar.inc(1);
    }
    bar.finish_and_clear();
    if args.measure {
        let took = costs(&guests.scavenger.policy().costs);
        eprintln!("codecs take, µs in 99 of 100 cases: {took}");
    }
    if let Some(path) = &args.plot {
        std::fs::write(path, plot::svg(&passes, guests.pages))
            .with_context(|| format!("{} can't be written", path.display()))?;
    }
    let report = guests.scavenger.report();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&as_json(args, &guests, &report))?);
    } else {
        print!("{}", as_text(args, &guests, &report));
    }
    Ok(ExitCode::SUCCESS)
}

fn costs(costs: &Costs) -> String {
    let each = Codec::ALL.map(|codec| format!("{codec} {:.1}", f64::from(costs[codec]) / 1e3));
    each.join(", ")
}

fn load(args: &Args) -> Result<Guests> {
    let mut sizes = Vec::new();
    for path in &args.files {
        sizes.push(pages_in(path)?);
    }
    let pages: u64 = sizes.iter().sum();
    ensure!(pages * 4096 <= LIMIT, "{pages} pages are more than {LIMIT} bytes");
    let spares = 4096;
    let pool = FramePool::new(PoolOptions::new(pages + spares))?;
    let mut policy = Policy { restore_p99: args.restore, ..Policy::default() };
    if args.measure {
        policy.costs = Costs::measured(policy.level);
    }
    let policy = if args.sharing_only { Policy::sharing_only() } else { policy };
    let mut scavenger = Scavenger::new(Arc::clone(&pool), Options { policy, ..Options::default() });
    let (mut ids, mut sets) = (Vec::new(), Vec::new());
    let bar = progress(pages, "page read");
    for (number, (path, &count)) in args.files.iter().zip(&sizes).enumerate() {
        let domain = if args.domains { number } else { 0 };
        let domain = Domain(u8::try_from(domain).context("at most 256 domains")?);
        let id = scavenger.add_set(count, domain, args.mode.mode())?;
        let set = read(path, count, &pool, &mut scavenger, id, &bar)?;
        ids.push(id);
        sets.push(set);
    }
    bar.finish_and_clear();
    let resident = pool.counters().used;
    Ok(Guests { scavenger, ids, sets, pages, resident })
}

fn pages_in(path: &Path) -> Result<u64> {
    let bytes = std::fs::metadata(path).with_context(|| path.display().to_string())?.len();
    ensure!(bytes > 0, "{} is empty", path.display());
    Ok(bytes.div_ceil(PAGE_SIZE as u64))
}

fn read(
    path: &Path,
    count: u64,
    pool: &Arc<FramePool>,
    scavenger: &mut Scavenger,
    id: SetId,
    bar: &ProgressBar,
) -> Result<Pages> {
    let mut set = Pages::new(Arc::clone(pool), count as usize);
    each_page(path, count, bar, |at, page| {
        // A page of zeros is what the set begins with, as memory that was never used would be.
        if page.iter().any(|&byte| byte != 0) {
            set.write(scavenger, id, at, 0, page)?;
        }
        Ok(())
    })?;
    Ok(set)
}

/// The pages of an image in turn; what the last one lacks is zeros.
fn each_page(
    path: &Path,
    count: u64,
    bar: &ProgressBar,
    mut take: impl FnMut(u64, &Page) -> Result<()>,
) -> Result<()> {
    let named = || path.display().to_string();
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).with_context(named)?);
    let mut bytes = Vec::with_capacity(PAGE_SIZE);
    for at in 0..count {
        bytes.clear();
        file.by_ref().take(PAGE_SIZE as u64).read_to_end(&mut bytes).with_context(named)?;
        let mut page = [0; PAGE_SIZE];
        page[..bytes.len()].copy_from_slice(&bytes);
        take(at, &page)?;
        bar.inc(1);
    }
    Ok(())
}

/// A bar on a terminal, nothing elsewhere.
fn progress(length: u64, what: &str) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template(&format!("{{bar:40}} {{pos}}/{{len}} {what}, {{eta}}"));
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn as_text(args: &Args, guests: &Guests, report: &Report) -> String {
    let title = format!(
        "{} pages in {} image{}, {} of them not zeros, after {} passes",
        grouped(guests.pages),
        args.files.len(),
        if args.files.len() == 1 { "" } else { "s" },
        grouped(guests.resident),
        args.passes
    );
    let mut classes = Table::new(&title, &["pages", "", "class"]);
    for class in Class::ALL {
        let count = report.tally[class];
        if count > 0 {
            let saves = if class.saves() { "no frame of its own" } else { "kept" };
            classes.row([count.into(), saves.into(), class.name().into()]);
        }
    }
    let mut bytes = Table::new("", &["bytes", "where"]);
    for (name, count) in places(report) {
        bytes.row([count.into(), name.into()]);
    }
    bytes.row([report.bytes().into(), "all of it".into()]);
    let share = 100.0 * report.bytes() as f64 / (guests.pages * 4096) as f64;
    format!("{}{}{share:.1} % of the memory\n", classes.text(), bytes.text())
}

/// Where the bytes are.
pub fn places(report: &Report) -> [(&'static str, u64); 4] {
    [
        ("frames", report.frames << 12),
        ("packed records", report.store.live),
        ("packed store, dead and free", report.store.dead + report.store.free),
        ("bookkeeping", report.metadata.total()),
    ]
}

fn as_json(args: &Args, guests: &Guests, report: &Report) -> Value {
    let classes: serde_json::Map<String, Value> = Class::ALL
        .into_iter()
        .map(|class| (class.name().replace([' ', '-', '\''], "_"), report.tally[class].into()))
        .collect();
    let bytes: serde_json::Map<String, Value> = places(report)
        .into_iter()
        .map(|(name, n)| (name.replace([' ', ','], "_"), n.into()))
        .collect();
    let counters = &report.counters;
    json!({
        "files": args.files, "pages": guests.pages, "not_zero": guests.resident,
        "classes": classes, "bytes": bytes, "total": report.bytes(),
        "counters": {
            "looked": counters.looked, "hashed": counters.hashed, "zeroed": counters.zeroed,
            "merged": counters.merged, "compared": counters.compared,
            "mismatched": counters.mismatched, "deltas_tried": counters.deltas_tried,
            "deltas": counters.deltas, "compressed": counters.compressed,
            "recoded": counters.recoded, "rebased": counters.rebased,
            "compacted": counters.compacted, "model_ns": counters.work,
        },
    })
}
