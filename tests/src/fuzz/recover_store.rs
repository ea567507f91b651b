//! Any bytes as the files of a store of recoverable memory, and any frames in its log. What opens is
//! a store: it commits, truncates, and has what was committed when it is opened again.
//!
//! Input: a byte that says which, then files (name's length, name, length (4), bytes) or frames
//! (whether the record goes on, index's length, body's length (2), both).

use super::Input;
use std::sync::Arc;
use vellum_recover::log::{Cipher, CrashDisk, Entropy, Log, Storage};
use vellum_recover::{Background, Durability, Options, Restore, Store};

const LEN: u64 = 9000;
const FILES: u8 = 0;
const FRAMES: u8 = 1;

fn options(cipher: Cipher) -> Options {
    let log = vellum_recover::log::Options {
        segment_min: 8192,
        segment_max: 16384,
        buffer: 4096,
        spares: 1,
        cipher,
        entropy: Entropy::from_fn(|bytes| {
            bytes.fill(7);
            Ok(())
        }),
        ..vellum_recover::log::Options::default()
    };
    Options { log, background: Background::Caller, ..Options::default() }
}

/// Runs one.
///
/// # Panics
/// When a store that opened doesn't keep what it says.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let disk = if input.byte() == FILES { files(input) } else { frames(input) };
    let Some(disk) = disk else { return };
    let Ok(store) = Store::open_in(Arc::new(disk.clone()), options(Cipher::None)) else { return };
    for (name, len) in store.regions() {
        if len <= 1 << 20
            && let Ok(region) = store.open_region(&name)
        {
            // Damage behind the index is found here, if there is some.
            let _ = region.read(0..len).map(|bytes| bytes.len());
        }
    }
    let Ok(region) = store.region("fresh", 100) else { return };
    let mut transaction = store.begin(Restore::Yes);
    let Ok(bytes) = transaction.set_range(&region, 10..20) else { return };
    bytes.fill(42);
    if transaction.commit(Durability::Flush).is_err() {
        return;
    }
    // Frames of other regions may turn out to be damaged here; ours may not be lost by that.
    let _ = store.truncate();
    drop((region, store));
    let store = Store::open_in(Arc::new(disk), options(Cipher::None)).expect("it opened before");
    let region = store.open_region("fresh").expect("it was made");
    assert_eq!(region.read(10..20).expect("it was committed")[..], [42; 10]);
}

fn files(mut input: Input<'_>) -> Option<CrashDisk> {
    let disk = CrashDisk::new();
    while !input.is_empty() {
        let size = usize::from(input.byte());
        let name = String::from_utf8_lossy(input.bytes(size)).into_owned();
        let length = u32::from_le_bytes(input.take()) as usize;
        let file = disk.create(&name).ok()?;
        file.write_at(0, input.bytes(length)).ok()?;
    }
    Some(disk)
}

fn frames(mut input: Input<'_>) -> Option<CrashDisk> {
    let disk = CrashDisk::new();
    let store = Store::open_in(Arc::new(disk.clone()), options(Cipher::None)).ok()?;
    store.region("r", LEN).ok()?;
    drop(store);
    let log = options(Cipher::None).log;
    let (mut log, _) = Log::open(Arc::new(disk.clone()), log, &mut |_| {}).ok()?;
    while !input.is_empty() {
        let (more, size) = (input.byte() & 1 == 1, usize::from(input.byte()));
        let length = usize::from(u16::from_le_bytes(input.take()));
        let index = input.bytes(size);
        log.append(index, &[input.bytes(length)], more).ok()?;
    }
    log.flush().ok()?;
    Some(disk)
}

/// A small store with and without encryption, as files; a frame of it.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![[&[FRAMES, 0, 4, 3, 0][..], &[0, 1, 5, 3], b"abc"].concat()];
    for cipher in [Cipher::None, Cipher::Aes256Gcm] {
        let disk = CrashDisk::new();
        let work = || -> Result<(), vellum_recover::Error> {
            let store = Store::open_in(Arc::new(disk.clone()), options(cipher))?;
            let region = store.region("r", LEN)?;
            for turn in 0..4_u8 {
                let mut transaction = store.begin(Restore::Yes);
                let start = u64::from(turn) * 2000;
                transaction.set_range(&region, start..start + 30)?.fill(turn + 1);
                transaction.commit(Durability::Flush)?;
            }
            Ok(())
        };
        work().expect("nothing goes wrong on this disk");
        let mut seed = vec![FILES];
        for name in disk.list().expect("nothing goes wrong on this disk") {
            let bytes = disk.contents(&name).unwrap_or_default();
            seed.push(name.len() as u8);
            seed.extend_from_slice(name.as_bytes());
            seed.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            seed.extend_from_slice(&bytes);
        }
        seeds.push(seed);
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_open() {
        for seed in seeds() {
            let mut input = Input::new(&seed);
            let disk = if input.byte() == FILES { files(input) } else { frames(input) };
            let store = Store::open_in(Arc::new(disk.unwrap()), options(Cipher::None)).unwrap();
            let region = store.open_region("r").unwrap();
            assert!(region.read(0..LEN).unwrap().iter().any(|byte| *byte != 0));
        }
    }
}
