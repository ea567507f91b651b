//! A bank: threads move money between accounts; however it ends, the sum is what it was.
//!
//! `cargo run -p vellum-recover --example bank -- DIRECTORY [TRANSFERS]`

mod support;

use vellum_recover::{Options, Region, Store};

const ACCOUNTS: u64 = 1000;
const START: i64 = 100;

fn balance(bytes: &[u8]) -> i64 {
    bytes.first_chunk().map_or(0, |word| i64::from_le_bytes(*word))
}

fn sum(region: &Region) -> Result<i64, vellum_recover::Error> {
    Ok(region.read(0..ACCOUNTS * 8)?.chunks_exact(8).map(balance).sum())
}

fn main() -> std::process::ExitCode {
    support::say(run())
}

fn run() -> support::Outcome {
    let usage = "usage: bank DIRECTORY [TRANSFERS]";
    let mut args = support::arguments(usage)?.into_iter();
    let path = args.next().ok_or(usage)?;
    let transfers: u64 = args.next().map_or(Ok(1000), |text| text.parse())?;
    let store = Store::open(path, Options::default())?;
    let region = store.region("accounts", ACCOUNTS * 8)?;
    if sum(&region)? == 0 {
        store.transact(|transaction| {
            let all = transaction.set_range(&region, 0..ACCOUNTS * 8)?;
            all.chunks_exact_mut(8)
                .for_each(|account| account.copy_from_slice(&START.to_le_bytes()));
            Ok(())
        })?;
    }
    println!("before: {}", sum(&region)?);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4_u64)
            .map(|thread| {
                let (store, region) = (&store, &region);
                scope.spawn(move || {
                    (0..transfers / 4).try_for_each(|turn| transfer(store, region, thread, turn))
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result.map_err(Into::into),
            Err(_) => Err(Box::<dyn std::error::Error>::from("a teller panicked")),
        })
    })?;
    println!("after: {} ({} flushes)", sum(&region)?, store.stats().log.flushes);
    assert_eq!(sum(&region)?, ACCOUNTS as i64 * START);
    Ok(())
}

fn transfer(
    store: &Store,
    region: &Region,
    thread: u64,
    turn: u64,
) -> Result<(), vellum_recover::Error> {
    let from = (thread * 7919 + turn * 31) % ACCOUNTS;
    let to = (from + 1 + turn * 17 % (ACCOUNTS - 1)) % ACCOUNTS;
    store.transact(|transaction| {
        for (account, change) in [(from, -1_i64), (to, 1)] {
            let bytes = transaction.set_range(region, account * 8..account * 8 + 8)?;
            let value = balance(bytes) + change;
            bytes.copy_from_slice(&value.to_le_bytes());
        }
        Ok(())
    })
}
