//! Fitting a drive's figures to a trace with measured service times.
//!
//! Coordinate descent in whole picoseconds: each figure in turn is moved by a step, kept where the
//! demerit falls, and the step halved when nothing helps. The demerit is averaged over several
//! starting angles, so that no figure is fitted to one run's luck. Fit on one half of a trace and
//! score on the other; a fit that is scored on what it was fitted to says nothing.

use crate::config::{After, Mechanics, Segmented};
use crate::geometry::Angle;
use crate::profile::{Controller, Profile};
use crate::replay::{ReplayError, closed_loop, real_time};
use crate::seek::SeekCurve;
use crate::{Disk, Policy};
use vellum_block::trace::Record;
use vellum_block::{Cdf, Duration, Op};

/// How a fit is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FitOptions {
    /// The first step.
    pub step: Duration,
    /// The last.
    pub least: Duration,
    /// Starting angles to average over.
    pub phases: u32,
}

impl Default for FitOptions {
    fn default() -> Self {
        FitOptions { step: Duration::from_us(256), least: Duration::from_us(8), phases: 2 }
    }
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// The drive with its new figures.
    pub profile: Profile,
    /// Demerit before.
    pub before: Duration,
    /// Demerit after, on the same records.
    pub after: Duration,
    /// Replays that it took.
    pub replays: u32,
}

/// A figure that may be moved.
type Knob = fn(&mut Mechanics, &mut Segmented, i64);

fn shift(d: &mut Duration, by: i64) {
    let ps = d.as_ps() as i64 + by;
    *d = Duration::from_ps(ps.max(0) as u64);
}

fn shift_after(a: &mut After, by: i64) {
    shift(&mut a.read, by);
    shift(&mut a.write, by);
}

/// Adds to every seek, more to long ones than to short ones if `long`.
fn shift_seeks(m: &mut Mechanics, by: i64, long: bool) {
    let scale =
        |d: u32, all: u32| if long { by * i64::from(d) / i64::from(all.max(1)) } else { by };
    match &mut m.seek {
        SeekCurve::Constant(t) => shift(t, by),
        SeekCurve::Extracted(points) => {
            let all = points.last().map_or(1, |p| p.0);
            points.iter_mut().for_each(|p| shift(&mut p.1, scale(p.0, all)));
        }
        SeekCurve::RootLine { root_base, line_base, line, .. } => {
            if long {
                shift(line, by / 2000);
            } else {
                shift(root_base, by);
                shift(line_base, by);
            }
        }
        SeekCurve::ThreePoints { single, average, full } => {
            shift(full, by);
            if !long {
                shift(single, by);
                shift(average, by);
            }
        }
    }
}

const KNOBS: [Knob; 15] = [
    |_, c, by| shift_after(&mut c.overheads.read_miss, by),
    |_, c, by| shift_after(&mut c.overheads.read_hit, by),
    |_, c, by| shift_after(&mut c.overheads.write_miss, by),
    |_, c, by| shift_after(&mut c.overheads.write_hit, by),
    |_, c, by| shift(&mut c.overheads.read_hit.read, by),
    |_, c, by| shift(&mut c.overheads.read_hit.write, by),
    |_, c, by| shift(&mut c.overheads.write_hit.read, by),
    |_, c, by| shift(&mut c.overheads.write_hit.write, by),
    |_, c, by| shift(&mut c.overheads.read_complete, by),
    |_, c, by| shift(&mut c.overheads.write_complete, by),
    |m, _, by| m.write_settle_ps += by,
    |m, _, by| shift_seeks(m, by, false),
    |m, _, by| shift_seeks(m, by, true),
    |_, c, by| shift(&mut c.read_sector, by / 32),
    |_, c, by| shift(&mut c.write_sector, by / 32),
];

/// Measured service times of reads, of writes, and of all.
struct Referee {
    reads: Cdf,
    writes: Cdf,
    all: Cdf,
}

fn referee(records: &[Record]) -> Referee {
    let of = |keep: &dyn Fn(&Record) -> bool| {
        Cdf::new(records.iter().filter(|r| keep(r)).filter_map(|r| r.service).collect())
    };
    Referee {
        reads: of(&|r| r.op == Op::Read),
        writes: of(&|r| r.op != Op::Read),
        all: of(&|_| true),
    }
}

/// The demerit of a drive on records that carry measured service times, averaged over `phases`.
///
/// # Errors
/// When the records can't be replayed.
pub fn demerit(
    disk: &mut Disk,
    profile: &Profile,
    records: &[Record],
    phases: u32,
) -> Result<Duration, ReplayError> {
    score(disk, profile, records, phases, &referee(records), false)
}

fn score(
    disk: &mut Disk,
    profile: &Profile,
    records: &[Record],
    phases: u32,
    referee: &Referee,
    apart: bool,
) -> Result<Duration, ReplayError> {
    let mut sum = 0;
    for i in 0..phases.max(1) {
        let phase = Angle((u64::from(i) * (1 << 32) / u64::from(phases.max(1))) as u32);
        disk.retune(profile)?;
        disk.spindle_mut().set_phase(phase);
        let done = closed_loop(disk, records)?;
        let of = |read: Option<bool>| {
            let kept = done.iter().filter(|c| read.is_none_or(|r| r == (c.request.op == Op::Read)));
            Cdf::new(kept.map(|c| c.response()).collect())
        };
        sum += of(None).demerit(&referee.all).as_ps();
        if apart {
            // Reads and writes must fit each for itself, so that errors do not hide each other.
            sum += of(Some(true)).demerit(&referee.reads).as_ps() / 4;
            sum += of(Some(false)).demerit(&referee.writes).as_ps() / 4;
        }
    }
    Ok(Duration::from_ps(sum / u64::from(phases.max(1))))
}

/// Fits a profile's figures to records with measured service times.
///
/// A demerit that is no larger than the sample's own noise can't be told from chance: the profile
/// then stays as it is.
///
/// # Errors
/// When the records can't be replayed.
pub fn fit(
    profile: &Profile,
    records: &[Record],
    options: FitOptions,
) -> Result<Fitted, ReplayError> {
    let referee = referee(records);
    let mut disk = Disk::new(profile, Policy::Fcfs)?;
    let before = demerit(&mut disk, profile, records, NOISE_PHASES)?;
    if before.as_ps() * 2 <= standard_error(&referee.all).as_ps() * 3 {
        return Ok(Fitted {
            profile: profile.clone(),
            before,
            after: before,
            replays: NOISE_PHASES,
        });
    }
    descend(profile, options, &KNOBS, &mut |p| {
        score(&mut disk, p, records, options.phases, &referee, true)
    })
}

/// Starting angles over which a demerit is compared with the noise.
const NOISE_PHASES: u32 = 8;

/// The standard error of a sample's mean.
fn standard_error(sample: &Cdf) -> Duration {
    let n = sample.samples().len().max(1) as u128;
    let mean = sample.mean().as_ns();
    let square = |d: &Duration| u128::from(d.as_ns().abs_diff(mean)).pow(2);
    let sum: u128 = sample.samples().iter().map(square).sum();
    Duration::from_ns((sum / n / n).isqrt() as u64)
}

/// Coordinate descent on what `judge` says.
fn descend(
    profile: &Profile,
    options: FitOptions,
    knobs: &[Knob],
    judge: &mut dyn FnMut(&Profile) -> Result<Duration, ReplayError>,
) -> Result<Fitted, ReplayError> {
    let mut best = profile.clone();
    let before = judge(&best)?;
    let (mut low, mut step, mut replays) = (before, options.step.as_ps() as i64, 1);
    while step >= options.least.as_ps().max(1) as i64 {
        let mut better = false;
        for &knob in knobs {
            for by in [step, -step] {
                let trial = moved(&best, knob, by);
                let got = judge(&trial)?;
                replays += 1;
                if got < low {
                    (best, low, better) = (trial, got, true);
                    break;
                }
            }
        }
        if !better {
            step /= 2;
        }
    }
    Ok(Fitted { profile: best, before, after: low, replays })
}

fn moved(profile: &Profile, knob: Knob, by: i64) -> Profile {
    let mut p = profile.clone();
    // The knobs are those of a segmented buffer; other controllers are not fitted.
    if let Controller::Segmented(c) = &mut p.controller {
        knob(&mut p.mechanics, c, by);
    }
    p
}

/// Fits a profile's figures to single requests: the error's median and a tenth of its mean fall.
/// Makes sense only for a drive whose phase is locked to the real one's.
///
/// # Errors
/// When the records can't be replayed.
pub fn fit_requests(
    profile: &Profile,
    records: &[Record],
    options: FitOptions,
) -> Result<Fitted, ReplayError> {
    let mut disk = Disk::new(profile, Policy::Fcfs)?;
    let mut judge = |p: &Profile| -> Result<Duration, ReplayError> {
        disk.retune(p)?;
        let done = real_time(&mut disk, records)?;
        let off = |read: bool| {
            let pairs =
                done.iter().zip(records).filter(|(c, _)| read == (c.request.op == Op::Read));
            let errors = pairs.filter_map(|(c, r)| {
                Some(Duration::from_ps(c.response().as_ps().abs_diff(r.service?.as_ps())))
            });
            let cdf = Cdf::new(errors.collect());
            cdf.percentile(50, 100).as_ps() + cdf.mean().as_ps() / 10
        };
        Ok(Duration::from_ps(off(true) + off(false)))
    };
    let mut knobs: Vec<Knob> = vec![|m, _, by| {
        let turn = m.turn.as_ps().max(1) as i128;
        m.phase.0 = m.phase.0.wrapping_add(((i128::from(by) << 32) / turn) as u32);
    }];
    knobs.extend(KNOBS);
    descend(profile, options, &knobs, &mut judge)
}
