//! Owners: whoever withholds a right, or keeps a page elsewhere, registers here and is asked when
//! the guest runs into it.
//!
//! The facade allocates guards and owner numbers; `vellum-translate` names no service. Owners of
//! guards are asked in the order of their registration, those that keep content first; the owner of
//! the guest tables' guard, which is built in, comes last.

use vellum_frames::{FrameId, FramePool, PAGE_SIZE};
use vellum_translate::host::{Guard, HostTable, Token};
use vellum_translate::{Access, Gfn};

/// A host fault, as an owner sees it: a page whose guard it owns stands in the way of an access.
#[derive(Debug)]
pub struct HostFault<'a> {
    /// The page.
    pub page: Gfn,
    /// What is tried.
    pub access: Access,
    /// The owner's guard.
    pub guard: Guard,
    /// The host table, to change the page's entry or take the guard away.
    pub host: &'a mut HostTable,
    /// The frames.
    pub pool: &'a FramePool,
}

/// What an owner did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The guard is gone, or the entry has changed: try the access again.
    Retry,
    /// The access is the guest's fault: an access fault.
    Refuse,
}

/// Owns a guard.
pub trait GuardOwner: core::fmt::Debug {
    /// Resolves a fault: removes its guard from the page, or refuses.
    fn resolve(&mut self, fault: HostFault<'_>) -> Resolution;
}

/// Owns absent pages.
pub trait PageSource: core::fmt::Debug {
    /// A name for errors.
    fn name(&self) -> &str;

    /// Brings the page that `token` names: a frame with one reference, which is the host table's
    /// from now on.
    ///
    /// # Errors
    /// In words, when the page can't be brought. The guest gets an access fault, never zeros.
    fn bring(&mut self, page: Gfn, token: Token, pool: &FramePool) -> Result<FrameId, String>;

    /// Reads the page that `token` names without bringing it, for a save or a hash of the machine's
    /// state; whether it could. One that can't is brought before ([`VmMemory::bring_all`]).
    ///
    /// [`VmMemory::bring_all`]: crate::VmMemory::bring_all
    fn peek(&self, _page: Gfn, _token: Token, _out: &mut [u8; PAGE_SIZE]) -> bool {
        false
    }
}
