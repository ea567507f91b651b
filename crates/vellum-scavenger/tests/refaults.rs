//! A target of refaults: pages that are used again and again are not packed, those that are not are.

use std::sync::Arc;
use std::time::Duration;
use vellum_frames::{FramePool, Options as PoolOptions, PAGE_SIZE};
use vellum_scavenger::{
    Class, Counters, Domain, Mode, Options, Pages, Policy, Refaults, Scavenger, SetId,
};

/// Pages that are used again, and all pages.
const USED: u64 = 200;
const ALL: u64 = 600;
/// Of a million pages a minute: a fifth of a hundredth.
const TARGET: u32 = 2000;
const SECOND: u64 = 1_000_000_000;

/// A guest that uses its first pages again after so many seconds, each at its own time, one read in two, one
/// write in two.
struct Guest {
    scavenger: Scavenger,
    set: SetId,
    pages: Pages,
    second: u64,
}

impl Guest {
    fn new(refaults: Option<u32>) -> Self {
        let pool = FramePool::new(PoolOptions::new(ALL + 1)).unwrap();
        let policy = Policy { refaults, ..Policy::default() };
        let options = Options { policy, ..Options::default() };
        let mut scavenger = Scavenger::new(Arc::clone(&pool), options);
        let set = scavenger.add_set(ALL, Domain(0), Mode::Share).unwrap();
        let mut pages = Pages::new(pool, ALL as usize);
        for page in 0..ALL {
            let text = format!("{page} is a page of its own, as {} is. ", page * 7919).repeat(60);
            pages.write(&mut scavenger, set, page, 0, text.as_bytes()).unwrap();
        }
        Guest { scavenger, set, pages, second: 0 }
    }

    fn run(&mut self, seconds: u64, period: u64) {
        for _ in 0..seconds {
            self.second += 1;
            for page in (0..USED).filter(|page| (self.second + page).is_multiple_of(period)) {
                let (scavenger, mut out) = (&mut self.scavenger, [0; PAGE_SIZE]);
                if page % 2 == 0 {
                    self.pages.read(scavenger, self.set, page, &mut out).unwrap();
                } else {
                    let now = self.second.to_le_bytes();
                    self.pages.write(scavenger, self.set, page, 4000, &now).unwrap();
                }
            }
            self.scavenger.tell_time(self.set, self.second * SECOND).unwrap();
            self.scavenger.pass(&mut [(self.set, &mut self.pages)]).unwrap();
        }
    }

    fn refaults(&self) -> Refaults {
        self.scavenger.refaults(self.set).unwrap().expect("there is a target")
    }

    /// Pages brought back in this time, of a million of those that are used, a minute.
    fn rate(&mut self, seconds: u64, period: u64) -> u64 {
        let before = self.scavenger.counters().restored;
        self.run(seconds, period);
        (self.scavenger.counters().restored - before) * 60_000_000 / (seconds * USED)
    }

    fn packed(&self) -> u64 {
        let tally = self.scavenger.report().tally;
        tally[Class::Compressed] + tally[Class::Delta]
    }
}

#[test]
fn the_target_is_kept_where_pages_are_used_again_and_missed_without() {
    for period in [3, 10, 40, 100] {
        let mut guest = Guest::new(Some(TARGET));
        guest.run(20 * 60, period);
        let rate = guest.rate(3600, period);
        let refaults = guest.refaults();
        assert!(rate <= TARGET.into(), "{rate} at {period} s: {refaults:?}");
        assert!(refaults.lately <= TARGET.into(), "{refaults:?}");
        assert!(refaults.age.as_secs() * 4 >= period, "{refaults:?}");
        assert!(refaults.age.as_secs() < 4 * period, "and no older: {refaults:?}");
        assert_eq!(guest.packed(), ALL - USED, "what is not used is packed");

        let mut without = Guest::new(None);
        without.run(60, period);
        let rate = without.rate(600, period);
        assert!(rate > 100 * u64::from(TARGET), "{rate} at {period} s without a target");
    }
}

/// A guest that changes its ways: the age follows, up and down.
#[test]
fn the_age_comes_down_when_pages_are_used_more_often() {
    let mut guest = Guest::new(Some(TARGET));
    guest.run(3600, 100);
    let seldom = guest.refaults().age;
    guest.run(3600, 4);
    let often = guest.refaults().age;
    assert!(often <= Duration::from_secs(8) && seldom >= Duration::from_secs(25), "{seldom:?}");
    assert!(guest.rate(3600, 4) <= TARGET.into());
    guest.run(1800, 100);
    assert!(guest.refaults().age >= Duration::from_secs(25), "{:?}", guest.refaults());
    assert!(guest.rate(3600, 100) <= TARGET.into());
}

#[test]
fn a_run_repeats_and_reports_what_it_reached() {
    let once = || -> (Counters, Refaults) {
        let mut guest = Guest::new(Some(TARGET));
        guest.run(1000, 7);
        (guest.scavenger.counters(), guest.refaults())
    };
    let (counters, refaults) = once();
    assert_eq!((counters, refaults), once());
    assert_eq!(refaults.target, TARGET);
    // The working set is that of each second: all at first, then those that are used.
    let (all, used) = (counters.restored * 60_000_000 / 1000 / ALL, refaults.reached);
    assert!(counters.restored > 0 && used > all && used < 4 * all, "{used}, {counters:?}");
    let mut plain = Guest::new(None);
    plain.run(10, 7);
    assert_eq!(plain.scavenger.refaults(plain.set).unwrap(), None);
}

/// Sharing does not wait for ages, and where nobody tells the time nothing is packed.
#[test]
fn pages_are_shared_at_any_age_and_packed_at_none_without_time() {
    let mut guest = Guest::new(Some(TARGET));
    let twin = [5; PAGE_SIZE];
    for page in [3, 4] {
        guest.pages.write(&mut guest.scavenger, guest.set, page, 0, &twin).unwrap();
    }
    for _ in 0..30 {
        guest.scavenger.pass(&mut [(guest.set, &mut guest.pages)]).unwrap();
    }
    assert_eq!((guest.scavenger.counters().merged, guest.packed()), (1, 0));
    let tally = guest.scavenger.report().tally;
    assert_eq!(tally[Class::SameFilled], 2, "{tally:?}");
}
