//! Whose frames the addresses in a TLB are of.

use super::{Shootdown, Tlb};
use alloc::sync::Arc;
use vellum_frames::HostFrames;

/// The frames that the TLB keeps mapped: those of every host address in it.
#[derive(Debug, Default)]
pub(super) struct Keeper(Option<Arc<dyn HostFrames>>);

impl Keeper {
    /// Whether it is these. No others can have their address while they are kept.
    #[inline]
    pub(super) fn is<F: HostFrames>(&self, frames: &Arc<F>) -> bool {
        self.0.as_ref().is_some_and(|kept| Arc::as_ptr(kept).addr() == Arc::as_ptr(frames).addr())
    }
}

impl Tlb {
    #[cold]
    pub(super) fn change_keeper<F: HostFrames>(&mut self, frames: &Arc<F>) {
        self.shoot_down(Shootdown::AllFrames);
        self.keeper = Keeper(Some(Arc::clone(frames) as Arc<dyn HostFrames>));
    }
}
