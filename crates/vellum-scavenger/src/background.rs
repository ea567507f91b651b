//! A thread of its own, with a share of one CPU.
//!
//! The thread works in short pieces and sleeps in between, so that over time it uses no more CPU time
//! than it may, as its own clock (`CLOCK_THREAD_CPUTIME_ID`) tells. What it does depends on the host's
//! speed; whoever needs runs that repeat lets the scavenger work in guest time instead.

use parking_lot::{Condvar, Mutex};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How much of a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Thousandths of one CPU: 1 to 1000.
    pub per_mille: u32,
    /// Model nanoseconds of work in one piece: as long as whoever else wants the pages may wait.
    pub piece: u64,
}

impl Default for Share {
    /// A twentieth of a CPU, in pieces of 200 µs.
    fn default() -> Self {
        Share { per_mille: 50, piece: 200_000 }
    }
}

#[derive(Debug, Default)]
struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
    /// Nanoseconds of CPU time up to the last piece.
    spent: AtomicU64,
}

/// A thread that works until it is dropped.
#[derive(Debug)]
pub struct Background {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<u64>>,
}

fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// How long to sleep after `spent` nanoseconds of work, so that they are `per_mille` of all.
fn rest(spent: u64, per_mille: u32) -> Duration {
    let share = u64::from(per_mille.clamp(1, 1000));
    Duration::from_nanos(spent.saturating_mul(1000 - share) / share)
}

impl Background {
    /// Starts a thread that calls `work` with the model nanoseconds of one piece, again and again. It
    /// is `work` that takes whatever lock there is around the scavenger and its pages, and so the
    /// pages' other users wait for one piece at most. Typically
    /// `move |work| drop(scavenger.lock().step(set, &mut *pages.lock(), work))`.
    ///
    /// # Errors
    /// When the host has no thread left.
    pub fn spawn(
        share: Share,
        mut work: impl FnMut(u64) + Send + 'static,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("scavenger".into()).spawn(move || {
            let start = cpu_nanos();
            let mut before = start;
            loop {
                work(share.piece);
                let now = cpu_nanos();
                told.spent.store(now - start, Ordering::Relaxed);
                let mut asked = told.asked.lock();
                if !*asked {
                    told.changed.wait_for(&mut asked, rest(now - before, share.per_mille));
                }
                if *asked {
                    return now - start;
                }
                before = now;
            }
        })?;
        Ok(Background { stop, thread: Some(thread) })
    }

    /// The CPU time that it has used in whole pieces so far.
    pub fn spent(&self) -> Duration {
        Duration::from_nanos(self.stop.spent.load(Ordering::Relaxed))
    }

    /// Stops the thread when its piece is done; the CPU time that it used.
    pub fn stop(mut self) -> Duration {
        Duration::from_nanos(self.end().unwrap_or(0))
    }

    fn end(&mut self) -> Option<u64> {
        *self.stop.asked.lock() = true;
        self.stop.changed.notify_all();
        // A thread that panicked has said so already.
        self.thread.take()?.join().ok()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_what_the_share_leaves() {
        for (per_mille, wanted) in [(500, 1_000), (50, 19_000), (1000, 0), (0, 999_000), (5000, 0)]
        {
            assert_eq!(rest(1_000, per_mille), Duration::from_nanos(wanted), "{per_mille}");
        }
    }
}
