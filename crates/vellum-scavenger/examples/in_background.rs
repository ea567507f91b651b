//! A thread of its own for the scavenger, with a tenth of a CPU: a program goes on with its pages, and
//! what it leaves alone takes less and less memory.

use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use vellum_frames::{FramePool, Options as PoolOptions};
use vellum_scavenger::{Background, Domain, Mode, Options, Pages, Scavenger, Share};

const PAGES: u64 = 4096;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = FramePool::new(PoolOptions::new(PAGES))?;
    let mut scavenger = Scavenger::new(Arc::clone(&pool), Options::default());
    let set = scavenger.add_set(PAGES, Domain(0), Mode::Share)?;
    let mut pages = Pages::new(Arc::clone(&pool), PAGES as usize);
    for page in 0..PAGES {
        let line = format!("{:>5} of a table whose rows repeat, by and large\n", page % 700);
        pages.write(&mut scavenger, set, page, 0, line.repeat(80).as_bytes())?;
    }
    let both = Arc::new(Mutex::new((scavenger, pages)));
    let theirs = Arc::clone(&both);
    let share = Share { per_mille: 100, ..Share::default() };
    let thread = Background::spawn(share, move |work| {
        let (scavenger, pages) = &mut *theirs.lock();
        if let Err(error) = scavenger.step(set, pages, work) {
            eprintln!("{error}");
        }
        scavenger.tidy(work);
    })?;
    println!("{:>8} {:>12} {:>8}", "passes", "bytes", "written");
    for written in 0..10_u64 {
        std::thread::sleep(Duration::from_millis(200));
        let (scavenger, pages) = &mut *both.lock();
        let report = scavenger.report();
        println!("{:>8} {:>12} {written:>8}", report.counters.passes, report.bytes());
        pages.write(scavenger, set, written * 300, 0, b"the program goes on")?;
    }
    println!("{:?} of CPU time in 2 s", thread.stop());
    Ok(())
}
