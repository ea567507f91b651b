//! The SPI driver over a chip on the bus in software: discovery, the suite that every driver passes,
//! what the chip's code reports, markers, failures.

use embedded_hal::delay::DelayNs;
use vellum_nand::model::{Flaw, PowerLaw, Reliability};
use vellum_nand::spi::double::Chip;
use vellum_nand::spi::{EccReport, PARTS, Part, SpiNand};
use vellum_nand::{
    Codeword, Corrected, EccSpec, EraseBlock, Geometry, Model, ModelConfig, Nand, NandError,
    conformance,
};

struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}

/// A chip of this part, as its data sheet has it.
fn geometry(part: &Part) -> Geometry {
    let (page_bytes, oob_bytes) = match part.name {
        "Micron MT29F4G01AB" => (4096, 256),
        name if name.starts_with("Micron") || name.ends_with("KV") => (2048, 128),
        _ => (2048, 64),
    };
    Geometry {
        blocks: 64,
        page_bytes,
        oob_bytes,
        planes: if part.name.contains("29F2G") { 2 } else { 1 },
        ecc: EccSpec {
            codeword_bytes: part.codeword_bytes.into(),
            correctable: part.correctable,
            parity_bytes: part.parity_bytes,
        },
        ..Geometry::slc_1gbit()
    }
}

fn chip(part: &Part) -> Chip {
    Chip::new(Model::new(ModelConfig::perfect(geometry(part))).unwrap(), *part)
}

#[test]
fn every_known_part_is_found_and_passes_the_drivers_suite() {
    for part in &PARTS {
        let mut nand = SpiNand::new(chip(part), NoDelay).unwrap();
        assert_eq!((nand.part().name, *nand.geometry()), (part.name, geometry(part)));
        conformance::run(&mut nand, EraseBlock(5)).unwrap_or_else(|v| panic!("{}: {v}", part.name));
    }
}

#[test]
fn an_unknown_part_is_driven_by_its_parameter_page() {
    let part = Part { id: &[0x0b, 0x77], ..Part::GENERIC };
    let mut nand = SpiNand::new(chip(&part), NoDelay).unwrap();
    assert_eq!(nand.geometry().blocks, 64);
    assert_eq!(nand.parameters().max_bad_blocks, 1);
    conformance::run(&mut nand, EraseBlock(5)).unwrap();
}

#[test]
fn a_damaged_parameter_page_is_read_from_another_copy_or_refused() {
    let mut hurt = chip(&PARTS[0]);
    hurt.copies()[80] ^= 0x10;
    assert!(SpiNand::new(hurt, NoDelay).is_ok());
    let mut gone = chip(&PARTS[0]);
    gone.copies().fill(0);
    let refused = SpiNand::new(gone, NoDelay).map(|_| ());
    assert!(matches!(refused, Err(NandError::Chip { found: 0, .. })), "{refused:?}");
    let silent = Part { id: &[0xff, 0xff], ..Part::GENERIC };
    assert!(matches!(
        SpiNand::new(chip(&silent), NoDelay),
        Err(NandError::Chip { what: "the identity", .. })
    ));
}

#[test]
fn corrections_are_told_as_exactly_as_the_chip_tells_them() {
    for part in &PARTS {
        let mut config = ModelConfig::perfect(geometry(part));
        let floor = if part.correctable == 1 { 1e-4 } else { 3e-4 };
        let law = PowerLaw { floor, ..PowerLaw::TLC_72 };
        config.reliability = Reliability::PowerLaw(law);
        let model = Model::new(config).unwrap();
        let mut nand = SpiNand::new(Chip::new(model, *part), NoDelay).unwrap();
        let g = *nand.geometry();
        let (mut counts, mut lost) = (Vec::new(), 0);
        for page in 0..64 {
            let ppa = g.ppa(EraseBlock(2), page);
            let mut data = vec![7; g.page_bytes as usize];
            nand.program(ppa, &data, &[]).unwrap();
            data.fill(0);
            let status = nand.read(ppa, 0, &mut data, &mut []).unwrap();
            assert_eq!(status.codewords().count(), data.len() / 512);
            lost += u32::from(!status.is_readable());
            assert!(!status.is_readable() || data.iter().all(|&b| b == 7));
            counts.extend(status.codewords().filter(|&w| w != Codeword::Uncorrectable));
        }
        counts.sort_by_key(|w| match w {
            Codeword::Corrected(n) => *n,
            _ => 0,
        });
        counts.dedup();
        let kinds = counts.len();
        let counted = matches!(part.report, EccReport::Nibbles { .. } | EccReport::Worst { .. });
        let expected = if counted { kinds >= 4 } else { kinds >= 2 };
        assert!(expected, "{}: {counts:?}", part.name);
        assert_eq!(lost > 0, part.correctable == 1, "{}: {lost} pages", part.name);
    }
}

#[test]
fn markers_failures_and_lost_pages_come_through() {
    let mut bus = chip(&Part::find(&[0x98, 0xc2]));
    bus.model().mark_bad(EraseBlock(9)).unwrap();
    bus.model().doom(EraseBlock(4), 0);
    let mut nand = SpiNand::new(bus, NoDelay).unwrap();
    let g = *nand.geometry();
    assert!(nand.is_marked_bad(EraseBlock(9)).unwrap());
    assert!(!nand.is_marked_bad(EraseBlock(8)).unwrap());
    nand.mark_bad(EraseBlock(8)).unwrap();
    assert!(nand.is_marked_bad(EraseBlock(8)).unwrap());
    let block = EraseBlock(4);
    assert_eq!(nand.erase(block), Err(NandError::EraseFailed { block }));
    let ppa = g.ppa(EraseBlock(3), 0);
    nand.program(ppa, &[1; 2048], b"user").unwrap();
    let to = g.ppa(EraseBlock(3), 1);
    nand.copy_back(ppa, to, b"other").unwrap();
    let (mut data, mut oob) = ([0; 2048], [0; 5]);
    assert!(nand.read(to, 0, &mut data, &mut oob).unwrap().is_readable());
    assert_eq!((data, &oob), ([1; 2048], b"other"));
    let (mut bus, _) = nand.release();
    bus.model().spoil(ppa, Flaw::Unreadable);
    let mut nand = SpiNand::new(bus, NoDelay).unwrap();
    assert!(!nand.read(ppa, 0, &mut data, &mut []).unwrap().is_readable());
}

#[test]
fn pages_are_programmed_in_order() {
    let mut nand = SpiNand::new(chip(&PARTS[0]), NoDelay).unwrap();
    let g = *nand.geometry();
    let block = EraseBlock(7);
    nand.erase(block).unwrap();
    nand.program(g.ppa(block, 4), &[1; 2048], &[]).unwrap();
    let ppa = g.ppa(block, 3);
    let refused = nand.program(ppa, &[1; 2048], &[]);
    assert_eq!(refused, Err(NandError::Order { ppa, next: 5 }));
}

#[test]
fn a_bare_chip_on_the_bus_is_corrected_by_the_host() {
    let part = Part { id: &[0x0b, 0x01], correctable: 0, parity_bytes: 0, ..Part::GENERIC };
    let mut config = ModelConfig::perfect(geometry(&part));
    let law = PowerLaw { floor: 1e-4, ..PowerLaw::TLC_72 };
    config.reliability = Reliability::PowerLaw(law);
    let bus = Chip::new(Model::new(config).unwrap(), part);
    let nand = SpiNand::with_part(bus, NoDelay, Some(part)).unwrap();
    let mut nand = Corrected::bch(nand, 512, 13, 4).unwrap();
    conformance::run(&mut nand, EraseBlock(5)).unwrap();
}
