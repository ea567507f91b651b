//! What can go wrong with a machine's memory.

use thiserror::Error as ThisError;
use vellum_translate::Gpa;

/// Why memory could not be made or reached.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The pool of frames could not be made, or has no frame left.
    #[error(transparent)]
    Frames(#[from] vellum_frames::Error),
    /// The scavenger can't take the machine's memory, or not work on it.
    #[error(transparent)]
    Scavenger(#[from] vellum_scavenger::Error),
    /// A builder's field is not possible.
    #[error("{field} is {value}, which is not possible: {why}")]
    Builder {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Between these two a running machine can't change.
    #[error("a machine can't go from {from} to {to} paging: its memory is laid out another way")]
    Switch {
        /// The paging now.
        from: crate::Paging,
        /// The paging that was asked for.
        to: crate::Paging,
    },
    /// There is no memory at an address that a device or the host uses.
    #[error("no memory at {at} ({bytes} bytes were asked for)")]
    NoMemory {
        /// The first byte without memory.
        at: Gpa,
        /// Bytes asked for.
        bytes: u64,
    },
    /// The owner of an absent page could not bring it.
    #[error("{owner} could not bring the page at {at}: {why}")]
    Source {
        /// The owner's name.
        owner: String,
        /// The page.
        at: Gpa,
        /// Its word.
        why: String,
    },
    /// Every guard, or every owner, is taken.
    #[error("no {what} is left: there are {limit}")]
    Exhausted {
        /// Of what.
        what: &'static str,
        /// How many there are.
        limit: usize,
    },
    /// The guard of an owner was still there after the owner said it had resolved it, again and
    /// again.
    #[error("{at} is still guarded after its owners resolved it {tries} times")]
    Stuck {
        /// The page.
        at: Gpa,
        /// How often it was tried.
        tries: u32,
    },
}
