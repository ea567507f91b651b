//! From how many pages on a boot's disks remap what they move.

use super::options::{Args, RemapFrom};
use anyhow::Result;
use vellum::Builder;
use vellum::remap::calibrate;
use vellum::translate::Gpa;

/// Where the memory begins that is measured with.
const BASE: u64 = 0x8000_0000;
/// Pages of the largest transfer that is measured, which is more than a disk moves at once.
const PAGES: usize = 64;

/// The threshold that was asked for, measured on a memory of its own where it is to be measured.
pub fn threshold(args: &Args) -> Result<usize> {
    match args.remap_from {
        RemapFrom::Pages(pages) => Ok(pages),
        RemapFrom::Measured => {
            let mut memory = Builder::new(Gpa::new(BASE), (PAGES as u64) << 12).build()?;
            for page in 0..PAGES as u64 {
                memory.write(Gpa::new(BASE + (page << 12)), &page.to_le_bytes())?;
            }
            let measured = calibrate(&mut memory, BASE >> 12, PAGES, cpu_nanos)?;
            let pages = measured.break_even();
            match pages {
                Some(pages) => eprintln!("remapping pays from {pages} pages in a row on, here"),
                None => eprintln!("remapping does not pay up to {PAGES} pages in a row, here"),
            }
            Ok(pages.unwrap_or(usize::MAX))
        }
    }
}

/// CPU time of this thread.
fn cpu_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
