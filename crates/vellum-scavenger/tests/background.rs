//! The scavenger on a thread of its own, beside the program whose pages it looks at.

use parking_lot::Mutex;
use std::sync::Arc;
use vellum_frames::{FramePool, Options as PoolOptions, PAGE_SIZE};
use vellum_scavenger::{Background, Domain, Mode, Options, Pages, Scavenger, Share};

const PAGES: u64 = 64;
/// Whole passes that the thread makes while the program writes: enough for every page that is left
/// alone to be packed.
const PASSES: u64 = 12;

#[test]
fn pages_read_what_was_written_to_them_while_a_thread_shares_and_packs_them() {
    let pool = FramePool::new(PoolOptions::new(2 * PAGES)).unwrap();
    let mut scavenger = Scavenger::new(Arc::clone(&pool), Options::default());
    let set = scavenger.add_set(PAGES, Domain(0), Mode::Share).unwrap();
    let pages = Pages::new(Arc::clone(&pool), PAGES as usize);
    let both = Arc::new(Mutex::new((scavenger, pages)));
    let theirs = Arc::clone(&both);
    // All of a CPU: what the thread does is tried here, not how much of it.
    let share = Share { per_mille: 1000, ..Share::default() };
    let thread = Background::spawn(share, move |work| {
        let (scavenger, pages) = &mut *theirs.lock();
        scavenger.step(set, pages, work).unwrap();
        scavenger.tidy(work);
    })
    .unwrap();

    let mut model = [0_u8; PAGES as usize];
    let mut step = 0_u64;
    let until = loop {
        {
            let (scavenger, pages) = &mut *both.lock();
            // A quarter of the pages is written again and again, with few different contents.
            let page = step * 7 % (PAGES / 4);
            let value = (step / 50 % 5) as u8 + 1;
            pages.write(scavenger, set, page, 0, &[value; PAGE_SIZE]).unwrap();
            model[page as usize] = value;
            if step < PAGES {
                // The others once: the same text with their number in it.
                let text: Vec<u8> =
                    (0..PAGE_SIZE).map(|at| (at * at / 7 % 251) as u8 ^ (at == 99) as u8).collect();
                if step >= PAGES / 4 {
                    pages.write(scavenger, set, step, 0, &text).unwrap();
                    pages.write(scavenger, set, step, 0, &[step as u8]).unwrap();
                    model[step as usize] = step as u8;
                }
            }
            let mut out = [0; PAGE_SIZE];
            let read = step * 11 % PAGES;
            if step.is_multiple_of(8) && read < PAGES / 4 {
                pages.read(scavenger, set, read, &mut out).unwrap();
                assert_eq!(out[0], model[read as usize], "page {read} in step {step}");
            }
            step += 1;
            if step > PAGES && scavenger.counters().passes >= PASSES {
                break scavenger.counters();
            }
        }
        std::thread::yield_now();
    };
    assert!(until.merged > 0 && until.deltas + until.compressed > 0, "{until:?}");
    assert!(thread.stop().as_nanos() > 0);
    let mut both = both.lock();
    let (scavenger, pages) = &mut *both;
    for (page, &first) in (0..).zip(&model) {
        let mut out = [0; PAGE_SIZE];
        pages.read(scavenger, set, page, &mut out).unwrap();
        assert_eq!(out[0], first, "page {page}");
    }
    pages.clear(scavenger).unwrap();
    scavenger.remove_set(set).unwrap();
    assert_eq!(pool.counters().used, 0, "every frame is given back");
}
