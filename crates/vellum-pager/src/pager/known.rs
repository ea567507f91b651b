//! What a pager knows of a page.

/// Of one page: what a fault looks at, in one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Of [`flag`].
    pub(super) flags: u16,
    /// Of what was put into the store, where that is [`flag::STORED`].
    pub(super) sum: u32,
}

/// Its flags.
pub(super) mod flag {
    /// It is in the space.
    pub(in crate::pager) const PRESENT: u16 = 1;
    /// It may differ from what the store has.
    pub(in crate::pager) const DIRTY: u16 = 2;
    /// It was put into the store, and its checksum is known.
    pub(in crate::pager) const STORED: u16 = 4;
    /// It came before it was asked for, and was not used yet.
    pub(in crate::pager) const AHEAD: u16 = 8;
    /// It was present before.
    pub(in crate::pager) const BEFORE: u16 = 16;
    /// The store may have it since before this pager; no checksum is known.
    pub(in crate::pager) const FOREIGN: u16 = 32;
    /// It is present and must not be written, dirty or not.
    pub(in crate::pager) const PROTECTED: u16 = 64;
    /// Whoever touched it got an error, and will until it is removed.
    pub(in crate::pager) const LOST: u16 = 128;
    /// It stands in the queue of dirty pages, dirty or not any more.
    pub(in crate::pager) const QUEUED: u16 = 256;
    /// Its entry names an older version than the store has, which the names have.
    pub(in crate::pager) const OLDER: u16 = 512;
}
