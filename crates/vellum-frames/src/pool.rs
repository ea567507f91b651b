//! The pool: allocation, reference counts, and safe access to a frame's bytes.

use crate::epoch::{Epochs, Reader};
use crate::map::{Map, prefetch};
use crate::{Error, FrameId, PAGE_SIZE};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Bytes of a line of code: the piece in which a frame tells code from data.
pub const CODE_LINE: usize = PAGE_SIZE / 64;

/// Free frames that keep their host memory; more than this and the oldest are given back.
const WARM_FREE_FRAMES: usize = 4096;
/// The most frames a pool can have: indices are 32 bits, and one bit is spare for users' packing.
const MAX_FRAMES: u64 = 1 << 31;

/// How large a pool is.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Frames of address space to reserve, the zero frame included. Costs 16 bytes each.
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

#[derive(Debug, Default)]
struct Free {
    /// The first frame never handed out; it and all after it read as zeros.
    fresh: u32,
    /// Reusable, content unknown.
    warm: VecDeque<FrameId>,
    /// Reusable, reads as zeros, no host memory behind it.
    cold: Vec<FrameId>,
    /// Freed in an epoch that some reader has not yet reached.
    limbo: VecDeque<(u64, FrameId)>,
    counters: Counters,
}

/// A frame that was taken off the free list and that nobody else knows yet.
pub(crate) struct FreshFrame(FrameId);

impl FreshFrame {
    pub(crate) fn id(&self) -> FrameId {
        self.0
    }
}

/// A pool of frames in one mapping. Share it through an [`Arc`].
pub struct FramePool {
    map: Map,
    references: Box<[AtomicU32]>,
    /// Counts content changes that bypass a hart's write tag.
    content: Box<[AtomicU32]>,
    /// The lines of [`CODE_LINE`] bytes that instructions were decoded from, a bit each.
    code: Box<[AtomicU64]>,
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
        let zeros = |n: u32| (0..n).map(|_| AtomicU32::new(0)).collect::<Box<[_]>>();
        Ok(Arc::new(FramePool {
            map: map(frames)?,
            references: zeros(frames),
            content: zeros(frames),
            code: (0..frames).map(|_| AtomicU64::new(0)).collect(),
            frames,
            quota: options.quota.min(u64::from(frames) - 1),
            used: AtomicU64::new(0),
            free: Mutex::new(Free { fresh: 1, ..Free::default() }),
            epochs: Epochs::new(),
        }))
    }

    /// The file of a pool that another process may map: frame `n` is at `n` times the page size
    /// ([`FrameId::base`]). `None` for memory of this process alone.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.map.file()
    }

    /// Hands out a frame of zeros with one reference.
    ///
    /// # Errors
    /// When the quota is used up.
    pub fn allocate(&self) -> Result<FrameId, Error> {
        let (frame, clean) = self.take()?;
        if !clean {
            self.map.clear(frame);
        }
        Ok(frame)
    }

    /// Hands out a frame with the content of `from` and one reference: copy on write's copy.
    ///
    /// # Errors
    /// When the quota is used up.
    pub fn allocate_copy(&self, from: FrameId) -> Result<FrameId, Error> {
        if from.is_zero_frame() {
            return self.allocate();
        }
        let (frame, _) = self.take()?;
        self.map.copy(from, frame);
        self.free.lock().counters.copied += 1;
        Ok(frame)
    }

    /// Hands out a frame with the content that `fill` makes and one reference. The frame is not
    /// cleared before: what `fill` is given holds what its last user left, of another machine perhaps,
    /// and `fill` writes all of it, or fails; the frame is free again then.
    ///
    /// # Errors
    /// When the quota is used up; inside, the error of `fill`.
    pub fn allocate_filled<E>(
        &self,
        fill: impl FnOnce(&mut [u8; PAGE_SIZE]) -> Result<(), E>,
    ) -> Result<Result<FrameId, E>, Error> {
        let (frame, _) = self.take()?;
        let filled = self.map.overwrite(FreshFrame(frame), fill);
        if filled.is_err() {
            self.release(frame);
        }
        Ok(filled.map(|()| frame))
    }

    /// Hands out `count` frames, with one reference each, with the content that `fill` makes of all of them
    /// together, a page each in the order of the answer: what a read that scatters needs. As for
    /// [`FramePool::allocate_filled`] otherwise.
    ///
    /// # Errors
    /// When the quota is used up; inside, the error of `fill`. No frame is handed out then.
    pub fn allocate_run_filled<E>(
        &self,
        count: usize,
        fill: impl FnOnce(&mut [&mut [u8]]) -> Result<(), E>,
    ) -> Result<Result<Vec<FrameId>, E>, Error> {
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            match self.take() {
                Ok((frame, _)) => frames.push(frame),
                Err(error) => {
                    frames.into_iter().for_each(|frame| self.release(frame));
                    return Err(error);
                }
            }
        }
        let fresh = frames.iter().map(|&frame| FreshFrame(frame)).collect();
        let filled = self.map.overwrite_all(fresh, fill);
        if filled.is_err() {
            frames.iter().for_each(|&frame| self.release(frame));
        }
        Ok(filled.map(|()| frames))
    }

    fn take(&self) -> Result<(FrameId, bool), Error> {
        let mut free = self.free.lock();
        let used = self.used.load(Ordering::Relaxed);
        if used >= self.quota {
            return Err(Error::OutOfFrames { used, quota: self.quota });
        }
        if free.warm.is_empty() {
            self.settle(&mut free);
        }
        let (frame, clean) = if let Some(frame) = free.warm.pop_back() {
            (frame, false)
        } else if let Some(frame) = free.cold.pop() {
            (frame, true)
        } else if free.fresh < self.frames {
            free.fresh += 1;
            (FrameId::from_index(free.fresh - 1), true)
        } else {
            return Err(Error::OutOfFrames { used, quota: self.quota });
        };
        self.used.store(used + 1, Ordering::Relaxed);
        free.counters.allocated += 1;
        free.counters.peak = free.counters.peak.max(used + 1);
        drop(free);
        // A free frame is nobody else's, so plain accesses do where others need atomic ones.
        let references = &self.references[frame.index() as usize];
        assert_eq!(references.load(Ordering::Acquire), 0, "a free frame has no references");
        references.store(1, Ordering::Release);
        self.code[frame.index() as usize].store(0, Ordering::Release);
        let content = &self.content[frame.index() as usize];
        content.store(content.load(Ordering::Acquire).wrapping_add(1), Ordering::Release);
        Ok((frame, clean))
    }

    /// Moves frames that no reader can see any more from limbo to the free list.
    fn settle(&self, free: &mut Free) {
        let reached = self.epochs.reached();
        while let Some(&(epoch, frame)) = free.limbo.front() {
            if epoch > reached {
                break;
            }
            free.limbo.pop_front();
            free.warm.push_back(frame);
        }
    }

    /// Adds a reference. The zero frame is not counted.
    ///
    /// # Panics
    /// When the frame is free: the caller has no claim to it.
    #[inline]
    pub fn retain(&self, frame: FrameId) {
        if frame.is_zero_frame() {
            return;
        }
        let before = self.references[frame.index() as usize].fetch_add(1, Ordering::Relaxed);
        assert!(before != 0 && before != u32::MAX, "{frame} is not in use");
    }

    /// Drops a reference; with the last one the frame is free, and is handed out again when every
    /// [`Reader`] has passed a safe point.
    ///
    /// # Panics
    /// When the frame is free already.
    pub fn release(&self, frame: FrameId) {
        if frame.is_zero_frame() {
            return;
        }
        let before = self.references[frame.index() as usize].fetch_sub(1, Ordering::AcqRel);
        assert!(before != 0, "{frame} is released more often than it was retained");
        if before > 1 {
            return;
        }
        let epoch = self.epochs.advance();
        let mut free = self.free.lock();
        free.counters.freed += 1;
        // Changed under the lock alone, so two plain accesses do.
        self.used.store(self.used.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        free.limbo.push_back((epoch, frame));
        self.settle(&mut free);
        let give_back = free.warm.len() > 2 * WARM_FREE_FRAMES;
        let next = free.warm.back().copied();
        drop(free);
        if next == Some(frame) {
            // Whoever makes room does so for a page that comes now, and into this frame.
            (0..PAGE_SIZE / 64).for_each(|line| self.map.prefetch_line::<true>(frame, line));
        }
        if give_back {
            // A kernel that can't punch holes costs memory, not correctness.
            let _ = self.trim(WARM_FREE_FRAMES);
        }
    }

    /// Gives the host memory of free frames back, all but `keep` of them.
    ///
    /// # Errors
    /// When the operating system refuses; the frames stay free and warm.
    pub fn trim(&self, keep: usize) -> Result<u64, Error> {
        let mut batch: Vec<FrameId> = {
            let mut free = self.free.lock();
            self.settle(&mut free);
            let spare = free.warm.len().saturating_sub(keep);
            free.warm.drain(..spare).collect()
        };
        batch.sort_unstable();
        let mut punched = 0;
        let mut result = Ok(());
        for run in batch.chunk_by(|a, b| a.index() + 1 == b.index()) {
            let done =
                if result.is_ok() { self.map.punch(run[0], run.len() as u32) } else { Ok(()) };
            let mut free = self.free.lock();
            if result.is_ok() && done.is_ok() {
                free.cold.extend_from_slice(run);
                free.counters.punched += run.len() as u64;
                punched += run.len() as u64;
            } else {
                free.warm.extend(run);
                result = result.and(done);
            }
        }
        result.map(|()| punched)
    }

    /// References to a frame; the zero frame has more than anyone can count.
    #[inline]
    pub fn references(&self, frame: FrameId) -> u32 {
        if frame.is_zero_frame() {
            return u32::MAX;
        }
        self.references[frame.index() as usize].load(Ordering::Acquire)
    }

    /// Whether a write to the frame would be seen by nobody but its one owner.
    #[inline]
    pub fn is_exclusive(&self, frame: FrameId) -> bool {
        self.references(frame) == 1
    }

    /// Where the frame's bytes are. The address stays mapped as long as the pool lives; what it
    /// holds belongs to the frame only until the frame is reused, see [`Reader`].
    #[inline]
    pub fn pointer(&self, frame: FrameId) -> NonNull<u8> {
        self.map.pointer(frame)
    }

    /// A number that changes whenever the frame's content changes other than through a pointer
    /// that a hart holds. Who caches something derived from the content compares it.
    #[inline]
    pub fn content_version(&self, frame: FrameId) -> u32 {
        self.content[frame.index() as usize].load(Ordering::Acquire)
    }

    /// Declares the content changed; clears [`FramePool::is_code`].
    #[inline]
    pub fn content_changed(&self, frame: FrameId) {
        self.code[frame.index() as usize].store(0, Ordering::Release);
        self.content[frame.index() as usize].fetch_add(1, Ordering::AcqRel);
    }

    /// Marks bytes of the frame as ones that instructions are decoded from: nobody may keep a right
    /// to write the frame, and whoever writes such bytes declares the content changed. Whether these
    /// are the frame's first.
    #[inline]
    pub fn mark_code(&self, frame: FrameId, bytes: core::ops::Range<usize>) -> bool {
        let lines = lines(bytes);
        self.code[frame.index() as usize].fetch_or(lines, Ordering::AcqRel) == 0 && lines != 0
    }

    /// Whether instructions were decoded from the frame as it is.
    #[inline]
    pub fn is_code(&self, frame: FrameId) -> bool {
        self.code[frame.index() as usize].load(Ordering::Acquire) != 0
    }

    /// Whether instructions were decoded from any of these bytes, or from others on their lines of
    /// [`CODE_LINE`] bytes.
    #[inline]
    pub fn is_code_at(&self, frame: FrameId, bytes: core::ops::Range<usize>) -> bool {
        self.code[frame.index() as usize].load(Ordering::Acquire) & lines(bytes) != 0
    }

    /// Registers a holder of host pointers.
    pub fn reader(self: &Arc<Self>) -> Reader {
        Reader::new(Arc::clone(self))
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        Counters { used: self.used.load(Ordering::Relaxed), ..self.free.lock().counters }
    }

    /// Frames that may be in use at once.
    pub fn quota(&self) -> u64 {
        self.quota
    }

    /// Bytes of bookkeeping beside the frames themselves.
    pub fn overhead(&self) -> usize {
        let free = self.free.lock();
        self.frames as usize * 16
            + free.warm.capacity() * 4
            + free.cold.capacity() * 4
            + free.limbo.capacity() * 16
    }

    pub(crate) fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// Loads 8, 4, 2 or 1 bytes, little endian, as one atomic access.
    ///
    /// # Panics
    /// When `offset` is not a multiple of `width`, or outside the frame; as for all the accesses
    /// below.
    #[inline]
    pub fn load(&self, frame: FrameId, offset: usize, width: usize) -> u64 {
        match width {
            8 => u64::from_le(self.map.u64(frame, offset).load(Ordering::Acquire)),
            4 => u32::from_le(self.map.u32(frame, offset).load(Ordering::Acquire)).into(),
            2 => u16::from_le(self.map.u16(frame, offset).load(Ordering::Acquire)).into(),
            1 => self.map.u8(frame, offset).load(Ordering::Acquire).into(),
            _ => panic!("an access of {width} bytes"),
        }
    }

    /// Stores 8, 4, 2 or 1 bytes, little endian, as one atomic access. Never to the zero frame.
    #[inline]
    pub fn store(&self, frame: FrameId, offset: usize, width: usize, value: u64) {
        assert!(!frame.is_zero_frame(), "a store to the zero frame");
        match width {
            8 => self.map.u64(frame, offset).store(value.to_le(), Ordering::Release),
            4 => self.map.u32(frame, offset).store((value as u32).to_le(), Ordering::Release),
            2 => self.map.u16(frame, offset).store((value as u16).to_le(), Ordering::Release),
            1 => self.map.u8(frame, offset).store(value as u8, Ordering::Release),
            _ => panic!("an access of {width} bytes"),
        }
    }

    /// Loads `width` bytes and stores what `change` makes of them, as one atomic access: what was there,
    /// and whether anything was stored. `change` may answer with nothing to store, and is asked again
    /// when somebody else was faster.
    pub fn update(
        &self,
        frame: FrameId,
        offset: usize,
        width: usize,
        change: &mut dyn FnMut(u64) -> Option<u64>,
    ) -> (u64, bool) {
        let mut was = self.load(frame, offset, width);
        while let Some(new) = change(was) {
            match self.compare_exchange(frame, offset, width, was, new) {
                Ok(_) => return (was, true),
                Err(other) => was = other,
            }
        }
        (was, false)
    }

    /// Replaces 8, 4, 2 or 1 bytes if they are `expected`, as one atomic access.
    ///
    /// # Errors
    /// With what was there instead.
    pub fn compare_exchange(
        &self,
        frame: FrameId,
        offset: usize,
        width: usize,
        expected: u64,
        new: u64,
    ) -> Result<u64, u64> {
        assert!(!frame.is_zero_frame(), "a store to the zero frame");
        macro_rules! exchange {
            ($word:expr, $int:ty) => {
                $word
                    .compare_exchange(
                        (expected as $int).to_le(),
                        (new as $int).to_le(),
                        Ordering::AcqRel,
                        Ordering::Acquire,
                    )
                    .map(|v| u64::from(<$int>::from_le(v)))
                    .map_err(|v| u64::from(<$int>::from_le(v)))
            };
        }
        match width {
            8 => exchange!(self.map.u64(frame, offset), u64),
            4 => exchange!(self.map.u32(frame, offset), u32),
            2 => exchange!(self.map.u16(frame, offset), u16),
            1 => exchange!(self.map.u8(frame, offset), u8),
            _ => panic!("an access of {width} bytes"),
        }
    }

    /// Copies bytes out of a frame. Bytes that someone else writes meanwhile may be old or new.
    pub fn read(&self, frame: FrameId, offset: usize, out: &mut [u8]) {
        assert!(offset + out.len() <= PAGE_SIZE, "a read over the frame's end");
        let words = self.map.words(frame);
        let word = |at: usize| words[at].load(Ordering::Relaxed).to_ne_bytes();
        // Bytes up to the first whole word, whole words, and what is left of the last one.
        let head = (offset.next_multiple_of(8) - offset).min(out.len());
        let (head, rest) = out.split_at_mut(head);
        if !head.is_empty() {
            let inside = offset % 8;
            head.copy_from_slice(&word(offset / 8)[inside..inside + head.len()]);
        }
        let first = (offset + head.len()) / 8;
        let (whole, tail) = rest.as_chunks_mut::<8>();
        for (word, bytes) in words[first..].iter().zip(whole.iter_mut()) {
            *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        if !tail.is_empty() {
            tail.copy_from_slice(&word(first + whole.len())[..tail.len()]);
        }
    }

    /// Copies bytes into a frame and declares its content changed. Never into the zero frame.
    pub fn write(&self, frame: FrameId, offset: usize, bytes: &[u8]) {
        assert!(!frame.is_zero_frame(), "a write to the zero frame");
        assert!(offset + bytes.len() <= PAGE_SIZE, "a write over the frame's end");
        let head = (offset.next_multiple_of(8) - offset).min(bytes.len());
        let (head, rest) = bytes.split_at(head);
        let first = (offset + head.len()) / 8;
        let (words, tail) = rest.as_chunks::<8>();
        let last = (first + words.len()) * 8;
        for (at, &byte) in head.iter().enumerate() {
            self.map.u8(frame, offset + at).store(byte, Ordering::Relaxed);
        }
        for (word, bytes) in self.map.words(frame)[first..].iter().zip(words) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        for (at, &byte) in tail.iter().enumerate() {
            self.map.u8(frame, last + at).store(byte, Ordering::Relaxed);
        }
        self.content_changed(frame);
    }

    /// A frame's words, a cache line at a time: eight words as one loads them, which is as fast as
    /// memory is. Words that someone else writes meanwhile may be old or new.
    #[inline]
    pub fn lines(&self, frame: FrameId) -> impl ExactSizeIterator<Item = [u64; 8]> {
        let lines = self.map.words(frame).as_chunks::<8>().0.iter();
        lines.map(|line| core::array::from_fn(|at| line[at].load(Ordering::Relaxed)))
    }

    /// One of the lines that [`FramePool::lines`] gives; its number is taken modulo their count.
    #[inline]
    pub fn line(&self, frame: FrameId, line: usize) -> [u64; 8] {
        let line = &self.map.words(frame).as_chunks::<8>().0[line % (PAGE_SIZE / 64)];
        core::array::from_fn(|at| line[at].load(Ordering::Relaxed))
    }

    /// Whether two frames hold the same bytes, without copying either.
    pub fn same(&self, one: FrameId, other: FrameId) -> bool {
        one == other
            || self.lines(one).zip(self.lines(other)).all(|(a, b)| {
                let differ = |all: u64, at: usize| all | (a[at] ^ b[at]);
                (0..8).fold(0, differ) == 0
            })
    }

    /// Tells the processor that the frame will be read soon. Its content does not change, nor does
    /// anything else; where there is no such instruction nothing happens.
    #[inline]
    pub fn prefetch(&self, frame: FrameId) {
        (0..PAGE_SIZE / 64).for_each(|line| self.prefetch_line(frame, line));
    }

    /// The same for one line of it.
    #[inline]
    pub fn prefetch_line(&self, frame: FrameId, line: usize) {
        self.map.prefetch_line::<false>(frame, line);
    }

    /// The same for a frame's first line and for what the pool keeps of the frame: what whoever gets it
    /// as a page asks for first.
    #[inline]
    pub fn prefetch_page(&self, frame: FrameId) {
        let number = frame.index() as usize;
        prefetch::<false>(self.references[number].as_ptr().cast());
        prefetch::<false>(self.code[number].as_ptr().cast());
        self.prefetch_line(frame, 0);
    }

    /// Whether every byte of the frame is zero.
    pub fn is_all_zero(&self, frame: FrameId) -> bool {
        // Eight words at a time: one branch a cache line.
        let line =
            |line: &[AtomicU64; 8]| line.iter().fold(0, |all, w| all | w.load(Ordering::Relaxed));
        self.map.words(frame).as_chunks::<8>().0.iter().all(|words| line(words) == 0)
    }
}

/// The lines that hold these bytes of a frame; what lies beyond the frame is not there.
const fn lines(bytes: core::ops::Range<usize>) -> u64 {
    if bytes.start >= bytes.end || bytes.start >= PAGE_SIZE {
        return 0;
    }
    let last = if bytes.end > PAGE_SIZE { PAGE_SIZE } else { bytes.end } - 1;
    let (first, last) = (bytes.start / CODE_LINE, last / CODE_LINE);
    (u64::MAX >> (63 - (last - first))) << first
}
