//! Memory as a medium.

use super::*;
use alloc::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn ram_holds_what_a_flat_array_holds(
        ops in prop::collection::vec((0u8..3, 0u64..300, 0u64..90, any::<u8>()), 1..60)
    ) {
        let mut ram = Ram::new(320, 64).unwrap();
        let mut flat = vec![0u8; 320 * 64];
        for (op, lba, n, fill) in ops {
            let n = n.min(320 - lba);
            let range = lba as usize * 64..(lba + n) as usize * 64;
            let at = Lba::new(lba);
            match op {
                0 => {
                    ram.write(at, &vec![fill; range.len()]).unwrap();
                    flat[range].fill(fill);
                }
                1 => {
                    ram.discard(at, n).unwrap();
                    flat[range].fill(0);
                }
                _ => {
                    let mut out = vec![1; range.len()];
                    ram.read(at, &mut out).unwrap();
                    prop_assert_eq!(&out[..], &flat[range]);
                }
            }
        }
        let mut all: Vec<u8> = vec![1; flat.len()];
        ram.read(Lba::new(0), &mut all).unwrap();
        prop_assert_eq!(all, flat);
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    assert!(matches!(Ram::new(0, 512), Err(MediaError::Size { .. })));
    assert!(matches!(Ram::new(1 << 60, 512), Err(MediaError::Size { .. })));
    let mut ram = Ram::new(1 << 40, 512).unwrap();
    assert!(matches!(ram.read(Lba::new(0), &mut [0; 100]), Err(MediaError::Unaligned { .. })));
    assert!(ram.write(Lba::new(1 << 40), &[0; 512]).is_err());
    ram.discard(Lba::new(0), 1 << 40).unwrap();
    assert_eq!(ram.resident_bytes(), 0);
}

/// A medium that reads scattered parts by a way of its own.
struct Scattered(Ram, u32);

impl Media for Scattered {
    fn sector_bytes(&self) -> u32 {
        self.0.sector_bytes()
    }

    fn sectors(&self) -> u64 {
        self.0.sectors()
    }

    fn read(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
        self.0.read(lba, out)
    }

    fn read_parts(&mut self, lba: Lba, parts: &mut [&mut [u8]]) -> Result<(), MediaError> {
        self.1 += 1;
        self.0.read_parts(lba, parts)
    }

    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediaError> {
        self.0.write(lba, data)
    }

    fn discard(&mut self, lba: Lba, sectors: u64) -> Result<(), MediaError> {
        self.0.discard(lba, sectors)
    }
}

#[test]
fn a_medium_in_a_box_reads_scattered_parts_its_own_way() {
    let mut boxed = Box::new(Scattered(Ram::new(8, 64).unwrap(), 0));
    boxed.write(Lba::new(1), &[7; 64]).unwrap();
    let (mut one, mut two) = ([1; 64], [1; 64]);
    <Box<Scattered> as Media>::read_parts(&mut boxed, Lba::new(0), &mut [&mut one, &mut two])
        .unwrap();
    assert_eq!((one, two, boxed.1), ([0; 64], [7; 64], 1));
}
