//! The arm: seek times by distance, with settling and head switches.

use crate::Error;
use vellum_block::Duration;

/// How seek times are given. All arithmetic is in whole picoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeekCurve {
    /// The same for every distance but zero.
    Constant(Duration),
    /// Measured points (distance, time), ascending in distance; linear between and beyond them.
    Extracted(Vec<(u32, Duration)>),
    /// Ruemmler and Wilkes' form (*An introduction to disk drive modeling*, 1994): a root below a
    /// distance and a line from there on, with measured times for the shortest distances.
    RootLine {
        /// Times of distances 1, 2, ….
        shortest: Vec<Duration>,
        /// First distance of the line.
        line_from: u32,
        /// Constant of the root.
        root_base: Duration,
        /// Factor of the root.
        root: Duration,
        /// Constant of the line.
        line_base: Duration,
        /// Factor of the line.
        line: Duration,
    },
    /// Three points: one cylinder, a third of the stroke (the average), all of it; a curve
    /// `a + b·(d-1) + c·√(d-1)` through them.
    ThreePoints {
        /// One cylinder.
        single: Duration,
        /// A third of the stroke.
        average: Duration,
        /// The whole stroke.
        full: Duration,
    },
}

/// Seek times for every distance of a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeekTable {
    times: Vec<u64>,
    write_times: Option<Vec<u64>>,
    head_switch: u64,
    write_settle: i64,
}

/// √n in units of 2⁻¹⁶, rounded down.
fn root16(n: u64) -> u128 {
    u128::from(n << 32).isqrt()
}

impl SeekCurve {
    fn tabulate(&self, cylinders: u32) -> Result<Vec<u64>, Error> {
        let bad = |what| Error::Geometry { what, found: 0, expected: 1 };
        if let SeekCurve::Extracted(points) = self
            && (points.is_empty() || !points.is_sorted_by(|a, b| a.0 < b.0))
        {
            return Err(bad("a seek curve needs points in ascending order"));
        }
        Ok((0..cylinders.max(1)).map(|d| if d == 0 { 0 } else { self.at(d, cylinders) }).collect())
    }

    fn at(&self, d: u32, cylinders: u32) -> u64 {
        match self {
            SeekCurve::Constant(t) => t.as_ps(),
            SeekCurve::Extracted(points) => between(points, d),
            SeekCurve::RootLine { shortest, line_from, root_base, root, line_base, line } => {
                if let Some(t) = shortest.get(d as usize - 1) {
                    t.as_ps()
                } else if d < *line_from {
                    ((root16(d.into()) * u128::from(root.as_ps())) >> 16) as u64 + root_base.as_ps()
                } else {
                    line.times(d.into()).as_ps() + line_base.as_ps()
                }
            }
            SeekCurve::ThreePoints { single, average, full } => {
                three(single.as_ps(), average.as_ps(), full.as_ps(), d, cylinders)
            }
        }
    }
}

fn between(points: &[(u32, Duration)], d: u32) -> u64 {
    let i = points.partition_point(|p| p.0 < d).min(points.len() - 1);
    if points[i].0 == d {
        return points[i].1.as_ps();
    }
    let (d1, t1) = if i == 0 { (0, 0) } else { (points[i - 1].0, points[i - 1].1.as_ps()) };
    let (d2, t2) = (points[i].0, points[i].1.as_ps());
    let (part, whole) = (u128::from(d - d1), u128::from(d2 - d1));
    let step = (part * u128::from(t1.abs_diff(t2)) / whole) as u64;
    if t2 >= t1 { t1 + step } else { t1.saturating_sub(step) }
}

/// The curve through three points at distances 1, n/3 and n-1, in fixed point.
fn three(single: u64, average: u64, full: u64, d: u32, cylinders: u32) -> u64 {
    let (x1, x2) = (i128::from((cylinders / 3).max(2) - 1), i128::from(cylinders.max(4) - 2));
    let (r1, r2) = (root16(x1 as u64) as i128, root16(x2 as u64) as i128);
    let (y1, y2) =
        (i128::from(average) - i128::from(single), i128::from(full) - i128::from(single));
    let det = x1 * r2 - x2 * r1;
    if det == 0 {
        return single;
    }
    let (x, r) = (i128::from(d - 1), root16(u64::from(d - 1)) as i128);
    let y = ((y1 * r2 - y2 * r1) * x + (x1 * y2 - x2 * y1) * r) / det;
    (i128::from(single) + y).clamp(0, i128::from(u64::MAX)) as u64
}

impl SeekTable {
    /// The table for a drive of `cylinders`.
    ///
    /// # Errors
    /// When a curve has no points or not in order.
    pub fn new(
        curve: &SeekCurve,
        write_curve: Option<&SeekCurve>,
        head_switch: Duration,
        write_settle_ps: i64,
        cylinders: u32,
    ) -> Result<SeekTable, Error> {
        Ok(SeekTable {
            times: curve.tabulate(cylinders)?,
            write_times: write_curve.map(|c| c.tabulate(cylinders)).transpose()?,
            head_switch: head_switch.as_ps(),
            write_settle: write_settle_ps,
        })
    }

    /// Picoseconds for the arm to be ready after moving `distance` cylinders and perhaps changing
    /// heads, in two parts: movement and extra settling before a write. Arm and head switch go on
    /// side by side.
    #[inline]
    pub fn time(&self, distance: u32, other_head: bool, write: bool) -> (u64, u64) {
        let times = match &self.write_times {
            Some(w) if write => w,
            _ => &self.times,
        };
        let arm = times.get(distance as usize).or(times.last()).copied().unwrap_or(0);
        let moved = arm.max(if other_head { self.head_switch } else { 0 });
        if !write || moved == 0 {
            return (moved, 0);
        }
        // A negative settling is a fit's way of saying that writes seek faster than reads.
        match self.write_settle {
            settle @ 0.. => (moved, settle as u64),
            less => (moved.saturating_sub(less.unsigned_abs()), 0),
        }
    }

    /// Time of a head switch.
    pub fn head_switch(&self) -> Duration {
        Duration::from_ps(self.head_switch)
    }

    /// The textbook's figures: one cylinder, average over all pairs of cylinders, full stroke.
    pub fn summary(&self) -> SeekSummary {
        let n = self.times.len() as u128;
        let (mut sum, mut weight, mut third) = (0u128, 0u128, 0u128);
        for (d, &t) in self.times.iter().enumerate().skip(1) {
            // 2·(n-d) ordered pairs of cylinders lie d apart.
            let pairs = 2 * (n - d as u128);
            sum += pairs * u128::from(t);
            third += pairs * d as u128;
            weight += pairs;
        }
        let of = |s: u128| s.checked_div(weight + n).unwrap_or(0) as u64;
        SeekSummary {
            minimum: Duration::from_ps(self.times.iter().skip(1).copied().min().unwrap_or(0)),
            average: Duration::from_ps(of(sum)),
            maximum: Duration::from_ps(self.times.iter().copied().max().unwrap_or(0)),
            average_distance: of(third) as u32,
        }
    }
}

/// A drive's seek times as a data sheet states them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeekSummary {
    /// The shortest seek.
    pub minimum: Duration,
    /// Over all pairs of cylinders, staying in place included.
    pub average: Duration,
    /// The longest seek.
    pub maximum: Duration,
    /// Mean distance over all pairs: a third of the stroke.
    pub average_distance: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(curve: &SeekCurve, n: u32) -> SeekTable {
        SeekTable::new(curve, None, Duration::from_us(500), 70_000_000, n).unwrap()
    }

    #[test]
    fn mean_distance_is_a_third_of_the_stroke() {
        for n in [300, 3000, 30_000] {
            let s = table(&SeekCurve::Constant(Duration::from_ms(8)), n).summary();
            assert!(s.average_distance.abs_diff(n / 3) <= 1, "{n}: {}", s.average_distance);
            // One pair in n is of a cylinder with itself, and takes no seek.
            let all = 8_000_000_000 - 8_000_000_000 / u64::from(n);
            assert!(s.average.as_ps().abs_diff(all) <= 1, "{n}: {}", s.average);
        }
    }

    #[test]
    fn three_points_lie_on_their_curve() {
        let ms = Duration::from_ms;
        let curve = SeekCurve::ThreePoints { single: ms(1), average: ms(8), full: ms(15) };
        let t = table(&curve, 9000);
        let close = |d: u32, want: u64| {
            let got = t.time(d, false, false).0;
            assert!(got.abs_diff(want * 1_000_000_000) < 1_000_000, "{d}: {got}");
        };
        close(1, 1);
        close(3000, 8);
        close(8999, 15);
    }

    #[test]
    fn measured_points_are_kept_and_joined_by_lines() {
        let us = Duration::from_us;
        let curve = SeekCurve::Extracted(vec![(1, us(1000)), (10, us(1900)), (12, us(1500))]);
        let t = table(&curve, 20);
        let at = |d| t.time(d, false, false).0 / 1_000_000;
        assert_eq!(
            [at(1), at(4), at(10), at(11), at(12), at(14)],
            [1000, 1300, 1900, 1700, 1500, 1100]
        );
        assert_eq!(t.time(0, true, true), (500_000_000, 70_000_000));
        assert_eq!(t.time(0, false, true), (0, 0));
        assert!(SeekTable::new(&SeekCurve::Extracted(vec![]), None, us(0), 0, 9).is_err());
    }

    #[test]
    fn hp_97560_follows_its_published_equation() {
        // Ruemmler and Wilkes 1994: 3.24 + 0.400·√d ms up to 383 cylinders, then 8.00 + 0.008·d.
        let us = Duration::from_us;
        let curve = SeekCurve::RootLine {
            shortest: vec![],
            line_from: 384,
            root_base: us(3240),
            root: us(400),
            line_base: us(8000),
            line: us(8),
        };
        let t = table(&curve, 1962);
        assert_eq!(t.time(100, false, false).0, 7_240_000_000);
        assert_eq!(t.time(1000, false, false).0, 16_000_000_000);
    }
}
