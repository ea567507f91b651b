//! Many hands: work in pieces that several threads take from, for what is done in a pause.

use crate::store::lock;
use std::sync::{Mutex, OnceLock};

/// Threads that are worth their beginning, the caller's counted.
const HANDS_MAX: usize = 4;

/// Calls `work` with every piece, on as many threads as there are processors, the caller's among
/// them; with `many` off, on that one alone. Cost of a thread: some tens of microseconds.
pub(crate) fn share<T: Send>(
    many: bool,
    pieces: impl Iterator<Item = T> + Send,
    work: impl Fn(T) + Sync,
) {
    let hands = if many { hands() } else { 1 };
    let pieces = Mutex::new(pieces);
    let run = || {
        loop {
            let piece = lock(&pieces).next();
            let Some(piece) = piece else { break };
            work(piece);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..hands {
            // Without it the others do its part.
            let _ = std::thread::Builder::new().spawn_scoped(scope, run);
        }
        run();
    });
}

/// How many threads there are to be. Asked once: the answer costs reads of the cgroup's files.
fn hands() -> usize {
    static HANDS: OnceLock<usize> = OnceLock::new();
    let count =
        || std::thread::available_parallelism().map_or(1, |count| count.get().min(HANDS_MAX));
    *HANDS.get_or_init(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn every_piece_is_worked_on_once() {
        for many in [false, true] {
            let sum = AtomicU64::new(0);
            share(many, 1..=1000_u64, |piece| {
                sum.fetch_add(piece, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 500_500);
        }
    }
}
