//! Safe points: threads that take part park, the world is consistent, and each hands over its state.
//!
//! A thread registers and calls [`Participant::check`] where its data is in order. Whoever wants a
//! checkpoint calls [`SafePoints::stop`]: it returns when all registered threads have parked, with
//! what each said its state is. This is all of a native program that a checkpoint here knows; what
//! the kernel keeps for it (files, sockets, registers) is not part of it.

use crate::store::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

#[derive(Debug, Default)]
struct Board {
    next: u64,
    /// Registered threads: name, and their state while they are parked.
    threads: BTreeMap<u64, (String, Option<Vec<u8>>)>,
    stopping: bool,
}

#[derive(Debug, Default)]
struct Shared {
    board: Mutex<Board>,
    changed: Condvar,
    /// A cheap look for the threads.
    asked: AtomicBool,
}

/// The threads that take part in checkpoints. Clones are the same set.
#[derive(Debug, Clone, Default)]
pub struct SafePoints(Arc<Shared>);

/// A thread's membership; dropping it leaves.
#[derive(Debug)]
pub struct Participant {
    points: SafePoints,
    number: u64,
}

/// The world stands still as long as this lives.
#[derive(Debug)]
pub struct Stopped<'a> {
    points: &'a SafePoints,
    states: Vec<(String, Vec<u8>)>,
}

impl SafePoints {
    /// No threads yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers the calling thread under a name.
    pub fn register(&self, name: &str) -> Participant {
        let mut board = lock(&self.0.board);
        let number = board.next;
        board.next += 1;
        board.threads.insert(number, (name.to_owned(), None));
        Participant { points: self.clone(), number }
    }

    /// Waits until every registered thread has parked. One at a time; a participant must not call
    /// it.
    pub fn stop(&self) -> Stopped<'_> {
        let mut board = lock(&self.0.board);
        while board.stopping {
            board = self.0.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
        board.stopping = true;
        self.0.asked.store(true, Ordering::Release);
        while board.threads.values().any(|(_, state)| state.is_none()) {
            board = self.0.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
        let state = |(name, state): &(String, Option<Vec<u8>>)| {
            (name.clone(), state.clone().unwrap_or_default())
        };
        let states = board.threads.values().map(state).collect();
        Stopped { points: self, states }
    }
}

impl Stopped<'_> {
    /// Each thread's name and the state that it handed over.
    pub fn states(&self) -> &[(String, Vec<u8>)] {
        &self.states
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let mut board = lock(&self.points.0.board);
        board.stopping = false;
        self.points.0.asked.store(false, Ordering::Release);
        board.threads.values_mut().for_each(|(_, state)| *state = None);
        drop(board);
        self.points.0.changed.notify_all();
    }
}

impl Participant {
    /// A safe point: parks if somebody wants the world to stop, handing over `state()`. Cost when
    /// nobody does: one atomic load.
    pub fn check(&self, state: impl FnOnce() -> Vec<u8>) {
        let shared = &self.points.0;
        if !shared.asked.load(Ordering::Acquire) {
            return;
        }
        let mine = state();
        let mut board = lock(&shared.board);
        if !board.stopping {
            return;
        }
        if let Some((_, slot)) = board.threads.get_mut(&self.number) {
            *slot = Some(mine);
        }
        shared.changed.notify_all();
        let parked = |board: &Board| board.threads.get(&self.number).is_some_and(|t| t.1.is_some());
        while parked(&board) {
            board = shared.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        lock(&self.points.0.board).threads.remove(&self.number);
        self.points.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_stands_still_between_stop_and_drop() {
        let points = SafePoints::new();
        let pair = Arc::new((Mutex::new([0_u64; 2]), AtomicBool::new(false)));
        let workers: Vec<_> = (0..2)
            .map(|which| {
                let (member, pair) = (points.register(&format!("w{which}")), pair.clone());
                std::thread::spawn(move || {
                    let mut count = 0_u64;
                    while !pair.1.load(Ordering::Acquire) {
                        count += 1;
                        lock(&pair.0)[which] = count;
                        member.check(|| count.to_le_bytes().to_vec());
                        std::thread::yield_now();
                    }
                })
            })
            .collect();
        for _ in 0..20 {
            let stopped = points.stop();
            let seen = *lock(&pair.0);
            let states: Vec<u64> = stopped
                .states()
                .iter()
                .map(|(_, bytes)| u64::from_le_bytes(bytes.as_slice().try_into().unwrap()))
                .collect();
            assert_eq!(states, seen, "each thread's state is what it last wrote");
            std::thread::yield_now();
            assert_eq!(*lock(&pair.0), seen, "nobody moves");
        }
        pair.1.store(true, Ordering::Release);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    }
}
