//! Greedy collection under uniform traffic against the exact mean field.

use vellum_block::Rng;
use vellum_ftl::{Config, Ftl, Lpn, Placement, WearPolicy, theory};
use vellum_nand::{EccSpec, Geometry, Model, ModelConfig};

fn check(blocks: u32, op_percent: u32) {
    let geometry = Geometry {
        page_bytes: 2048,
        oob_bytes: 64,
        ecc: EccSpec { codeword_bytes: 512, correctable: 4, parity_bytes: 7 },
        ..Geometry::tiny(blocks, 64)
    };
    let pages = (geometry.pages() * 100 / u64::from(100 + op_percent)) as u32;
    let mut config = Config::new(pages);
    config.placement = Placement::Greedy;
    config.wear = WearPolicy { spread: 0, budget_permille: 0 };
    let chip = Model::new(ModelConfig::perfect(geometry)).unwrap();
    let mut ftl = Ftl::format(chip, config).unwrap();
    let page = vec![1; 2048];
    (0..pages).for_each(|lpn| ftl.write(Lpn(lpn), &page).unwrap());
    let mut rng = Rng::new(11);
    let (mut closed, mut samples) = (0u64, 0u64);
    let mut before = ftl.stats();
    for i in 0..6 * pages {
        if i == 3 * pages {
            before = ftl.stats();
            (closed, samples) = (0, 0);
        }
        ftl.write(Lpn(rng.below(pages.into()) as u32), &page).unwrap();
        if i % 64 == 0 {
            closed += u64::from(ftl.closed_blocks());
            samples += 1;
        }
    }
    let now = ftl.stats();
    let host = (now.host_writes - before.host_writes) as f64;
    let data = host + (now.programs_collect - before.programs_collect) as f64;
    // Reserved: every block that is not closed data, on average; an open one is half in use.
    let reserved = f64::from(blocks) - closed as f64 / samples as f64 - 0.5;
    let alpha = theory::alpha(blocks, reserved, 64, pages);
    let expected = theory::greedy(alpha, 64).unwrap();
    let ratio = data / host / expected;
    println!("{blocks} blocks, {op_percent} %: reserved {reserved:.2}, {ratio:.4} of theory");
    assert!((ratio - 1.0).abs() < 0.01, "{op_percent} %: {} / {expected}", data / host);
}

#[test]
fn greedy_collection_meets_the_mean_field() {
    for (blocks, op_percent) in [(1024, 7), (1024, 10), (1024, 20), (1024, 28)] {
        check(blocks, op_percent);
    }
}
