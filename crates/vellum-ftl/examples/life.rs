//! The life of a device until its first lost sector, with and without scrubbing.
//!
//! Cells err the more the longer they were not written, the more their block was read, and the more often it was
//! erased. Three hosts bring out one cause each, on a TLC chip by the power law of bit errors behind a code that
//! corrects 72 bits in 1 KiB; each lives twice. With scrubbing, every page is read once a day, and what took
//! 40 corrected bits or more is written anew elsewhere, and a block that was read 500 times. That cures retention and
//! read disturb; new cells it can't make.
//!
//! `cargo run --release --example life -- [--seed N] [--layer tables|small] [--json] [--svg FILE]`

use std::error::Error;
use std::fmt::Write;
use vellum_block::Rng;
use vellum_ftl::{Config, Ftl, FtlError, Layer, Lpn, ScrubPolicy, Small};
use vellum_nand::model::{PowerLaw, Reliability};
use vellum_nand::{CellKind, EccSpec, Geometry, Model, ModelConfig};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PAGES: u32 = 400;
const PAGE: usize = 2048;
/// Bits corrected in a codeword from which on a page is written anew.
const THRESHOLD: u8 = 40;
/// Reads of a block after which it is written anew.
const BLOCK_READS: u32 = 500;

/// How often a device was written all over before.
const WORN_IN: u32 = 100;

/// A host, and how long it is watched.
struct Host {
    name: &'static str,
    does: &'static str,
    celsius: f64,
    days: u32,
    /// Pages of the one file that it reads, and writes all over the device, each day.
    reads: u32,
    writes: u32,
}

const HOSTS: [Host; 3] = [
    Host {
        name: "archive",
        does: "writes 16 pages a day and keeps the rest, at 40 °C: retention",
        celsius: 40.0,
        days: 365,
        reads: 0,
        writes: 16,
    },
    Host {
        name: "player",
        does: "the same at 20 °C, and reads one file of 16 pages ten times: read disturb",
        celsius: 20.0,
        days: 365,
        reads: 160,
        writes: 16,
    },
    Host {
        name: "logger",
        does: "overwrites the device twenty times a day, at 30 °C: wear",
        celsius: 30.0,
        days: 365,
        reads: 0,
        writes: 20 * PAGES,
    },
];

/// What became of a device.
#[derive(Default)]
struct Life {
    /// Sectors that can't be read, by day.
    lost: Vec<u32>,
    refreshed: u64,
    waf: f64,
    erases: u32,
}

impl Life {
    fn first_lost(&self) -> Option<usize> {
        self.lost.iter().position(|&n| n > 0)
    }
}

fn live<L: Layer<Chip = Model> + Clone>(host: &Host, scrub: bool, seed: u64) -> Result<Life> {
    let geometry = Geometry {
        page_bytes: PAGE as u32,
        oob_bytes: 320,
        ecc: EccSpec { codeword_bytes: 1024, correctable: 72, parity_bytes: 126 },
        ..Geometry::tiny(32, 32).with_cell(CellKind::Tlc)
    };
    let reliability = Reliability::PowerLaw(PowerLaw::TLC_72);
    let chip = ModelConfig { reliability, seed, ..ModelConfig::perfect(geometry) };
    let mut config = Config::new(PAGES.min(L::most_pages(&geometry)));
    let corrected_bits = if scrub { THRESHOLD } else { 0 };
    let block_reads = if scrub { BLOCK_READS } else { 0 };
    // Without read retry, which hides for a while what scrubbing cures.
    config.scrub = ScrubPolicy { corrected_bits, block_reads, retention_days: 0, retry: false };
    let mut layer = L::format(Model::new(chip)?, config)?;
    let (pages, mut rng, mut page, mut at) =
        (config.logical_pages, Rng::new(seed), vec![0; PAGE], Lpn(0));
    // A device in mid-life: cells that were never erased neither leak nor are disturbed.
    for i in 0..WORN_IN * pages {
        layer.write(Lpn(i % pages), &page)?;
    }
    let mut life = Life { lost: vec![0], ..Life::default() };
    for _ in 0..host.days {
        for _ in 0..host.writes {
            page[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
            match layer.write(Lpn(rng.below(pages.into()) as u32), &page) {
                // A map that can't be read any more; what it led to is counted below.
                Ok(()) | Err(FtlError::Unreadable { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for i in 0..host.reads {
            read(&mut layer, Lpn(i % 16), &mut page)?;
        }
        layer.flush()?;
        layer.nand_mut().age(24.0, host.celsius);
        if scrub {
            at = layer.scrub(at, pages)?;
        }
        // A copy is looked at, so that looking disturbs nothing.
        let mut copy = layer.clone();
        let mut lost = 0;
        for lpn in 0..pages {
            lost += u32::from(!read(&mut copy, Lpn(lpn), &mut page)?);
        }
        life.lost.push(lost);
        if lost > pages / 4 {
            break;
        }
    }
    let stats = layer.stats();
    life.refreshed = stats.programs_refresh;
    life.waf = stats.waf_milli() as f64 / 1000.0;
    life.erases = layer.health().erases_mean;
    Ok(life)
}

/// Whether a page can be read.
fn read<L: Layer>(layer: &mut L, lpn: Lpn, page: &mut [u8]) -> Result<bool> {
    match layer.read(lpn, page) {
        Ok(()) => Ok(true),
        Err(FtlError::Unreadable { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

struct Args {
    seed: u64,
    small: bool,
    json: bool,
    svg: Option<String>,
}

const HELP: &str =
    "The life of a flash device until its first lost sector, with and without scrubbing.

usage: life [--seed N] [--layer tables|small] [--json] [--svg FILE]

  --seed N               of the chip's errors and the host's choices [1]
  --layer tables|small   the translation layer: with tables in RAM, or for 4 KiB of RAM [tables]
  --json                 print JSON, with the sectors lost by day
  --svg FILE             also draw the sectors lost by day";

fn args() -> Result<Option<Args>> {
    let mut args = Args { seed: 1, small: false, json: false, svg: None };
    let mut given = std::env::args().skip(1);
    while let Some(arg) = given.next() {
        let mut value = || given.next().ok_or(format!("{arg} needs a value; see --help"));
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--json" => args.json = true,
            "--svg" => args.svg = Some(value()?),
            "--seed" => {
                let text = value()?;
                args.seed = text.parse().map_err(|e| format!("--seed {text}: {e}"))?;
            }
            "--layer" => {
                args.small = match value()?.as_str() {
                    "tables" => false,
                    "small" => true,
                    other => return Err(format!("--layer {other}: tables or small").into()),
                }
            }
            _ => return Err(format!("unknown argument {arg}; see --help").into()),
        }
    }
    Ok(Some(args))
}

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let Some(args) = args()? else {
        println!("{HELP}");
        return Ok(());
    };
    let mut lives = Vec::new();
    for host in &HOSTS {
        for scrub in [false, true] {
            let live = if args.small { live::<Small<Model>> } else { live::<Ftl<Model>> };
            lives.push((host, scrub, live(host, scrub, args.seed)?));
        }
    }
    if args.json {
        println!("{}", json(&lives)?);
    } else {
        print!("{}", table(&lives)?);
    }
    if let Some(path) = args.svg {
        std::fs::write(&path, svg(&lives)?).map_err(|e| format!("{path}: {e}"))?;
    }
    Ok(())
}

type Lives<'a> = [(&'a Host, bool, Life)];

fn table(lives: &Lives<'_>) -> Result<String> {
    let mut out = String::new();
    writeln!(
        out,
        "{:<10}{:<8}{:>22}{:>13}{:>14}{:>10}{:>8}",
        "host", "scrubs", "first lost sector", "lost at end", "moved anew", "erases", "WAF"
    )?;
    for (host, scrub, life) in lives {
        let days = life.lost.len() - 1;
        let when =
            life.first_lost().map_or(format!("none in {days} days"), |day| format!("day {day}"));
        let (lost, scrubs) = (life.lost[days], if *scrub { "yes" } else { "no" });
        let Life { refreshed, erases, waf, .. } = life;
        writeln!(
            out,
            "{:<10}{scrubs:<8}{when:>22}{lost:>13}{refreshed:>14}{erases:>10}{waf:>8.2}",
            host.name
        )?;
    }
    for host in &HOSTS {
        writeln!(out, "{:<10}{}", host.name, host.does)?;
    }
    Ok(out)
}

fn json(lives: &Lives<'_>) -> Result<String> {
    let mut rows = Vec::new();
    for (host, scrub, life) in lives {
        let mut row = String::new();
        let first = life.first_lost().map_or("null".into(), |day| day.to_string());
        write!(
            row,
            "  {{\"host\": \"{}\", \"scrub\": {scrub}, \"first_lost_day\": {first}, \"refreshed\": {}, \
             \"erases\": {}, \"waf\": {:.3}, \"lost_by_day\": {:?}}}",
            host.name, life.refreshed, life.erases, life.waf, life.lost
        )?;
        rows.push(row);
    }
    Ok(format!("[\n{}\n]", rows.join(",\n")))
}

/// One field a host: days to the right, lost sectors up, grey without scrubbing.
fn svg(lives: &Lives<'_>) -> Result<String> {
    let (width, height) = (300.0, 160.0);
    let mut out = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1020\" height=\"240\" font-family=\"sans-serif\" \
         font-size=\"12\"><rect width=\"1020\" height=\"240\" fill=\"white\"/>\n",
    );
    for (field, pair) in lives.chunks(2).enumerate() {
        let left = 30.0 + field as f64 * 330.0;
        let host = pair[0].0;
        let days = pair.iter().map(|l| l.2.lost.len()).max().unwrap_or(1) as f64;
        writeln!(
            out,
            "<text x=\"{left}\" y=\"20\">{}: sectors lost by day, to {days:.0}</text><path d=\"M {left} 40 v {height} \
             h {width}\" fill=\"none\" stroke=\"black\"/>",
            host.name
        )?;
        for (_, scrub, life) in pair {
            let (colour, name, line) =
                if *scrub { ("#0a6", "scrubbed", 0.0) } else { ("#888", "not scrubbed", 1.0) };
            let points: Vec<String> = (0u32..)
                .zip(&life.lost)
                .map(|(day, &lost)| {
                    let x = left + f64::from(day) / days * width;
                    let y = 40.0
                        + height * (1.0 - f64::from(lost.min(PAGES / 4)) * 4.0 / f64::from(PAGES));
                    format!("{x:.1},{y:.1}")
                })
                .collect();
            writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"{}\" \
                 y=\"{}\" fill=\"{colour}\">{name}</text>",
                points.join(" "),
                left + 10.0,
                218.0 + 15.0 * line
            )?;
        }
    }
    out.push_str("</svg>\n");
    Ok(out)
}
