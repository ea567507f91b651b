//! A counter that survives `kill -9`: counts up durably and prints each value after it is safe.
//!
//! `cargo run -p vellum-recover --example counter -- DIRECTORY [TIMES]`, kill it, run it again.

mod support;

use vellum_recover::{Options, Store};

fn main() -> std::process::ExitCode {
    support::say(run())
}

fn run() -> support::Outcome {
    let usage = "usage: counter DIRECTORY [TIMES]";
    let mut args = support::arguments(usage)?.into_iter();
    let path = args.next().ok_or(usage)?;
    let times: u64 = args.next().map_or(Ok(u64::MAX), |text| text.parse())?;
    let store = Store::open(path, Options::default())?;
    let region = store.region("counter", 16)?;
    for _ in 0..times {
        let value = store.transact(|transaction| {
            let bytes = transaction.set_range(&region, 0..16)?;
            let value = bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)) + 1;
            // Written twice: a reader that finds them different has seen half a transaction.
            bytes[..8].copy_from_slice(&value.to_le_bytes());
            bytes[8..].copy_from_slice(&value.to_le_bytes());
            Ok(value)
        })?;
        println!("{value}");
    }
    Ok(())
}
