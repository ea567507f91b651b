//! The decision table of recovery: what a frame that isn't there means.
//!
//! A reader stops at the first place where no good frame stands. Whether that is the end that a
//! power cut left, or the loss of something that had been promised, follows from what else is
//! found; `–` means that it doesn't matter.
//!
//! | row | good frame | next segment links to | a later frame vouches | rest is zero | verdict |
//! | --- | --- | --- | --- | --- | --- |
//! | `@A` | yes | – | – | – | take it |
//! | `@B` | no | the last frame here | – | – | sealed: go on there |
//! | `@C` | no | the last frame that ended a record | – | – | sealed after a crash: drop the unfinished record, go on there |
//! | `@D` | no | something else | – | – | corrupt: flushed frames are gone |
//! | `@E` | no | no next segment | yes | – | corrupt: a hole before frames that were written after its flush |
//! | `@F` | no | no next segment | no | yes | clean end |
//! | `@G` | no | no next segment | no | no | torn tail: never promised to anybody |
//!
//! After `@F` and `@G` an unfinished record is dropped as well (`@H`, in [`crate::Report`]).

/// What the first frame of the next segment that has one is chained to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// No later segment has a frame.
    None,
    /// The last good frame of this segment.
    Last,
    /// The last frame here that ended a record.
    Complete,
    /// Neither.
    Elsewhere,
}

/// What is found at the place where the next frame should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// A frame with the expected sequence number, link and checksum.
    pub good: bool,
    /// How the next segment is linked.
    pub link: Link,
    /// A later frame of this segment says that what is missing had been durable.
    pub vouched: bool,
    /// There are only zeros up to the end of the segment.
    pub zeros: bool,
}

/// What to make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// `@A`: take the frame.
    Take,
    /// `@B`: the segment ends here and the next goes on.
    Sealed,
    /// `@C`: as `@B`, and the unfinished record at the end is void.
    SealedDropping,
    /// `@D`, `@E`: flushed frames are gone, for this reason.
    Corrupt(&'static str),
    /// `@F`: the log ends here.
    CleanEnd,
    /// `@G`: the log ends here, in a write that power cut short.
    TornTail,
}

/// Looks up the table.
pub fn decide(found: Evidence) -> Verdict {
    match found {
        Evidence { good: true, .. } => Verdict::Take,
        Evidence { link: Link::Last, .. } => Verdict::Sealed,
        Evidence { link: Link::Complete, .. } => Verdict::SealedDropping,
        Evidence { link: Link::Elsewhere, .. } => {
            Verdict::Corrupt("the next segment goes on from a frame that is not here")
        }
        Evidence { vouched: true, .. } => {
            Verdict::Corrupt("a later frame was written after this one had been flushed")
        }
        Evidence { zeros: true, .. } => Verdict::CleanEnd,
        Evidence { zeros: false, .. } => Verdict::TornTail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(good: bool, link: Link, vouched: bool, zeros: bool) -> Verdict {
        decide(Evidence { good, link, vouched, zeros })
    }

    /// All values of what a row leaves open.
    fn any(mut check: impl FnMut(bool, bool)) {
        for (one, two) in [(false, false), (false, true), (true, false), (true, true)] {
            check(one, two);
        }
    }

    #[test]
    fn row_a_a_good_frame_is_taken() {
        for link in [Link::None, Link::Last, Link::Complete, Link::Elsewhere] {
            any(|vouched, zeros| assert_eq!(row(true, link, vouched, zeros), Verdict::Take));
        }
    }

    #[test]
    fn row_b_the_next_segment_goes_on_here() {
        any(|vouched, zeros| assert_eq!(row(false, Link::Last, vouched, zeros), Verdict::Sealed));
    }

    #[test]
    fn row_c_the_next_segment_goes_on_before_an_unfinished_record() {
        any(|vouched, zeros| {
            assert_eq!(row(false, Link::Complete, vouched, zeros), Verdict::SealedDropping);
        });
    }

    #[test]
    fn row_d_the_next_segment_goes_on_from_what_is_not_here() {
        any(|vouched, zeros| {
            assert!(matches!(row(false, Link::Elsewhere, vouched, zeros), Verdict::Corrupt(_)));
        });
    }

    #[test]
    fn row_e_a_later_frame_vouches_for_the_missing_one() {
        for zeros in [false, true] {
            assert!(matches!(row(false, Link::None, true, zeros), Verdict::Corrupt(_)));
        }
    }

    #[test]
    fn row_f_only_zeros_follow() {
        assert_eq!(row(false, Link::None, false, true), Verdict::CleanEnd);
    }

    #[test]
    fn row_g_something_follows_that_nobody_vouches_for() {
        assert_eq!(row(false, Link::None, false, false), Verdict::TornTail);
    }
}
