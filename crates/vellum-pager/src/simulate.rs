//! A policy on a trace: the misses it has, without any page behind it.

use crate::policy::{Policy, reference};

/// What a policy did with a trace.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// References.
    pub references: u64,
    /// Of these, to pages that were not held.
    pub misses: u64,
}

impl Score {
    /// Misses by references; 0 without any.
    pub fn miss_ratio(self) -> f64 {
        if self.references == 0 { 0.0 } else { self.misses as f64 / self.references as f64 }
    }
}

/// References that are looked at together.
const TOGETHER: usize = 8;

/// Runs references through a policy. Costs one step of the policy each; generic, so that the step
/// is inlined. Most references are to pages that are marked already: several of those are one branch.
pub fn simulate<P: Policy + ?Sized>(policy: &mut P, references: &[u32]) -> Score {
    let mut misses = 0;
    let (groups, rest) = references.as_chunks::<TOGETHER>();
    for group in groups {
        if group.iter().fold(true, |all, &page| all & policy.is_settled(page)) {
            continue;
        }
        for &page in group {
            misses += u64::from(!reference(policy, page));
        }
    }
    for &page in rest {
        misses += u64::from(!reference(policy, page));
    }
    Score { references: references.len() as u64, misses }
}
