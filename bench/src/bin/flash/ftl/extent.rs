//! Beside the table of traffic: the theory check, the speed of the simulation, and the RAM of the map
//! modes, counted in the bytes that the layer holds.

use super::CHIP;
use crate::measure::cpu_seconds;
use anyhow::Result;
use vellum_block::Rng;
use vellum_ftl::{Config, Ftl, Lpn, MapMode, Placement, campaign};
use vellum_nand::{Geometry, Model, ModelConfig};

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

/// Requests of one kind a CPU second.
#[derive(Debug, serde::Serialize)]
struct Speed {
    requests: &'static str,
    a_second: f64,
    /// Programs a host write; none where nothing is written.
    waf: Option<f64>,
}

/// Requests of a page with its data on chip G1 at 28 % over-provisioning, as the published simulators'
/// fastest case; then what the memory alone allows: copies of as many bytes to and from random pages of as
/// large a buffer, with nothing else done.
fn speed() -> Result<Vec<Speed>> {
    let pages = (CHIP.pages() * 100 / 128) as u32;
    let mut ftl = Ftl::format(Model::new(ModelConfig::perfect(CHIP))?, Config::new(pages))?;
    let mut page = vec![0x5a; ftl.page_bytes()];
    for lpn in 0..pages {
        ftl.write(Lpn(lpn), &page)?;
    }
    let (mut rng, n) = (Rng::new(1), 1_000_000u32);
    let mut rows = Vec::new();
    let kinds = [
        ("sequential writes", 0, true),
        ("uniform writes", 0, false),
        ("7 reads to 3 writes, uniform", 7, false),
        ("uniform reads", 10, false),
    ];
    for (requests, reads_in_10, in_order) in kinds {
        let (before, start) = (ftl.stats(), cpu_seconds());
        for i in 0..n {
            let lpn = Lpn(if in_order { i % pages } else { rng.below(pages.into()) as u32 });
            if rng.below(10) < reads_in_10 {
                ftl.read(lpn, &mut page)?;
            } else {
                page[..4].copy_from_slice(&i.to_le_bytes());
                ftl.write(lpn, &page)?;
            }
        }
        let a_second = f64::from(n) / (cpu_seconds() - start);
        let now = ftl.stats();
        let writes = (now.host_writes - before.host_writes) as f64;
        let waf = (now.programs() - before.programs()) as f64 / writes;
        rows.push(Speed { requests, a_second, waf: (writes > 0.0).then_some(waf) });
    }
    drop(ftl);
    let mut memory = vec![1; CHIP.bytes() as usize];
    for (requests, writes) in [("bare copies to memory", true), ("bare copies from memory", false)]
    {
        let start = cpu_seconds();
        for _ in 0..n {
            let at = rng.below(pages.into()) as usize * page.len();
            let there = &mut memory[at..at + page.len()];
            if writes {
                there.copy_from_slice(std::hint::black_box(&page));
            } else {
                page.copy_from_slice(std::hint::black_box(there));
            }
            std::hint::black_box((&mut memory, &mut page));
        }
        rows.push(Speed { requests, a_second: f64::from(n) / (cpu_seconds() - start), waf: None });
    }
    Ok(rows)
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

/// How fast the simulation runs.
pub fn speeds(json: bool) -> Result<()> {
    let speeds = speed()?;
    if json {
        println!("{}", serde_json::to_string_pretty(&speeds)?);
        return Ok(());
    }
    println!(
        "simulated with data, million requests of a page a CPU second (128 MiB chip, 28 % OP):"
    );
    for row in &speeds {
        let waf = row.waf.map_or(String::new(), |waf| format!(" at WAF {waf:.2}"));
        println!("  {:<32}{:>6.2}{waf}", row.requests, row.a_second / 1e6);
    }
    Ok(())
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
