//! Checkpoints: images of memory (and of the state that goes with it), full or incremental, kept in
//! a store of objects.
//!
//! - [`Pages`] is what the engine asks of the memory: real process memory ([`crate::Tracked`]) and
//!   a guest's memory both answer it.
//! - [`Captured`] holds copies of the pages that changed: taking it is all of an incremental
//!   checkpoint's pause. Encoding and writing come after.
//! - [`Increments`] takes it with a short pause: most of it is copied ahead, while the owner writes.
//! - [`Snapshot`] is for taking everything beside a running owner: the owner hands over the old
//!   bytes of a page before its first write (copy on write of pre-images), the rest is copied in
//!   the background; the pause is that of protecting the memory, whatever its size.
//! - [`Checkpoints`] keeps images under their hashes, with named heads, merges chains, collects
//!   garbage; [`Restored`] reads them, all at once or page by page.
//!
//! A native program's checkpoint is its regions and what its registered threads handed over at a
//! safe point ([`crate::SafePoints`]). It is not a process image: open files, sockets, timers and
//! the kernel's other objects are CRIU's business and are not restored here.

mod ahead;
mod captured;
mod chain;
mod image;
#[cfg(feature = "object-store")]
mod object_store;
mod objects;
mod restore;
mod snapshot;
mod working_set;

pub use ahead::{IncrementOptions, IncrementReport, Increments};
pub use captured::Captured;
pub use chain::Checkpoints;
pub use image::{Compression, ImageId, PAGES_MAX, STATE_MAX};
#[cfg(feature = "object-store")]
pub use object_store::StoreObjects;
pub use objects::{DirObjects, ObjectError, Objects};
pub use restore::Restored;
pub use snapshot::Snapshot;

use crate::hands;
use crate::memory::PAGE;
use std::ops::Range;

/// Pages that a thread copies at a time …
const PIECE: usize = 64;
/// … and from how many on there is more than one thread.
const MANY: usize = 512;

/// Memory that can be checkpointed, in pages of 4 KiB.
pub trait Pages {
    /// How many pages there are.
    fn pages(&self) -> u64;
    /// Copies page `page` into `out`, which has the length of a page.
    fn read_page(&self, page: u64, out: &mut [u8]);
    /// Copies `pages` one behind the other into `out`. Whoever can do it faster than page by page
    /// overrides this: it is most of an incremental checkpoint's pause.
    fn read_pages(&self, pages: &[u64], out: &mut [u8]) {
        for (page, out) in pages.iter().zip(out.chunks_exact_mut(PAGE)) {
            self.read_page(*page, out);
        }
    }
    /// The pages written since the last call, as runs; tracking begins anew.
    ///
    /// # Errors
    /// When the owner can't tell.
    fn take_dirty(&mut self) -> Result<Vec<Range<u64>>, crate::Error>;
}

impl Pages for crate::Tracked {
    fn pages(&self) -> u64 {
        (self.bytes().len() / PAGE) as u64
    }

    fn read_page(&self, page: u64, out: &mut [u8]) {
        let at = page as usize * PAGE;
        out.copy_from_slice(&self.bytes()[at..at + PAGE]);
    }

    fn read_pages(&self, pages: &[u64], out: &mut [u8]) {
        let bytes = self.bytes();
        let pieces = pages.chunks(PIECE).zip(out.chunks_mut(PIECE * PAGE));
        hands::share(pages.len() >= MANY, pieces, |(pages, out)| {
            // A look at each page first: the waits for their addresses and first lines overlap.
            let looks = pages.iter().map(|page| bytes[*page as usize * PAGE]);
            std::hint::black_box(looks.fold(0, |all, byte| all ^ byte));
            for (page, out) in pages.iter().zip(out.chunks_exact_mut(PAGE)) {
                let at = *page as usize * PAGE;
                out.copy_from_slice(&bytes[at..at + PAGE]);
            }
        });
    }

    fn take_dirty(&mut self) -> Result<Vec<Range<u64>>, crate::Error> {
        Self::take_dirty(self)
    }
}

/// An error of checkpoints and their images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The object store refused.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// The memory's owner refused.
    #[error(transparent)]
    Memory(#[from] crate::Error),
    /// The object is no image, or not one that this program can read.
    #[error("`{name}` is not an image: {why}")]
    NotAnImage {
        /// The object.
        name: String,
        /// What was found.
        why: String,
    },
    /// Bytes are not those that were written.
    #[error("`{name}` is damaged: {what} at byte {offset}")]
    Damaged {
        /// The object.
        name: String,
        /// What doesn't fit.
        what: &'static str,
        /// Where.
        offset: u64,
    },
    /// The image is over a limit.
    #[error("{what}: {found} is over the limit of {limit}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// How large.
        found: u64,
        /// How large it may be.
        limit: u64,
    },
    /// There is no such page.
    #[error("page {page} of an image of {pages} pages")]
    NoPage {
        /// The page that was asked for.
        page: u64,
        /// Pages of the image.
        pages: u64,
    },
    /// There is no head of that name.
    #[error("there is no checkpoint `{name}`")]
    NoHead {
        /// The name.
        name: String,
    },
}
