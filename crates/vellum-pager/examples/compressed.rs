//! A space five times as large as its memory, the rest of it compressed: a loop over a part of it,
//! then a scan, under each policy.

use vellum_pager::policy::NAMES;
use vellum_pager::space::PlainSpace;
use vellum_pager::store::CompressedPool;
use vellum_pager::{Access, Error, Options, PageNo, Pager};

const PAGES: u32 = 5_000;
const QUOTA: u32 = 1_000;

fn main() -> Result<(), Error> {
    println!(
        "{:10} {:>8} {:>8} {:>8} {:>12}",
        "policy", "missing", "evicted", "clean", "pool bytes"
    );
    for policy in NAMES {
        let mut space = PlainSpace::new(PAGES);
        let options = Options { policy: policy.into(), ..Options::new(PAGES, QUOTA) };
        let mut pager = Pager::new(options, Box::new(CompressedPool::new(64 << 20)))?;
        let mut reference = |page: PageNo, write: bool| -> Result<(), Error> {
            let there = match write {
                true => space.store(page, 0, page.get() as u8),
                false => space.load(page, 0).is_some(),
            };
            if there {
                pager.touch(page);
                return Ok(());
            }
            let access = if write { Access::Store } else { Access::Load };
            pager.fault(&mut space, page, access).map(|_| ())
        };
        // 800 pages in use, a scan over all, and the 800 again.
        for round in 0..5 {
            (0..800).try_for_each(|at| reference(PageNo::new(at * 3), round == 0))?;
        }
        (0..PAGES).try_for_each(|at| reference(PageNo::new(at), true))?;
        for _ in 0..5 {
            (0..800).try_for_each(|at| reference(PageNo::new(at * 3), false))?;
        }
        let (counters, traffic) = (pager.counters(), pager.traffic());
        println!(
            "{policy:10} {:>8} {:>8} {:>8} {:>12}",
            counters.missing, counters.evicted, counters.evicted_clean, traffic.bytes_put
        );
    }
    Ok(())
}
