//! A counter on byte-addressable memory: a mapped file, by cache-line flushes on a DAX file system,
//! by `msync` elsewhere. The store's interface is the same as in a directory.
//!
//! `cargo run -p vellum-recover --example mapped -- FILE [TIMES]`, kill it, run it again.

mod support;

use std::sync::Arc;
use vellum_recover::log::ByteStorage;
use vellum_recover::{MappedFile, Options, Store};

fn main() -> std::process::ExitCode {
    support::say(run())
}

fn run() -> support::Outcome {
    let usage = "usage: mapped FILE [TIMES]";
    let mut args = support::arguments(usage)?.into_iter();
    let path = args.next().ok_or(usage)?;
    let times: u64 = args.next().map_or(Ok(10), |text| text.parse())?;
    let memory = MappedFile::open(path, 64 << 20)?;
    println!("durable by {}", if memory.is_dax() { "cache lines" } else { "msync" });
    let storage = ByteStorage::open(Arc::new(memory))?;
    let store = Store::open_in(Arc::new(storage), Options::default())?;
    let region = store.region("counter", 8)?;
    for _ in 0..times {
        let value = store.transact(|transaction| {
            let bytes = transaction.set_range(&region, 0..8)?;
            let value = bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)) + 1;
            bytes.copy_from_slice(&value.to_le_bytes());
            Ok(value)
        })?;
        println!("{value}");
    }
    Ok(())
}
