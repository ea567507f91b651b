//! A program whose memory is on another machine: counts words' first letters in memory that a Redis
//! server keeps, or a cluster of them.
//!
//! `cargo run -p vellum-pager --features redis --example from_redis redis://127.0.0.1:6379 [more…]`

use std::time::Duration;
use vellum_pager::space::process::{Backing, PagedMemory};
use vellum_pager::store::RedisStore;
use vellum_pager::{Error, Options, PAGE, Pager};

const PAGES: u32 = 4096;
const QUOTA: u32 = 256;

fn main() -> Result<(), Error> {
    let addresses: Vec<String> = std::env::args().skip(1).collect();
    if addresses.is_empty() {
        println!("addresses of servers are needed: redis://host:port, several for a cluster");
        return Ok(());
    }
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let store = RedisStore::connect(&addresses, "from_redis", Duration::from_secs(5))?;
    let options = Options { batch: 32, free_low: 32, free_high: 64, ..Options::new(PAGES, QUOTA) };
    let pager = Pager::new(options, Box::new(store))?
        .with_prefetch(Box::new(vellum_pager::prefetch::MajorityTrend::new(32)));
    let memory = PagedMemory::new(pager, Backing::Private)?;

    // Every page gets its number, in memory that has room for a sixteenth of them, and is read back.
    for page in 0..PAGES as usize {
        memory.write(page * PAGE, &(page as u64).to_le_bytes())?;
    }
    for page in 0..PAGES as usize {
        let mut number = [0; 8];
        memory.read(page * PAGE, &mut number)?;
        assert_eq!(u64::from_le_bytes(number), page as u64);
    }
    let (counters, traffic) = memory.with(|pager, _| (pager.counters(), pager.traffic()));
    println!(
        "{PAGES} pages through {QUOTA}: {} missing, {} prefetched and {} of them used, {} round \
         trips to read {} pages",
        counters.missing,
        counters.prefetched,
        counters.prefetch_used,
        traffic.get_batches,
        traffic.pages_got,
    );
    Ok(())
}
