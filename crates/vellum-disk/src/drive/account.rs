//! Where the time of a request of a segmented drive went.

use super::segmented::Active;
use crate::controller::Ended;
use vellum_block::{Breakdown, Duration, Instant, Phase};

/// Splits a response. What arm and bus did is known; the rest is command processing. Whoever reads
/// ahead works for the next request, and is not charged to this one.
pub(super) fn breakdown(a: &Active, ended: &Ended) -> Breakdown {
    let p = &ended.parts;
    let mut left = Instant::from_ps(ended.at).since(a.submitted);
    let mut parts = Breakdown::ZERO;
    // A restored state may hold any figures; the parts add up all the same.
    let mut charge = |phase, ps: u64| {
        let d = Duration::from_ps(ps).min(left);
        parts.charge(phase, d);
        left -= d;
    };
    charge(Phase::Queue, a.started.since(a.submitted).as_ps());
    charge(Phase::Bus, p.bus);
    // A write that ends in the buffer does not wait for the arm.
    if p.waited_until(ended.at).is_some() {
        charge(Phase::Seek, p.seek);
        charge(Phase::Settle, p.settle);
        charge(Phase::Rotation, p.rotation);
        charge(Phase::HeadSwitch, p.switch);
        charge(Phase::Transfer, p.transfer);
    }
    charge(Phase::Overhead, u64::MAX);
    parts
}
