//! `cargo xtask tier FILE`: a page trace on DRAM in front of each non-volatile memory: latency, energy,
//! lifetime.

use crate::page_trace;
use crate::table::{Table, grouped};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use vellum_nvm::Lifetime;
use vellum_nvm::profiles::{NAMES, find};
use vellum_nvm::tier::{TierConfig, TierReport, run as price};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The trace: little-endian 32-bit page numbers, packed with zstd if the name ends so; `-` for
    /// standard input. `cargo xtask boot --page-trace FILE` records one
    file: PathBuf,
    /// Memories, of: pcm, pcm-20nm, rram, optane, stacked-memristor; without any, all
    #[arg(long, value_delimiter = ',')]
    devices: Vec<String>,
    /// Pages of DRAM in front, as a number or as a share of the footprint
    #[arg(long, default_value = "10%")]
    dram: String,
    /// Every so many references is a write; 0 for none. Page traces do not say
    #[arg(long, default_value_t = TierConfig::default().write_every)]
    write_every: u64,
    /// Only the first so many references
    #[arg(long)]
    limit: Option<usize>,
    /// Seed of the lines' own endurance
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let trace = page_trace::read_trace(&args.file, args.limit)?;
    let dram = page_trace::pages(&args.dram, &trace)?;
    let config = TierConfig {
        dram_pages: dram as usize,
        write_every: args.write_every,
        ..TierConfig::default()
    };
    let mut names: Vec<&str> = args.devices.iter().map(String::as_str).collect();
    if names.is_empty() {
        names = NAMES.to_vec();
    }
    // Hidden where standard error is no terminal.
    let bar = ProgressBar::new(names.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")?);
    let mut reports = Vec::new();
    for name in names {
        let Some(profile) = find(name) else {
            bail!("no memory `{name}`: there are {}", NAMES.join(", "));
        };
        bar.set_message(name.to_string());
        let references = trace.references().iter().copied();
        let report = price(profile, config, trace.pages().into(), references, args.seed);
        reports.push((name, report.with_context(|| name.to_string())?));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let title = format!(
        "{}: {} references to {} pages, {} of them in DRAM",
        args.file.display(),
        grouped(trace.references().len() as u64),
        grouped(trace.pages().into()),
        grouped(dram.into()),
    );
    if args.json {
        let rows: Vec<Value> = reports.iter().map(|(name, r)| as_json(name, r)).collect();
        println!("{}", serde_json::to_string_pretty(&json!({ "trace": title, "rows": rows }))?);
    } else {
        println!("{}", table(&title, &reports).text());
    }
    Ok(ExitCode::SUCCESS)
}

/// Nanoseconds a reference.
fn latency(r: &TierReport) -> f64 {
    r.time.as_ps() as f64 / 1e3 / r.references.max(1) as f64
}

/// Years until the first line is expected to wear out at this rate.
fn years(r: &TierReport) -> Option<f64> {
    r.lifetime.map(Lifetime::as_years_f64)
}

/// Writes to the cells of a line, on average.
fn mean_wear(r: &TierReport) -> f64 {
    r.wear_total as f64 / r.lines.max(1) as f64
}

fn hits(r: &TierReport) -> f64 {
    100.0 * r.dram_hits as f64 / r.references.max(1) as f64
}

fn slower(r: &TierReport) -> f64 {
    r.time.as_ps() as f64 / r.dram_time.as_ps().max(1) as f64
}

fn table(title: &str, reports: &[(&str, TierReport)]) -> Table {
    let head = [
        "memory",
        "ns a reference",
        "x DRAM alone",
        "% in DRAM",
        "pages in",
        "pages back",
        "energy, mJ",
        "lifetime, years",
        "most worn line, writes",
        "mean line, writes",
    ];
    let mut table = Table::new(title, &head);
    for (name, r) in reports {
        table.row([
            json!(name),
            json!(format!("{:.1}", latency(r))),
            json!(format!("{:.2}", slower(r))),
            json!(format!("{:.2}", hits(r))),
            json!(r.promotions),
            json!(r.write_backs),
            json!(format!("{:.3}", r.energy_fj as f64 / 1e12)),
            json!(years(r).map_or("not written".into(), |y| format!("{y:.3}"))),
            json!(r.wear_most),
            json!(format!("{:.4}", mean_wear(r))),
        ]);
    }
    table
}

fn as_json(name: &str, r: &TierReport) -> Value {
    json!({
        "memory": name,
        "references": r.references,
        "ns_a_reference": latency(r),
        "times_dram": slower(r),
        "dram_hits": r.dram_hits,
        "promotions": r.promotions,
        "write_backs": r.write_backs,
        "time_ms": r.time.as_ms_f64(),
        "energy_mj": r.energy_fj as f64 / 1e12,
        "lifetime_years": years(r),
        "wear_most": r.wear_most,
        "wear_mean": mean_wear(r),
    })
}
