//! NAND as NOR flash, NOR flash as NAND, and one on top of the other.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read,
    check_write,
};
use vellum_nand::model::Flaw;
use vellum_nand::nor::{NandAsNor, NorAsNand, NorError, NorShape};
use vellum_nand::{
    Codeword, EraseBlock, Geometry, Model, ModelConfig, Nand, NandError, conformance,
};

/// Serial NOR flash: writes clear bits, erases set them, 4 bytes and 4 KiB at a time.
struct Nor(Vec<u8>);

impl ErrorType for Nor {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Nor {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        bytes.copy_from_slice(&self.0[offset as usize..][..bytes.len()]);
        Ok(())
    }
    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Nor {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        self.0[from as usize..to as usize].fill(0xff);
        Ok(())
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        let place = &mut self.0[offset as usize..][..bytes.len()];
        place.iter_mut().zip(bytes).for_each(|(to, from)| *to &= from);
        Ok(())
    }
}

const SHAPE: NorShape = NorShape { page_bytes: 512, user_bytes: 16, pages_per_block: 14 };

fn tiny() -> Model {
    Model::new(ModelConfig::perfect(Geometry::tiny(8, 16))).unwrap()
}

#[test]
fn nor_flash_passes_the_suite_of_chips() {
    let mut nand = NorAsNand::new(Nor(vec![0xff; 100_000]), SHAPE).unwrap();
    // A slot is 512 + 16 + 4 bytes, 15 of them take two sectors.
    assert_eq!((nand.geometry().blocks, nand.geometry().user_oob_bytes()), (12, 16));
    for block in [0, 7, 11] {
        conformance::run(&mut nand, EraseBlock(block)).unwrap();
    }
    nand.mark_bad(EraseBlock(7)).unwrap();
    let mut again = NorAsNand::new(nand.release(), SHAPE).unwrap();
    let marked: Vec<_> = (0..12).filter(|b| again.is_marked_bad(EraseBlock(*b)).unwrap()).collect();
    assert_eq!(marked, [7]);
}

#[test]
fn a_page_torn_or_flipped_on_nor_flash_is_told_from_a_whole_one() {
    let mut nand = NorAsNand::new(Nor(vec![0xff; 100_000]), SHAPE).unwrap();
    let g = *nand.geometry();
    nand.program(g.ppa(EraseBlock(1), 0), &[0xff; 512], &[0xff; 16]).unwrap();
    nand.program(g.ppa(EraseBlock(1), 1), &[5; 512], b"user").unwrap();
    let mut flash = nand.release();
    let start = 8192;
    let whole = flash.0[start..start + 2 * 532].to_vec();
    for (page, place) in [(0, 17), (0, 530), (1, 0), (1, 520), (1, 531)] {
        flash.0[start..start + whole.len()].copy_from_slice(&whole);
        flash.0[start + page * 532 + place] ^= 0x10;
        let mut nand = NorAsNand::new(flash, SHAPE).unwrap();
        let mut data = [0; 4];
        let ppa = g.ppa(EraseBlock(1), page as u32);
        let status = nand.read(ppa, 100, &mut data, &mut []).unwrap();
        assert_eq!(status.codewords().next(), Some(Codeword::Uncorrectable), "{page} {place}");
        let other = nand.read(g.ppa(EraseBlock(1), 1 - page as u32), 0, &mut [], &mut []).unwrap();
        assert!(other.is_readable() && !other.is_erased());
        // It is not blank either, whoever asks after a restart.
        let refused = nand.program(ppa, &[1; 512], &[]);
        assert_eq!(refused, Err(NandError::Reprogrammed { ppa, times: 1, limit: 1 }));
        flash = nand.release();
    }
}

#[test]
fn a_shape_that_does_not_fit_is_refused() {
    let shape = NorShape { pages_per_block: 1000, ..SHAPE };
    let refused = NorAsNand::new(Nor(vec![0xff; 100_000]), shape).map(|_| ());
    assert_eq!(refused, Err(NandError::Geometry { field: "blocks", value: 0 }));
    let refused = NandAsNor::<_, 512, 4096>::new(tiny()).map(|_| ());
    let expected = NandError::Geometry { field: "bytes of a block", value: 8192 };
    assert_eq!(refused, Err(NorError::Nand(expected)));
}

#[test]
fn a_chip_is_nor_flash_without_its_bad_blocks() {
    let mut chip = tiny();
    chip.mark_bad(EraseBlock(2)).unwrap();
    let mut flash = NandAsNor::<_, 512, 8192>::new(chip).unwrap();
    assert_eq!(flash.capacity(), 7 * 8192);
    flash.erase(8192, 3 * 8192).unwrap();
    let bytes: Vec<u8> = (0..8192u32).map(|i| (i * 7 + i / 256) as u8).collect();
    // From the last pages of one block into the next good one, which is not its neighbour.
    flash.write(16_384 - 4096, &bytes).unwrap();
    let mut back = vec![0; 9000];
    flash.read(16_384 - 4096 - 400, &mut back).unwrap();
    assert!(back[..400].iter().all(|b| *b == 0xff) && back[400..8592] == bytes);
    assert!(back[8592..].iter().all(|b| *b == 0xff));
    let g = *flash.chip().geometry();
    assert!(flash.chip().read(g.ppa(EraseBlock(3), 0), 0, &mut [], &mut []).unwrap().is_readable());

    let kind = |result: Result<(), NorError>| result.unwrap_err().kind();
    assert_eq!(kind(flash.write(100, &[0; 512])), NorFlashErrorKind::NotAligned);
    assert_eq!(kind(flash.erase(0, 512)), NorFlashErrorKind::NotAligned);
    assert_eq!(kind(flash.read(7 * 8192, &mut [0])), NorFlashErrorKind::OutOfBounds);
    let ppa = g.ppa(EraseBlock(1), 9);
    assert!(matches!(flash.write(8192 + 9 * 512, &[0; 512]), Err(NorError::Nand(_))));
    flash.chip().spoil(ppa, Flaw::Unreadable);
    let lost = 8192 + 9 * 512;
    assert_eq!(flash.read(lost - 1, &mut [0; 3]), Err(NorError::Lost { offset: lost }));
    flash.read(lost - 1, &mut [0]).unwrap();
}

#[test]
fn one_adapter_on_the_other_is_a_chip_again() {
    let chip = Model::new(ModelConfig::perfect(Geometry::tiny(8, 16))).unwrap();
    let flash = NandAsNor::<_, 512, 8192>::new(chip).unwrap();
    let shape = NorShape { page_bytes: 1000, user_bytes: 20, pages_per_block: 7 };
    let mut nand = NorAsNand::new(flash, shape).unwrap();
    conformance::run(&mut nand, EraseBlock(3)).unwrap();
}
