//! Frames of an anonymous file, counted.

use super::map::Map;
use crate::{PAGE, Run, SpaceError};
use rustix::fs::MemfdFlags;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

/// The most frames of an arena: 4 GiB.
const MAX_FRAMES: usize = 1 << 20;
/// The frame of zeros, which nobody writes.
pub(super) const ZERO: u32 = 0;

/// An anonymous file whose pages are frames. Each process counts its own holds; a frame that was
/// exported is held by whoever has its number.
#[derive(Debug)]
pub struct Arena {
    file: OwnedFd,
    map: Map,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    holders: Vec<u32>,
    free: Vec<u32>,
}

fn check(frames: usize) -> Result<(), SpaceError> {
    if (2..=MAX_FRAMES).contains(&frames) {
        return Ok(());
    }
    let why = format!("{frames} frames are not possible: between 2 and {MAX_FRAMES} are");
    Err(SpaceError::System { what: "an arena", at: 0, why })
}

fn system(what: &'static str) -> impl Fn(rustix::io::Errno) -> SpaceError {
    move |error| SpaceError::System { what, at: 0, why: error.to_string() }
}

impl Arena {
    /// A new file of `frames` frames of zeros. It stays open across `exec`, so that a child finds it.
    ///
    /// # Errors
    /// When the system refuses, or the size is not possible.
    pub fn new(frames: usize) -> Result<Arc<Arena>, SpaceError> {
        check(frames)?;
        let file = rustix::fs::memfd_create("vellum-remap", MemfdFlags::empty())
            .map_err(system("memfd_create"))?;
        rustix::fs::ftruncate(&file, (frames * PAGE) as u64).map_err(system("ftruncate"))?;
        // Free ones are handed out from the front.
        let free = (1..u32::try_from(frames).unwrap_or(u32::MAX)).rev().collect();
        Arena::over(file, frames, free)
    }

    /// The arena of another process, whose file this is. It hands out no frame; what is here was
    /// imported.
    ///
    /// # Errors
    /// As for [`Arena::new`], and when the file is not whole pages.
    pub fn open(file: OwnedFd) -> Result<Arc<Arena>, SpaceError> {
        let bytes = rustix::fs::fstat(&file).map_err(system("fstat"))?.st_size;
        let frames = usize::try_from(bytes).unwrap_or(0) / PAGE;
        Arena::over(file, frames, Vec::new())
    }

    fn over(file: OwnedFd, frames: usize, free: Vec<u32>) -> Result<Arc<Arena>, SpaceError> {
        check(frames)?;
        let map = Map::whole(&file, frames)?;
        let counts = Mutex::new(Counts { holders: vec![0; frames], free });
        Ok(Arc::new(Arena { file, map, counts }))
    }

    /// The file, to be passed to another process.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Frames that are held here.
    pub fn held(&self) -> usize {
        self.lock().holders.iter().filter(|&&count| count > 0).count()
    }

    /// Takes over frames that another process exported; the caller vouches for that.
    ///
    /// # Errors
    /// When a number is not of this arena, or a frame is held here already.
    pub fn import(self: &Arc<Self>, frames: Vec<u32>) -> Result<ArenaRun, SpaceError> {
        let mut counts = self.lock();
        for &frame in &frames {
            if counts
                .holders
                .get(frame as usize)
                .is_none_or(|&holders| holders > 0 && frame != ZERO)
            {
                let why = format!("frame {frame} is not one that was given");
                return Err(SpaceError::System { what: "import", at: 0, why });
            }
        }
        frames.iter().for_each(|&frame| counts.holders[frame as usize] += 1);
        drop(counts);
        Ok(ArenaRun { arena: Arc::clone(self), frames })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        // Counts are whole after every operation.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn map(&self) -> &Map {
        &self.map
    }

    /// A frame of unknown content with one holder.
    pub(super) fn allocate(&self) -> Result<u32, SpaceError> {
        let mut counts = self.lock();
        let frame = counts.free.pop().ok_or(SpaceError::System {
            what: "a fresh frame",
            at: 0,
            why: "the arena has none left".into(),
        })?;
        counts.holders[frame as usize] = 1;
        Ok(frame)
    }

    pub(super) fn retain(&self, frames: &[u32]) {
        let mut counts = self.lock();
        frames.iter().for_each(|&frame| counts.holders[frame as usize] += 1);
    }

    pub(super) fn release(&self, frames: &[u32]) {
        let mut counts = self.lock();
        for &frame in frames {
            let holders = &mut counts.holders[frame as usize];
            *holders = holders.saturating_sub(1);
            if *holders == 0 && frame != ZERO {
                counts.free.push(frame);
            }
        }
    }

    pub(super) fn is_exclusive(&self, frame: u32) -> bool {
        frame != ZERO && self.lock().holders[frame as usize] == 1
    }
}

/// Held frames of an [`Arena`].
#[derive(Debug)]
pub struct ArenaRun {
    pub(super) arena: Arc<Arena>,
    pub(super) frames: Vec<u32>,
}

impl ArenaRun {
    /// Gives the holds away: the numbers are for another process, whose they are now.
    ///
    /// # Errors
    /// With the run, when somebody else here holds one of the frames too, or one is the frame of
    /// zeros, which is everyone's.
    pub fn export(mut self) -> Result<Vec<u32>, ArenaRun> {
        let mut counts = self.arena.lock();
        if self.frames.iter().any(|&frame| frame == ZERO || counts.holders[frame as usize] != 1) {
            drop(counts);
            return Err(self);
        }
        self.frames.iter().for_each(|&frame| counts.holders[frame as usize] = 0);
        drop(counts);
        Ok(core::mem::take(&mut self.frames))
    }
}

impl Run for ArenaRun {
    fn pages(&self) -> usize {
        self.frames.len()
    }

    fn part(&self, pages: Range<usize>) -> Self {
        let frames = self.frames[pages].to_vec();
        self.arena.retain(&frames);
        ArenaRun { arena: Arc::clone(&self.arena), frames }
    }

    fn read(&self, offset: usize, out: &mut [u8]) {
        let mut done = 0;
        while done < out.len() {
            let at = offset + done;
            let bytes = (PAGE - at % PAGE).min(out.len() - done);
            let from = self.frames[at / PAGE] as usize * PAGE + at % PAGE;
            self.arena.map.read(from, &mut out[done..done + bytes]);
            done += bytes;
        }
    }
}

impl Clone for ArenaRun {
    fn clone(&self) -> Self {
        self.part(0..self.frames.len())
    }
}

impl Drop for ArenaRun {
    fn drop(&mut self) {
        self.arena.release(&self.frames);
    }
}
