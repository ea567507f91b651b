//! CPU time and what rounds of it come to.

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// CPU seconds that this process has used.
pub fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// MiB of memory that this process held at most, resident.
pub fn most_resident() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.context("/proc/self/status has no line VmHWM with a number")? / 1024.0)
}

/// CPU seconds of one call, from as many as fill about `seconds`.
pub fn seconds_a_call(seconds: f64, mut call: impl FnMut()) -> f64 {
    let mut calls = 1u64;
    loop {
        let start = cpu_seconds();
        for _ in 0..calls {
            call();
        }
        let spent = cpu_seconds() - start;
        if spent >= seconds {
            return spent / calls as f64;
        }
        let wanted = seconds / spent.max(1e-7) * 1.1;
        calls = (calls as f64 * wanted.clamp(2.0, 100.0)) as u64;
    }
}

/// Median of several rounds, and how far apart they were.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rounds {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Rounds {
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { median, min, max })
    }

    /// `median (min–max)` with as many digits as the size deserves.
    pub fn show(&self) -> String {
        let digits = if self.median >= 100.0 {
            0
        } else if self.median >= 1.0 {
            2
        } else {
            4
        };
        format!("{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.min, self.max)
    }
}
