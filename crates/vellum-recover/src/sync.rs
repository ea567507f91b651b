//! The primitives of concurrency that the group commit is made of, in one place so that a model
//! checker's can stand in for them (`tests/group.rs` includes `group.rs` with shuttle's).

use rustix::thread::futex;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Something to sleep on until it rings: a futex. Against a condition variable it saves those who
/// wake up from queueing for a lock, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Signal(std::sync::atomic::AtomicU32);

impl Signal {
    /// How often it has rung.
    pub(crate) fn rung(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Sleeps until it has rung more often than `heard`, or `limit` is over (then `true`), or for no
    /// reason.
    pub(crate) fn sleep(&self, heard: u32, limit: Option<Duration>) -> bool {
        let limit = limit.and_then(|limit| limit.try_into().ok());
        let slept = futex::wait(&self.0, futex::Flags::PRIVATE, heard, limit.as_ref());
        slept == Err(rustix::io::Errno::TIMEDOUT)
    }

    /// Wakes up to `most` of those who sleep.
    pub(crate) fn ring(&self, most: u32) {
        self.0.fetch_add(1, Ordering::Release);
        // There is nothing that it could refuse.
        let _ = futex::wake(&self.0, futex::Flags::PRIVATE, most.min(i32::MAX as u32));
    }
}

/// What `work` returns, and how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    #[expect(clippy::disallowed_methods, reason = "tells how long to wait for company, no result")]
    let start = std::time::Instant::now();
    let value = work();
    (value, start.elapsed())
}
