//! A store on the disk double, as small as the tests want it.

use std::sync::Arc;
use vellum_recover::log::{Cipher, CrashDisk, Entropy, Fault};
use vellum_recover::{Background, Durability, Error, Options, Restore, Store};

pub fn options() -> Options {
    let log = vellum_recover::log::Options {
        segment_min: 6144,
        segment_max: 12_288,
        buffer: 2048,
        spares: 2,
        cipher: Cipher::Aes256Gcm,
        entropy: Entropy::from_fn(|bytes| {
            bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = at as u8 + 1);
            Ok(())
        }),
        planted: None,
    };
    Options { log, background: Background::Caller, ..Options::default() }
}

pub fn open(disk: &CrashDisk, options: Options) -> Result<Store, Error> {
    Store::open_in(Arc::new(disk.clone()), options)
}

pub fn put(store: &Store, region: &vellum_recover::Region, at: u64, bytes: &[u8], how: Durability) {
    let mut transaction = store.begin(Restore::Yes);
    transaction.set_range(region, at..at + bytes.len() as u64).unwrap().copy_from_slice(bytes);
    transaction.commit(how).unwrap();
}

/// A store with region `r` of so many bytes.
pub fn with_region(disk: &CrashDisk, len: u64) -> (Store, vellum_recover::Region) {
    let store = open(disk, options()).unwrap();
    let region = store.region("r", len).unwrap();
    (store, region)
}

/// The `after`th operation from now finds the disk full.
pub fn fill_disk(disk: &CrashDisk, after: u64) {
    let kind = std::io::ErrorKind::StorageFull;
    disk.plant(Some(Fault { at: disk.operations() + after, kind, forever: false }));
}

/// An error and its cause.
pub fn words(error: &Error) -> String {
    format!("{error}: {}", std::error::Error::source(error).unwrap())
}
