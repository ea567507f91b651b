//! Blocks that leave the factory bad, and more that fail in use: nothing is lost, and at the end the
//! device says that it is worn out.

use vellum_block::Rng;
use vellum_ftl::{Config, Ftl, FtlError, Layer, Lpn, Small};
use vellum_nand::{EraseBlock, Geometry, Model, ModelConfig};

fn content(lpn: u32, version: u32, bytes: usize) -> Vec<u8> {
    let mut page = vec![version as u8; bytes];
    page[..4].copy_from_slice(&lpn.to_le_bytes());
    page[4..8].copy_from_slice(&version.to_le_bytes());
    page
}

fn check<L: Layer>(layer: &mut L, versions: &[u32]) {
    let mut page = vec![0; layer.page_bytes()];
    for (lpn, &version) in (0..).zip(versions) {
        layer.read(Lpn(lpn), &mut page).unwrap();
        assert_eq!(page, content(lpn, version, page.len()), "page {lpn}");
    }
}

/// Two blocks in a hundred bad from the factory, and more until five are, at 80 % fill.
fn grow<L: Layer<Chip = Model>>(geometry: Geometry, keep: u32) {
    let chip = ModelConfig { factory_bad_permille: 20, ..ModelConfig::perfect(geometry) };
    let pages = (geometry.pages() * 80 / 100) as u32;
    let (config, bytes) = (Config::new(pages), geometry.page_bytes as usize);
    let mut layer = L::format(Model::new(chip).unwrap(), config).unwrap();
    let mut versions = vec![1; pages as usize];
    (0..pages).for_each(|lpn| layer.write(Lpn(lpn), &content(lpn, 1, bytes)).unwrap());
    let (mut rng, mut round, most) = (Rng::new(5), 1u32, geometry.blocks * 5 / 100);
    let bad = |layer: &L| layer.health().blocks - layer.health().good;
    assert!(bad(&layer) > 0 && bad(&layer) < most);
    while bad(&layer) < most {
        round += 1;
        assert!(round < 400, "{} bad blocks only", bad(&layer));
        let block = EraseBlock(keep + rng.below((geometry.blocks - keep).into()) as u32);
        layer.nand_mut().doom(block, 0);
        for _ in 0..400 {
            let lpn = rng.below(pages.into()) as u32;
            layer.write(Lpn(lpn), &content(lpn, round, bytes)).unwrap();
            versions[lpn as usize] = round;
        }
        if round.is_multiple_of(8) {
            layer = L::mount(layer.into_nand(), config).unwrap();
        }
    }
    check(&mut layer, &versions);
    let mut layer = L::mount(layer.into_nand(), config).unwrap();
    check(&mut layer, &versions);
    assert!(bad(&layer) >= most && !layer.health().read_only);
}

#[test]
fn factory_rate_and_growth_to_five_percent_at_eighty_percent_fill_lose_nothing() {
    // Any block but the first, which holds an anchor and must last.
    grow::<Ftl<Model>>(Geometry::tiny(512, 16), 2);
}

#[test]
fn and_nothing_in_the_layer_for_little_ram() {
    grow::<Small<Model>>(Geometry { blocks: 512, ..Geometry::slc_1gbit() }, 1);
}

#[test]
fn a_worn_out_device_says_so_and_still_reads() {
    let geometry = Geometry::tiny(40, 16);
    let config = Config::new(300);
    let mut ftl = Ftl::format(Model::new(ModelConfig::perfect(geometry)).unwrap(), config).unwrap();
    let mut versions = vec![1; 300];
    (0..300).for_each(|lpn| ftl.write(Lpn(lpn), &content(lpn, 1, 512)).unwrap());
    let mut rng = Rng::new(9);
    let mut block = 39;
    let error = loop {
        let lpn = rng.below(300) as u32;
        match ftl.write(Lpn(lpn), &content(lpn, 2, 512)) {
            Ok(()) => versions[lpn as usize] = 2,
            Err(error) => break error,
        }
        if ftl.stats().host_writes.is_multiple_of(60) {
            ftl.nand_mut().doom(EraseBlock(block), 0);
            block = 2 + block % 38;
        }
        assert!(ftl.stats().host_writes < 100_000);
    };
    // Several blocks fail at once, so the last spares may be among those not yet known to be bad.
    let worn =
        |e: &FtlError| matches!(e, FtlError::ReadOnly { good, needed } if *good < needed + 4);
    assert!(worn(&error), "{error}");
    assert!(ftl.health().read_only);
    check(&mut ftl, &versions);
}

#[test]
fn an_anchor_that_fails_is_replaced_by_another_of_the_first_blocks_while_the_host_writes() {
    let geometry = Geometry::tiny(64, 16);
    let config = Config::new(500);
    let mut ftl = Ftl::format(Model::new(ModelConfig::perfect(geometry)).unwrap(), config).unwrap();
    let mut versions = vec![1; 500];
    (0..500).for_each(|lpn| ftl.write(Lpn(lpn), &content(lpn, 1, 512)).unwrap());
    let mut rng = Rng::new(11);
    // Six of the eight blocks that may hold anchors fail one after the other, the anchors among them.
    for (round, block) in [0, 1, 2, 3, 4, 5].into_iter().enumerate() {
        // And one that holds data, for each loss has the anchors written.
        ftl.nand_mut().doom(EraseBlock(block), 0);
        ftl.nand_mut().doom(EraseBlock(20 + block), 0);
        let mut writes = 0;
        while !ftl.bad_blocks().any(|b| b == EraseBlock(block)) || writes < 200 {
            let (lpn, version) = (rng.below(500) as u32, 2 + round as u32);
            ftl.write(Lpn(lpn), &content(lpn, version, 512)).unwrap();
            versions[lpn as usize] = version;
            writes += 1;
            assert!(writes < 20_000, "block {block} never failed");
            if writes % 50 == 0 {
                ftl = Ftl::mount(ftl.into_nand(), config).unwrap();
            }
        }
    }
    check(&mut ftl, &versions);
    assert!(!ftl.health().read_only);
}
