//! Why a volume did not do what was asked.

use crate::{MediaError, Op, SubmitError};

/// Why a volume did not take a request, or could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// The device refused.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The content could not be read or written.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// A write came with the wrong number of bytes.
    #[error("a {op:?} of {sectors} sectors came with {bytes} bytes")]
    Payload {
        /// The operation.
        op: Op,
        /// Its sectors.
        sectors: u32,
        /// The bytes that came.
        bytes: usize,
    },
    /// Device and medium are not of the same size.
    #[error(
        "the device has {device} sectors of {device_bytes} bytes, the medium {media} of {media_bytes}"
    )]
    Mismatch {
        /// The device's sectors.
        device: u64,
        /// Their size.
        device_bytes: u32,
        /// The medium's sectors.
        media: u64,
        /// Their size.
        media_bytes: u32,
    },
}
