//! How often cells err: raw bit error rate by erases, retention, reads and temperature.
//!
//! Two models. [`PowerLaw`] is the sum of powers used for 3D TLC (the form of Kim, Choi and Min,
//! FAST 2019). [`Voltage`] follows the cells' threshold voltages: each state is a Gaussian whose
//! mean and width move with wear, time and reads, and a bit errs when a cell lies past a read
//! reference; moving the references is what read retry does.
//!
//! Temperature enters as time: hours at `c` °C count as Arrhenius' factor with Eₐ = 1.11 eV, which
//! is what JEDEC's equivalents (1 year at 30 °C, 500 h at 52 °C, 96 h at 66 °C) solve to.

use crate::CellKind;

/// What a page went through.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stress {
    /// Erases of its block.
    pub erases: u32,
    /// Hours since it was programmed, at 30 °C.
    pub hours: f64,
    /// Reads of its block since the erase.
    pub reads: u32,
    /// Read-retry level.
    pub retry: u8,
}

/// Where bit errors come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reliability {
    /// No bit errs.
    Perfect,
    /// The power law.
    PowerLaw(PowerLaw),
    /// Threshold voltages.
    Voltage(Voltage),
}

/// Levels of read retry that both models know.
pub const RETRY_LEVELS: u8 = 4;

impl Reliability {
    /// The chance that a bit errs.
    pub fn rber(&self, stress: &Stress) -> f64 {
        match self {
            Reliability::Perfect => 0.0,
            Reliability::PowerLaw(p) => p.rber(stress),
            Reliability::Voltage(v) => v.rber(stress),
        }
    }
}

/// `ε + α·PEᵏ + β·PEᵐ·tⁿ + γ·PEᵖ·readsᑫ`, t in hours at 30 °C.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    /// ε: of a new page.
    pub floor: f64,
    /// α and k: by erases.
    pub wear: [f64; 2],
    /// β, m and n: by retention.
    pub retention: [f64; 3],
    /// γ, p and q: by reads.
    pub disturb: [f64; 3],
}

impl PowerLaw {
    /// A 72-layer TLC part.
    pub const TLC_72: PowerLaw = PowerLaw {
        floor: 1.48e-3,
        wear: [3.90e-10, 2.05],
        retention: [6.28e-5, 0.14, 0.54],
        disturb: [3.73e-9, 0.33, 1.71],
    };

    /// The same shape scaled to a part whose code corrects 4 bits in 512 B until some hundred
    /// thousand erases: an SLC part.
    pub const SLC: PowerLaw = PowerLaw {
        floor: 1e-9,
        wear: [1e-17, 2.3],
        retention: [2e-10, 0.45, 0.54],
        disturb: [1e-15, 0.33, 1.4],
    };

    fn rber(&self, s: &Stress) -> f64 {
        let pe = f64::from(s.erases.max(1));
        let [a, k] = self.wear;
        let [b, m, n] = self.retention;
        let [g, p, q] = self.disturb;
        // Each retry level takes half of what retention added, and none of the rest.
        let retention = b * pe.powf(m) * s.hours.max(0.0).powf(n) * 0.5f64.powi(s.retry.into());
        let disturb = g * pe.powf(p) * f64::from(s.reads).powf(q);
        (self.floor + a * pe.powf(k) + retention + disturb).min(0.5)
    }
}

/// Threshold voltages: `2^bits` states, evenly spaced above the erased one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Voltage {
    /// Bits a cell.
    pub cell: CellKind,
    /// Distance of neighbouring programmed states.
    pub step: f64,
    /// Width (σ) of a state when new.
    pub sigma: f64,
    /// Share by which σ grows with each erase.
    pub widen: f64,
    /// Fall of the highest state per tenfold of hours, new.
    pub leak: f64,
    /// Rise of the erased state per read.
    pub rise: f64,
    /// How far one read-retry level moves the references down, for the highest state.
    pub retry_step: f64,
}

impl Voltage {
    /// A TLC part with the published state spacing (64 units) and a spread that gives about 1e-4
    /// when new.
    pub const TLC: Voltage = Voltage {
        cell: CellKind::Tlc,
        step: 64.0,
        sigma: 9.0,
        widen: 1.0e-4,
        leak: 5.0,
        rise: 4.0e-4,
        retry_step: 5.0,
    };

    fn rber(&self, s: &Stress) -> f64 {
        let states = 1u32 << self.cell.bits();
        let top = f64::from(states - 1);
        let pe = f64::from(s.erases);
        let sigma = self.sigma * (1.0 + self.widen * pe);
        let fall = self.leak * (1.0 + pe / 3_000.0) * (1.0 + s.hours.max(0.0)).log10();
        let mean = |i: u32| {
            let up = f64::from(i) / top;
            let disturbed = if i == 0 { self.rise * f64::from(s.reads) } else { 0.0 };
            // The erased state lies further down and leaks nothing.
            let base = if i == 0 { -0.75 * self.step } else { self.step * f64::from(i) };
            base - fall * up + disturbed
        };
        let mut wrong = 0.0;
        for i in 0..states - 1 {
            let up = f64::from(i + 1) / top;
            let fresh = if i == 0 { 0.125 } else { f64::from(i) + 0.5 };
            let at = fresh * self.step - f64::from(s.retry) * self.retry_step * up;
            wrong += tail((at - mean(i)) / sigma) + tail((mean(i + 1) - at) / sigma);
        }
        // Gray code: a cell one state off has one wrong bit of `bits`.
        (wrong / f64::from(states) / f64::from(self.cell.bits())).min(0.5)
    }
}

/// The upper tail of the normal distribution, by Karagiannidis and Lioumpas (2007); within 2 %
/// for x > 0.
fn tail(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0 - tail_above(-x);
    }
    tail_above(x)
}

fn tail_above(x: f64) -> f64 {
    if x < 1e-3 {
        return 0.5;
    }
    let y = x / core::f64::consts::SQRT_2;
    let root_pi = core::f64::consts::PI.sqrt();
    0.5 * (1.0 - (-1.98 * y).exp()) * (-y * y).exp() / (1.135 * root_pi * y)
}

/// Hours at 30 °C that one hour at `celsius` amounts to.
pub fn arrhenius(celsius: f64) -> f64 {
    const ACTIVATION_EV: f64 = 1.11;
    const BOLTZMANN_EV: f64 = 8.617_333e-5;
    let kelvin = |c: f64| c + 273.15;
    (ACTIVATION_EV / BOLTZMANN_EV * (1.0 / kelvin(30.0) - 1.0 / kelvin(celsius))).exp()
}

/// The number of errors at probability `u` (0 ≤ u < 1) of a Poisson distribution with `mean`: the
/// same `u` gives more errors as the mean grows, so a page's errors only ever grow. O(errors).
pub fn poisson(mean: f64, u: f64) -> u32 {
    let mean = mean.min(500.0);
    let (mut term, mut n) = ((-mean).exp(), 0);
    let mut sum = term;
    while u >= sum && n < 4096 {
        n += 1;
        term *= mean / f64::from(n);
        sum += term;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> [Reliability; 3] {
        [
            Reliability::PowerLaw(PowerLaw::TLC_72),
            Reliability::PowerLaw(PowerLaw::SLC),
            Reliability::Voltage(Voltage::TLC),
        ]
    }

    #[test]
    fn every_stress_makes_it_worse() {
        for model in all() {
            let base = Stress { erases: 500, hours: 100.0, reads: 1000, retry: 0 };
            let rber = model.rber(&base);
            assert!(rber > 0.0 && rber < 0.1, "{model:?}: {rber}");
            assert!(model.rber(&Stress { erases: 3000, ..base }) > rber);
            assert!(model.rber(&Stress { hours: 9000.0, ..base }) > rber);
            assert!(model.rber(&Stress { reads: 200_000, ..base }) > rber);
        }
    }

    #[test]
    fn read_retry_undoes_retention() {
        for model in all() {
            let old = Stress { erases: 1000, hours: 5000.0, reads: 0, retry: 0 };
            let best = (1..=RETRY_LEVELS).map(|retry| model.rber(&Stress { retry, ..old }));
            let best = best.fold(f64::MAX, f64::min);
            assert!(best < 0.8 * model.rber(&old), "{model:?}");
        }
    }

    #[test]
    fn jedecs_equivalents_hold() {
        // 1 year at 30 °C, 500 h at 52 °C, 96 h at 66 °C are the same within a tenth.
        for (hours, celsius) in [(500.0, 52.0), (96.0, 66.0)] {
            let equivalent = hours * arrhenius(celsius);
            assert!((equivalent / 8766.0 - 1.0).abs() < 0.1, "{equivalent}");
        }
    }

    #[test]
    fn poisson_has_its_mean_and_grows_with_it() {
        for mean in [0.01, 0.7, 6.0, 40.0] {
            let n = 20_000;
            let sum: u32 = (0..n).map(|i| poisson(mean, (f64::from(i) + 0.5) / f64::from(n))).sum();
            assert!((f64::from(sum) / f64::from(n) / mean - 1.0).abs() < 0.02, "mean {mean}");
        }
        assert!(
            (0..99)
                .all(|i| poisson(3.0, f64::from(i) / 100.0) <= poisson(4.0, f64::from(i) / 100.0))
        );
    }
}
