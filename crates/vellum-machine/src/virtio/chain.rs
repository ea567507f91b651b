//! A chain of buffers, read from the guest's descriptors once and checked.

use vellum::remap::Buffer;
use vellum_state::{Error, Reader, State, Writer};
use vellum_translate::Gpa;
use virtio_queue::DescriptorChain;
use vm_memory::GuestMemory;

use super::{Broken, Dma, DmaError, QUEUE_SIZE};

/// A buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// First byte.
    pub at: Gpa,
    /// Bytes.
    pub bytes: u32,
}

/// A chain: what the device reads, then what it writes. The guest can't change it any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Its first descriptor.
    pub head: u16,
    readable: Vec<Segment>,
    writable: Vec<Segment>,
}

impl Chain {
    /// Reads a chain of at most [`QUEUE_SIZE`] descriptors.
    pub(super) fn read<M: GuestMemory>(from: DescriptorChain<&M>) -> Result<Self, Broken> {
        let head = from.head_index();
        let mut chain = Chain { head, ..Chain::default() };
        let (mut taken, mut ended) = (0, false);
        // The iterator stops at loops and at descriptors that are not there, without a word: only
        // the last descriptor tells whether the chain was whole.
        for d in from {
            if taken == QUEUE_SIZE {
                ended = false;
                break;
            }
            taken += 1;
            let segment = Segment { at: Gpa::new(d.addr().0), bytes: d.len() };
            if d.is_write_only() {
                chain.writable.push(segment);
            } else if chain.writable.is_empty() {
                chain.readable.push(segment);
            } else {
                return Err(Broken::Order { head });
            }
            ended = !d.has_next();
        }
        if ended { Ok(chain) } else { Err(Broken::Endless { head, taken }) }
    }

    /// Bytes for the device to read.
    pub fn readable(&self) -> u64 {
        total(&self.readable)
    }

    /// Bytes for the device to write.
    pub fn writable(&self) -> u64 {
        total(&self.writable)
    }

    /// The buffers that hold readable bytes `offset..offset + length`, as far as there are any.
    pub fn readable_list(&self, offset: u64, length: usize) -> Vec<Buffer> {
        list(&self.readable, offset, length)
    }

    /// The buffers that hold writable bytes `offset..offset + length`, as far as there are any.
    pub fn writable_list(&self, offset: u64, length: usize) -> Vec<Buffer> {
        list(&self.writable, offset, length)
    }

    /// Copies readable bytes from `offset` on.
    ///
    /// # Errors
    /// When a buffer is not in memory, or there are fewer bytes.
    pub fn get(&self, memory: &dyn Dma, offset: u64, out: &mut [u8]) -> Result<(), DmaError> {
        let mut done = 0;
        let length = out.len();
        for (at, n) in pieces(&self.readable, offset, length) {
            memory.read(at, &mut out[done..done + n])?;
            done += n;
        }
        enough(done, length)
    }

    /// Copies to the writable bytes from `offset` on.
    ///
    /// # Errors
    /// When a buffer is not in memory, or there are fewer bytes.
    pub fn put(&self, memory: &dyn Dma, offset: u64, bytes: &[u8]) -> Result<(), DmaError> {
        let mut done = 0;
        for (at, n) in pieces(&self.writable, offset, bytes.len()) {
            memory.write(at, &bytes[done..done + n])?;
            done += n;
        }
        enough(done, bytes.len())
    }
}

fn list(segments: &[Segment], offset: u64, length: usize) -> Vec<Buffer> {
    pieces(segments, offset, length).map(|(at, n)| Buffer::new(at.get(), n as u64)).collect()
}

fn total(segments: &[Segment]) -> u64 {
    segments.iter().map(|s| u64::from(s.bytes)).sum()
}

fn enough(done: usize, wanted: usize) -> Result<(), DmaError> {
    // A buffer that would wrap around the address space ends a copy early.
    if done == wanted { Ok(()) } else { Err(DmaError { at: Gpa::new(u64::MAX), bytes: wanted }) }
}

/// The parts of `segments` that hold bytes `offset..offset + length`.
fn pieces(
    segments: &[Segment],
    offset: u64,
    length: usize,
) -> impl Iterator<Item = (Gpa, usize)> + '_ {
    let (mut skip, mut left) = (offset, length as u64);
    segments
        .iter()
        .map(move |s| {
            let bytes = u64::from(s.bytes);
            let from = skip.min(bytes);
            skip -= from;
            let n = (bytes - from).min(left);
            left -= n;
            (s.at, from, n)
        })
        // A buffer that is only passed over may be anywhere.
        .filter(|&(_, _, n)| n > 0)
        .map_while(|(at, from, n)| Some((at.checked_add(from)?, n as usize)))
}

impl State for Chain {
    fn save(&self, w: &mut Writer<'_>) {
        w.u16(self.head);
        for list in [&self.readable, &self.writable] {
            w.u16(list.len() as u16);
            for s in list {
                w.u64(s.at.get());
                w.u32(s.bytes);
            }
        }
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        self.head = r.u16()?;
        for list in [&mut self.readable, &mut self.writable] {
            list.clear();
            let count = r.u16()?;
            if count > QUEUE_SIZE {
                let why = "longer than a chain can be";
                return Err(Error::Value { field: "chain", value: count.into(), why });
            }
            for _ in 0..count {
                list.push(Segment { at: Gpa::new(r.u64()?), bytes: r.u32()? });
            }
        }
        Ok(())
    }
}
