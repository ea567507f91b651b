//! A program that pages its own memory from a file: sorts more numbers than it has memory for, and
//! never calls `read` or `write`.
//!
//! `cargo run --release -p vellum-pager --example from_file [MIB [QUOTA_MIB]]`

use std::io::Write;
use vellum_pager::space::process::{Backing, PagedMemory};
use vellum_pager::store::FileStore;
use vellum_pager::{Error, Options, PAGE, Pager};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sizes = std::env::args().skip(1).map(|text| text.parse::<u32>());
    let size = sizes.next().transpose()?.unwrap_or(8);
    let quota = sizes.next().transpose()?.unwrap_or(1);
    let (pages, quota) = (size.clamp(1, 4096) * 256, quota.clamp(1, 4096) * 256);

    // A file of numbers in no order.
    let mut file = tempfile::tempfile()?;
    let count = pages as usize * PAGE / 8;
    let mut state = 1_u64;
    let mut numbers = Vec::with_capacity(count * 8);
    for _ in 0..count {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        numbers.extend_from_slice(&(state >> 16).to_le_bytes());
    }
    file.write_all(&numbers)?;
    drop(numbers);

    let store = FileStore::new(file.try_clone()?, "numbers", pages.into());
    let options = Options { existing: true, batch: 16.min(quota), ..Options::new(pages, quota) };
    let options = Options { free_low: 16.min(quota / 4), free_high: 32.min(quota / 2), ..options };
    let memory = match PagedMemory::new(Pager::new(options, Box::new(store))?, Backing::Private) {
        Ok(memory) => memory,
        Err(Error::Io { what, source }) => {
            println!("{what}: {source}; userfaultfd is not to be had here");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    // SAFETY: `count` numbers of 8 bytes are what the memory holds, it is page-aligned, and nobody
    // else uses it. An absent page is brought when the slice is read or written there.
    let numbers =
        unsafe { std::slice::from_raw_parts_mut(memory.as_ptr().as_ptr().cast::<u64>(), count) };
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0] <= pair[1]));
    memory.flush()?;

    let (counters, present) = memory.with(|pager, _| (pager.counters(), pager.present()));
    println!(
        "{count} numbers ({} MiB) sorted in {} MiB: {} pages missing, {} evicted, {} of them as \
         stored, {} written; {present} present",
        pages / 256,
        quota / 256,
        counters.missing,
        counters.evicted,
        counters.evicted_clean,
        counters.pages_written,
    );
    Ok(())
}
