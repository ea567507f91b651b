//! What users and attackers see: a thread of its own, write storms, domains, concealment, hints,
//! limits that hold.

use parking_lot::Mutex;
use std::sync::Arc;
use vellum_frames::{FramePool, Options as PoolOptions, PAGE_SIZE};
use vellum_scavenger::{
    Background, Class, Counters, Domain, Error, Look, Mode, Options, PageSet, Pages, Policy,
    Scavenger, SetId, Share, Step,
};

fn scavenger(frames: u64, options: Options) -> (Arc<FramePool>, Scavenger) {
    let pool = FramePool::new(PoolOptions::new(frames)).unwrap();
    (Arc::clone(&pool), Scavenger::new(pool, options))
}

/// Pages that a compressor likes and that differ.
fn text(number: u64) -> Vec<u8> {
    format!("page {number:>6} of many; ").repeat(200).into_bytes()
}

fn filled(pool: &Arc<FramePool>, scavenger: &mut Scavenger, set: SetId, of: &[u64]) -> Pages {
    let mut pages = Pages::new(Arc::clone(pool), of.len());
    for (page, &number) in of.iter().enumerate() {
        let bytes = text(number);
        let end = bytes.len().min(PAGE_SIZE);
        pages.write(scavenger, set, page as u64, 0, &bytes[..end]).unwrap();
    }
    pages
}

#[test]
fn a_thread_of_its_own_packs_while_the_pages_are_used() {
    let (pool, mut scavenger) = scavenger(300, Options::default());
    let set = scavenger.add_set(100, Domain(0), Mode::Share).unwrap();
    let pages = filled(&pool, &mut scavenger, set, &(0..100).map(|n| n / 2).collect::<Vec<_>>());
    let both = Arc::new(Mutex::new((scavenger, pages)));
    let theirs = Arc::clone(&both);
    let share = Share { per_mille: 900, piece: 50_000 };
    let thread = Background::spawn(share, move |work| {
        let (scavenger, pages) = &mut *theirs.lock();
        if scavenger.step(set, pages, work).unwrap() == Step::Done {
            scavenger.tidy(work);
        }
    })
    .unwrap();
    // Until everything that is not used is packed; one page is used all the time.
    let mut turns = 0_u64;
    loop {
        let (scavenger, pages) = &mut *both.lock();
        pages.write(scavenger, set, 7, 4000, &turns.to_le_bytes()).unwrap();
        turns += 1;
        let counters = scavenger.counters();
        if counters.passes > 12 && pool.counters().used <= 2 {
            break;
        }
        assert!(turns < 50_000_000, "{counters:?}");
        std::thread::yield_now();
    }
    let spent = thread.stop();
    assert!(spent.as_nanos() > 0);
    let (scavenger, pages) = &mut *both.lock();
    let mut out = [0; PAGE_SIZE];
    pages.read(scavenger, set, 8, &mut out).unwrap();
    assert!(out.starts_with(&text(4)[..1000]));
    pages.read(scavenger, set, 7, &mut out).unwrap();
    assert_eq!(out[4000..4008], (turns - 1).to_le_bytes());
}

#[test]
fn a_write_storm_on_shared_pages_costs_copies_and_nothing_else() {
    let (pool, mut scavenger) = scavenger(200, Options::default());
    let set = scavenger.add_set(64, Domain(0), Mode::Share).unwrap();
    let mut pages = filled(&pool, &mut scavenger, set, &[0; 64]);
    for round in 0..50_u64 {
        scavenger.pass(&mut [(set, &mut pages)]).unwrap();
        for page in 0..64 {
            // Broken, and made equal again.
            pages.write(&mut scavenger, set, page, 0, &round.to_le_bytes()).unwrap();
        }
        assert!(pool.counters().used <= 64 + 1, "a copy each, and the frame that was shared");
    }
    let counters = scavenger.counters();
    assert!(counters.broken > 64, "{counters:?}");
    assert!(counters.compared <= counters.sampled, "one comparison a look at most: {counters:?}");
    let mut out = [0; PAGE_SIZE];
    for page in 0..64 {
        pages.read(&mut scavenger, set, page, &mut out).unwrap();
        assert_eq!(out[..8], 49_u64.to_le_bytes());
        assert!(out[8..] == text(0)[8..PAGE_SIZE]);
    }
}

#[test]
fn what_was_not_written_is_not_read_again() {
    let (pool, mut scavenger) =
        scavenger(200, Options { policy: Policy::sharing_only(), ..Options::default() });
    let set = scavenger.add_set(64, Domain(0), Mode::Share).unwrap();
    let mut pages = filled(&pool, &mut scavenger, set, &(0..64).collect::<Vec<_>>());
    scavenger.pass(&mut [(set, &mut pages)]).unwrap();
    let read = |scavenger: &Scavenger| {
        let counters = scavenger.counters();
        counters.sampled + counters.hashed + counters.compared
    };
    let before = read(&scavenger);
    assert_eq!(scavenger.counters().sampled, 64);
    for _ in 0..5 {
        scavenger.pass(&mut [(set, &mut pages)]).unwrap();
    }
    assert_eq!(read(&scavenger), before);
    pages.write(&mut scavenger, set, 3, 0, b"changed").unwrap();
    scavenger.pass(&mut [(set, &mut pages)]).unwrap();
    scavenger.pass(&mut [(set, &mut pages)]).unwrap();
    assert_eq!(read(&scavenger), before + 1, "one page was written");
}

#[test]
fn domains_have_nothing_in_common() {
    for (domains, frames) in [([0, 0], 32), ([0, 1], 64)] {
        let (pool, mut scavenger) = scavenger(200, Options::default());
        let mut sets = Vec::new();
        for domain in domains {
            let set = scavenger.add_set(32, Domain(domain), Mode::Share).unwrap();
            sets.push((set, filled(&pool, &mut scavenger, set, &(0..32).collect::<Vec<_>>())));
        }
        let [(a, first), (b, second)] = &mut sets[..] else { panic!("two sets") };
        scavenger.pass(&mut [(*a, first), (*b, second)]).unwrap();
        assert_eq!(pool.counters().used, frames, "domains {domains:?}");
    }
    let (_, mut scavenger) = scavenger(2000, Options::default());
    scavenger.add_set(1, Domain(5), Mode::Share).unwrap();
    let error = scavenger.add_set(1, Domain(5), Mode::Conceal).unwrap_err();
    assert_eq!(error.to_string(), "domain 5 has sets of the other mode");
}

/// What an access to a page makes the host do, and so what its time could tell: counts of events, and
/// frames taken, copied and freed.
fn seen(mode: Mode, merged: bool, write: bool) -> (Counters, [u64; 3]) {
    let (pool, mut scavenger) = scavenger(2000, Options { lottery: 16, ..Options::default() });
    let set = scavenger.add_set(3, Domain(0), mode).unwrap();
    let mut pages = filled(&pool, &mut scavenger, set, &[1, if merged { 1 } else { 2 }, 3]);
    for _ in 0..if mode == Mode::Conceal { 5 } else { 1 } {
        scavenger.pass(&mut [(set, &mut pages)]).unwrap();
    }
    let (before, frames) = (scavenger.counters(), pool.counters());
    if write {
        pages.write(&mut scavenger, set, 0, 0, b"x").unwrap();
    } else {
        pages.read(&mut scavenger, set, 0, &mut [0; PAGE_SIZE]).unwrap();
    }
    let after = scavenger.counters();
    let events = Counters {
        restored: after.restored - before.restored,
        remapped: after.remapped - before.remapped,
        broken: after.broken - before.broken,
        ..Counters::default()
    };
    let after = pool.counters();
    let taken = after.allocated - frames.allocated;
    (events, [taken, after.copied - frames.copied, after.freed - frames.freed])
}

#[test]
fn concealed_pages_tell_nobody_whether_they_were_merged() {
    for write in [false, true] {
        let told = seen(Mode::Conceal, true, write);
        assert_eq!(told, seen(Mode::Conceal, false, write), "write: {write}");
        assert_eq!(told.0.restored, 1, "any access copies");
        assert_eq!(told.0.remapped, 0, "no frame is handed out twice");
    }
    // The same attack on plain sharing works, which shows that it is one.
    assert_ne!(seen(Mode::Share, true, true), seen(Mode::Share, false, true));
}

/// An attacker who knows of half of its pages whether they are merged learns what an access to each kind
/// makes the host do, and guesses the other half by that (CAIN: Barresi et al., WOOT 2015).
#[test]
fn an_attacker_guesses_plain_sharing_and_no_better_than_chance_when_it_is_concealed() {
    const GUESSES: usize = 100;
    let mut state = 3_u64;
    let mut merged: Vec<bool> = (0..GUESSES).map(|number| number % 2 == 0).collect();
    for at in (1..GUESSES).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        merged.swap(at, (state >> 33) as usize % (at + 1));
    }
    let rate = |mode| {
        let [shared, own] = [true, false].map(|merged| seen(mode, merged, true));
        let right = merged.iter().filter(|&&merged| {
            let looks_shared = seen(mode, merged, true) == shared;
            // What looks as both do is called shared.
            debug_assert!(looks_shared || seen(mode, merged, true) == own);
            looks_shared == merged
        });
        100 * right.count() / GUESSES
    };
    assert!(rate(Mode::Share) >= 95, "{} % in plain sharing", rate(Mode::Share));
    assert!(rate(Mode::Conceal) <= 51, "{} % when concealed", rate(Mode::Conceal));
}

/// Nothing makes noise smaller, so the one frame stays; the page that gave its own up is told by what it
/// saves by, and not by a mode that the domain is not in.
#[test]
fn a_page_that_was_given_up_for_anothers_frame_is_reported_as_identical() {
    let (pool, mut scavenger) = scavenger(100, Options::default());
    let set = scavenger.add_set(8, Domain(0), Mode::Share).unwrap();
    let mut pages = Pages::new(Arc::clone(&pool), 8);
    for page in 0..8_u64 {
        let mut state = page / 2 + 1;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(PAGE_SIZE)
        .collect();
        pages.write(&mut scavenger, set, page, 0, &noise).unwrap();
    }
    for _ in 0..8 {
        scavenger.pass(&mut [(set, &mut pages)]).unwrap();
        assert_eq!(scavenger.report().tally[Class::Concealed], 0);
    }
    let packed = (0..8).filter(|&page| matches!(pages.look(page), Look::Packed(_))).count();
    assert_eq!((packed, scavenger.report().tally[Class::Identical]), (4, 4));
    assert_eq!(pool.counters().used, 4);
    pages.clear(&mut scavenger).unwrap();
}

#[test]
fn hinted_pages_are_looked_at_first() {
    let (pool, mut scavenger) = scavenger(3000, Options::default());
    let set = scavenger.add_set(1000, Domain(0), Mode::Share).unwrap();
    let mut numbers: Vec<u64> = (0..1000).collect();
    numbers[999] = 5;
    let mut pages = filled(&pool, &mut scavenger, set, &numbers);
    for page in [5, 999] {
        scavenger.hint(set, page).unwrap();
    }
    // Work for a handful of pages.
    assert_eq!(scavenger.step(set, &mut pages, 4_000).unwrap(), Step::More);
    assert_eq!((scavenger.counters().merged, scavenger.counters().hints), (1, 2));
}

#[test]
fn more_pages_than_can_be_kept_are_not_promised() {
    let (_, mut scavenger) = scavenger(100, Options::default());
    scavenger.add_set(60, Domain(0), Mode::Share).unwrap();
    let error = scavenger.add_set(60, Domain(0), Mode::Share).unwrap_err();
    assert!(matches!(error, Error::Overcommit { promised: 120, frames: 100, spill: 0 }), "{error}");
}

#[test]
fn a_short_restore_budget_keeps_slow_codecs_out() {
    for (budget, wanted) in [(3_000, "lz4"), (12_000, "tight"), (25_000, "zstd")] {
        let policy = Policy { restore_p99: budget, ..Policy::default() };
        let (pool, mut scavenger) = scavenger(200, Options { policy, ..Options::default() });
        let set = scavenger.add_set(40, Domain(0), Mode::Share).unwrap();
        // Phrases of each page's own: alike to nothing, worth zstd's while, and long enough for LZ4.
        let mut pages = Pages::new(Arc::clone(&pool), 40);
        let mut state = 1_u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for page in 0..40 {
            let phrases: [[u8; 60]; 12] =
                std::array::from_fn(|_| std::array::from_fn(|_| b'a' + draw(16) as u8));
            let mut words = Vec::new();
            while words.len() < PAGE_SIZE {
                let from = draw(20) as usize;
                words.extend_from_slice(&phrases[draw(12) as usize][from..from + 40]);
            }
            pages.write(&mut scavenger, set, page, 0, &words[..PAGE_SIZE]).unwrap();
        }
        for _ in 0..14 {
            scavenger.pass(&mut [(set, &mut pages)]).unwrap();
        }
        let report = scavenger.report();
        let packed = report.tally[Class::Compressed] + report.tally[Class::Delta];
        assert_eq!(packed, 40, "{:?}", report.tally);
        let mut found = 0;
        for page in 0..40 {
            let Look::Packed(object) = pages.look(page) else { panic!("{page} is not packed") };
            let kept = scavenger.kept(object).unwrap();
            assert!(policy.costs.restore(kept.codec, kept.base) <= budget, "{kept:?}");
            found += u32::from(kept.codec.name() == wanted);
        }
        assert!(found > 20, "{found} pages of 40 in {wanted}");
    }
}
