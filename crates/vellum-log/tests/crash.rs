//! Power is cut at every operation of a workload, and every image is recovered and held against
//! what had been promised. Each sync and each check, left out, must be noticed here by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vellum_log::{Bug, Cipher, CrashDisk, Entropy, Error, Found, Log, Options, Tail};

/// Keys that repeat, and that can be looked for.
fn counted_entropy() -> Entropy {
    let next = AtomicU64::new(1);
    Entropy::from_fn(move |bytes| {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = (turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (at % 8 * 8)) as u8 ^ at as u8;
        }
        Ok(())
    })
}

fn options(cipher: Cipher, planted: Option<Bug>) -> Options {
    Options {
        segment_min: 5632,
        segment_max: 11_264,
        buffer: 2048,
        spares: 2,
        cipher,
        entropy: counted_entropy(),
        planted,
    }
}

/// The body of record `number`: its length and bytes follow from the number.
fn body(number: u64, part: u64) -> Vec<u8> {
    let length = 40 + (number * 337 + part * 611) % 1400;
    (0..length).map(|at| (number * 7 + part * 3 + at) as u8).collect()
}

fn append(log: &mut Log, number: u64) -> Result<(), Error> {
    let parts = if number % 5 == 3 { 3 } else { 1 };
    for part in 0_u64..parts {
        let index = [number.to_le_bytes(), part.to_le_bytes()].concat();
        log.append(&index, &[&body(number, part)], part + 1 < parts)?;
    }
    Ok(())
}

/// The records that the log delivers, each held against what it must be.
fn read(disk: &CrashDisk, options: Options) -> Result<(Log, Vec<u64>), String> {
    let mut frames = Vec::new();
    let mut whole = 0;
    let opened = Log::open(Arc::new(disk.clone()), options, &mut |found| match found {
        Found::Frame { segment, offset, index, more, .. } => {
            let (segment, index) = (segment.clone(), index.to_vec());
            frames.push((segment, offset, index, more));
            if !more {
                whole = frames.len();
            }
        }
        Found::Drop => frames.truncate(whole),
    });
    let (log, _) = opened.map_err(|error| error.to_string())?;
    let (mut records, mut part) = (Vec::new(), 0);
    for (segment, offset, index, more) in frames {
        let number = index.first_chunk().map_or(u64::MAX, |word| u64::from_le_bytes(*word));
        if index.get(8..).unwrap_or_default() != u64::to_le_bytes(part) {
            return Err(format!("record {number}: part {part} is missing"));
        }
        let same = segment.read_frame(offset, |_, bytes| bytes == body(number, part));
        if !same.map_err(|error| error.to_string())? {
            return Err(format!("record {number} has other bytes"));
        }
        part += 1;
        if !more {
            records.push(number);
            part = 0;
        }
    }
    if part != 0 {
        return Err("half a record was delivered".to_owned());
    }
    Ok((log, records))
}

/// What had been promised when so many operations had returned.
#[derive(Debug, Clone, Copy, Default)]
struct Promise {
    operations: u64,
    durable: u64,
    released: u64,
}

/// Appends, flushes, truncates and reopens; returns the promises in order.
fn work(disk: &CrashDisk, cipher: Cipher, planted: Option<Bug>) -> Result<Vec<Promise>, String> {
    let text = |error: Error| error.to_string();
    let mut promises = vec![Promise::default()];
    let mut now = Promise::default();
    for life in 0..3 {
        let (mut log, records) = read(disk, options(cipher, planted))?;
        now.durable = records.last().map_or(now.durable, |last| last + 1);
        let mut number = now.durable;
        promises.push(Promise { operations: disk.operations(), ..now });
        for turn in 0..14 {
            append(&mut log, number).map_err(text)?;
            number += 1;
            match turn % 4 {
                1 => log.hand_over().map_err(text)?,
                2 => {
                    log.flush().map_err(text)?;
                    now.durable = number;
                }
                _ => {}
            }
            if turn == 9 {
                log.seal().map_err(text)?;
                now.durable = number;
                let segments = log.sealed();
                let last = segments[segments.len() - 1].generation();
                let retired = log.release(last);
                // From here on the old records may be gone.
                now.released = number;
                promises.push(Promise { operations: disk.operations(), ..now });
                let spares = retired.recycle().map_err(text)?;
                log.adopt(spares);
            }
            promises.push(Promise { operations: disk.operations(), ..now });
        }
        // The process is killed: what was handed over is in the page cache, and nowhere else.
        log.hand_over().map_err(text)?;
        if life == 1 {
            log.append(&number.to_le_bytes(), &[b"begun"], true).map_err(text)?;
            log.hand_over().map_err(text)?;
        }
    }
    Ok(promises)
}

/// Recovers from one image, goes on from there, and reads again.
fn recover(
    image: &CrashDisk,
    cipher: Cipher,
    planted: Option<Bug>,
    now: Promise,
    done: Promise,
) -> Result<(), String> {
    let (mut log, records) = read(image, options(cipher, planted))?;
    let first = records.first().copied().unwrap_or(now.durable);
    let next = records.last().map_or(first, |last| last + 1);
    if records.iter().copied().ne(first..next) {
        return Err(format!("records are not in a row: {records:?}"));
    }
    if next < now.durable || first > done.released {
        return Err(format!("{first}..{next} is there, promised was {now:?}"));
    }
    append(&mut log, next).and_then(|()| log.flush()).map_err(|error| error.to_string())?;
    drop(log);
    // Power fails again at the worst moment: what was not synced is lost, all of it.
    let cut = image.cuts().last().ok_or("no cut")?;
    let worst = cut.images(2, 0).next().ok_or("no image")?;
    let (_, again) = read(&worst, options(cipher, planted))?;
    if again.iter().copied().ne(first..=next) {
        return Err(format!("after going on: {again:?} instead of {first}..={next}"));
    }
    Ok(())
}

/// The whole campaign: the number of images, or the first failure.
fn campaign(cipher: Cipher, planted: Option<Bug>, sample: u64) -> Result<u64, String> {
    let disk = CrashDisk::new();
    let promises = work(&disk, cipher, planted)?;
    let mut images = 0;
    for cut in disk.cuts() {
        let index = cut.index as u64;
        let now = promises.iter().rev().find(|p| p.operations <= index).copied();
        let now = now.unwrap_or_default();
        let done = promises.iter().find(|p| p.operations >= index).copied().unwrap_or(now);
        for (turn, image) in cut.images(sample, 42).enumerate() {
            images += 1;
            recover(&image, cipher, planted, now, done)
                .map_err(|why| format!("cut {index}, image {turn}: {why}"))?;
        }
    }
    Ok(images)
}

#[test]
fn nothing_promised_is_lost_whatever_a_power_cut_leaves() {
    for cipher in [Cipher::Aes256Gcm, Cipher::None] {
        let images = campaign(cipher, None, 300).unwrap();
        assert!(images > 2_000, "only {images} images");
    }
}

/// The mutation table: each sync or check that is left out, and the campaign that notices.
macro_rules! noticed {
    ($($name:ident: $bug:ident, $cipher:ident;)*) => { $(
        #[test]
        fn $name() {
            let why = campaign(Cipher::$cipher, Some(Bug::$bug), 60).unwrap_err();
            assert!(!why.is_empty());
        }
    )* };
}

noticed! {
    the_crc_of_frames_is_needed: SkipFrameCrc, Aes256Gcm;
    the_crc_of_plain_frames_is_needed: SkipFrameCrc, None;
    the_drop_of_unfinished_records_is_needed: SkipUnfinished, Aes256Gcm;
    the_sync_of_a_flush_is_needed: SkipFlushSync, Aes256Gcm;
    the_sync_before_a_switch_is_needed: SkipSwitchSync, Aes256Gcm;
    the_sync_of_a_header_is_needed: SkipHeaderSync, Aes256Gcm;
    the_sync_of_a_name_is_needed: SkipNameSync, Aes256Gcm;
    the_sync_when_opening_is_needed: SkipOpenSync, Aes256Gcm;
    the_sync_of_the_head_is_needed: SkipHeadSync, Aes256Gcm;
}

/// A disk with one segment of `count` flushed records, and the offsets of their frames.
fn flushed(count: u64, cipher: Cipher, salt: u8) -> (CrashDisk, Vec<u64>) {
    let disk = CrashDisk::new();
    let (mut log, _) =
        Log::open(Arc::new(disk.clone()), options(cipher, None), &mut |_| {}).unwrap();
    for number in 0..count {
        let bytes = [if number == 0 { 0 } else { salt }; 50];
        log.append(&number.to_le_bytes(), &[&bytes], false).unwrap();
        log.flush().unwrap();
    }
    drop(log);
    let mut offsets = Vec::new();
    Log::open(Arc::new(disk.clone()), options(cipher, None), &mut |found| {
        if let Found::Frame { offset, .. } = found {
            offsets.push(offset);
        }
    })
    .unwrap();
    (disk, offsets)
}

const FIRST: &str = "log-0000000000000001";

fn count(disk: &CrashDisk, planted: Option<Bug>) -> Result<(u64, Tail), Error> {
    let options = options(Cipher::Aes256Gcm, planted);
    Log::open(Arc::new(disk.clone()), options, &mut |_| {}).map(|(_, r)| (r.frames, r.tail))
}

#[test]
fn damage_in_the_middle_is_corruption_and_a_torn_last_frame_is_not() {
    let (disk, offsets) = flushed(4, Cipher::Aes256Gcm, 1);
    assert_eq!(count(&disk, None).unwrap(), (4, Tail::Clean));
    for (frame, offset) in offsets.iter().enumerate() {
        for at in [0, 5, 9, 13, 17, 25, 60] {
            let (disk, _) = flushed(4, Cipher::Aes256Gcm, 1);
            disk.damage(FIRST, *offset as usize + at, |bytes| bytes[0] ^= 0x10);
            match count(&disk, None) {
                Ok(found) => assert_eq!((frame, found), (3, (3, Tail::Torn)), "byte {at}"),
                Err(Error::Corrupt { frame: said, offset: place, .. }) => {
                    assert_eq!((said as usize, place), (frame, *offset));
                    assert!(frame < 3);
                    let blind = count(&disk, Some(Bug::SkipMiddleCheck)).unwrap();
                    assert_eq!(blind.0, frame as u64, "without the check flushed frames vanish");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_frame_of_another_history_is_refused_by_the_chain() {
    let (disk, offsets) = flushed(3, Cipher::Aes256Gcm, 1);
    let (other, same) = flushed(3, Cipher::Aes256Gcm, 2);
    assert_eq!(offsets, same);
    let from = offsets[2] as usize;
    let stolen = other.contents(FIRST).unwrap()[from..from + 120].to_vec();
    disk.damage(FIRST, from, |bytes| bytes[..120].copy_from_slice(&stolen));
    assert_eq!(count(&disk, None).unwrap().0, 2);
    assert_eq!(count(&disk, Some(Bug::SkipChain)).unwrap().0, 3, "only the chain tells");
}

/// Two lives of a log, so that there are two segments.
fn two_segments() -> CrashDisk {
    let (disk, _) = flushed(3, Cipher::Aes256Gcm, 1);
    let (mut log, _) =
        Log::open(Arc::new(disk.clone()), options(Cipher::Aes256Gcm, None), &mut |_| {}).unwrap();
    log.append(b"x", &[b"y"], false).unwrap();
    log.flush().unwrap();
    disk
}

#[test]
fn the_end_of_a_segment_is_held_against_the_next_one() {
    let disk = two_segments();
    drop(disk.settled());
    let disk = disk.settled();
    assert_eq!(count(&disk, None).unwrap().0, 4);
    let last = flushed(3, Cipher::Aes256Gcm, 1).1[2] as usize;
    disk.damage(FIRST, last, |bytes| bytes[..90].fill(0));
    assert!(matches!(count(&disk, None), Err(Error::Corrupt { frame: 2, .. })));
    let blind = count(&disk, Some(Bug::SkipSegmentLink));
    assert!(!matches!(blind, Err(Error::Corrupt { frame: 2, .. })), "{blind:?}");
}

#[test]
fn a_segment_under_anothers_name_is_refused_by_its_generation() {
    let disk = two_segments().settled();
    let content = disk.contents(FIRST).unwrap();
    disk.damage("log-0000000000000002", 0, |bytes| bytes.copy_from_slice(&content));
    assert!(matches!(count(&disk, None), Err(Error::NotASegment { .. })));
    let blind = count(&disk, Some(Bug::SkipGeneration));
    assert!(!matches!(blind, Err(Error::NotASegment { .. })), "{blind:?}");
}

#[test]
fn truncation_destroys_the_keys_of_what_it_drops() {
    for (planted, left) in [(None, 0), (Some(Bug::SkipKeyDestruction), 1)] {
        let disk = CrashDisk::new();
        let options = options(Cipher::Aes256Gcm, planted);
        let (mut log, _) = Log::open(Arc::new(disk.clone()), options, &mut |_| {}).unwrap();
        log.append(b"", &[b"the secret"], false).unwrap();
        log.seal().unwrap();
        let key = disk.contents(FIRST).unwrap()[48..80].to_vec();
        let spares = log.release(1).recycle().unwrap();
        log.adopt(spares);
        let cut = disk.cuts().last().unwrap();
        for image in cut.images(200, 1) {
            use vellum_log::Storage;
            let names = image.list().unwrap();
            let has = |name: &&String| {
                let content = image.contents(name).unwrap();
                content.windows(32).any(|part| part == key)
                    || content.windows(10).any(|part| part == b"the secret")
            };
            assert_eq!(names.iter().filter(has).count(), left);
        }
    }
}

#[test]
fn a_failed_sync_poisons_the_log_and_is_not_retried() {
    for (planted, poisoned) in [(None, true), (Some(Bug::SkipPoison), false)] {
        let disk = CrashDisk::new();
        let options = options(Cipher::Aes256Gcm, planted);
        let (mut log, _) = Log::open(Arc::new(disk.clone()), options, &mut |_| {}).unwrap();
        log.append(b"", &[b"one"], false).unwrap();
        log.flush().unwrap();
        log.append(b"", &[b"two"], false).unwrap();
        log.hand_over().unwrap();
        let at = disk.operations();
        let kind = std::io::ErrorKind::Other;
        disk.plant(Some(vellum_log::Fault { at, kind, forever: false }));
        assert!(matches!(log.flush(), Err(Error::Io { what: "sync", .. })));
        let next = log.append(b"", &[b"three"], false).and_then(|()| log.flush());
        assert_eq!(matches!(next, Err(Error::Poisoned { .. })), poisoned, "{next:?}");
    }
}
