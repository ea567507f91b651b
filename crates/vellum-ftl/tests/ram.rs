//! RAM: what a choice of map takes is known beforehand, kept, and enough to lose nothing.

use std::collections::BTreeMap;
use vellum_block::Rng;
use vellum_ftl::{Config, Ftl, FtlError, Lpn, MapMode};
use vellum_nand::{Geometry, Model, ModelConfig};

/// Writes at random, and now and then one after the other; discards; mounts again; and holds the layer
/// against a plain map. Returns the most RAM that it held.
fn live(geometry: Geometry, config: Config, rounds: u32) -> usize {
    let mut ftl = Ftl::format(Model::new(ModelConfig::perfect(geometry)).unwrap(), config).unwrap();
    let (pages, bytes) = (config.logical_pages, geometry.page_bytes as usize);
    let (mut rng, mut truth, mut most) = (Rng::new(5), BTreeMap::new(), 0);
    let mut page = vec![0; bytes];
    let mut version = 0u32;
    for round in 0..rounds {
        let (first, count) = match round % 97 {
            0 => (rng.below(u64::from(pages) - 40) as u32, 40),
            _ => (rng.below(pages.into()) as u32, 1),
        };
        for lpn in first..first + count {
            version += 1;
            page[..4].copy_from_slice(&version.to_le_bytes());
            ftl.write(Lpn(lpn), &page).unwrap();
            truth.insert(lpn, version);
        }
        if round % 1_501 == 7 {
            let count = pages.min(first + pages / 9) - first;
            ftl.trim(Lpn(first), count).unwrap();
            (first..first + count).for_each(|lpn| {
                truth.remove(&lpn);
            });
        }
        most = most.max(ftl.health().ram_bytes);
        if round % 7_001 == 7_000 {
            ftl.flush().unwrap();
            ftl = Ftl::mount(ftl.into_nand(), config).unwrap();
        }
    }
    for lpn in 0..pages {
        ftl.read(Lpn(lpn), &mut page).unwrap();
        let found = u32::from_le_bytes([page[0], page[1], page[2], page[3]]);
        assert_eq!(found, truth.get(&lpn).copied().unwrap_or(0), "page {lpn}");
    }
    most
}

#[test]
fn a_budget_is_kept_and_nothing_is_lost() {
    let geometry = Geometry::tiny(256, 32);
    let pages = 6_500;
    let flat = Config::new(pages).ram_bytes(&geometry).unwrap();
    for budget in [flat, 24_000, 12_000, 8_000] {
        let config = Config::for_ram(&geometry, pages, budget).unwrap();
        assert_eq!(config.map == MapMode::Flat, budget == flat);
        let said = config.ram_bytes(&geometry).unwrap();
        let most = live(geometry, config, 20_000);
        assert!(said <= budget && most <= budget, "{budget}: said {said}, held {most}");
        assert!(most * 20 > said * 19, "{budget}: said {said}, held only {most}");
    }
    let refused = Config::for_ram(&geometry, pages, 1_000).unwrap_err();
    assert!(matches!(refused, FtlError::Ram { found: 1_000, needed } if needed < 8_000));
}

#[test]
fn less_ram_costs_metadata() {
    let geometry = Geometry::tiny(256, 32);
    let programs = |budget| {
        let config = Config::for_ram(&geometry, 5_500, budget).unwrap();
        let chip = Model::new(ModelConfig::perfect(geometry)).unwrap();
        let (mut ftl, mut rng) = (Ftl::format(chip, config).unwrap(), Rng::new(1));
        (0..30_000).for_each(|_| {
            ftl.write(Lpn(rng.below(5_500) as u32), &[7; 512]).unwrap();
        });
        ftl.stats().programs_meta
    };
    let [least, more, flat] = [8_000, 12_000, 100_000].map(programs);
    assert!(least > more && more > flat, "{least} {more} {flat}");
}

#[test]
fn four_kibibytes_are_enough_for_a_small_chip() {
    let geometry = Geometry::tiny(32, 16);
    let config = Config::for_ram(&geometry, Config::most_pages(&geometry), 4096).unwrap();
    assert!(live(geometry, config, 8_000) <= 4096);
}
