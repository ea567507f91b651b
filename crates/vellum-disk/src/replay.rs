//! Replaying traces: open loop at the trace's times, closed loop after each completion, and closed
//! loop with the platter's phase kept in step with the real drive's.

use crate::geometry::Angle;
use crate::{Disk, Error};
use vellum_block::trace::Record;
use vellum_block::{Completion, Device, Duration, Instant, Request, SubmitError, Tag, drain};

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The drive refused a record.
    #[error("record {record}: {source}")]
    Submit {
        /// Which, from 0.
        record: usize,
        /// Why.
        source: SubmitError,
    },
    /// A closed loop needs to know when the next request starts.
    #[error("record {record} does not say when the next request starts")]
    NoGap {
        /// Which, from 0.
        record: usize,
    },
    /// The drive could not be built.
    #[error(transparent)]
    Drive(#[from] Error),
}

fn request(i: usize, r: &Record) -> Request {
    Request::new(Tag(i as u64), r.op, r.lba, r.sectors)
}

/// Issues each record at its time and returns the completions in order of the records.
///
/// # Errors
/// When the drive refuses a record.
pub fn open_loop(disk: &mut Disk, records: &[Record]) -> Result<Vec<Completion>, ReplayError> {
    let mut done = Vec::with_capacity(records.len());
    let mut note = |c: Completion| done.push(c);
    for (i, r) in records.iter().enumerate() {
        disk.advance(r.at, &mut note);
        disk.submit(r.at, request(i, r))
            .map_err(|source| ReplayError::Submit { record: i, source })?;
    }
    drain(disk, &mut note);
    done.sort_unstable_by_key(Completion::tag);
    Ok(done)
}

/// Serves one request from `now` to its end.
fn serve(disk: &mut Disk, i: usize, r: &Record, now: Instant) -> Result<Completion, ReplayError> {
    disk.advance(now, &mut |_: Completion| ());
    disk.submit(now, request(i, r)).map_err(|source| ReplayError::Submit { record: i, source })?;
    let mut done = None;
    while let (None, Some(at)) = (done, disk.next_event()) {
        disk.advance(at, &mut |c: Completion| done = Some(c));
    }
    Ok(done.expect("a submitted request ends"))
}

/// Issues each record when the one before has ended and its gap has passed.
///
/// # Errors
/// When a record has no gap, or the drive refuses one.
pub fn closed_loop(disk: &mut Disk, records: &[Record]) -> Result<Vec<Completion>, ReplayError> {
    let mut now = Instant::ZERO;
    let mut out = Vec::with_capacity(records.len());
    for (i, r) in records.iter().enumerate() {
        let done = serve(disk, i, r, now)?;
        now = done.at + r.gap.ok_or(ReplayError::NoGap { record: i })?;
        out.push(done);
    }
    Ok(out)
}

/// Issues each record at the time at which the *real* drive got it, rebuilt from the measured
/// service times and gaps, so that the platter's phase can be kept in step with the real one's.
///
/// # Errors
/// When a record has no service time or gap, or the drive refuses one.
pub fn real_time(disk: &mut Disk, records: &[Record]) -> Result<Vec<Completion>, ReplayError> {
    let mut now = Instant::ZERO;
    let mut out = Vec::with_capacity(records.len());
    for (i, r) in records.iter().enumerate() {
        let (Some(service), Some(gap)) = (r.service, r.gap) else {
            return Err(ReplayError::NoGap { record: i });
        };
        // A model that is still busy when the real drive was done gets the request late.
        let start = now.max(disk.time());
        out.push(serve(disk, i, r, start)?);
        now = now + service + gap;
    }
    Ok(out)
}

/// The times at which the real drive began and ended each record.
pub fn real_times(records: &[Record]) -> Vec<(Instant, Instant)> {
    let mut now = Instant::ZERO;
    let mut out = Vec::with_capacity(records.len());
    for r in records {
        let end = now + r.service.unwrap_or(Duration::ZERO);
        out.push((now, end));
        now = end + r.gap.unwrap_or(Duration::ZERO);
    }
    out
}

/// A phase and period that were found in a trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lock {
    /// A turn.
    pub turn: Duration,
    /// Angle under the heads at the trace's beginning.
    pub phase: Angle,
    /// How sharply the writes agree: 1 if all end at the same angle, near 0 for none.
    pub coherence: f64,
}

/// Finds the real platter's period and phase: writes that waited for the medium end when their last
/// sector has passed, whose angle the layout tells. The period is searched within `ppm` of the
/// profile's. Floating point only looks for the best of whole picoseconds.
pub fn find_phase(disk: &Disk, records: &[Record], turn: Duration, ppm: u64) -> Lock {
    let g = disk.geometry();
    let mut samples: Vec<(u64, u32)> = Vec::new();
    for (r, (begin, end)) in records.iter().zip(real_times(records)) {
        let slow = end.since(begin) > Duration::from_ms(4);
        let (Some(first), Some(last)) =
            (g.locate(r.lba.get()), g.locate(r.lba.get() + u64::from(r.sectors) - 1))
        else {
            continue;
        };
        if r.op == vellum_block::Op::Write && slow && first.track == last.track {
            let base = g.track_angle(last.track);
            let angle =
                g.sector_angle(last.track, base, last.sector).0.wrapping_add(g.width(last.track));
            samples.push((end.as_ps(), angle));
        }
    }
    let best_of = |turns: &mut dyn Iterator<Item = u64>| {
        turns.map(|t| coherence(&samples, t)).max_by(|a, b| a.coherence.total_cmp(&b.coherence))
    };
    let span = turn.as_ps() / 1_000_000 * ppm;
    // Steps fine enough that the phase moves by less than an eighth of a turn over the trace.
    let last = samples.last().map_or(1, |s| s.0);
    let fine = (turn.as_ps() / 8 / (last / turn.as_ps()).max(1)).max(1);
    let low = turn.as_ps() - span;
    let steps = 2 * span / fine;
    let mut best = best_of(&mut (0..=steps).map(|i| low + i * fine)).unwrap_or(Lock {
        turn,
        phase: Angle(0),
        coherence: 0.0,
    });
    let mut step = fine / 2;
    while step > 0 {
        let at = best.turn.as_ps();
        if let Some(b) = best_of(&mut [at - step, at, at + step].into_iter()) {
            best = b;
        }
        step /= 2;
    }
    best
}

fn coherence(samples: &[(u64, u32)], turn: u64) -> Lock {
    let (mut x, mut y) = (0.0f64, 0.0f64);
    for &(at, angle) in samples {
        let turned = ((u128::from(at % turn) << 32) / u128::from(turn)) as u32;
        let a = f64::from(angle.wrapping_sub(turned)) / 4_294_967_296.0 * std::f64::consts::TAU;
        x += a.cos();
        y += a.sin();
    }
    let n = samples.len().max(1) as f64;
    let phase = (y.atan2(x) / std::f64::consts::TAU).rem_euclid(1.0);
    Lock {
        turn: Duration::from_ps(turn),
        phase: Angle((phase * 4_294_967_296.0) as u32),
        coherence: x.hypot(y) / n,
    }
}
