//! The pool against a plain model, and the promise that a frame is not reused under a reader.

use proptest::prelude::*;
use std::collections::BTreeMap;
use vellum_frames::{Error, FrameId, FramePool, Options, PAGE_SIZE};

const QUOTA: u64 = 24;

#[derive(Debug, Clone)]
enum Step {
    Allocate,
    Copy(usize),
    Retain(usize),
    Release(usize),
    Store(usize, usize, u64),
    Trim(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Allocate),
        2 => any::<usize>().prop_map(Step::Copy),
        1 => any::<usize>().prop_map(Step::Retain),
        4 => any::<usize>().prop_map(Step::Release),
        4 => (any::<usize>(), 0..512_usize, 1..u64::MAX).prop_map(|(f, w, v)| Step::Store(f, w, v)),
        1 => (0..8_usize).prop_map(Step::Trim),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn frames_hold_what_was_stored_and_come_back(steps in steps(), shared: bool) {
        let make = if shared { FramePool::shared } else { FramePool::new };
        let pool = make(Options::new(QUOTA)).unwrap();
        // By frame: references, and the words that are not zero.
        let mut model: BTreeMap<FrameId, (u32, BTreeMap<usize, u64>)> = BTreeMap::new();
        let pick = |model: &BTreeMap<FrameId, _>, n: usize| {
            (!model.is_empty()).then(|| *model.keys().nth(n % model.len()).unwrap())
        };
        for step in &steps {
            match *step {
                Step::Allocate => match pool.allocate() {
                    Ok(frame) => prop_assert!(model.insert(frame, (1, BTreeMap::new())).is_none()),
                    Err(Error::OutOfFrames { used, quota, .. }) => {
                        prop_assert_eq!((used, quota, model.len() as u64), (QUOTA, QUOTA, QUOTA));
                    }
                    Err(other) => prop_assert!(false, "{other}"),
                },
                Step::Copy(n) => {
                    let from = pick(&model, n).unwrap_or(FrameId::ZERO);
                    if let Ok(frame) = pool.allocate_copy(from) {
                        let words = model.get(&from).map(|f| f.1.clone()).unwrap_or_default();
                        prop_assert!(model.insert(frame, (1, words)).is_none());
                    }
                }
                Step::Retain(n) => {
                    if let Some(frame) = pick(&model, n) {
                        pool.retain(frame);
                        model.get_mut(&frame).unwrap().0 += 1;
                    }
                }
                Step::Release(n) => {
                    if let Some(frame) = pick(&model, n) {
                        pool.release(frame);
                        let references = &mut model.get_mut(&frame).unwrap().0;
                        *references -= 1;
                        if *references == 0 {
                            model.remove(&frame);
                        }
                    }
                }
                Step::Store(n, word, value) => {
                    if let Some(frame) = pick(&model, n) {
                        pool.store(frame, word * 8, 8, value);
                        model.get_mut(&frame).unwrap().1.insert(word, value);
                    }
                }
                Step::Trim(keep) => {
                    pool.trim(keep).unwrap();
                }
            }
            prop_assert_eq!(pool.counters().used, model.len() as u64);
        }
        for (&frame, (references, words)) in &model {
            prop_assert_eq!(pool.references(frame), *references);
            prop_assert_eq!(pool.is_all_zero(frame), words.is_empty());
            let mut bytes = [0; PAGE_SIZE];
            pool.read(frame, 0, &mut bytes);
            for (word, chunk) in bytes.chunks(8).enumerate() {
                let held = u64::from_le_bytes(chunk.try_into().unwrap());
                prop_assert_eq!(held, words.get(&word).copied().unwrap_or(0));
            }
        }
    }
}

#[test]
fn a_frame_is_not_reused_while_a_reader_may_hold_it() {
    let pool = FramePool::new(Options { frames: 3, quota: 2 }).unwrap();
    let reader = pool.reader();
    let other = pool.reader();
    reader.quiesce();
    other.quiesce();
    let (a, b) = (pool.allocate().unwrap(), pool.allocate().unwrap());
    pool.release(a);
    assert!(pool.allocate().is_err(), "both readers may still look at {a}");
    reader.quiesce();
    assert!(pool.allocate().is_err(), "the other one still may");
    other.quiesce();
    assert_eq!(pool.allocate().unwrap(), a);
    // Who holds nothing at all holds nobody up; nor does a reader that is gone.
    pool.release(b);
    reader.offline();
    drop(other);
    assert_eq!(pool.allocate().unwrap(), b);
}

#[test]
fn a_version_tells_of_every_change_but_a_store() {
    let pool = FramePool::new(Options::new(2)).unwrap();
    let frame = pool.allocate().unwrap();
    let version = pool.content_version(frame);
    assert!(pool.mark_code(frame, 60..68) && !pool.mark_code(frame, 70..74));
    assert!(pool.is_code(frame));
    for (bytes, code) in [(0..1, true), (120..128, true), (127..129, true), (128..136, false)] {
        assert_eq!(pool.is_code_at(frame, bytes.clone()), code, "{bytes:?}");
    }
    assert!(!pool.mark_code(frame, 4094..4098) && pool.is_code_at(frame, 4032..4033));
    pool.store(frame, 0, 8, 1);
    assert_eq!(pool.content_version(frame), version, "whoever stores says so itself");
    pool.write(frame, 5, b"text");
    assert_ne!(pool.content_version(frame), version);
    assert!(!pool.is_code(frame), "what was decoded is stale");
    let version = pool.content_version(frame);
    pool.release(frame);
    assert_eq!(pool.allocate().unwrap(), frame);
    assert_ne!(pool.content_version(frame), version, "another owner, another content");
}

#[test]
fn a_pool_that_cannot_be_is_an_error() {
    assert!(matches!(FramePool::new(Options { frames: 1, quota: 1 }), Err(Error::Size { .. })));
    assert!(matches!(
        FramePool::new(Options { frames: 1 << 40, quota: 1 }),
        Err(Error::Size { .. })
    ));
}

#[test]
fn a_frame_that_is_filled_costs_no_clearing_and_is_free_again_when_that_fails() {
    let pool = FramePool::new(Options::new(2)).unwrap();
    let fill = |byte| {
        pool.allocate_filled(move |bytes| -> Result<(), ()> {
            bytes.fill(byte);
            Ok(())
        })
    };
    let frame = fill(7).unwrap().unwrap();
    assert_eq!((pool.load(frame, 4088, 8), pool.references(frame)), (0x0707_0707_0707_0707, 1));
    let version = pool.content_version(frame);
    pool.release(frame);

    let failed = pool.allocate_filled(|bytes| {
        assert_eq!(bytes[0], 7, "nothing was cleared");
        bytes[0] = 8;
        Err("no content")
    });
    assert_eq!(failed.unwrap(), Err("no content"));
    assert_eq!(pool.counters().used, 0);
    let again = pool.allocate().unwrap();
    assert_eq!((again, pool.load(again, 0, 8)), (frame, 0), "what is not filled reads as zeros");
    assert_ne!(pool.content_version(again), version);

    fill(1).unwrap().unwrap();
    fill(2).unwrap_err();
}

/// Who maps the file of a shared pool sees its frames, and can't take pages away.
#[test]
fn another_process_may_have_the_file() {
    use std::os::unix::fs::FileExt;
    let pool = FramePool::shared(Options::new(8)).unwrap();
    let frame = pool.allocate().unwrap();
    pool.store(frame, 16, 8, 0x0123_4567_89ab_cdef);
    let file = std::fs::File::from(pool.file().unwrap().try_clone_to_owned().unwrap());
    let mut word = [0; 8];
    file.read_exact_at(&mut word, frame.base().get() + 16).unwrap();
    assert_eq!(u64::from_le_bytes(word), 0x0123_4567_89ab_cdef);
    file.write_all_at(&[7], frame.base().get()).unwrap();
    assert_eq!(pool.load(frame, 0, 1), 7);
    assert!(file.set_len(4096).is_err(), "its size is sealed");

    pool.release(frame);
    assert_eq!(pool.trim(0).unwrap(), 1);
    file.read_exact_at(&mut word, frame.base().get() + 16).unwrap();
    assert_eq!(word, [0; 8], "given back");
    assert!(FramePool::new(Options::new(8)).unwrap().file().is_none());
}

#[test]
fn a_frame_that_leaves_is_looked_at_where_it_is_and_freed_or_kept() {
    let pool = FramePool::new(Options::new(4)).unwrap();
    let frame = pool.allocate().unwrap();
    pool.write(frame, 0, &[7; PAGE_SIZE]);
    let leaving = pool.withdraw(frame).unwrap();
    assert_eq!(leaving.bytes(), &[7; PAGE_SIZE]);
    assert_eq!((pool.counters().used, pool.references(frame)), (1, 0));
    assert_eq!(leaving.keep(), frame);
    assert_eq!((pool.counters().used, pool.references(frame)), (1, 1));
    drop(pool.withdraw(frame).unwrap());
    assert_eq!((pool.counters().used, pool.counters().freed), (0, 1));
    assert_eq!(pool.allocate().unwrap(), frame, "free at once");
}

#[test]
fn what_somebody_else_may_see_is_not_withdrawn() {
    let pool = FramePool::new(Options::new(4)).unwrap();
    assert!(pool.withdraw(FrameId::ZERO).is_none());
    let frame = pool.allocate().unwrap();
    pool.retain(frame);
    assert!(pool.withdraw(frame).is_none());
    assert_eq!(pool.references(frame), 2);
    pool.release(frame);
    let reader = pool.reader();
    reader.quiesce();
    assert!(pool.withdraw(frame).is_none(), "the reader may hold a pointer to it");
    assert_eq!(pool.references(frame), 1);
    reader.offline();
    assert!(pool.withdraw(frame).is_some());
}

/// A freed frame that a reader may hold a pointer to is none to hand out; frames beyond the quota stand in for it.
#[test]
fn frames_beyond_the_quota_stand_in_for_those_that_are_still_read() {
    for (beyond, enough) in [(0, false), (1, true)] {
        let options = Options { frames: 1 + 2 + beyond, quota: 2 };
        let pool = FramePool::new(options).unwrap();
        let frames = [pool.allocate().unwrap(), pool.allocate().unwrap()];
        let reader = pool.reader();
        reader.quiesce();
        pool.release(frames[0]);
        let got = pool.allocate();
        assert_eq!(got.is_ok(), enough);
        match got {
            Ok(frame) => assert!(!frames.contains(&frame)),
            Err(Error::OutOfFrames { used, quota, waiting }) => {
                assert_eq!((used, quota, waiting), (1, 2, 1));
                reader.quiesce();
                assert_eq!(pool.allocate().unwrap(), frames[0]);
            }
            Err(other) => panic!("{other}"),
        }
    }
}
