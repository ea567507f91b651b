//! The hand-off of group commit under a model checker: shuttle runs the same source with its own
//! primitives, through many schedules.

mod sync {
    pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;
    use std::time::Duration;

    /// The futex of `src/sync.rs`. There is no time here: a sleep with a limit is over when the
    /// others have had a turn, so that it ends early in some schedules and late in others.
    #[derive(Debug, Default)]
    pub(crate) struct Signal {
        rung: Mutex<u32>,
        changed: shuttle::sync::Condvar,
    }

    impl Signal {
        pub(crate) fn rung(&self) -> u32 {
            *self.rung.lock().unwrap()
        }

        pub(crate) fn sleep(&self, heard: u32, limit: Option<Duration>) -> bool {
            if limit.is_some() {
                shuttle::thread::yield_now();
                return self.rung() == heard;
            }
            let rung = self.rung.lock().unwrap();
            drop(self.changed.wait_while(rung, |rung| *rung == heard).unwrap());
            false
        }

        pub(crate) fn ring(&self, most: u32) {
            *self.rung.lock().unwrap() += 1;
            match most {
                1 => self.changed.notify_one(),
                _ => self.changed.notify_all(),
            }
        }
    }

    pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
        (work(), Duration::from_micros(100))
    }
}

#[path = "../src/group.rs"]
#[allow(dead_code, reason = "the store uses more of it than the model")]
mod group;

use group::Group;
use shuttle::sync::Mutex;
use shuttle::thread;
use std::sync::Arc;

/// Threads hand in numbers; when a wait returns, the number is in the "durable" list. No batch is
/// written twice, and batches are written in their order.
fn commits(threads: u32, each: u32) {
    let group = Arc::new(Group::<Vec<u32>>::new());
    let durable = Arc::new(Mutex::new(Vec::new()));
    let workers: Vec<_> = (0..threads)
        .map(|thread| {
            let (group, durable) = (group.clone(), durable.clone());
            thread::spawn(move || {
                for turn in 0..each {
                    let number = thread * 100 + turn;
                    let (ticket, ()) = group.join(|batch| batch.push(number)).unwrap();
                    let write = |mut batch: Vec<u32>| {
                        yield_to_others();
                        durable.lock().unwrap().append(&mut batch);
                        Ok(batch)
                    };
                    group.wait(ticket, write).unwrap();
                    assert!(group.is_done(ticket));
                    assert!(durable.lock().unwrap().contains(&number), "{number} is not durable");
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    let mut all = durable.lock().unwrap().clone();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len() as u32, threads * each);
}

fn yield_to_others() {
    thread::yield_now();
}

#[test]
fn every_wait_ends_with_its_share_durable() {
    shuttle::check_random(|| commits(3, 2), 400);
    shuttle::check_pct(|| commits(3, 2), 400, 3);
}

#[test]
fn a_failed_write_fails_all_who_wait_and_all_who_come() {
    shuttle::check_random(
        || {
            let group = Arc::new(Group::<u32>::new());
            let workers: Vec<_> = (0..3)
                .map(|_| {
                    let group = group.clone();
                    thread::spawn(move || match group.join(|batch| *batch += 1) {
                        Ok((ticket, ())) => group.wait(ticket, |_| Err("disk".to_owned())),
                        Err(first) => Err(first),
                    })
                })
                .collect();
            for worker in workers {
                assert_eq!(worker.join().unwrap(), Err("disk".to_owned()));
            }
            assert_eq!(group.failure(), Some("disk".to_owned()));
        },
        400,
    );
}

#[test]
fn a_leader_that_panics_is_not_waited_for() {
    let group = Arc::new(std::sync::Mutex::new(0));
    *group.lock().unwrap() += 1;
    shuttle::check_random(
        || {
            let group = Arc::new(Group::<u32>::new());
            let (ticket, ()) = group.join(|batch| *batch += 1).unwrap();
            let lead = std::panic::AssertUnwindSafe(|| {
                let _ = group.wait(ticket, |_| std::panic::panic_any(Planned));
            });
            let hook = std::panic::take_hook();
            std::panic::set_hook(Box::new(|_| {}));
            let outcome = std::panic::catch_unwind(lead);
            std::panic::set_hook(hook);
            assert!(outcome.is_err());
            assert!(group.wait(ticket, Ok).is_err());
        },
        1,
    );
}

/// The panic of the test above.
struct Planned;
