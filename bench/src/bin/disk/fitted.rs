//! Against the real drives: distributions after fitting, and single requests with the phase locked.
//! Everything is fitted on the first half of a trace and scored on the second.

use crate::Args;
use crate::data::{DRIVES, Data};
use anyhow::{Result, anyhow};
use vellum_bench::Table;
use vellum_block::trace::Record;
use vellum_block::{Cdf, Completion, Duration, Op};
use vellum_disk::fit::{FitOptions, fit};
use vellum_disk::profile::Profile;
use vellum_disk::replay::{closed_loop, find_phase, real_time};
use vellum_disk::spindle::Rotation;
use vellum_disk::{Disk, Policy};

fn responses(done: &[Completion]) -> Cdf {
    Cdf::new(done.iter().map(Completion::response).collect())
}

fn measured(records: &[Record]) -> Cdf {
    Cdf::new(records.iter().filter_map(|r| r.service).collect())
}

fn percent(d: Duration, mean: Duration) -> f64 {
    100.0 * d.as_ps() as f64 / mean.as_ps() as f64
}

pub fn demerit(data: &Data, _: &Args) -> Result<Table> {
    let head = ["drive", "mean ms", "DiskSim %", "Vellum %", "ratio", "replays"];
    let mut table = Table::new(&head);
    let mut product = 1.0f64;
    for (name, _) in DRIVES {
        let (records, profile) = (data.validate(name)?, data.drive(name)?);
        let half = records.len() / 2;
        let log = data.log(name)?;
        let real = measured(&records[half..]);
        let theirs = Cdf::new(log[half..].iter().map(|l| l.response()).collect());
        let fitted = fit(&profile, &records[..half], FitOptions::default())?;
        let done = closed_loop(&mut Disk::new(&fitted.profile, Policy::Fcfs)?, &records)?;
        let ours = responses(&done[half..]);
        let (a, b) = (
            percent(theirs.demerit(&real), real.mean()),
            percent(ours.demerit(&real), real.mean()),
        );
        product *= b / a;
        table.row(&[
            name.to_string(),
            format!("{:.3}", real.mean().as_ms_f64()),
            format!("{a:.2}"),
            format!("{b:.2}"),
            format!("{:.2}", b / a),
            fitted.replays.to_string(),
        ]);
    }
    let mean = product.powf(1.0 / DRIVES.len() as f64);
    table.row(&[
        "geometric mean".into(),
        String::new(),
        String::new(),
        String::new(),
        format!("{mean:.2}"),
        String::new(),
    ]);
    Ok(table)
}

/// The drive with the real platter's period and phase, found in the first half.
fn locked(profile: &Profile, first: &[Record]) -> Result<(Profile, f64)> {
    let mut exact = profile.clone();
    exact.mechanics.rotation = Rotation::Exact;
    let probe = Disk::new(&exact, Policy::Fcfs)?;
    let lock = find_phase(&probe, first, exact.mechanics.turn, 600);
    exact.mechanics.turn = lock.turn;
    exact.mechanics.phase = lock.phase;
    Ok((exact, lock.coherence))
}

/// Median and 90th percentile of |ours - measured|, and the standard deviation of the difference.
fn errors(done: &[Completion], records: &[Record]) -> (Duration, Duration, f64) {
    let pairs = || done.iter().zip(records).filter_map(|(c, r)| Some((c.response(), r.service?)));
    let off =
        Cdf::new(pairs().map(|(a, b)| Duration::from_ps(a.as_ps().abs_diff(b.as_ps()))).collect());
    let diffs: Vec<f64> = pairs().map(|(a, b)| a.as_ms_f64() - b.as_ms_f64()).collect();
    let mean = diffs.iter().sum::<f64>() / diffs.len().max(1) as f64;
    let var = diffs.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / diffs.len().max(1) as f64;
    (off.percentile(50, 100), off.percentile(90, 100), var.sqrt())
}

pub fn phase(data: &Data, _: &Args) -> Result<Table> {
    let head =
        ["drive", "rpm", "coherence", "requests", "median error", "p90", "σ ms", "DiskSim σ ms"];
    let mut table = Table::new(&head);
    for name in ["hp_c2247a", "hp_c2490a"] {
        let (records, profile) = (data.validate(name)?, data.drive(name)?);
        let half = records.len() / 2;
        let (mut locked, coherence) = locked(&profile, &records[..half])?;
        tune(&mut locked, &records[..half])?;
        let done = real_time(&mut Disk::new(&locked, Policy::Fcfs)?, &records)?;
        let log = data.log(name)?;
        let theirs: Vec<f64> = log[half..]
            .iter()
            .zip(&records[half..])
            .filter_map(|(l, r)| Some(l.response().as_ms_f64() - r.service?.as_ms_f64()))
            .collect();
        let mean = theirs.iter().sum::<f64>() / theirs.len().max(1) as f64;
        let sigma = (theirs.iter().map(|d| (d - mean).powi(2)).sum::<f64>()
            / theirs.len().max(1) as f64)
            .sqrt();
        let rpm = 60e12 / locked.mechanics.turn.as_ps() as f64;
        for (what, op) in [("writes", Some(Op::Write)), ("reads", Some(Op::Read)), ("all", None)] {
            let keep = |r: &Record| op.is_none_or(|o| r.op == o);
            let (c, r): (Vec<_>, Vec<_>) = done[half..]
                .iter()
                .zip(&records[half..])
                .filter(|(_, r)| keep(r))
                .map(|(c, r)| (*c, *r))
                .unzip();
            let (median, p90, s) = errors(&c, &r);
            table.row(&[
                format!("{name} {what}"),
                format!("{rpm:.4}"),
                format!("{coherence:.3}"),
                r.len().to_string(),
                median.to_string(),
                p90.to_string(),
                format!("{s:.3}"),
                format!("{sigma:.3}"),
            ]);
        }
    }
    Ok(table)
}

/// Fits the locked drive's figures to single requests of the first half: the median error falls.
fn tune(profile: &mut Profile, first: &[Record]) -> Result<()> {
    let fitted = vellum_disk::fit::fit_requests(profile, first, FitOptions::default())?;
    if fitted.after > fitted.before {
        return Err(anyhow!("a fit made things worse"));
    }
    *profile = fitted.profile;
    Ok(())
}
