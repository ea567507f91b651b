//! How often cells err: raw bit error rate by erases, retention, reads and temperature.
//!
//! Two models. [`PowerLaw`] is the sum of powers used for 3D TLC (the form of Kim, Choi and Min,
//! FAST 2019). [`Voltage`] follows the cells' threshold voltages: each state is a Gaussian whose
//! mean and width move with wear, time and reads, and a bit errs when a cell lies past a read
//! reference; moving the references is what read retry does.
//!
//! Temperature enters as time: hours at `c` °C count as Arrhenius' factor with Eₐ = 1.11 eV, which
//! is what JEDEC's equivalents (1 year at 30 °C, 500 h at 52 °C, 96 h at 66 °C) solve to.

use super::distributions::{tail, tail_inverse};
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
    /// Steps by which the references stand above where they should, for a soft read.
    pub offset: i8,
}

/// The chances of a bit's two ways to err. They part when the references are moved: up, and more cells are found
/// below; down, and more are found above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chances {
    /// Its cell is found below a reference that it was programmed above.
    pub fallen: f64,
    /// Its cell is found above one that it was left below.
    pub risen: f64,
}

impl Chances {
    /// The chance that a bit errs, one way or the other.
    pub fn either(&self) -> f64 {
        self.fallen + self.risen
    }
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

/// Steps by which both models move their references for a soft read, each way.
pub const READ_OFFSETS: u8 = 8;

/// A step of the references, in widths (σ) of a new state.
const OFFSET_STEP: f64 = 0.25;

impl Reliability {
    /// The chance that a bit errs.
    pub fn rber(&self, stress: &Stress) -> f64 {
        self.chances(stress).either()
    }

    /// The same by the way in which it errs.
    pub fn chances(&self, stress: &Stress) -> Chances {
        match self {
            Reliability::Perfect => Chances { fallen: 0.0, risen: 0.0 },
            Reliability::PowerLaw(p) => p.chances(stress),
            Reliability::Voltage(v) => v.chances(stress),
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

    /// The law knows no voltages: a bit is taken to err either way alike, as the tail of a normal distribution.
    fn chances(&self, s: &Stress) -> Chances {
        let half = self.rber(s) / 2.0;
        if s.offset == 0 {
            return Chances { fallen: half, risen: half };
        }
        let (away, moved) = (tail_inverse(half), OFFSET_STEP * f64::from(s.offset));
        Chances { fallen: tail(away - moved), risen: tail(away + moved) }
    }

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

    fn chances(&self, s: &Stress) -> Chances {
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
        let moved = OFFSET_STEP * self.sigma * f64::from(s.offset);
        let (mut fallen, mut risen) = (0.0, 0.0);
        for i in 0..states - 1 {
            let up = f64::from(i + 1) / top;
            let fresh = if i == 0 { 0.125 } else { f64::from(i) + 0.5 };
            let at = fresh * self.step - f64::from(s.retry) * self.retry_step * up + moved;
            risen += tail((at - mean(i)) / sigma);
            fallen += tail((mean(i + 1) - at) / sigma);
        }
        // Gray code: a cell one state off has one wrong bit of `bits`. Of more than half of them nothing is known.
        let bits = (f64::from(states) * f64::from(self.cell.bits())).max(2.0 * (fallen + risen));
        Chances { fallen: fallen / bits, risen: risen / bits }
    }
}

/// Hours at 30 °C that one hour at `celsius` amounts to.
pub fn arrhenius(celsius: f64) -> f64 {
    const ACTIVATION_EV: f64 = 1.11;
    const BOLTZMANN_EV: f64 = 8.617_333e-5;
    let kelvin = |c: f64| c + 273.15;
    (ACTIVATION_EV / BOLTZMANN_EV * (1.0 / kelvin(30.0) - 1.0 / kelvin(celsius))).exp()
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
            let base = Stress { erases: 500, hours: 100.0, reads: 1000, ..Stress::default() };
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
            let old = Stress { erases: 1000, hours: 5000.0, ..Stress::default() };
            let best = (1..=RETRY_LEVELS).map(|retry| model.rber(&Stress { retry, ..old }));
            let best = best.fold(f64::MAX, f64::min);
            assert!(best < 0.8 * model.rber(&old), "{model:?}");
        }
    }

    #[test]
    fn references_that_are_moved_trade_one_way_to_err_for_the_other() {
        for model in all() {
            let at = |offset| {
                model.chances(&Stress { erases: 500, hours: 1.0, reads: 1000, retry: 0, offset })
            };
            let last = READ_OFFSETS as i8;
            for (low, high) in (-last..last).map(|o| (at(o), at(o + 1))) {
                assert!(low.fallen < high.fallen && low.risen > high.risen, "{model:?}");
            }
            // As the references stand, while nothing has leaked, about as few bits err as can be.
            let best = (-last..=last).map(|o| at(o).either()).fold(f64::MAX, f64::min);
            assert!(at(0).either() < 3.0 * best && at(last).either() > 5.0 * best, "{model:?}");
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
}
