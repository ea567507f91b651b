//! A file of [`ByteStorage`]: where its bytes are, how it grows, and what a sync has to flush.

use super::space::{self, Run};
use super::{ByteMemory, ByteStorage, DATA, Node, NodeState, UNIT, lock};
use crate::storage::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// The places in memory of bytes of a file.
fn places(runs: &[Run], range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let mut before = 0;
    runs.iter().filter_map(move |run| {
        let (start, len) = (before, run.units() * UNIT);
        before += len;
        let (from, to) = (range.start.max(start), range.end.min(start + len));
        let base = DATA + run.start * UNIT;
        (from < to).then(|| base + (from - start)..base + (to - start))
    })
}

/// A file that is open.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) node: Arc<Node>,
    pub(super) storage: ByteStorage,
}

impl Handle {
    fn memory(&self) -> &dyn ByteMemory {
        &*self.node.shared.memory
    }

    /// Takes units for `len` bytes.
    fn reserve(&self, state: &mut NodeState, len: u64) -> io::Result<()> {
        let have: u64 = state.runs.iter().map(Run::units).sum();
        let need = len.div_ceil(UNIT);
        if need > have {
            // Twice as much, so that a file that grows has few runs.
            let more = (need - have).max(have.min(256));
            let mut space = lock(&self.node.shared.space);
            let runs = space.take(more).or_else(|| space.take(need - have));
            state.runs.extend(runs.ok_or(io::ErrorKind::StorageFull)?);
        }
        Ok(())
    }

    /// Makes the file `len` bytes long; new bytes are zeros.
    fn grow(&self, state: &mut NodeState, len: u64) -> io::Result<()> {
        self.reserve(state, len)?;
        let old = state.len;
        if len > old {
            state.len = len;
            self.put(state, old, &mut zeros(len - old))?;
        }
        Ok(())
    }

    /// Stores parts of bytes one behind the other.
    fn put(
        &self,
        state: &mut NodeState,
        at: u64,
        parts: &mut dyn Iterator<Item = &[u8]>,
    ) -> io::Result<()> {
        let mut start = at;
        for mut part in parts {
            let end = start + part.len() as u64;
            for place in places(&state.runs, start..end) {
                let (now, later) = part.split_at((place.end - place.start) as usize);
                self.memory().store(place.start, now)?;
                part = later;
            }
            start = end;
        }
        match state.dirty.last_mut() {
            Some(last) if (last.start..=last.end).contains(&at) => last.end = last.end.max(start),
            _ => state.dirty.push(at..start),
        }
        Ok(())
    }
}

/// `len` zeros, in parts.
fn zeros(len: u64) -> impl Iterator<Item = &'static [u8]> {
    const ZEROS: &[u8] = &[0; 4096];
    let step = ZEROS.len() as u64;
    (0..len.div_ceil(step)).map(move |part| &ZEROS[..(len - part * step).min(step) as usize])
}

impl File for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.node.state).len)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let state = lock(&self.node.state);
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= state.len);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut rest = buf;
        for place in places(&state.runs, offset..end) {
            let (now, later) = rest.split_at_mut((place.end - place.start) as usize);
            self.memory().load(place.start, now)?;
            rest = later;
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.node.state);
        let end = offset.checked_add(bytes.len() as u64).ok_or(io::ErrorKind::StorageFull)?;
        if offset > state.len {
            self.grow(&mut state, offset)?;
        }
        self.reserve(&mut state, end)?;
        state.len = state.len.max(end);
        self.put(&mut state, offset, &mut std::iter::once(bytes))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = lock(&self.node.state);
        if len < state.len {
            state.len = len;
            let units = len.div_ceil(UNIT);
            let kept = space::first(&state.runs, units);
            let gone = space::behind(&state.runs, units);
            state.runs = kept;
            lock(&self.node.shared.space).give_up(gone);
            return Ok(());
        }
        self.grow(&mut state, len)
    }

    fn sync(&self) -> io::Result<()> {
        // Names before nodes, as everywhere.
        let mut names = lock(&self.storage.names);
        let changed = {
            let mut state = lock(&self.node.state);
            for range in std::mem::take(&mut state.dirty) {
                let range = range.start..range.end.min(state.len);
                for place in places(&state.runs, range) {
                    self.memory().flush(place)?;
                }
            }
            self.memory().fence()?;
            let changed = state.durable_len != state.len;
            state.durable_len = state.len;
            changed
        };
        if changed { self.storage.commit(&mut names) } else { Ok(()) }
    }
}
