//! A log in a real directory: frames that are flushed one by one in whole blocks past the page cache,
//! handed over through it, and larger than what goes past it, all in one file.

use proptest::prelude::*;
use std::sync::Arc;
use vellum_log::{Cipher, DirStorage, Error, Found, Log, Options};

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    HandOver,
    Flush,
    Seal,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_usize..3000).prop_map(Step::Append),
        1 => (60_000_usize..150_000).prop_map(Step::Append),
        2 => Just(Step::HandOver),
        6 => Just(Step::Flush),
        1 => Just(Step::Seal),
        1 => Just(Step::Reopen),
    ]
}

fn body(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (number * 31 + at * 7 + at / 256) as u8).collect()
}

/// Opens the log and holds what it has against the lengths of what was appended.
fn open(home: &std::path::Path, cipher: Cipher, lengths: &[usize]) -> Result<Log, Error> {
    let storage = Arc::new(DirStorage::new(home).unwrap());
    let options = Options { cipher, segment_min: 1 << 16, ..Options::default() };
    let mut frames = Vec::new();
    let (log, _) = Log::open(storage, options, &mut |found| {
        if let Found::Frame { segment, offset, .. } = found {
            frames.push((segment.clone(), offset));
        }
    })?;
    assert_eq!(frames.len(), lengths.len());
    for (number, ((segment, offset), length)) in frames.iter().zip(lengths).enumerate() {
        let same = segment.read_frame(*offset, |_, bytes| bytes == body(number, *length))?;
        assert!(same, "frame {number}");
    }
    Ok(log)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_in_any_mixture_is_read_again(
        steps in prop::collection::vec(step(), 1..60),
        plain in any::<bool>(),
    ) {
        let cipher = if plain { Cipher::None } else { Cipher::Aes256Gcm };
        let home = tempfile::tempdir().unwrap();
        let mut lengths = Vec::new();
        let mut log = open(home.path(), cipher, &lengths).unwrap();
        for step in steps {
            match step {
                Step::Append(length) => {
                    log.append(b"i", &[&body(lengths.len(), length)], false).unwrap();
                    lengths.push(length);
                }
                Step::HandOver => log.hand_over().unwrap(),
                Step::Flush => log.flush().unwrap(),
                Step::Seal => log.seal().unwrap(),
                Step::Reopen => {
                    log.flush().unwrap();
                    drop(log);
                    log = open(home.path(), cipher, &lengths).unwrap();
                }
            }
        }
        log.flush().unwrap();
        drop(log);
        open(home.path(), cipher, &lengths).unwrap();
    }
}
