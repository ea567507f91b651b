//! The translation layer: write amplification beside theory and the published peers, chip reads a
//! host read, the mount, and how fast the simulation runs.

mod extent;
mod speed;

use crate::measure::cpu_seconds;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::path::PathBuf;
use vellum_block::Rng;
use vellum_ftl::{Config, Ftl, Lpn, Placement, Stats, theory};
use vellum_nand::{Geometry, Model, ModelConfig};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of write traces `g1-KIND-FILL.u32.zst`; without it, generated traffic is used
    #[arg(long)]
    traces: Option<PathBuf>,
    /// Only the theory check: 1024 and 4096 blocks at 7, 10, 20 and 28 % over-provisioning
    #[arg(long)]
    theory: bool,
    /// Only the speed of the simulation, and of bare copies of as much memory
    #[arg(long)]
    speed: bool,
    /// With `--speed`, only requests in whose name and way of data (as printed) this stands
    #[arg(long, requires = "speed", default_value = "")]
    only: String,
    /// Only what superblock parity costs: the same logical pages with it and without
    #[arg(long)]
    parity: bool,
    /// Only the RAM of the map modes
    #[arg(long)]
    ram: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Line {
    traffic: String,
    fill_percent: u32,
    policy: &'static str,
    waf: f64,
    ideal: Option<f64>,
    meta_percent: f64,
    wear_percent: f64,
    erases: [u32; 3],
    worst_moves: u32,
    bound_moves: u32,
    reads_a_read: f64,
    mount_reads: u64,
    requests_a_second: f64,
    ram_kib: usize,
}

/// Geometry G1.
const CHIP: Geometry = Geometry::slc_1gbit();

fn logical(fill: u32) -> u32 {
    (CHIP.pages() * u64::from(fill) / 100) as u32
}

fn generated(kind: &str, pages: u32) -> Vec<u32> {
    let mut rng = Rng::new(1);
    let n = pages as usize * 8;
    (0..n)
        .map(|_| match kind {
            "hc90-10" if rng.below(10) > 0 => rng.below(u64::from(pages) / 10) as u32,
            "hc90-10" => {
                let cold = u64::from(pages) - u64::from(pages) / 10;
                (u64::from(pages) / 10 + rng.below(cold)) as u32
            }
            _ => rng.below(pages.into()) as u32,
        })
        .collect()
}

fn trace(args: &Args, kind: &str, fill: u32) -> Result<Option<Vec<u32>>> {
    let Some(folder) = &args.traces else {
        return Ok((kind != "zipf0.99").then(|| generated(kind, logical(fill))));
    };
    let path = folder.join(format!("g1-{kind}-{fill}.u32.zst"));
    if !path.exists() {
        return Ok(None);
    }
    let output = std::process::Command::new("zstd").arg("-dcq").arg(&path).output();
    let output = output.context("could not start zstd")?;
    ensure!(output.status.success(), "zstd could not unpack {}", path.display());
    let words = output.stdout.chunks_exact(4);
    Ok(Some(words.map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect()))
}

fn measure(name: &str, fill: u32, policy: &'static str, flush: bool, ops: &[u32]) -> Result<Line> {
    let pages = logical(fill);
    let mut config = Config::new(pages);
    if policy == "greedy" {
        config.placement = Placement::Greedy;
    }
    if policy == "no wear levelling" {
        config.wear.spread = 0;
    }
    let mut ftl = Ftl::format(Model::new(ModelConfig::perfect(CHIP))?, config)?;
    let mut page = vec![0x5a; ftl.page_bytes()];
    for lpn in 0..pages {
        ftl.write(Lpn(lpn), &page)?;
    }
    let half = ops.len() / 2;
    let mut before = Stats::default();
    let start = cpu_seconds();
    for (i, &lpn) in ops.iter().enumerate() {
        if i == half {
            before = ftl.stats();
        }
        page[..4].copy_from_slice(&(i as u32).to_le_bytes());
        ftl.write(Lpn(lpn), &page)?;
        if flush {
            ftl.flush()?;
        }
    }
    let seconds = cpu_seconds() - start;
    let now = ftl.stats();
    let writes = (now.host_writes - before.host_writes) as f64;
    let programs = (now.programs() - before.programs()) as f64;
    for &lpn in ops.iter().take(20_000) {
        ftl.read(Lpn(lpn), &mut page)?;
    }
    let reads = ftl.stats();
    let health = ftl.health();
    let bound_moves = ftl.most_moves();
    let mut chip = ftl.into_nand();
    chip.power_off();
    chip.power_on();
    let mut mounted = Ftl::mount(chip, config)?;
    let lpn = Lpn(ops[0]);
    mounted.read(lpn, &mut page)?;
    let mount = mounted.stats();
    let ideal = theory::greedy(theory::alpha(CHIP.blocks, 2.0, CHIP.pages_per_block, pages), 64);
    Ok(Line {
        traffic: name.into(),
        fill_percent: fill,
        policy,
        waf: programs / writes,
        ideal: ideal.filter(|_| name.starts_with("uniform")),
        meta_percent: 100.0 * (now.programs_meta - before.programs_meta) as f64 / programs,
        wear_percent: 100.0 * (now.programs_wear - before.programs_wear) as f64 / programs,
        erases: [health.erases_least, health.erases_mean, health.erases_most],
        worst_moves: now.worst_moves,
        bound_moves,
        reads_a_read: (reads.read_reads - now.read_reads) as f64
            / (reads.host_reads - now.host_reads) as f64,
        mount_reads: mount.mount_reads + mount.read_reads,
        requests_a_second: ops.len() as f64 / seconds,
        ram_kib: health.ram_bytes >> 10,
    })
}

pub fn run(args: &Args) -> Result<()> {
    if args.theory {
        return extent::theory(args.json);
    }
    if args.speed {
        return speed::run(&args.only, args.json);
    }
    if args.parity {
        return extent::parity(args.json);
    }
    if args.ram {
        return extent::rams(args.json);
    }
    let mut lines = Vec::new();
    for (kind, fill) in [("uniform", 90), ("uniform", 80), ("zipf0.99", 90), ("hc90-10", 90)] {
        let Some(ops) = trace(args, kind, fill)? else {
            eprintln!("skipped: no trace of {kind} at {fill} %");
            continue;
        };
        lines.push(measure(kind, fill, "adaptive", false, &ops)?);
        if kind == "uniform" {
            lines.push(measure(kind, fill, "greedy", false, &ops)?);
        }
        lines.push(measure(kind, fill, "no wear levelling", false, &ops)?);
        if (kind, fill) == ("uniform", 80) {
            lines.push(measure("uniform, flush a write", fill, "adaptive", true, &ops)?);
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&lines)?);
        return Ok(());
    }
    show(&lines);
    speed::run("", false)?;
    extent::parity(false)?;
    extent::rams(false)
}

fn show(lines: &[Line]) {
    println!("1024 blocks of 64 pages of 2 KiB, map in RAM (flat); every program counted");
    println!(
        "{:<24}{:>5} {:<18}{:>7}{:>7}{:>7}{:>6}{:>6} {:<13}{:>7}{:>7}{:>7}{:>9}{:>9}",
        "traffic",
        "fill",
        "policy",
        "WAF",
        "ideal",
        "ratio",
        "meta%",
        "wear%",
        "erases",
        "moves",
        "r/read",
        "mount",
        "Mreq/s",
        "RAM KiB"
    );
    for l in lines {
        let ideal = l.ideal.map_or(String::from("–"), |i| format!("{i:.3}"));
        let ratio = l.ideal.map_or(String::from("–"), |i| format!("{:.3}", l.waf / i));
        let erases = format!("{}/{}/{}", l.erases[0], l.erases[1], l.erases[2]);
        let moves = format!("{}≤{}", l.worst_moves, l.bound_moves);
        println!(
            "{:<24}{:>4}% {:<18}{:>7.3}{:>7}{:>7}{:>6.2}{:>6.2} {:<13}{:>7}{:>7.2}{:>7}{:>9.2}{:>9}",
            l.traffic,
            l.fill_percent,
            l.policy,
            l.waf,
            ideal,
            ratio,
            l.meta_percent,
            l.wear_percent,
            erases,
            moves,
            l.reads_a_read,
            l.mount_reads,
            l.requests_a_second / 1e6,
            l.ram_kib
        );
    }
    println!(
        "published: Dhara 25.4 at 90 %, 4.31 at 80 % (16.0 with a flush a write), 9.7 reads a read"
    );
}
