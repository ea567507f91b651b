//! Arbitrary bytes in any file of a log: an error or fewer frames, never a panic, never memory
//! beyond the file's length.

use proptest::prelude::*;
use std::sync::Arc;
use vellum_log::{Cipher, CrashDisk, Entropy, Found, Log, Options, Storage};

fn options() -> Options {
    Options {
        segment_min: 6144,
        segment_max: 6144,
        buffer: 1024,
        cipher: Cipher::Aes256Gcm,
        entropy: Entropy::from_fn(|bytes| {
            bytes.fill(5);
            Ok(())
        }),
        ..Options::default()
    }
}

fn sample() -> CrashDisk {
    let disk = CrashDisk::new();
    let (mut log, _) = Log::open(Arc::new(disk.clone()), options(), &mut |_| {}).unwrap();
    for number in 0..20_u8 {
        log.append(&[number], &[&[number; 150]], number % 7 == 0).unwrap();
    }
    log.flush().unwrap();
    disk.settled()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_damage_is_survived(
        hits in prop::collection::vec((0_usize..8, 0_usize..6144, any::<u8>(), 1_usize..40), 1..6),
    ) {
        let disk = sample();
        let names = disk.list().unwrap();
        for (file, at, byte, run) in hits {
            disk.damage(&names[file % names.len()], at, |bytes| {
                let run = run.min(bytes.len());
                bytes[..run].fill(byte);
            });
        }
        let (mut frames, mut whole) = (Vec::new(), 0);
        let opened = Log::open(Arc::new(disk.clone()), options(), &mut |found| {
            match found {
                Found::Frame { segment, offset, more, .. } => {
                    frames.push((segment.clone(), offset));
                    whole = if more { whole } else { frames.len() };
                }
                Found::Drop => frames.truncate(whole),
            }
        });
        let length: usize = names.iter().map(|name| disk.contents(name).map_or(0, |c| c.len())).sum();
        prop_assert!(frames.len() <= length);
        for (segment, offset) in frames {
            // What passes the scan must also pass its tag, unless opening failed anyway.
            let read = segment.read_frame(offset, |_, body| body.iter().all(|b| *b == body[0]));
            prop_assert!(opened.is_err() || read.unwrap());
        }
    }

    #[test]
    fn arbitrary_files_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        let disk = sample();
        let file = disk.create("log-00000000000000ff").unwrap();
        file.write_at(0, &bytes).unwrap();
        let opened = Log::open(Arc::new(disk), options(), &mut |_| {});
        prop_assert!(opened.is_err());
    }
}
