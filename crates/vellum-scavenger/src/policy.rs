//! What is worth doing to a page: bytes saved against age and the cost of bringing it back.

use crate::Costs;
use crate::content::Codec;
use crate::refaults::Control;

/// Model nanoseconds of the scavenger's own work: its budget in guest time, the same on every host.
pub(crate) mod work {
    /// A look at a page or an object.
    pub(crate) const LOOK: u64 = 20;
    /// A few lines of a page read and hashed.
    pub(crate) const SAMPLE: u64 = 100;
    /// A page read and hashed.
    pub(crate) const HASH: u64 = 400;
    /// Two pages compared.
    pub(crate) const COMPARE: u64 = 300;
    /// An entry of a table replaced.
    pub(crate) const REMAP: u64 = 200;
    /// The features of a page.
    pub(crate) const FEATURES: u64 = 6_000;
    /// A delta tried.
    pub(crate) const DELTA: u64 = 8_000;
    /// A page in LZ4.
    pub(crate) const LZ4: u64 = 5_500;
    /// A page in zstd.
    pub(crate) const ZSTD: u64 = 20_000;
    /// A page in the own dense codec.
    pub(crate) const TIGHT: u64 = 300_000;
    /// A page rebuilt.
    pub(crate) const DECODE: u64 = 3_000;
}

/// Bytes that a model nanosecond of the guest's waiting is worth at age 0: a quarter.
const NANOS_PER_BYTE: i64 = 4;
/// Ages beyond this make a page no more likely to stay untouched.
const OLDEST: u8 = 8;

/// When pages are shared, told as deltas and compressed. Ages are passes in which a page was neither
/// written nor, from the age of the first probe on, read; or what [`Policy::refaults`] makes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Age at which a page is told as the difference to a similar one. Before, at this age less one,
    /// all its rights are withheld once, to see whether it is used.
    pub delta_after: u8,
    /// Age at which a page that has no similar one is compressed.
    pub compress_after: u8,
    /// The longest fast delta, in bytes, that is worth a second page to read.
    pub delta_limit: usize,
    /// zstd's level.
    pub level: i32,
    /// What a page may take to come back in 99 of 100 cases, in nanoseconds. Codecs that take longer
    /// are not used.
    pub restore_p99: u32,
    /// What codecs take, by which that is judged.
    pub costs: Costs,
    /// Most bytes of the packed store; beyond, pages are spilled or stay.
    pub store_limit: u64,
    /// How many pages may be wanted back in a minute of the guest's time, of a million of its working set:
    /// 2000 are the 0.2 % of Google's far memory ([`Refaults`](crate::Refaults)). Pages grow older by the
    /// guest's time then, which [`Scavenger::tell_time`](crate::Scavenger::tell_time) says, and both ages above
    /// are raised as far as it takes. `None`: ages are passes, and no page is packed later for it.
    pub refaults: Option<u32>,
}

impl Default for Policy {
    /// Deltas at age 2, compression at 3, the budget that zstd takes for a page, 64 GiB of store.
    fn default() -> Self {
        Policy {
            delta_after: 2,
            compress_after: 3,
            delta_limit: 3000,
            level: 3,
            restore_p99: 12_500,
            costs: Costs::default(),
            store_limit: 64 << 30,
            refaults: None,
        }
    }
}

impl Policy {
    /// Sharing only: zero pages, same-filled and identical ones, nothing packed.
    pub fn sharing_only() -> Self {
        Policy { delta_after: u8::MAX, compress_after: u8::MAX, ..Policy::default() }
    }

    /// The control of a set's ages, if there is a target and pages are packed at all.
    pub(crate) fn control(&self) -> Option<Control> {
        let least = self.delta_after.min(self.compress_after);
        self.refaults.filter(|_| least < u8::MAX).map(|target| Control::new(target, least))
    }

    /// Whether the budget allows a page to be kept like this. `base` is the codec of a delta's
    /// reference, if that is packed itself.
    pub fn allows(&self, codec: Codec, base: Option<Codec>) -> bool {
        self.costs.restore(codec, base) <= self.restore_p99
    }

    /// The slowest codec that a page others are told by may be packed in: none where the budget has no
    /// room for deltas. They are only told in codecs that fit the budget beside it, since it may come to
    /// that some day.
    pub fn slowest_reference(&self) -> Option<Codec> {
        let deltas = [Codec::DeltaTight, Codec::DeltaFast];
        let references = [Codec::Zstd, Codec::Brisk, Codec::Lz4];
        let mut both = deltas.into_iter().flat_map(|delta| references.map(|base| (delta, base)));
        both.find(|&(delta, base)| self.allows(delta, Some(base))).map(|(_, base)| base)
    }

    /// Whether a page that others are told by may be packed in a codec.
    pub fn may_tell(&self, codec: Codec) -> bool {
        let slowest = self.slowest_reference();
        !codec.is_delta() && slowest.is_some_and(|slowest| self.costs[codec] <= self.costs[slowest])
    }

    /// Whether a page may be packed in a codec by itself; `told_by`, if others are told by it.
    pub(crate) fn may_pack(&self, codec: Codec, told_by: bool) -> bool {
        if told_by { self.may_tell(codec) } else { self.allows(codec, None) }
    }

    /// Whether a page may be told by another in a codec, as slow as that one may get.
    pub fn may_be_told(&self, codec: Codec) -> bool {
        self.slowest_reference().is_some_and(|slowest| self.allows(codec, Some(slowest)))
    }

    /// What keeping a page in `bytes` instead of 4096 is worth: the bytes saved, doubled with each
    /// pass of age (a page that was left alone for long is likely to be left alone on), less what
    /// the guest is expected to wait. The codec that is worth most is taken.
    pub fn worth(&self, bytes: usize, age: u8, codec: Codec, base: Option<Codec>) -> i64 {
        let saved = 4096 - bytes as i64;
        let wait = i64::from(self.costs.restore(codec, base)) / NANOS_PER_BYTE;
        (saved << age.min(OLDEST)) - wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_pays_for_slower_codecs_and_the_budget_forbids_them() {
        let policy = Policy::default();
        let lz4 = |age| policy.worth(1700, age, Codec::Lz4, None);
        let zstd = |age| policy.worth(1300, age, Codec::Zstd, None);
        assert!(lz4(0) > zstd(0), "young pages come back soon");
        assert!(lz4(3) < zstd(3), "old ones do not");
        let quick = Policy { restore_p99: 3_000, ..policy };
        assert!(quick.allows(Codec::Lz4, None) && !quick.allows(Codec::Tight, None));
        assert_eq!(quick.slowest_reference(), None);
        assert!(!quick.may_tell(Codec::Lz4) && !quick.may_be_told(Codec::DeltaFast));
    }

    /// Whatever the budget is, no delta and no reference come together that break it.
    #[test]
    fn a_reference_is_never_too_slow_for_its_deltas() {
        for budget in (0..40_000).step_by(500) {
            let policy = Policy { restore_p99: budget, ..Policy::default() };
            for base in Codec::ALL.into_iter().filter(|&base| policy.may_tell(base)) {
                for delta in Codec::ALL.into_iter().filter(|&delta| policy.may_be_told(delta)) {
                    assert!(policy.allows(delta, Some(base)), "{budget}: {delta} on {base}");
                }
            }
        }
        let policy = Policy::default();
        assert_eq!(policy.slowest_reference(), Some(Codec::Brisk));
        assert!(policy.may_be_told(Codec::DeltaTight) && !policy.may_be_told(Codec::DeltaDense));
        let patient = Policy { restore_p99: 25_000, ..policy };
        assert_eq!(patient.slowest_reference(), Some(Codec::Zstd));
        assert!(patient.may_be_told(Codec::DeltaDense));
    }
}
