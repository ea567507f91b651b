//! The source's side.

use super::MigrateError;
use super::wire::{Kind, VERSION, Wire, number};
use crate::checkpoint::Pages;
use crate::memory::PAGE;
use crate::stats::micros;
use std::io::{Read, Write};
use std::ops::Range;

/// How memory is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Rounds, then stop and copy.
    #[default]
    PreCopy,
    /// Stop, then send what is asked for.
    PostCopy,
    /// One round, then as `PostCopy`.
    Hybrid,
}

/// The knobs of sending.
#[derive(Debug, Clone, Copy)]
pub struct SendOptions {
    /// How memory is moved.
    pub strategy: Strategy,
    /// Pre-copy stops the owner when it predicts this downtime, in microseconds …
    pub downtime_us: u64,
    /// … or after so many rounds.
    pub rounds: u32,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self { strategy: Strategy::default(), downtime_us: 5_000, rounds: 30 }
    }
}

/// One round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Pages sent.
    pub pages: u64,
    /// Of these, pages of zeros.
    pub zeros: u64,
    /// Bytes on the link.
    pub bytes: u64,
    /// Time, in microseconds.
    pub time_us: u64,
    /// Pages that were written meanwhile.
    pub dirty: u64,
    /// The downtime if the owner were stopped now, in microseconds.
    pub predicted_us: u64,
}

/// What a migration took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The rounds while the owner ran.
    pub rounds: Vec<Round>,
    /// Pages sent while it stood still, before the other side could go on.
    pub last_pages: u64,
    /// Pages that the other side asked for afterwards.
    pub pulled: u64,
    /// All bytes on the link.
    pub bytes: u64,
    /// From the stop of the owner until the other side could go on, in microseconds.
    pub downtime_us: u64,
}

/// Sends the memory of `source` over `link`. `stop` makes the owner stand still and returns its
/// state; it is called once. After an error the owner may run on here, unless it is one of a
/// post-copy's second half ([`Report::pulled`] pages in), when the other side had taken over.
///
/// # Errors
/// When the link fails, the other side gives up, or the owner can't tell what was written.
pub fn send<S: Pages, T: Read + Write>(
    source: &mut S,
    link: T,
    options: SendOptions,
    stop: impl FnOnce(&mut S) -> Vec<u8>,
) -> Result<Report, MigrateError> {
    let mut wire = Wire::new(link);
    let result = Sender { source, wire: &mut wire, report: Report::default() }.run(options, stop);
    if let Err(error) = &result
        && !matches!(error, MigrateError::Aborted { .. } | MigrateError::Link { .. })
    {
        wire.abort(&error.to_string());
    }
    result
}

struct Sender<'s, 'w, S, T> {
    source: &'s mut S,
    wire: &'w mut Wire<T>,
    report: Report,
}

impl<S: Pages, T: Read + Write> Sender<'_, '_, S, T> {
    fn run(
        mut self,
        options: SendOptions,
        stop: impl FnOnce(&mut S) -> Vec<u8>,
    ) -> Result<Report, MigrateError> {
        let pages = self.source.pages();
        self.wire.put(Kind::Hello, &[&VERSION.to_le_bytes(), &pages.to_le_bytes()])?;
        self.source.take_dirty()?;
        let mut rest: Vec<Range<u64>> = std::iter::once(0..pages).collect();
        let rounds = match options.strategy {
            Strategy::PreCopy => options.rounds.max(1),
            Strategy::PostCopy => 0,
            Strategy::Hybrid => 1,
        };
        for _ in 0..rounds {
            rest = self.round(&rest)?;
            let last = self.report.rounds.last().copied().unwrap_or_default();
            if last.predicted_us <= options.downtime_us {
                break;
            }
        }
        let mut result = Ok(());
        let downtime = micros(|| {
            let state = stop(self.source);
            result = self.switch(rest, options.strategy, &state);
        });
        result?;
        self.report.downtime_us = downtime;
        self.serve()?;
        self.report.bytes = self.wire.bytes;
        Ok(self.report)
    }

    /// Sends the pages of `runs`; returns those written meanwhile.
    fn round(&mut self, runs: &[Range<u64>]) -> Result<Vec<Range<u64>>, MigrateError> {
        let (before, mut round) = (self.wire.bytes, Round::default());
        let mut result = Ok(());
        round.time_us = micros(|| {
            result = self.pages(runs).and_then(|(pages, zeros)| {
                (round.pages, round.zeros) = (pages, zeros);
                self.wire.put(Kind::Round, &[])?;
                self.wire.flush()?;
                // What the link and the receiver still hold back would be waited for after the
                // owner has stopped.
                self.wire.expect(Kind::Round).map(|_| ())
            });
        });
        result?;
        let dirty = self.source.take_dirty()?;
        round.bytes = self.wire.bytes - before;
        round.dirty = dirty.iter().map(|run| run.end - run.start).sum();
        round.predicted_us = round.time_us * round.dirty / round.pages.max(1);
        self.report.rounds.push(round);
        Ok(dirty)
    }

    fn pages(&mut self, runs: &[Range<u64>]) -> Result<(u64, u64), MigrateError> {
        let (mut bytes, mut zeros, mut count) = (vec![0; PAGE], 0, 0);
        for page in runs.iter().cloned().flatten() {
            zeros += u64::from(self.page(page, &mut bytes)?);
            count += 1;
        }
        Ok((count, zeros))
    }

    /// Sends one page; whether it was zeros.
    fn page(&mut self, page: u64, bytes: &mut [u8]) -> Result<bool, MigrateError> {
        self.source.read_page(page, bytes);
        let zero = bytes.iter().all(|byte| *byte == 0);
        let packed = if zero { Vec::new() } else { lz4_flex::block::compress(bytes) };
        self.wire.put(Kind::Page, &[&page.to_le_bytes(), &packed])?;
        Ok(zero)
    }

    /// The owner stands still: sends what is left, or says what is.
    fn switch(
        &mut self,
        mut rest: Vec<Range<u64>>,
        strategy: Strategy,
        state: &[u8],
    ) -> Result<(), MigrateError> {
        rest.extend(self.source.take_dirty()?);
        rest.sort_by_key(|run| run.start);
        let mut merged: Vec<Range<u64>> = Vec::new();
        for run in rest {
            match merged.last_mut() {
                Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
                _ => merged.push(run),
            }
        }
        if strategy == Strategy::PreCopy {
            self.report.last_pages = self.pages(&merged)?.0;
            merged.clear();
        }
        let runs: Vec<u8> = merged
            .iter()
            .flat_map(|run| [run.start.to_le_bytes(), run.end.to_le_bytes()].concat())
            .collect();
        let length = (state.len() as u64).to_le_bytes();
        self.wire.put(Kind::Switch, &[&length, state, &runs])?;
        self.wire.flush()?;
        self.wire.expect(Kind::Ready).map(|_| ())
    }

    /// Answers what the other side asks for.
    fn serve(&mut self) -> Result<(), MigrateError> {
        let mut bytes = vec![0; PAGE];
        loop {
            let (kind, payload) = self.wire.get()?;
            match (kind, number(&payload, 0)) {
                (Kind::Done, _) => return Ok(()),
                (Kind::Want, Some(page)) if page < self.source.pages() => {
                    self.page(page, &mut bytes)?;
                    self.wire.flush()?;
                    self.report.pulled += 1;
                }
                _ => return Err(self.wire.wrong(format!("{kind:?} is out of place"))),
            }
        }
    }
}
