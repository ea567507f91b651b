//! The layer for 4 KiB of RAM on a chip of 1 Gbit: what it holds, and what it pays with.
//!
//! `cargo run --release --example small -- [PERCENT OF RAW PAGES]`

use std::error::Error;
use vellum_block::Rng;
use vellum_ftl::{Config, Lpn, Small};
use vellum_nand::{Geometry, Model, ModelConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let percent: u64 = std::env::args().nth(1).map_or(Ok(80), |s| s.parse())?;
    let geometry = Geometry::slc_1gbit();
    let pages = (geometry.pages() * percent / 100) as u32;
    let mut small = Small::format(Model::new(ModelConfig::perfect(geometry))?, Config::new(pages))?;
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
    let moved = |s: vellum_ftl::Stats| s.programs_collect + s.programs_meta + s.programs_pad;
    let host = (now.host_writes - before.host_writes) as f64;
    let waf = 1.0 + (moved(now) - moved(before)) as f64 / host;
    let reads = (now.chip_reads - before.chip_reads) as f64 / host;
    let ram = small.ram_bytes();
    let mut small = Small::mount(small.into_nand(), Config::new(pages))?;
    for _ in 0..10_000 {
        small.read(Lpn(rng.below(pages.into()) as u32), &mut page)?;
    }
    let s = small.stats();
    println!("logical pages          {pages:>8}, {percent} % of raw ones");
    println!("bytes of RAM           {ram:>8}");
    println!("write amplification    {waf:>8.2}");
    println!("page reads a write     {reads:>8.1}");
    println!("page reads a read      {:>8.1}", s.read_reads as f64 / s.host_reads as f64);
    println!("page reads of a mount  {:>8}", s.mount_reads);
    Ok(())
}
