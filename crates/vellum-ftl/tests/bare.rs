//! The layer over bare chips behind a code: real bits are wrong in every page that it reads, data, metadata and erased
//! ones alike.

use vellum_block::Rng;
use vellum_ftl::{Config, Ftl, FtlError, Layer, Lpn, ScrubPolicy, Small};
use vellum_nand::model::{PowerLaw, Reliability};
use vellum_nand::{
    CellKind, Corrected, Cut, CutMode, EccSpec, Geometry, Model, ModelConfig, Nand, NandError,
};

const PAGE: usize = 4096;

/// A chip that corrects nothing, a share `rate` of whose bits is wrong.
fn bare(rate: f64, cell: CellKind) -> Model {
    let geometry = Geometry {
        page_bytes: PAGE as u32,
        oob_bytes: 640,
        ecc: EccSpec { codeword_bytes: 1024, correctable: 0, parity_bytes: 0 },
        ..Geometry::tiny(24, 8).with_cell(cell)
    };
    let law = PowerLaw { floor: rate, ..PowerLaw::TLC_72 };
    let reliability = Reliability::PowerLaw(law);
    Model::new(ModelConfig { reliability, ..ModelConfig::perfect(geometry) }).unwrap()
}

fn content(lpn: u32, version: u32) -> Vec<u8> {
    let mut rng = Rng::new(u64::from(lpn) << 32 | u64::from(version));
    (0..PAGE).map(|_| rng.next_u64() as u8).collect()
}

/// Writes, cuts, mounts: whatever was written and flushed is read, each bit of it.
fn live<C: vellum_ecc::Codec + Clone, L: Layer<Chip = Corrected<Model, C>>>(
    nand: Corrected<Model, C>,
) {
    let pages = 60.min(L::most_pages(nand.geometry()));
    let mut config = Config::new(pages);
    // Each page has as many wrong bits as it will ever have: none is moved for them.
    config.scrub = ScrubPolicy { corrected_bits: 0, ..ScrubPolicy::default() };
    let mut ftl = L::format(nand, config).unwrap();
    let (mut rng, mut versions) = (Rng::new(5), vec![0; pages as usize]);
    let mut read = vec![0; PAGE];
    for round in 1..5u32 {
        for i in 0..2 * pages {
            let lpn = if round == 1 && i < pages { i } else { rng.below(pages.into()) as u32 };
            let version = round * 10_000 + i;
            ftl.write(Lpn(lpn), &content(lpn, version)).unwrap();
            versions[lpn as usize] = version;
        }
        ftl.flush().unwrap();
        // The power goes at one of the next programs, of a page that is told apart from none before.
        ftl.nand_mut().chip().arm(Cut { after: 2, mode: CutMode::TornProgram, seed: 9 });
        let cut = (0..9).find_map(|_| ftl.write(Lpn(0), &content(0, versions[0])).err());
        assert!(matches!(cut, Some(FtlError::Nand(NandError::PowerLost))), "{cut:?}");
        let mut nand = ftl.into_nand();
        nand.chip().power_on();
        ftl = L::mount(nand, config).unwrap();
        for lpn in 0..pages {
            ftl.read(Lpn(lpn), &mut read).unwrap();
            assert!(read == content(lpn, versions[lpn as usize]), "page {lpn} in round {round}");
        }
    }
    let counters = ftl.nand_mut().chip().counters();
    assert!(counters.erases > 15, "{counters:?}");
}

#[test]
fn bch_carries_both_layers_where_one_bit_in_two_thousand_is_wrong() {
    let nand = || Corrected::bch(bare(5e-4, CellKind::Slc), 1024, 14, 24).unwrap();
    live::<_, Ftl<_>>(nand());
    live::<_, Small<_>>(nand());
}

/// Where one read in two does not decode.
#[test]
fn soft_reads_carry_both_layers_where_nine_in_a_thousand_are() {
    let nand = || Corrected::ldpc(bare(9e-3, CellKind::Tlc), 1024).unwrap();
    live::<_, Ftl<_>>(nand());
    live::<_, Small<_>>(nand());
    // One read alone loses the device.
    let mut hard = nand();
    hard.set_soft_reads(0);
    let g = *hard.geometry();
    let lost = (0..8).filter(|&page| {
        let ppa = g.ppa(vellum_nand::EraseBlock(1), page);
        hard.program(ppa, &content(page, 1), &[]).unwrap();
        !hard.read(ppa, 0, &mut [0; PAGE], &mut []).unwrap().is_readable()
    });
    assert!(lost.count() > 4);
}
