//! Who holds what the host table names: frames are counted by their pool at once, and the pager's
//! absent pages by its names; absent pages that the scavenger packed are noted here and told to it
//! before it is asked for anything.
//!
//! The host table copies a leaf when a machine writes what a kept root or a clone shares with it, and
//! drops one with its last owner. That may happen in the middle of the scavenger's own work, so the
//! news waits until it is at rest.

use crate::pager::PAGER;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};
use vellum_frames::{FrameId, FramePool};
use vellum_pager::Names;
use vellum_scavenger::{ObjectId, Scavenger, SharedScavenger};
use vellum_translate::host::{FrameStore, OwnerId, Token};

#[derive(Debug)]
pub(crate) struct Holders {
    pool: Arc<FramePool>,
    packed: Mutex<Packed>,
    /// The pager's names, once there is a pager.
    names: OnceLock<Arc<Names>>,
}

#[derive(Debug, Default)]
struct Packed {
    scavenger: Option<(OwnerId, SharedScavenger)>,
    /// In order: one more holder of an object, or one fewer.
    news: Vec<(ObjectId, bool)>,
}

impl Holders {
    pub(crate) fn new(pool: Arc<FramePool>) -> Self {
        Holders { pool, packed: Mutex::default(), names: OnceLock::new() }
    }

    /// From here on, absent pages of `owner` are the scavenger's.
    pub(crate) fn watch(&self, owner: OwnerId, scavenger: SharedScavenger) {
        self.packed.lock().scavenger = Some((owner, scavenger));
    }

    /// From here on, absent pages of the pager's have these names. A machine has one pager for good.
    pub(crate) fn name(&self, names: Arc<Names>) {
        let set = self.names.set(names);
        debug_assert!(set.is_ok(), "a pager is attached once");
    }

    pub(crate) fn names(&self) -> Option<&Names> {
        self.names.get().map(|names| &**names)
    }

    fn note(&self, owner: OwnerId, token: Token, more: bool) {
        let mut packed = self.packed.lock();
        if packed.scavenger.as_ref().is_some_and(|(own, _)| *own == owner) {
            packed.news.push((ObjectId::from_number(token.get() as u32), more));
        }
    }

    /// Tells the scavenger who holds its objects now.
    pub(crate) fn tell(&self, scavenger: &mut Scavenger) {
        let news = core::mem::take(&mut self.packed.lock().news);
        tell(news, scavenger);
    }
}

fn tell(news: Vec<(ObjectId, bool)>, scavenger: &mut Scavenger) {
    for (object, more) in news {
        let told = if more { scavenger.retain(object) } else { scavenger.release(object) };
        debug_assert!(told.is_ok(), "{object} is held by the pages that name it");
    }
}

impl Drop for Holders {
    /// The last leaf is gone: what it held is given back.
    fn drop(&mut self) {
        let packed = self.packed.get_mut();
        if let Some((_, scavenger)) = packed.scavenger.take() {
            tell(core::mem::take(&mut packed.news), &mut scavenger.lock());
        }
    }
}

impl FrameStore for Holders {
    fn retain(&self, frame: FrameId) {
        self.pool.retain(frame);
    }

    fn release(&self, frame: FrameId) {
        self.pool.release(frame);
    }

    fn is_exclusive(&self, frame: FrameId) -> bool {
        self.pool.is_exclusive(frame)
    }

    fn frames(&self) -> usize {
        Arc::as_ptr(&self.pool).addr()
    }

    fn retain_absent(&self, owner: OwnerId, token: Token) {
        match self.names.get() {
            Some(names) if owner == PAGER => names.retain(owner, token),
            _ => self.note(owner, token, true),
        }
    }

    fn release_absent(&self, owner: OwnerId, token: Token) {
        match self.names.get() {
            Some(names) if owner == PAGER => names.unname(owner, token),
            _ => self.note(owner, token, false),
        }
    }
}
