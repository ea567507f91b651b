//! A disk made of a device model and content.
//!
//! Content changes when the model says that a request is done: what is in flight is nowhere but in
//! the request, as it would be if the power went.

use std::collections::BTreeMap;
use std::sync::Arc;

use vellum::frames::FramePool;
use vellum_block::{Completion, Device, Flags, Lba, Op, Tag};
use vellum_state::{Error, Reader, State, Writer};

use super::{
    Content, Disk, DiskError, Done, Payload, REQUEST_LIMIT, Request, SECTOR, Shape, Ticket,
};
use crate::clock::Instant;

/// Any device model of the block contract, with any content.
#[derive(Debug)]
pub struct ModelDisk<D, C> {
    device: D,
    content: C,
    /// The data of the writes in flight.
    writes: BTreeMap<Ticket, Payload>,
    /// Bytes of held pages that were copied all the same.
    copied: u64,
}

impl<D: Device + State + core::fmt::Debug, C: Content> ModelDisk<D, C> {
    /// Joins a model and content, which may be smaller: the rest of the model is then not used.
    ///
    /// # Errors
    /// When the content is larger, their sectors differ in size, or are smaller than the guest's.
    pub fn new(device: D, content: C) -> Result<Self, DiskError> {
        let shape = device.shape();
        let bytes = content.sectors().saturating_mul(content.sector_bytes().into());
        let sector_bytes = content.sector_bytes();
        if shape.bytes() < bytes || shape.sector_bytes != sector_bytes {
            return Err(DiskError::Mismatch {
                model: shape.bytes(),
                model_sector: shape.sector_bytes,
                content: bytes,
                content_sector: sector_bytes,
            });
        }
        if u64::from(sector_bytes) < SECTOR {
            return Err(DiskError::Unaligned { sector: 0, sectors: 1, sector_bytes });
        }
        let writes = BTreeMap::new();
        Ok(ModelDisk { device, content, writes, copied: 0 })
    }

    /// The model, for its statistics.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The content.
    pub fn content(&self) -> &C {
        &self.content
    }

    /// From the guest's sectors to the disk's own.
    fn range(&self, sector: u64, sectors: u64) -> Result<(Lba, u32), DiskError> {
        let sector_bytes = self.content.sector_bytes();
        let each = u64::from(sector_bytes) / SECTOR;
        if !sector.is_multiple_of(each) || !sectors.is_multiple_of(each) {
            return Err(DiskError::Unaligned { sector, sectors, sector_bytes });
        }
        // As many as 32 bits of 512-byte sectors can name; a request holds no more.
        Ok((Lba::new(sector / each), u32::try_from(sectors / each).unwrap_or(u32::MAX)))
    }

    /// Checks a request against the content: the model may be larger than that, and what a model
    /// restored from a file has in flight may be anything.
    fn check(&self, request: &vellum_block::Request) -> Result<(), DiskError> {
        request.check(self.content.sectors())?;
        let bytes = u64::from(request.sectors) * u64::from(self.content.sector_bytes());
        if bytes > REQUEST_LIMIT { Err(DiskError::TooLarge { bytes }) } else { Ok(()) }
    }

    fn finish(
        &mut self,
        completion: &Completion,
        frames: Option<&Arc<FramePool>>,
    ) -> Result<Payload, DiskError> {
        let ticket = Ticket(completion.tag().0);
        let data = self.writes.remove(&ticket);
        if !completion.status.is_ok() {
            return Err(DiskError::Failed(completion.status));
        }
        self.check(&completion.request)?;
        let vellum_block::Request { op, lba, sectors, .. } = completion.request;
        match (op, data) {
            (Op::Read, _) => {
                return Ok(self.content.fetch(lba, sectors.into(), frames)?);
            }
            (Op::Write, Some(data)) => self.copied += self.content.store(lba, &data)?,
            (Op::Discard | Op::WriteZeroes, _) => self.content.discard(lba, sectors.into())?,
            (Op::Flush, _) => self.content.flush()?,
            _ => return Err(DiskError::Failed(completion.status)),
        }
        if completion.request.flags.contains(Flags::FUA) {
            self.content.flush()?;
        }
        Ok(Payload::default())
    }
}

impl<D: Device + State + core::fmt::Debug, C: Content> Disk for ModelDisk<D, C> {
    fn shape(&self) -> Shape {
        let shape = self.device.shape();
        Shape {
            sectors: self.content.sectors() * (u64::from(shape.sector_bytes) / SECTOR),
            logical: shape.sector_bytes,
            physical: shape.physical_bytes.max(shape.sector_bytes),
            read_only: self.content.read_only(),
        }
    }

    fn has_room(&self) -> bool {
        self.device.in_flight() < self.device.shape().queue_depth as usize
    }

    fn submit(&mut self, now: Instant, ticket: Ticket, request: Request) -> Result<(), DiskError> {
        let new = |op, (lba, sectors)| vellum_block::Request::new(Tag(ticket.0), op, lba, sectors);
        let (request, data) = match request {
            Request::Read { sector, sectors } => {
                (new(Op::Read, self.range(sector, sectors.into())?), None)
            }
            Request::Write { sector, data, durable } => {
                let flags = if durable { Flags::FUA } else { Flags::empty() };
                let range = self.range(sector, data.len() as u64 / SECTOR)?;
                (new(Op::Write, range).with_flags(flags), Some(data))
            }
            Request::Flush => (vellum_block::Request::flush(Tag(ticket.0)), None),
            Request::Discard { sector, sectors } => {
                (new(Op::Discard, self.range(sector, sectors.into())?), None)
            }
            Request::WriteZeroes { sector, sectors } => {
                (new(Op::WriteZeroes, self.range(sector, sectors.into())?), None)
            }
        };
        if !self.device.supports(request.op) {
            return Err(vellum_block::SubmitError::Unsupported { op: request.op }.into());
        }
        self.check(&request)?;
        self.device.submit(now, request)?;
        if let Some(data) = data {
            self.writes.insert(ticket, data);
        }
        Ok(())
    }

    fn copied(&self) -> u64 {
        self.copied
    }

    fn next_event(&self) -> Option<Instant> {
        self.device.next_event()
    }

    fn advance(
        &mut self,
        now: Instant,
        frames: Option<&Arc<FramePool>>,
        done: &mut dyn FnMut(Done),
    ) {
        let mut ended = Vec::new();
        self.device.advance(now, &mut |c: Completion| ended.push(c));
        for c in ended {
            done(Done { ticket: Ticket(c.tag().0), result: self.finish(&c, frames) });
        }
    }
}

impl<D: Device + State, C: Content> State for ModelDisk<D, C> {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"MDSK", 1, |w| {
            self.device.save(w);
            self.content.save(w);
            w.u32(self.writes.len() as u32);
            for (ticket, data) in &self.writes {
                w.u64(ticket.0);
                w.bytes(&data.to_vec());
            }
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"MDSK", 1, |r| {
            self.device.restore(r)?;
            self.content.restore(r)?;
            self.writes.clear();
            for _ in 0..r.u32()? {
                let ticket = Ticket(r.u64()?);
                self.writes.insert(ticket, r.bytes(REQUEST_LIMIT as usize)?.to_vec().into());
            }
            Ok(())
        })
    }
}
