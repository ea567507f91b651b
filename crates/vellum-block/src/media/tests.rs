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
