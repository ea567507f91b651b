//! The drives that ship: random reads of 4 KiB under each order of the queue, in virtual time.

use crate::table::Table;
use anyhow::{Context, Result};
use serde_json::Value;
use vellum_block::{
    Completion, Device, Duration, Instant, Lba, Phase, Request, Rng, Statistics, Tag,
};
use vellum_disk::{Disk, Policy, profiles};

/// Requests a row.
const REQUESTS: u64 = 4_000;
/// Requests that the drive holds at any time, and the orders it may serve them in.
const QUEUES: [(usize, &str); 5] =
    [(1, "fcfs"), (16, "fcfs"), (16, "look"), (16, "sstf"), (16, "sptf")];

pub fn run() -> Result<Vec<Table>> {
    let head = [
        "drive",
        "queue",
        "order",
        "requests/s",
        "response ms",
        "p99 ms",
        "seek ms",
        "rotation ms",
        "transfer ms",
    ];
    let mut table = Table::new("reads of 4 KiB at random, in virtual time", &head);
    for name in profiles::NAMES {
        for (depth, order) in QUEUES {
            let (ended, stats) = reads(name, depth, order)?;
            let mean = |phase| ms(Duration::from_ps(stats.breakdown.get(phase).as_ps() / REQUESTS));
            let rate = REQUESTS as f64 / (ended.since(Instant::ZERO).as_ms_f64() / 1e3);
            table.row([
                name.into(),
                depth.into(),
                order.into(),
                Value::from(format!("{rate:.1}")),
                ms(stats.response.mean()),
                ms(stats.response.percentile(99, 100)),
                mean(Phase::Seek),
                mean(Phase::Rotation),
                mean(Phase::Transfer),
            ]);
        }
    }
    Ok(vec![table])
}

fn ms(duration: Duration) -> Value {
    format!("{:.3}", duration.as_ms_f64()).into()
}

/// Keeps `depth` requests at the drive until all have ended.
fn reads(name: &str, depth: usize, order: &str) -> Result<(Instant, Statistics)> {
    let profile = profiles::find(name).context("a drive that ships")?;
    let policy = Policy::from_name(order).context("an order that there is")?;
    let mut disk = Disk::new(&profile, policy)?;
    let shape = disk.shape();
    let sectors = (4096 / shape.sector_bytes).max(1);
    let mut rng = Rng::new(1);
    let (mut stats, mut now, mut sent) = (Statistics::default(), Instant::ZERO, 0);
    loop {
        while sent < REQUESTS && disk.in_flight() < depth {
            let lba = rng.below(shape.sectors / u64::from(sectors)) * u64::from(sectors);
            disk.submit(now, Request::read(Tag(sent), Lba::new(lba), sectors))?;
            sent += 1;
        }
        let Some(next) = disk.next_event() else { break };
        now = next;
        disk.advance(now, &mut |done: Completion| stats.record(&done));
    }
    Ok((now, stats))
}
