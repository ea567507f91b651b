//! What can go wrong with pages that are shared and packed.

use crate::{Domain, ObjectId, SetId};
use thiserror::Error as ThisError;

/// Why a page could not be packed, or not be brought back.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// No frame is left to bring a page into.
    #[error(transparent)]
    Frames(#[from] vellum_frames::Error),
    /// Packed bytes are not what they should be.
    #[error("{bytes} bytes of {codec} are not a page")]
    Damaged {
        /// The codec's name.
        codec: &'static str,
        /// How many bytes there were.
        bytes: usize,
    },
    /// A packed page's checksum does not fit its bytes.
    #[error("packed {object} has checksum {found:#010x}, not {stored:#010x}")]
    Checksum {
        /// Which.
        object: ObjectId,
        /// Of the bytes as they are.
        found: u32,
        /// Of the bytes as they were.
        stored: u32,
    },
    /// Nothing is packed under that token.
    #[error("there is no packed {0}")]
    NoObject(ObjectId),
    /// There is no set with that number.
    #[error("there is no {0}")]
    NoSet(SetId),
    /// The sets together may want more than there is.
    #[error(
        "{promised} pages are promised, but {frames} frames and room to spill {spill} pages are there"
    )]
    Overcommit {
        /// Pages of all sets.
        promised: u64,
        /// Frames of the pool's quota.
        frames: u64,
        /// Pages that fit the spill target.
        spill: u64,
    },
    /// Sets of one domain are all treated alike.
    #[error("{domain} has sets of the other mode")]
    Mode {
        /// The domain.
        domain: Domain,
    },
    /// A number is over its limit.
    #[error("{what}: {value} is over the limit of {limit}")]
    Limit {
        /// What it counts.
        what: &'static str,
        /// What was asked for.
        value: u64,
        /// The most there may be.
        limit: u64,
    },
    /// The spill target failed.
    #[error("the spill target could not {action} slot {slot}: {source}")]
    Spill {
        /// What was tried.
        action: &'static str,
        /// On which slot.
        slot: u64,
        /// Its answer.
        source: std::io::Error,
    },
}
