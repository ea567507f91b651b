//! Taking a snapshot: arm, rounds, cut, copy.

use super::{Shared, State};
use crate::checkpoint::{Captured, Snapshot};
use crate::error::Error;
use crate::memory::PAGE;
use crate::stats::micros;
use crate::store::lock;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Pages that are armed or copied at a time, while the owner's faults wait.
const STEP: u64 = 32;
/// So few open pages are closed in the pause …
const FEW: usize = 32;
/// … or as many as there are after so many rounds.
const ROUNDS: u32 = 8;

/// Takes snapshots of a [`LiveMemory`](super::LiveMemory), from any thread. Clones are the same.
#[derive(Debug, Clone)]
pub struct LiveSnapshots {
    pub(super) shared: Arc<Shared>,
}

/// What a snapshot took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotReport {
    /// Rounds of closing pages that the owner had opened again.
    pub rounds: u32,
    /// Pages closed in the pause.
    pub pause_pages: u64,
    /// The pause, in microseconds: how long no write to a closed page was let through.
    pub pause_us: u64,
    /// Pages saved because the owner was about to write to them.
    pub pre_images: u64,
}

impl LiveSnapshots {
    /// The whole memory as of one instant while the owner writes on; `cut` is called at the
    /// instant, to pick up what else has to fit. Memory: a copy of all pages that aren't zero.
    ///
    /// # Errors
    /// When the kernel refuses to protect or to read a page.
    pub fn take<T>(&self, cut: impl FnOnce() -> T) -> Result<(Captured, T, SnapshotReport), Error> {
        let failed = |source| Error::Memory { what: "a live snapshot", source };
        let _turn = lock(&self.shared.taking);
        let result = self.take_now(cut).map_err(failed);
        if result.is_err() {
            // No write may wait for a snapshot that nobody takes any more.
            let mut state = lock(&self.shared.state);
            state.snapshot = None;
            let all = 0..state.open.len() as u64;
            self.shared.uffd.protect(&all, false).map_err(failed)?;
            state.open.fill(true);
        }
        result
    }

    fn take_now<T>(&self, cut: impl FnOnce() -> T) -> io::Result<(Captured, T, SnapshotReport)> {
        let mut report = SnapshotReport::default();
        let pages = lock(&self.shared.state).open.len() as u64;
        let (mut start, mut bytes) = (0, vec![0; PAGE]);
        while start < pages {
            let run = start..(start + STEP).min(pages);
            start = run.end;
            let mut state = lock(&self.shared.state);
            self.shared.let_all_through(&mut state, &mut bytes)?;
            self.shared.close(&mut state, run)?;
        }
        loop {
            let opened = std::mem::take(&mut lock(&self.shared.state).opened);
            if opened.len() <= FEW || report.rounds == ROUNDS {
                lock(&self.shared.state).opened.extend(opened);
                break;
            }
            report.rounds += 1;
            for page in opened {
                self.shared.close(&mut lock(&self.shared.state), page..page + 1)?;
            }
        }
        let (mut outcome, mut value) = (Ok(()), None);
        report.pause_us = micros(|| {
            let mut state = lock(&self.shared.state);
            let opened = std::mem::take(&mut state.opened);
            report.pause_pages = opened.len() as u64;
            outcome = opened
                .into_iter()
                .try_for_each(|page| self.shared.close(&mut state, page..page + 1));
            if outcome.is_ok() {
                state.failed = None;
                state.snapshot = Some(Snapshot::begin(pages));
                value = Some(cut());
            }
        });
        outcome?;
        let captured = self.copy(pages, &mut report)?;
        match value {
            Some(value) => Ok((captured, value, report)),
            None => Err(io::ErrorKind::Other.into()),
        }
    }

    /// Saves and opens what the owner has not written to.
    fn copy(&self, pages: u64, report: &mut SnapshotReport) -> io::Result<Captured> {
        let (mut bytes, mut start, mut ours) = (vec![0; PAGE], 0, 0);
        while start < pages {
            let run = start..(start + STEP).min(pages);
            start = run.end;
            let mut state = lock(&self.shared.state);
            self.shared.let_all_through(&mut state, &mut bytes)?;
            for page in run.clone() {
                let before = state.saved();
                self.shared.save(&mut state, page, &mut bytes);
                ours += state.saved() - before;
            }
            self.shared.uffd.protect(&run, false)?;
            state.open[run.start as usize..run.end as usize].fill(true);
        }
        let mut state = lock(&self.shared.state);
        report.pre_images = state.saved() - ours;
        let snapshot = state.snapshot.take();
        state.opened.clear();
        match state.failed.take() {
            Some(error) => Err(error),
            None => Ok(snapshot.unwrap_or_else(|| Snapshot::begin(0)).into_captured()),
        }
    }
}

impl State {
    fn saved(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, Snapshot::pre_images)
    }
}

impl Shared {
    /// Takes the right to write from pages: they can't change until a fault opens them.
    fn close(&self, state: &mut State, pages: Range<u64>) -> io::Result<()> {
        state.open[pages.start as usize..pages.end as usize].fill(false);
        self.uffd.protect(&pages, true)
    }
}
