//! A profile: everything that makes a drive.

use crate::config::{Cached, Layout, Mechanics, Segmented};

/// What stands between host and medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Controller {
    /// A segmented buffer and one request at a time.
    Segmented(Segmented),
    /// A large cache and commands queued inside.
    Cached(Cached),
}

/// Everything that makes a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The drive's name.
    pub name: String,
    /// Where its figures come from.
    pub source: String,
    /// Bytes of a sector that can be addressed.
    pub sector_bytes: u32,
    /// Layout.
    pub layout: Layout,
    /// Arm and spindle.
    pub mechanics: Mechanics,
    /// Controller.
    pub controller: Controller,
}
