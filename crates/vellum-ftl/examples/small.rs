//! The layer for 4 KiB of RAM on a chip of 1 Gbit: what it holds, and what it pays with.
//!
//! `cargo run --release --example small -- [PERCENT OF RAW PAGES]`

use std::error::Error;
use std::process::ExitCode;
use vellum_block::Rng;
use vellum_ftl::{Config, Lpn, Small};
use vellum_nand::{Geometry, Model, ModelConfig};

const HELP: &str =
    "The layer for 4 KiB of RAM on a chip of 1 Gbit: what it holds, and what it pays with.

usage: small [PERCENT]

  PERCENT   of the chip's pages that the host sees; uniform writes fill them three times [80]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        [] => run(80),
        [percent] => match percent.parse() {
            Ok(percent @ 1..=100) => run(percent),
            _ => Err(format!("{percent} is no percentage from 1 to 100; see --help").into()),
        },
        _ => Err("one argument at most; see --help".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(percent: u64) -> Result<(), Box<dyn Error>> {
    let geometry = Geometry::slc_1gbit();
    let pages = (geometry.pages() * percent / 100) as u32;
    let config = Config::new(pages);
    let mut small = Small::format(Model::new(ModelConfig::perfect(geometry))?, config)?;
    let (mut rng, mut page) = (Rng::new(1), vec![0; 2048]);
    for lpn in 0..pages {
        small.write(Lpn(lpn), &page)?;
    }
    let mut before = small.stats();
    for i in 0..3 * pages {
        if i == 3 * pages / 2 {
            before = small.stats();
        }
        page[..4].copy_from_slice(&i.to_le_bytes());
        small.write(Lpn(rng.below(pages.into()) as u32), &page)?;
    }
    let now = small.stats();
    let host = (now.host_writes - before.host_writes) as f64;
    let waf = (now.programs() - before.programs()) as f64 / host;
    let reads = (now.chip_reads - before.chip_reads) as f64 / host;
    let (ram, most) = (small.ram_bytes(), small.most_moves());
    let mut small = Small::mount(small.into_nand(), config)?;
    for _ in 0..10_000 {
        small.read(Lpn(rng.below(pages.into()) as u32), &mut page)?;
    }
    let s = small.stats();
    println!("logical pages          {pages:>8}, {percent} % of raw ones");
    println!("bytes of RAM           {ram:>8}");
    println!("write amplification    {waf:>8.2}");
    println!("page moves a write     {:>8} at most, {most} promised", now.worst_moves);
    println!("page reads a write     {reads:>8.1}");
    println!("page reads a read      {:>8.1}", s.read_reads as f64 / s.host_reads as f64);
    println!("page reads of a mount  {:>8}, and {} programs", s.mount_reads, s.programs());
    Ok(())
}
