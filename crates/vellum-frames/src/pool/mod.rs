//! The pool: how large it is, who reads it, what it has done.

mod bytes;
mod free;
mod marks;
mod withdrawn;

pub(crate) use free::FreshFrame;
pub use marks::CODE_LINE;
pub use withdrawn::Withdrawn;

use crate::epoch::{Epochs, Reader};
use crate::map::Map;
use crate::{Error, FrameId};
use free::Free;
use marks::Marks;
use parking_lot::Mutex;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most frames a pool can have: indices are 32 bits, and one bit is spare for users' packing.
const MAX_FRAMES: u64 = 1 << 31;

/// How large a pool is.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Frames of address space to reserve, the zero frame included. Costs 16 bytes each. Those beyond the quota are
    /// there for what was freed and may still be read ([`Reader`](crate::Reader)): where pages lose their frames
    /// while harts run, there must be as many as they lose between two safe points.
    pub frames: u64,
    /// Frames that may be in use at once.
    pub quota: u64,
}

impl Options {
    /// Room for `frames` frames, all of them usable.
    pub fn new(frames: u64) -> Self {
        Options { frames: frames + 1, quota: frames }
    }
}

/// What a pool has done so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Frames handed out.
    pub allocated: u64,
    /// Frames whose last reference went.
    pub freed: u64,
    /// Frames copied, as copy on write does.
    pub copied: u64,
    /// Frames whose host memory was given back.
    pub punched: u64,
    /// Frames in use now.
    pub used: u64,
    /// The most frames that were in use at once.
    pub peak: u64,
}

/// A pool of frames in one mapping. Share it through an [`Arc`].
pub struct FramePool {
    map: Map,
    marks: Box<[Marks]>,
    frames: u32,
    quota: u64,
    used: AtomicU64,
    free: Mutex<Free>,
    epochs: Epochs,
}

impl core::fmt::Debug for FramePool {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Not what is kept of each frame: there may be millions.
        f.debug_struct("FramePool")
            .field("frames", &self.frames)
            .field("quota", &self.quota)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

impl FramePool {
    /// Reserves a pool in memory of this process alone.
    ///
    /// # Errors
    /// When the size is not possible or the operating system refuses.
    pub fn new(options: Options) -> Result<Arc<Self>, Error> {
        Self::over(options, Map::private)
    }

    /// Reserves a pool in a file in memory ([`FramePool::file`]), for whoever shares it with another
    /// process, as a device's backend is one. Slower to go over than [`FramePool::new`]'s where the
    /// kernel has large pages for that one alone.
    ///
    /// # Errors
    /// As above.
    pub fn shared(options: Options) -> Result<Arc<Self>, Error> {
        Self::over(options, Map::shared)
    }

    fn over(
        options: Options,
        map: impl FnOnce(u32) -> Result<Map, Error>,
    ) -> Result<Arc<Self>, Error> {
        if !(2..=MAX_FRAMES).contains(&options.frames) {
            return Err(Error::Size { frames: options.frames, max: MAX_FRAMES });
        }
        let frames = options.frames as u32;
        Ok(Arc::new(FramePool {
            map: map(frames)?,
            marks: (0..frames).map(|_| Marks::default()).collect(),
            frames,
            quota: options.quota.min(u64::from(frames) - 1),
            used: AtomicU64::new(0),
            free: Mutex::new(Free::new()),
            epochs: Epochs::new(),
        }))
    }

    /// The file of a pool that another process may map: frame `n` is at `n` times the page size
    /// ([`FrameId::base`]). `None` for memory of this process alone.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.map.file()
    }

    /// Where the frame's bytes are. The address stays mapped as long as the pool lives; what it
    /// holds belongs to the frame only until the frame is reused, see [`Reader`].
    #[inline]
    pub fn pointer(&self, frame: FrameId) -> NonNull<u8> {
        self.map.pointer(frame)
    }

    /// Registers a holder of host pointers.
    pub fn reader(self: &Arc<Self>) -> Reader {
        Reader::new(Arc::clone(self))
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        Counters { used: self.used.load(Ordering::Relaxed), ..self.free.lock().counters() }
    }

    /// Frames that may be in use at once.
    pub fn quota(&self) -> u64 {
        self.quota
    }

    /// Bytes of bookkeeping beside the frames themselves.
    pub fn overhead(&self) -> usize {
        self.marks.len() * size_of::<Marks>() + self.free.lock().overhead()
    }

    pub(crate) fn epochs(&self) -> &Epochs {
        &self.epochs
    }
}
