//! `cargo xtask page-trace FILE`: a trace of page references through every eviction policy.

mod plot;

use crate::replace::replace;
use crate::table::Table;
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufReader, Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vellum_pager::curve::MissRatioCurve;
use vellum_pager::foresee::foresee;
use vellum_pager::policy::{Belady, NAMES, by_name};
use vellum_pager::simulate::{Score, simulate};
use vellum_pager::trace::Trace;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The trace: little-endian 32-bit page numbers, packed with zstd if the name ends so; `-` for
    /// standard input. `cargo xtask boot --page-trace FILE` records one
    file: PathBuf,
    /// Pages of memory, as numbers or as a share of the footprint
    #[arg(long, value_delimiter = ',', default_value = "5%,10%,25%,50%")]
    sizes: Vec<String>,
    /// Policies, of: selector, lru, clock, 2q, arc, slru, s3-fifo, clock2q+, sieve, random, belady, and
    /// foreseen: Belady's choice, with the pages that will be missing next in each fetch
    #[arg(long, value_delimiter = ',')]
    policies: Vec<String>,
    /// Pages that a fetch brings where what comes is foreseen
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    together: u32,
    /// Only the first so many references
    #[arg(long)]
    limit: Option<usize>,
    /// Draw misses by policy and size, and the curve under LRU
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Write the trace as oracleGeneral, which libCacheSim replays; packed if the name ends in .zst
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What all policies did with one trace.
pub struct Outcome {
    name: String,
    trace: Trace,
    sizes: Vec<u32>,
    policies: Vec<String>,
    /// By policy, then by size: misses, each of which a run waits for, and pages fetched.
    scores: Vec<Vec<(Score, u64)>>,
    curve: MissRatioCurve,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let outcome = play(args)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&as_json(&outcome))?);
    } else {
        println!("{}", table(&outcome).text());
    }
    if let Some(path) = &args.plot {
        std::fs::write(path, plot::svg(&outcome)).with_context(|| path.display().to_string())?;
        eprintln!("wrote {}", path.display());
    }
    if let Some(path) = &args.export {
        export(&outcome.trace, path).with_context(|| path.display().to_string())?;
        eprintln!("wrote {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn export(trace: &Trace, path: &Path) -> Result<()> {
    replace(path, |out| {
        if path.extension().is_some_and(|end| end == "zst") {
            let mut packed = zstd::Encoder::new(out, 0)?;
            trace.write_oracle_general(&mut packed)?;
            packed.finish()?;
        } else {
            trace.write_oracle_general(out)?;
        }
        Ok(())
    })
}

/// Reads a trace, packed or not, or at most `limit` references of it.
pub fn read_trace(file: &Path, limit: Option<usize>) -> Result<Trace> {
    let shown = file.display().to_string();
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(stdin())
    } else {
        Box::new(File::open(file).with_context(|| shown.clone())?)
    };
    let packed = file.extension().is_some_and(|end| end == "zst");
    let input: Box<dyn Read> = match packed {
        true => Box::new(zstd::Decoder::new(input).with_context(|| shown.clone())?),
        false => Box::new(BufReader::with_capacity(1 << 16, input)),
    };
    let limit = limit.map_or(u64::MAX, |count| count as u64 * 4);
    let trace = Trace::read(input.take(limit)).with_context(|| shown.clone())?;
    if trace.pages() == 0 {
        bail!("{shown}: no references");
    }
    Ok(trace)
}

/// A number of pages, or a share of the trace's.
pub fn pages(text: &str, trace: &Trace) -> Result<u32> {
    let wrong = || format!("`{text}` is no number of pages, and no share like 10%");
    let pages = match text.strip_suffix('%') {
        Some(share) => {
            let percent: f64 = share.parse().with_context(wrong)?;
            if !(0.0..=100.0).contains(&percent) {
                bail!("{text} of the footprint is not between 0 and 100 %");
            }
            trace.share(percent)
        }
        None => text.parse().with_context(wrong)?,
    };
    if pages == 0 {
        bail!("`{text}` is a memory of no pages; one at least is expected");
    }
    Ok(pages)
}

fn play(args: &Args) -> Result<Outcome> {
    let trace = read_trace(&args.file, args.limit)?;
    let sizes = args.sizes.iter().map(|text| pages(text, &trace)).collect::<Result<Vec<_>>>()?;
    let mut policies = args.policies.clone();
    if policies.is_empty() {
        policies = NAMES.into_iter().chain(KNOWING).map(str::to_owned).collect();
    }
    let known = |name: &String| NAMES.into_iter().chain(KNOWING).any(|known| known == name);
    if let Some(name) = policies.iter().find(|name| !known(name)) {
        bail!(
            "there is no policy `{name}`; there are {}, {}",
            NAMES.join(", "),
            KNOWING.join(", ")
        );
    }
    // Hidden where standard error is no terminal.
    let bar = ProgressBar::new((policies.len() * sizes.len() + 1) as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")?);
    let mut scores = Vec::new();
    for name in &policies {
        bar.set_message(name.clone());
        let mut row = Vec::new();
        for &size in &sizes {
            row.push(score(name, &trace, size, args.together));
            bar.inc(1);
        }
        scores.push(row);
    }
    bar.set_message("curve");
    let mut curve = MissRatioCurve::new(trace.pages(), 0);
    trace.references().iter().for_each(|&page| curve.reference(page));
    bar.finish_and_clear();
    let name = args.file.display().to_string();
    Ok(Outcome { name, trace, sizes, policies, scores, curve })
}

/// What knows all that comes.
const KNOWING: [&str; 2] = ["belady", "foreseen"];

/// What a policy did with the trace, and the pages that were fetched.
fn score(name: &str, trace: &Trace, size: u32, together: u32) -> (Score, u64) {
    let (references, pages) = (trace.references(), trace.pages());
    let score = match by_name(name, pages, size) {
        Some(mut policy) => simulate(&mut *policy, references),
        None if name == "foreseen" => {
            let run = foresee(references, pages, size, together);
            return (Score { references: run.references, misses: run.waits }, run.fetched);
        }
        None => simulate(&mut Belady::new(references, pages, size), references),
    };
    (score, score.misses)
}

fn table(outcome: &Outcome) -> Table {
    let title = format!(
        "{}: {} references to {} pages; misses, in % of the references",
        outcome.name,
        crate::table::grouped(outcome.trace.references().len() as u64),
        crate::table::grouped(outcome.trace.pages().into()),
    );
    let heads: Vec<String> = outcome
        .sizes
        .iter()
        .flat_map(|&size| [format!("{} pages", crate::table::grouped(size.into())), "%".into()])
        .collect();
    let head: Vec<&str> =
        std::iter::once("policy").chain(heads.iter().map(String::as_str)).collect();
    let mut table = Table::new(&title, &head);
    for (name, row) in outcome.policies.iter().zip(&outcome.scores) {
        let cells = row.iter().flat_map(|(score, _)| {
            [score.misses.into(), format!("{:.4}", score.miss_ratio() * 100.0).into()]
        });
        table.row(std::iter::once(Value::from(name.as_str())).chain(cells));
    }
    table
}

fn as_json(outcome: &Outcome) -> Value {
    let rows: Vec<Value> = outcome
        .policies
        .iter()
        .zip(&outcome.scores)
        .flat_map(|(name, row)| {
            outcome.sizes.iter().zip(row).map(move |(size, (score, fetched))| {
                json!({
                    "policy": name, "pages": size, "misses": score.misses,
                    "miss_ratio": score.miss_ratio(), "fetched": fetched,
                })
            })
        })
        .collect();
    let curve: Vec<Value> = plot::points(outcome)
        .into_iter()
        .map(|(pages, ratio)| json!({ "pages": pages, "miss_ratio": ratio }))
        .collect();
    json!({
        "trace": outcome.name, "references": outcome.trace.references().len(),
        "footprint": outcome.trace.pages(), "scores": rows, "lru_curve": curve,
    })
}
