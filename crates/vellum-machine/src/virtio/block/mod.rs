//! The block device (virtio 1.2, section 5.2) over any [`Disk`].
//!
//! Data to be written leaves guest memory when the request is taken, data that was read enters it
//! when the request ends. What a guest may ask of one request is limited, and said in the
//! configuration; more is answered with an error.

mod config;
mod mover;
mod request;

use std::collections::BTreeMap;

use vellum_state::{Error, Reader, State, Writer};
use virtio_bindings::virtio_blk as blk;
use virtio_bindings::virtio_ids::VIRTIO_ID_BLOCK;

pub(crate) use self::mover::IN_FLIGHT;
use self::mover::Mover;
use self::request::{HEADER, Parsed, parse};
use super::{Broken, Chain, Io, QUEUE_SIZE, Used, VirtioDevice};
use crate::clock::Instant;
use crate::disk::{Disk, DiskError, Done, Payload, Request, Ticket};

/// Bytes of one buffer at most (`size_max`).
pub const SIZE_MAX: u32 = 64 << 10;
/// Buffers of one request at most (`seg_max`): the longest chain without header and status.
pub const SEG_MAX: u32 = QUEUE_SIZE as u32 - 2;
/// Bytes of data of one request at most.
pub const DATA_LIMIT: u64 = SIZE_MAX as u64 * SEG_MAX as u64;
/// Sectors that one request discards or clears at most.
pub const CLEAR_LIMIT: u32 = 1 << 17;

const _: () = assert!(
    DATA_LIMIT <= crate::disk::REQUEST_LIMIT
        && CLEAR_LIMIT as u64 * crate::disk::SECTOR <= crate::disk::REQUEST_LIMIT
);

/// How a request ended, as the guest sees it (section 5.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Ok,
    Failed,
    Unsupported,
}

impl Status {
    fn byte(self) -> u8 {
        (match self {
            Status::Ok => blk::VIRTIO_BLK_S_OK,
            Status::Failed => blk::VIRTIO_BLK_S_IOERR,
            Status::Unsupported => blk::VIRTIO_BLK_S_UNSUPP,
        }) as u8
    }
}

/// The device.
#[derive(Debug)]
pub struct Block {
    disk: Box<dyn Disk>,
    name: String,
    /// The driver knows of the write cache and flushes it; otherwise writes end when durable.
    flushes: bool,
    next: u64,
    held: BTreeMap<Ticket, Chain>,
    mover: Mover,
}

impl Block {
    /// A device for `disk`, which tells the guest `name` (cut to 20 bytes) as its serial number.
    pub fn new(disk: Box<dyn Disk>, name: &str) -> Self {
        Block {
            disk,
            name: name.into(),
            flushes: false,
            next: 0,
            held: BTreeMap::new(),
            mover: Mover::default(),
        }
    }

    /// The same, which remaps from so many whole pages in a row on and copies fewer;
    /// [`usize::MAX`]: copies all.
    pub fn remapping_from(mut self, pages: usize) -> Self {
        self.mover.remap_from(pages);
        self
    }

    /// Writes the answer: the data from the first writable byte on, the status into the last one.
    fn answer(
        &mut self,
        io: &Io<'_>,
        chain: &Chain,
        mut status: Status,
        data: &Payload,
    ) -> Result<Used, Broken> {
        let room = chain.writable() - 1;
        if status == Status::Ok && self.mover.scatter(io.memory, chain, data).is_err() {
            status = Status::Failed;
        }
        chain.put(io.memory, room, &[status.byte()])?;
        // A driver that sees an error looks at the status alone, which lies behind the data.
        let written = room.saturating_add(1).min(DATA_LIMIT + 1) as u32;
        Ok(Used { queue: 0, head: chain.head, written })
    }
}

fn status(error: &DiskError) -> Status {
    match error {
        DiskError::Submit(vellum_block::SubmitError::Unsupported { .. }) => Status::Unsupported,
        _ => Status::Failed,
    }
}

impl VirtioDevice for Block {
    fn id(&self) -> u32 {
        VIRTIO_ID_BLOCK
    }

    fn features(&self) -> u64 {
        let mut features = 1 << blk::VIRTIO_BLK_F_SIZE_MAX
            | 1 << blk::VIRTIO_BLK_F_SEG_MAX
            | 1 << blk::VIRTIO_BLK_F_BLK_SIZE
            | 1 << blk::VIRTIO_BLK_F_TOPOLOGY
            | 1 << blk::VIRTIO_BLK_F_FLUSH;
        features |= if self.disk.shape().read_only {
            1 << blk::VIRTIO_BLK_F_RO
        } else {
            1 << blk::VIRTIO_BLK_F_DISCARD | 1 << blk::VIRTIO_BLK_F_WRITE_ZEROES
        };
        features
    }

    fn queues(&self) -> usize {
        1
    }

    fn read_config(&self, offset: u64, out: &mut [u8]) {
        config::read(&self.disk.shape(), offset, out);
    }

    fn activate(&mut self, features: u64) {
        self.flushes = features >> blk::VIRTIO_BLK_F_FLUSH & 1 == 1;
    }

    fn reset(&mut self) {
        // The disk still ends what it has; nobody waits for it any more.
        self.held.clear();
        self.mover.abandon();
        self.flushes = false;
    }

    fn has_room(&self, _queue: usize) -> bool {
        self.disk.has_room()
    }

    fn start(
        &mut self,
        io: &mut Io<'_>,
        _queue: usize,
        chain: Chain,
    ) -> Result<Option<Used>, Broken> {
        let shape = self.disk.shape();
        let none = Payload::default();
        let ticket = Ticket(self.next);
        let request = match parse(&chain, io.memory, &shape, &self.name)? {
            Parsed::Refused(status) => return self.answer(io, &chain, status, &none).map(Some),
            Parsed::Known(data) => {
                return self.answer(io, &chain, Status::Ok, &data.into()).map(Some);
            }
            Parsed::Disk(request) => request,
            Parsed::Write { sector, bytes } => {
                match self.mover.gather(io.memory, &chain, HEADER, bytes, ticket) {
                    Ok(data) => Request::Write { sector, data, durable: !self.flushes },
                    Err(_) => return self.answer(io, &chain, Status::Failed, &none).map(Some),
                }
            }
        };
        match self.disk.submit(io.now, ticket, request) {
            Ok(()) => {
                self.next += 1;
                self.held.insert(ticket, chain);
                Ok(None)
            }
            Err(e) => {
                self.mover.ended(io.memory, ticket);
                self.answer(io, &chain, status(&e), &none).map(Some)
            }
        }
    }

    /// What was moved, and how. Pages that were lent and that the disk copied all the same are copied.
    fn transfers(&self) -> vellum::remap::Counters {
        let (counters, copied) = (self.mover.counters(), self.disk.copied());
        vellum::remap::Counters {
            remapped: counters.remapped.saturating_sub(copied),
            copied: counters.copied + copied,
            ..counters
        }
    }

    fn next_event(&self) -> Option<Instant> {
        self.disk.next_event()
    }

    fn advance(&mut self, io: &mut Io<'_>, used: &mut Vec<Used>) -> Result<(), Broken> {
        let mut ended = Vec::new();
        let frames = self.mover.frames(io.memory);
        self.disk.advance(io.now, frames.as_ref(), &mut |done| ended.push(done));
        for Done { ticket, result } in ended {
            self.mover.ended(io.memory, ticket);
            let Some(chain) = self.held.remove(&ticket) else { continue };
            used.push(match result {
                Ok(data) => self.answer(io, &chain, Status::Ok, &data)?,
                Err(e) => self.answer(io, &chain, status(&e), &Payload::default())?,
            });
        }
        Ok(())
    }
}

impl State for Block {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"VBLK", 1, |w| {
            w.bool(self.flushes);
            w.u64(self.next);
            w.u32(self.held.len() as u32);
            for (ticket, chain) in &self.held {
                w.u64(ticket.0);
                chain.save(w);
            }
            self.disk.save(w);
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"VBLK", 1, |r| {
            self.flushes = r.bool()?;
            self.next = r.u64()?;
            self.held.clear();
            self.mover.forget();
            for _ in 0..r.u32()? {
                let ticket = Ticket(r.u64()?);
                let mut chain = Chain::default();
                chain.restore(r)?;
                if chain.writable() == 0 {
                    let why = "a request that nobody can answer";
                    return Err(Error::Value { field: "request", value: ticket.0, why });
                }
                self.held.insert(ticket, chain);
            }
            self.disk.restore(r)
        })
    }
}
