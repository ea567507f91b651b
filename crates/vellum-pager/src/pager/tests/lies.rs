//! Stores that lie, fail, or take nothing.

use super::*;
use crate::StoreError;
use crate::store::{Answer, Get, Put};

/// How a store may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    Nothing,
    Noise,
    Another,
    Stale,
    Forgets,
    Dead,
    /// Fails twice, then works.
    Shaky(u32),
    RefusesPuts,
}

#[derive(Debug)]
struct Liar {
    store: RamStore,
    old: BTreeMap<u32, Page>,
    lie: Arc<parking_lot::Mutex<Lie>>,
}

impl Liar {
    fn error(&self, page: PageNo) -> StoreError {
        let (store, why) = ("liar".into(), "it is dead".into());
        StoreError::Failed { store, what: "asking", page, why }
    }
}

impl PageStore for Liar {
    fn name(&self) -> &str {
        "liar"
    }

    fn get(&mut self, batch: &mut [Get<'_>]) {
        self.store.get(batch);
        let mut lie = self.lie.lock();
        for get in batch.iter_mut() {
            match *lie {
                Lie::Noise => get.into[1234] ^= 0x10,
                Lie::Another => get.into.copy_from_slice(&[9; PAGE]),
                Lie::Stale => get.into.copy_from_slice(&self.old[&get.page.get()]),
                Lie::Forgets => get.answer = Answer::Missing,
                Lie::Dead => get.answer = Answer::Failed(self.error(get.page)),
                Lie::Shaky(left) if left > 0 => {
                    *lie = Lie::Shaky(left - 1);
                    get.answer = Answer::Failed(self.error(get.page));
                }
                _ => {}
            }
        }
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        if *self.lie.lock() == Lie::RefusesPuts {
            return Err(self.error(batch[0].page));
        }
        for put in batch {
            let mut old = [0; PAGE];
            self.store.get(&mut [Get::new(put.page, &mut old)]);
            self.old.insert(put.page.get(), old);
        }
        self.store.put(batch)
    }

    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        self.store.discard(pages)
    }

    fn traffic(&self) -> Traffic {
        self.store.traffic()
    }
}

/// Pages 0 to 11 hold their number; 0 to 3 are evicted.
fn lied_to() -> (Bench, Arc<parking_lot::Mutex<Lie>>) {
    let lie = Arc::new(parking_lot::Mutex::new(Lie::Nothing));
    let (store, old) = (RamStore::new(1 << 20), BTreeMap::new());
    let store = Liar { store, old, lie: lie.clone() };
    let mut bench =
        Bench::new(Options { policy: "lru".into(), ..Options::new(PAGES, 8) }, Box::new(store));
    for round in 0..2 {
        for page in 0..12 {
            bench.store(page, 7, page as u8 + round).unwrap();
        }
    }
    (bench, lie)
}

#[test]
fn a_store_that_lies_gives_an_error_and_never_a_wrong_byte() {
    for what in [Lie::Noise, Lie::Another, Lie::Stale, Lie::Forgets, Lie::Dead] {
        let (mut bench, lie) = lied_to();
        *lie.lock() = what;
        let error = bench.load(2, 7).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("page 2"), "{what:?}: {text}");
        match what {
            Lie::Dead => assert!(matches!(error, Error::Store(StoreError::Failed { .. }))),
            Lie::Forgets => assert!(matches!(error, Error::Store(StoreError::Lost { .. }))),
            _ => assert!(matches!(error, Error::Store(StoreError::Corrupt { .. })), "{text}"),
        }
        assert!(bench.space.load(p(2), 7).is_none(), "the page is still absent");
        // Those that are present are not concerned, and the store may come back to its senses.
        assert_eq!(bench.load(11, 7).unwrap(), 12);
        *lie.lock() = Lie::Nothing;
        assert_eq!(bench.load(2, 7).unwrap(), 3);
    }
}

#[test]
fn a_read_is_tried_again_as_often_as_said() {
    let (mut bench, lie) = lied_to();
    *lie.lock() = Lie::Shaky(2);
    assert_eq!(bench.load(1, 7).unwrap(), 2);
    assert_eq!(bench.pager.counters().retries, 2);
    *lie.lock() = Lie::Shaky(3);
    bench.load(0, 7).unwrap_err();
}

#[test]
fn a_store_that_takes_nothing_costs_no_data() {
    let (mut bench, lie) = lied_to();
    // Two clean pages among the eight: they may still make room.
    bench.pager.write_back(&mut bench.space, 2).unwrap();
    *lie.lock() = Lie::RefusesPuts;
    assert_eq!(bench.load(0, 7).unwrap(), 1);
    assert_eq!(bench.load(1, 7).unwrap(), 2);
    // What was just read is clean as well, and takes turns; what is dirty stays and can be read.
    assert_eq!(bench.load(2, 7).unwrap(), 3);
    let error = bench.pager.flush(&mut bench.space).unwrap_err();
    assert!(matches!(error, Error::Store(StoreError::Failed { .. })), "{error}");
    let dirty = bench.pager.dirty();
    assert_eq!(dirty, 6);
    *lie.lock() = Lie::Nothing;
    for page in 0..12 {
        assert_eq!(bench.load(page, 7).unwrap(), page as u8 + 1);
    }
}
