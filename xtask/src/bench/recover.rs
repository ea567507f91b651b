//! What a transaction of recoverable memory writes and flushes, counted at a modelled disk.

use crate::table::Table;
use anyhow::{Context, Result};
use serde_json::Value;
use std::sync::Arc;
use vellum_block::Rng;
use vellum_recover::log::{Cipher, CrashDisk};
use vellum_recover::{Background, Durability, Options, Restore, Stats, Store};

/// Transactions a row: four of 100,000 records and a line of history each.
const TRANSACTIONS: u64 = 2_000;
const RECORDS: u64 = 100_000;
const RECORD: u64 = 128;
const LINE: u64 = 64;

pub fn run() -> Result<Vec<Table>> {
    let head = ["commits", "encrypted", "declared B", "log B", "flushes", "truncations"];
    let title = "a transaction of four records of 128 B and a line of 64 B";
    let mut table = Table::new(title, &head);
    for (name, batch) in [("each durable", 1), ("one in 16 durable", 16)] {
        for encrypted in [true, false] {
            let stats = transactions(batch, encrypted)?;
            let each =
                |count: u64| Value::from(format!("{:.3}", count as f64 / TRANSACTIONS as f64));
            table.row([
                name.into(),
                if encrypted { "yes" } else { "no" }.into(),
                each(stats.declared_bytes),
                each(stats.log.bytes),
                each(stats.log.flushes),
                stats.truncations.into(),
            ]);
        }
    }
    Ok(vec![table])
}

fn transactions(batch: u64, encrypted: bool) -> Result<Stats> {
    // Nobody works in the background, so that every run counts the same.
    let mut options = Options { background: Background::Caller, ..Options::default() };
    if !encrypted {
        options.log.cipher = Cipher::None;
    }
    let store = Store::open_in(Arc::new(CrashDisk::new()), options)?;
    let records = store.region("records", RECORDS * RECORD)?;
    let history = store.region("history", TRANSACTIONS * LINE)?;
    let before = store.stats();
    let mut rng = Rng::new(1);
    for number in 0..TRANSACTIONS {
        let mut transaction = store.begin(Restore::Yes);
        for _ in 0..4 {
            let at = rng.below(RECORDS) * RECORD;
            transaction.set_range(&records, at..at + RECORD)?.fill(number as u8);
        }
        let at = number * LINE;
        transaction.set_range(&history, at..at + LINE)?.fill(number as u8);
        let durable = (number + 1).is_multiple_of(batch);
        transaction
            .commit(if durable { Durability::Flush } else { Durability::NoFlush })
            .context("a commit")?;
        store.tend()?;
    }
    let mut stats = store.stats();
    stats.declared_bytes -= before.declared_bytes;
    stats.log.bytes -= before.log.bytes;
    stats.log.flushes -= before.log.flushes;
    stats.truncations -= before.truncations;
    Ok(stats)
}
