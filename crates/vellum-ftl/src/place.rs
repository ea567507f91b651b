//! Placement: which frontier a page goes to, and which block is collected.
//!
//! A page's last lifetime is estimated by the age of the block that it leaves (SepBIT's idea, Wang
//! et al., FAST 2022, without its per-page table); its age when it is moved stands in its
//! out-of-band record. Three classes by these times, in units of the logical size: below 1/10,
//! below 1, and above. The victim is the block with the largest `(free / valid) · age^0.7`: Rosenblum
//! and Ousterhout's cost-benefit with the age's weight taken back, which did best on skewed traces.
//!
//! Under uniform traffic age says nothing, and separation only costs open blocks. A sample of
//! logical pages, whose writes are timed exactly, tells which it is: if updates come at random, the
//! share of intervals below an eighth of the logical size is 1 − e^(−1/8) = 12 %; more than 20 %
//! means that some pages are hot.

use crate::Placement;
use alloc::vec;
use alloc::vec::Vec;

const SAMPLES: usize = 2048;
/// Bytes of the sample.
pub(crate) const SAMPLE_BYTES: usize = SAMPLES * size_of::<(u32, u32)>();
/// Of 1000 intervals, those below an eighth: traffic is skewed above the first, uniform below the
/// second.
const SKEWED: u32 = 200;
const UNIFORM: u32 = 160;
/// Intervals before the sample is believed.
const ENOUGH: u32 = 256;

/// The sample and what it says.
#[derive(Debug, Clone)]
pub(crate) struct Placer {
    logical: u32,
    /// (logical page, time of its last write).
    sample: Vec<(u32, u32)>,
    short: u32,
    seen: u32,
    pub skewed: bool,
}

impl Placer {
    pub fn new(policy: Placement, logical: u32) -> Placer {
        Placer {
            logical,
            sample: vec![(u32::MAX, 0); if policy == Placement::Adaptive { SAMPLES } else { 0 }],
            short: 0,
            seen: 0,
            skewed: false,
        }
    }

    /// The host writes a page at `clock`.
    #[inline]
    pub fn observe(&mut self, lpn: u32, clock: u32) {
        // Fibonacci hashing picks about 1024 pages whatever the size.
        let hash = lpn.wrapping_mul(0x9e37_79b1);
        if self.sample.is_empty() || u64::from(hash) * u64::from(self.logical) >= 1024u64 << 32 {
            return;
        }
        let slot = &mut self.sample[(hash.wrapping_mul(0x85eb_ca6b) >> 21) as usize % SAMPLES];
        if slot.0 == lpn {
            self.seen += 1;
            self.short += u32::from(clock.wrapping_sub(slot.1) < self.logical / 8);
            if self.seen >= 2 * ENOUGH {
                let permille = self.short * 1000 / self.seen;
                self.skewed = permille > if self.skewed { UNIFORM } else { SKEWED };
                (self.short, self.seen) = (self.short / 2, self.seen / 2);
            }
        }
        *slot = (lpn, clock);
    }

    /// The class of a page that lived, or has lived, for `age` host writes.
    #[inline]
    pub fn class(&self, age: u32) -> u8 {
        if !self.skewed {
            return 0;
        }
        u8::from(age > self.logical / 10) + u8::from(age > self.logical)
    }

    /// What collecting a block is worth; the most is best.
    pub fn worth(&self, pages: u32, valid: u32, age: u32) -> i64 {
        if !self.skewed {
            return i64::from(pages - valid) << 16;
        }
        let (free, valid) = (log2(pages - valid), log2(valid.max(1)));
        // A block without valid pages is free for the taking.
        let free = free + if valid == 0 { 1 << 28 } else { 0 };
        i64::from(free) - i64::from(valid) + (i64::from(log2(age.max(1))) * 7) / 10
    }

    pub fn ram_bytes(&self) -> usize {
        self.sample.capacity() * 8
    }
}

/// log₂ in 1/65536, linear between the powers of two (at most 0.09 too small); 0 gives 0.
fn log2(x: u32) -> i32 {
    if x == 0 {
        return 0;
    }
    let whole = 31 - x.leading_zeros();
    let part = (u64::from(x) << 16 >> whole) as i32 - (1 << 16);
    ((whole as i32) << 16) + part
}

#[cfg(test)]
mod tests {
    use super::*;
    use vellum_block::Rng;

    fn feed(placer: &mut Placer, mut pick: impl FnMut(&mut Rng) -> u32) -> bool {
        let mut rng = Rng::new(7);
        for clock in 0..400_000 {
            let lpn = pick(&mut rng);
            placer.observe(lpn, clock);
        }
        placer.skewed
    }

    #[test]
    fn uniform_and_sequential_traffic_are_not_skewed() {
        let n = 50_000;
        assert!(!feed(&mut Placer::new(Placement::Adaptive, n), |r| r.below(n.into()) as u32));
        let mut at = 0;
        assert!(!feed(&mut Placer::new(Placement::Adaptive, n), |_| {
            at = (at + 1) % n;
            at
        }));
    }

    #[test]
    fn hot_pages_are_noticed() {
        let n = 50_000u32;
        let hot = |r: &mut Rng| {
            if r.below(10) > 0 {
                r.below(u64::from(n) / 10) as u32
            } else {
                r.below(n.into()) as u32
            }
        };
        let mut placer = Placer::new(Placement::Adaptive, n);
        assert!(feed(&mut placer, hot));
        assert_eq!([10, 6_000, 60_000].map(|age| placer.class(age)), [0, 1, 2]);
        // Hot traffic that becomes uniform is no longer skewed.
        assert!(!feed(&mut placer, |r| r.below(n.into()) as u32));
        assert!(!feed(&mut Placer::new(Placement::Greedy, n), hot));
    }

    #[test]
    fn logarithms() {
        assert_eq!([1, 2, 3, 64].map(log2), [0, 1 << 16, 3 << 15, 6 << 16]);
    }
}
