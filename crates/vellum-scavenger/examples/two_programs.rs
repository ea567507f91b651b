//! Two programs with nearly the same data: what one scavenger finds between them, pass by pass.

use std::sync::Arc;
use vellum_frames::{FramePool, Options as PoolOptions};
use vellum_scavenger::{Class, Domain, Error, Mode, Options, Pages, Scavenger};

const PAGES: u64 = 256;

fn main() -> Result<(), Error> {
    let pool = FramePool::new(PoolOptions::new(4 * PAGES))?;
    let mut scavenger = Scavenger::new(Arc::clone(&pool), Options::default());
    let mut programs = Vec::new();
    for program in 0..2_u64 {
        let set = scavenger.add_set(PAGES, Domain(0), Mode::Share)?;
        let mut pages = Pages::new(Arc::clone(&pool), PAGES as usize);
        for page in 0..PAGES {
            // A table of records; every eighth page has something of the program's own in it.
            let mut text = String::new();
            for row in 0..64_u64 {
                text += &format!(
                    "{page:04}:{row:02} {:016x} balance\n",
                    (page * 64 + row).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                );
            }
            if page % 8 == 0 {
                text.replace_range(100..120, &format!("last seen by {program:07}"));
            }
            let end = text.len().min(4096);
            pages.write(&mut scavenger, set, page, 0, &text.as_bytes()[..end])?;
        }
        programs.push((set, pages));
    }
    println!(
        "{:>5} {:>7} {:>10} {:>7} {:>11} {:>9}",
        "pass", "frames", "identical", "delta", "compressed", "bytes"
    );
    for pass in 0..8 {
        let report = scavenger.report();
        println!(
            "{pass:>5} {:>7} {:>10} {:>7} {:>11} {:>9}",
            report.frames,
            report.tally[Class::Identical],
            report.tally[Class::Delta],
            report.tally[Class::Compressed],
            (report.frames << 12) + report.store.live,
        );
        let mut sets: Vec<_> = programs
            .iter_mut()
            .map(|(set, pages)| (*set, pages as &mut dyn vellum_scavenger::PageSet))
            .collect();
        scavenger.pass(&mut sets)?;
    }
    for (set, mut pages) in programs {
        pages.clear(&mut scavenger)?;
        scavenger.remove_set(set)?;
    }
    assert_eq!(scavenger.report().objects, 0, "everything was given back");
    Ok(())
}
