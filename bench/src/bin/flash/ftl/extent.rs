//! Beside the table of traffic: the theory check, and the RAM of the map modes, counted in the bytes that the
//! layer holds.

use super::CHIP;
use anyhow::Result;
use vellum_block::Rng;
use vellum_ftl::{Config, Ftl, Lpn, MapMode, Placement, campaign};
use vellum_nand::{Geometry, Model, ModelConfig, Nand, Superblocks};

/// Write amplification over theory's.
pub fn theory(json: bool) -> Result<()> {
    let mut rows = Vec::new();
    for blocks in [1024, 4096] {
        for op in [7, 10, 20, 28] {
            let s = campaign::steady(blocks, op)?;
            rows.push(serde_json::json!({
                "blocks": blocks, "op_percent": op, "waf": s.waf, "theory": s.theory,
                "reserved": s.reserved, "ratio": s.waf / s.theory,
            }));
            if !json {
                println!(
                    "{blocks:>5} blocks, {op:>2} %: WAF {:.4}, theory {:.4} with {:.2} blocks reserved, \
                     ratio {:.4}",
                    s.waf,
                    s.theory,
                    s.reserved,
                    s.waf / s.theory
                );
            }
        }
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    }
    Ok(())
}

/// Programs of the chip below a host write under uniform traffic, and erases, after as many writes as make the
/// state a steady one.
fn chip_programs<N: Nand>(nand: N, pages: u32, model: impl Fn(&N) -> &Model) -> Result<(f64, f64)> {
    let mut ftl = Ftl::format(nand, Config::new(pages))?;
    let page = vec![0x5a; ftl.page_bytes()];
    let mut rng = Rng::new(1);
    (0..pages).try_for_each(|lpn| ftl.write(Lpn(lpn), &page))?;
    let mut write = |ftl: &mut Ftl<N>| ftl.write(Lpn(rng.below(pages.into()) as u32), &page);
    (0..4 * pages).try_for_each(|_| write(&mut ftl))?;
    let (before, n) = (model(ftl.nand()).counters(), 4 * pages);
    (0..n).try_for_each(|_| write(&mut ftl))?;
    let now = model(ftl.nand()).counters();
    let each = |now: u64, before: u64| (now - before) as f64 / f64::from(n);
    Ok((each(now.programs, before.programs), each(now.erases, before.erases)))
}

/// What superblock parity costs in writes.
pub fn parity(json: bool) -> Result<()> {
    let chip = || Model::new(ModelConfig::perfect(Geometry { units: 8, ..CHIP }));
    let mut rows = Vec::new();
    for fill in [60, 70] {
        let pages = (CHIP.pages() * fill / 100) as u32;
        let plain = chip_programs(chip()?, pages, |m| m)?;
        let mut row = |kind: &str, (programs, erases): (f64, f64)| {
            if !json {
                println!(
                    "parity, {fill} % of raw pages, {kind:<18}{programs:>7.3} programs a host write, \
                     {:.3} of plain; {:.2} erases a hundred",
                    programs / plain.0,
                    100.0 * erases
                );
            }
            rows.push(serde_json::json!({
                "fill_percent": fill, "kind": kind, "programs": programs, "of_plain": programs / plain.0,
                "erases": erases,
            }));
        };
        row("none", plain);
        for width in [8, 4] {
            let nand = Superblocks::new(chip()?, width)?;
            row(&format!("one page in {width}"), chip_programs(nand, pages, Superblocks::chip)?);
        }
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    }
    Ok(())
}

/// A device under random writes: most bytes that the layer holds, the bytes of its logical space, and
/// metadata pages a program.
fn ram(chip: Geometry, config: Config) -> Result<(usize, u64, f64)> {
    let pages = config.logical_pages;
    let mut ftl = Ftl::format(Model::new(ModelConfig::perfect(chip))?, config)?;
    let page = vec![0x5a; ftl.page_bytes()];
    let (mut rng, mut most) = (Rng::new(1), 0);
    for i in 0..3 * pages.min(100_000) {
        ftl.write(Lpn(rng.below(pages.into()) as u32), &page)?;
        if i % 16 == 0 {
            most = most.max(ftl.ram_bytes());
        }
    }
    let s = ftl.stats();
    let meta = s.programs_meta as f64 / (s.programs() - s.programs_meta) as f64;
    Ok((most, u64::from(pages) * ftl.page_bytes() as u64, meta))
}

/// The smallest configuration for a shape.
fn smallest(chip: &Geometry, pages: u32) -> Result<Config> {
    let map = MapMode::Demand { cached_slices: 1, changed: 0 };
    let least =
        Config { map, placement: Placement::Greedy, meta_interval: 8, ..Config::new(pages) };
    Ok(Config::for_ram(chip, pages, least.ram_bytes(chip)?)?)
}

/// The RAM of the map modes.
pub fn rams(json: bool) -> Result<()> {
    let g1 = (CHIP.pages() * 9 / 10) as u32;
    // As large as the anchor's table of bad blocks lets a chip with pages of 4 KiB be.
    let large = Geometry { blocks: 16_384, pages_per_block: 256, ..CHIP };
    let large = Geometry { page_bytes: 4096, oob_bytes: 128, ..large };
    let much = (large.pages() * 9 / 10) as u32;
    let budget = ((u64::from(much) * 4096) >> 16) as usize;
    let small = Geometry::tiny(32, 16);
    let greedy = |pages| Config { placement: Placement::Greedy, ..Config::new(pages) };
    let cases = [
        ("flat, 16 GiB", ram(large, greedy(much))?),
        ("flat, 128 MiB", ram(CHIP, Config::new(g1))?),
        ("16 MiB/TiB, 16 GiB", ram(large, Config::for_ram(&large, much, budget)?)?),
        ("smallest, 16 GiB", ram(large, smallest(&large, much)?)?),
        ("smallest, 128 MiB", ram(CHIP, smallest(&CHIP, g1)?)?),
        ("smallest, 256 KiB", ram(small, smallest(&small, Config::most_pages(&small))?)?),
    ];
    if json {
        let ram: Vec<_> = cases.iter().map(|(n, (b, of, meta))| (n, b, of, meta)).collect();
        println!("{}", serde_json::json!({ "ram": ram }));
        return Ok(());
    }
    for (name, (bytes, of, meta)) in cases {
        let per_tib = bytes as f64 * (1u64 << 40) as f64 / of as f64 / f64::from(1 << 20);
        println!(
            "RAM, {name:<20}{bytes:>10} bytes, {per_tib:>9.1} MiB/TiB, {meta:.3} metadata pages a program"
        );
    }
    Ok(())
}
