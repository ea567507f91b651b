//! Editing tables by ranges: map, protect, unmap, merge, and a cursor.
//!
//! The way of a frame is in the types. An edit returns a [`Flush`], which says what processors must
//! forget; [`Flush::issue`] has them forget it and makes a [`Released`] of it; only
//! [`AddressSpace::reclaim`] takes that, and only it gives tables back to their pool and tells the
//! caller which pages were unmapped. Whoever drops one of them leaks; nobody frees early.
//!
//! An entry that is *not present* is not thereby *unused*: [`Slot`] tells them apart, and a map
//! refuses to overwrite either a page or what software keeps in an entry.

mod cursor;
mod error;
mod flush;
mod format;
mod large;
mod map;
mod memory;
mod protect;
mod reclaim;
mod space;
mod unmap;

pub use cursor::{Cursor, Item};
pub use error::EditError;
pub use flush::{Flush, Invalidation, PageRun, Released};
pub use format::{Attributes, Format, Slot};
pub use memory::{EditMemory, Frames, Pool};
pub use protect::Change;
pub use space::AddressSpace;
