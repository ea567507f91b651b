//! Bugs that can be planted, one for each check and each sync, to see that a test notices.
//!
//! Without the feature `planted` nothing can be planted and every question here is the constant
//! `false`, so the checks can't be switched off in a program.

/// A check or a sync that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bug {
    /// A frame's CRC-32 is not compared.
    SkipFrameCrc,
    /// A frame's link to the frame before it is not compared.
    SkipChain,
    /// The generation doesn't go into a frame's CRC-32.
    SkipGeneration,
    /// A hole before a frame that vouches for it is taken for a torn tail.
    SkipMiddleCheck,
    /// The first frame of the next segment is not held against the end of this one.
    SkipSegmentLink,
    /// A record whose last frame is missing is delivered.
    SkipUnfinished,
    /// A flush doesn't sync the segment.
    SkipFlushSync,
    /// A full segment isn't synced before the next takes over.
    SkipSwitchSync,
    /// A new segment's header isn't synced before it takes its name.
    SkipHeaderSync,
    /// A new segment's name isn't synced before frames go there.
    SkipNameSync,
    /// The segments aren't synced when opening, before what they hold is believed.
    SkipOpenSync,
    /// The head isn't synced before the segments before it are recycled.
    SkipHeadSync,
    /// A recycled segment's key is left where it is.
    SkipKeyDestruction,
    /// After a failed write or flush the log goes on.
    SkipPoison,
    /// (Used by the store) the data files aren't synced before the log is truncated.
    SkipDataSync,
    /// (Used by the store) pages go to the data files before what is in them is durable in the log.
    SkipLogBeforeFile,
    /// (Used by the store) the list of regions isn't synced before it is used.
    SkipCatalogSync,
}

/// Whether `bug` is the one that was planted.
#[cfg(feature = "planted")]
pub fn is_planted(planted: Option<Bug>, bug: Bug) -> bool {
    planted == Some(bug)
}

/// Whether `bug` is the one that was planted: never, in this build.
#[cfg(not(feature = "planted"))]
pub const fn is_planted(_planted: Option<Bug>, _bug: Bug) -> bool {
    false
}
