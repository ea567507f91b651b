//! Mounts: how many pages they read, and what they refuse.

use vellum_block::Rng;
use vellum_ftl::{Config, Ftl, FtlError, Lpn};
use vellum_nand::{EraseBlock, Geometry, Model, ModelConfig, Nand};

/// The most that a mount and the first read after it take on a common chip, whatever the traffic.
const READS: u64 = 64;

#[test]
fn few_pages_are_read_at_any_moment() {
    let chip = Geometry::slc_1gbit();
    let pages = (chip.pages() * 9 / 10) as u32;
    let mut ftl =
        Ftl::format(Model::new(ModelConfig::perfect(chip)).unwrap(), Config::new(pages)).unwrap();
    let (mut rng, page) = (Rng::new(5), vec![1; 2048]);
    (0..pages).for_each(|lpn| ftl.write(Lpn(lpn), &page).unwrap());
    let mut most = 0;
    for i in 0..240_000u32 {
        // Uniform, then nine writes in ten to a tenth of the pages.
        let hot = i >= 80_000 && rng.below(10) > 0;
        let lpn = rng.below(u64::from(pages) / if hot { 10 } else { 1 }) as u32;
        ftl.write(Lpn(lpn), &page).unwrap();
        if i % 8_009 == 0 {
            let mut chip = ftl.nand().clone();
            chip.power_off();
            chip.power_on();
            let mut mounted = Ftl::mount(chip, Config::new(pages)).unwrap();
            mounted.read(Lpn(rng.below(pages.into()) as u32), &mut vec![0; 2048]).unwrap();
            let stats = mounted.stats();
            most = most.max(stats.mount_reads + stats.read_reads);
        }
    }
    assert!(most <= READS, "{most} pages read");
}

#[test]
fn another_version_is_named_and_nothing_is_written() {
    let config = ModelConfig::perfect(Geometry::tiny(48, 16));
    let chip = Ftl::format(Model::new(config).unwrap(), Config::new(300)).unwrap().into_nand();
    let g = *chip.geometry();
    for version in [4u32, 5, 7] {
        // The same chip with anchors of that version.
        let mut other = chip.clone();
        for block in (0..8).map(EraseBlock) {
            let mut anchors = Vec::new();
            for page in 0..g.pages_per_block {
                let mut data = vec![0; g.page_bytes as usize];
                let mut oob = vec![0; g.user_oob_bytes() as usize];
                let status = other.read(g.ppa(block, page), 0, &mut data, &mut oob).unwrap();
                if status.is_readable() && data.starts_with(b"VLA2") {
                    data[4..8].copy_from_slice(&version.to_le_bytes());
                    let end = data.len() - 4;
                    let crc = crc32fast::hash(&data[..end]);
                    data[end..].copy_from_slice(&crc.to_le_bytes());
                    anchors.push((page, data, oob));
                }
            }
            if !anchors.is_empty() {
                other.erase(block).unwrap();
            }
            for (page, data, oob) in anchors {
                other.program(g.ppa(block, page), &data, &oob).unwrap();
            }
        }
        let before = other.counters();
        let refused = Ftl::mount(&mut other, Config::new(300)).unwrap_err();
        assert_eq!(refused, FtlError::Version { found: version, known: 6 });
        let after = other.counters();
        assert_eq!((after.programs, after.erases), (before.programs, before.erases));
    }
    Ftl::mount(chip, Config::new(300)).unwrap();
}
