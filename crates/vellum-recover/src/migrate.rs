//! Moving live memory to another process: pre-copy, post-copy, and both.
//!
//! *Pre-copy* (Clark et al., NSDI 2005) sends all pages while the owner runs, then in rounds what
//! was written meanwhile, then stops the owner for the rest. *Post-copy* (Hines, Gopalan; VEE 2009)
//! stops it at once and sends pages when the other side asks. *Hybrid* does one round and then
//! post-copy, so it ends however fast the owner writes.
//!
//! The link is anything that reads and writes. Who needs secrecy puts TLS around it. Until the
//! receiver has confirmed, the source keeps everything: an error leaves it as it was, and the
//! caller lets the owner run on. Bytes in `docs/src/formats/migration.md`.

mod missing;
mod receive;
mod send;
mod wire;

pub use receive::{Arrived, Pending, receive, receive_lazily};
pub use send::{Report, Round, SendOptions, Strategy, send};

/// An error of a migration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The link failed.
    #[error("the link failed while {what}")]
    Link {
        /// What was going on.
        what: &'static str,
        /// What it said.
        #[source]
        source: std::io::Error,
    },
    /// The other side sent what doesn't belong there.
    #[error("message {message}: {why}")]
    Protocol {
        /// Number of the message, from 0.
        message: u32,
        /// What is wrong.
        why: String,
    },
    /// The other side gave up.
    #[error("the other side gave up: {why}")]
    Aborted {
        /// What it said.
        why: String,
    },
    /// The memory's owner refused.
    #[error(transparent)]
    Memory(#[from] crate::Error),
}
