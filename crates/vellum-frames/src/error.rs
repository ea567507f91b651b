//! What can go wrong with host memory.

use thiserror::Error as ThisError;

/// Why a frame could not be had or a pool not made.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// Every frame of the quota is in use.
    #[error(
        "out of host memory: {used} of {quota} frames are in use, {waiting} freed ones may still be read"
    )]
    OutOfFrames {
        /// Frames in use.
        used: u64,
        /// Frames allowed.
        quota: u64,
        /// Frames that were freed and that a [`Reader`](crate::Reader) has not let go of.
        waiting: usize,
    },
    /// A pool of this size can't be made.
    #[error("a pool of {frames} frames is not possible: between 2 and {max} are")]
    Size {
        /// Frames asked for.
        frames: u64,
        /// The most there can be.
        max: u64,
    },
    /// The operating system refused.
    #[error("{operation} of {bytes} bytes of host memory: {source}")]
    Os {
        /// What was asked of it.
        operation: &'static str,
        /// How much.
        bytes: u64,
        /// Its answer.
        source: std::io::Error,
    },
}
