//! A bare chip behind a code: the suite, what each codeword comes to, erased pages, miscorrection.

use vellum_ecc::{Bch, BchParams, Checked, Codec};
use vellum_nand::model::{Flaw, PowerLaw, Reliability};
use vellum_nand::{
    Codeword, Corrected, Cut, CutMode, EccSpec, EraseBlock, Geometry, Model, ModelConfig, Nand,
    NandError, conformance,
};

const BARE: EccSpec = EccSpec { codeword_bytes: 512, correctable: 0, parity_bytes: 0 };

/// A bare chip whose bits are wrong at this rate.
fn bare(rate: f64) -> Model {
    let g = Geometry { ecc: BARE, oob_bytes: 128, ..Geometry::slc_1gbit() };
    let mut config = ModelConfig::perfect(g);
    if rate > 0.0 {
        let law = PowerLaw { floor: rate, ..PowerLaw::TLC_72 };
        config.reliability = Reliability::PowerLaw(law);
    }
    Model::new(config).unwrap()
}

#[test]
fn a_bare_chip_gives_wrong_bits_and_the_same_ones_each_time() {
    let mut chip = bare(1e-3);
    let ppa = chip.geometry().ppa(EraseBlock(1), 0);
    chip.program(ppa, &[0; 2048], &[]).unwrap();
    let wrong = |chip: &mut Model| {
        let mut data = [0; 2048];
        chip.read(ppa, 0, &mut data, &mut []).unwrap();
        data
    };
    let first = wrong(&mut chip);
    let bits: u32 = first.iter().map(|b| b.count_ones()).sum();
    assert!((4..40).contains(&bits), "{bits} of 16384 at one in a thousand");
    assert_eq!(first, wrong(&mut chip));
}

#[test]
fn the_pair_passes_the_drivers_suite() {
    for rate in [0.0, 2e-4] {
        let mut nand = Corrected::bch(bare(rate), 512, 13, 8).unwrap();
        conformance::run(&mut nand, EraseBlock(3)).unwrap();
    }
    let code = Bch::new(BchParams::nand(14, 24, 1024 + 21)).unwrap();
    assert_eq!(code.parity_len(), 42);
    let mut nand = Corrected::new(bare(2e-4), code, 1024).unwrap();
    conformance::run(&mut nand, EraseBlock(3)).unwrap();
}

#[test]
fn each_codeword_tells_what_became_of_it() {
    let mut nand = Corrected::bch(bare(6e-4), 512, 13, 4).unwrap();
    let g = *nand.geometry();
    let (mut seen, mut lost) = ([0; 5], 0);
    for page in 0..64 {
        let ppa = g.ppa(EraseBlock(1), page);
        let content = [page as u8; 2048];
        nand.program(ppa, &content, &[0xa5; 10]).unwrap();
        let (mut data, mut oob) = ([0; 2048], [0; 10]);
        let status = nand.read(ppa, 0, &mut data, &mut oob).unwrap();
        for (i, word) in status.codewords().enumerate() {
            match word {
                Codeword::Corrected(n) => {
                    seen[usize::from(n)] += 1;
                    assert_eq!(
                        data[i * 512..][..512],
                        content[..512],
                        "what was corrected is right"
                    );
                }
                Codeword::Uncorrectable => lost += 1,
                Codeword::Erased => panic!("a programmed word looks erased"),
            }
        }
        if status.is_readable() {
            assert_eq!(oob, [0xa5; 10]);
        }
    }
    // A mean of 2.6 errors a word: some of each, and some lost.
    assert!(seen.iter().all(|&n| n > 5) && lost > 5, "{seen:?}, {lost} lost");
}

#[test]
fn an_erased_page_is_one_in_spite_of_flipped_bits() {
    let mut nand = Corrected::bch(bare(2e-4), 512, 13, 8).unwrap();
    let g = *nand.geometry();
    let mut flipped = 0;
    for page in 0..64 {
        let ppa = g.ppa(EraseBlock(2), page);
        let mut raw = [0; 2048];
        nand.chip().read(ppa, 0, &mut raw, &mut []).unwrap();
        flipped += raw.iter().map(|b| b.count_zeros()).sum::<u32>();
        assert!(nand.is_erased(ppa).unwrap());
        let mut data = [0; 2048];
        nand.read(ppa, 0, &mut data, &mut []).unwrap();
        assert_eq!(data, [0xff; 2048]);
    }
    assert!(flipped > 50, "{flipped} bits were flipped");
}

/// Words that were read as right and were not, of those with more errors than the code corrects.
fn miscorrected<C: Codec>(code: C) -> (u32, u32) {
    let mut nand = Corrected::new(bare(4e-3), code, 512).unwrap();
    let g = *nand.geometry();
    let (mut wrong, mut beyond) = (0, 0);
    for block in 1..60 {
        for page in 0..64 {
            let ppa = g.ppa(EraseBlock(block), page);
            nand.program(ppa, &[0x3c; 2048], &[]).unwrap();
            let mut data = [0; 2048];
            let status = nand.read(ppa, 0, &mut data, &mut []).unwrap();
            for (i, word) in status.codewords().enumerate() {
                let bad = data[i * 512..][..512] != [0x3c; 512];
                beyond += u32::from(bad);
                wrong += u32::from(bad && word != Codeword::Uncorrectable);
            }
        }
    }
    (wrong, beyond)
}

#[test]
fn a_crc_catches_what_the_code_turns_into_another_codeword() {
    // With t = 2 one word in some hundred with too many errors lies within two bits of another codeword.
    let (wrong, beyond) = miscorrected(Bch::new(BchParams::nand(13, 2, 512 + 30)).unwrap());
    assert!(wrong > 20 && beyond > 5000, "{wrong} of {beyond}");
    let checked = Checked::new(Bch::new(BchParams::nand(13, 2, 512 + 24 + 4)).unwrap());
    let (wrong, beyond) = miscorrected(checked);
    assert!(wrong == 0 && beyond > 5000, "{wrong} of {beyond}");
}

/// Where hard decisions lose most codewords, those from three and five reads lose none.
#[test]
fn soft_reads_carry_what_one_read_loses() {
    let g = Geometry { page_bytes: 4096, oob_bytes: 640, ecc: BARE, ..Geometry::slc_1gbit() };
    let law = PowerLaw { floor: 1e-2, ..PowerLaw::TLC_72 };
    let reliability = Reliability::PowerLaw(law);
    let chip = Model::new(ModelConfig { reliability, ..ModelConfig::perfect(g) }).unwrap();
    let mut nand = Corrected::ldpc(chip, 1024).unwrap();
    conformance::run(&mut nand, EraseBlock(3)).unwrap();
    let g = *nand.geometry();
    assert_eq!((g.codewords(), g.user_oob_bytes()), (4, 640 - 2 - 4 * 132));
    let (mut lost, mut reads) = ([0; 3], [0; 3]);
    for page in 0..64 {
        let ppa = g.ppa(EraseBlock(1), page);
        let content: Vec<u8> = (0..4096).map(|i| (i * 7 + page * 13) as u8).collect();
        nand.program(ppa, &content, &[0x5a; 100]).unwrap();
        for pairs in 0..3 {
            nand.set_soft_reads(pairs);
            let before = nand.chip().counters().reads;
            let (mut data, mut oob) = ([0; 4096], [0; 100]);
            let status = nand.read(ppa, 0, &mut data, &mut oob).unwrap();
            reads[usize::from(pairs)] += nand.chip().counters().reads - before;
            let words = status.codewords().filter(|&word| word == Codeword::Uncorrectable);
            lost[usize::from(pairs)] += words.count();
            if status.is_readable() {
                assert!(data[..] == content[..] && oob == [0x5a; 100]);
                assert!(status.worst() > 40, "it tells the bits that were wrong: {status:?}");
            }
        }
    }
    assert!(lost[0] > 128 && lost[1] == 0 && lost[2] == 0, "{lost:?} of 256 lost");
    // The second pair was never needed.
    assert!(reads[0] == 64 && reads[1] > 128 && reads[2] == reads[1], "{reads:?}");
    // A part of a page is read the same way, and an ordinary read follows.
    let mut part = [0; 100];
    nand.read(g.ppa(EraseBlock(1), 9), 3000, &mut part, &mut []).unwrap();
    assert!(part.iter().enumerate().all(|(i, &b)| b == ((3000 + i) * 7 + 9 * 13) as u8));
    let mut bare = nand.into_chip();
    let first = |chip: &mut Model| {
        let mut data = [0; 4096];
        chip.read(g.ppa(EraseBlock(1), 9), 0, &mut data, &mut []).unwrap();
        data
    };
    let usual = first(&mut bare);
    bare.set_read_offset(0).unwrap();
    assert!(first(&mut bare) == usual);
    bare.set_read_offset(2).unwrap();
    assert!(first(&mut bare) != usual);
    // How reads are set is a part of the state.
    let mut back = Model::from_image(*bare.config(), &bare.to_image()).unwrap();
    assert!(first(&mut back) == first(&mut bare));
}

#[test]
fn a_chip_that_cannot_move_its_references_is_read_once() {
    let g = Geometry { page_bytes: 4096, oob_bytes: 640, ecc: BARE, ..Geometry::slc_1gbit() };
    let mut chip = Model::new(ModelConfig::perfect(g)).unwrap();
    assert!(chip.set_read_offset(1).is_err());
    let mut nand = Corrected::ldpc(chip, 2048).unwrap();
    let ppa = nand.geometry().ppa(EraseBlock(1), 0);
    nand.program(ppa, &[1; 4096], &[]).unwrap();
    nand.chip().spoil(ppa, Flaw::Unreadable);
    let before = nand.chip().counters().reads;
    assert!(!nand.read(ppa, 0, &mut [0; 4096], &mut []).unwrap().is_readable());
    assert_eq!(nand.chip().counters().reads, before + 1);
}

#[test]
fn a_torn_page_never_reads_as_whole() {
    let (mut lost, mut white) = (0, 0);
    for seed in 0..200 {
        let mut nand = Corrected::bch(bare(0.0), 512, 13, 8).unwrap();
        let ppa = nand.geometry().ppa(EraseBlock(1), 0);
        nand.chip().arm(Cut { after: 0, mode: CutMode::TornProgram, seed });
        let cut = nand.program(ppa, &[0x42; 2048], b"spare");
        assert_eq!(cut, Err(NandError::PowerLost));
        nand.chip().power_on();
        let mut data = [0; 2048];
        let status = nand.read(ppa, 0, &mut data, &mut []).unwrap();
        // So few bytes may be missing that the code puts them back; then the page is whole.
        if status.is_readable() {
            assert_eq!(data, [0x42; 2048], "a seed of {seed}: {status:?}");
        } else if status.is_erased() {
            assert_eq!(data, [0xff; 2048], "a seed of {seed}: {status:?}");
            white += 1;
        } else {
            lost += 1;
        }
    }
    assert!(lost > 100 && white > 20, "{lost} lost, {white} that look erased");
    let mut nand = Corrected::bch(bare(0.0), 512, 13, 8).unwrap();
    let ppa = nand.geometry().ppa(EraseBlock(1), 0);
    nand.program(ppa, &[0x42; 2048], &[]).unwrap();
    nand.chip().spoil(ppa, Flaw::Unreadable);
    assert!(!nand.read(ppa, 0, &mut [0; 2048], &mut []).unwrap().is_readable());
}

#[test]
fn a_code_that_does_not_fit_is_refused_with_the_field() {
    let corrects = Model::new(ModelConfig::perfect(Geometry::slc_1gbit())).unwrap();
    let field = |r: Result<(), NandError>| match r {
        Err(NandError::Geometry { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    let twice = Corrected::bch(corrects, 512, 13, 4).map(|_| ());
    assert_eq!(field(twice), "errors that the chip corrects itself");
    let large = Corrected::bch(bare(0.0), 512, 13, 24).map(|_| ());
    assert_eq!(field(large), "parity bytes of a page");
    assert_eq!(field(Corrected::bch(bare(0.0), 4096, 14, 4).map(|_| ())), "codeword bytes");
    assert_eq!(field(Corrected::ldpc(bare(0.0), 4096).map(|_| ())), "codeword bytes");
    assert_eq!(field(Corrected::ldpc(bare(0.0), 512).map(|_| ())), "codeword bytes");
    assert_eq!(field(Corrected::ldpc(bare(0.0), 1024).map(|_| ())), "parity bytes of a page");
}
