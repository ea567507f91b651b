//! A device and its content together: what completed and what is durable, kept apart.
//!
//! A write's data is visible to reads from its submission on (a read beside a write in flight may
//! see either), and reaches the medium when the device says that it landed. When the power goes,
//! the medium holds exactly what the device's timeline put there; sectors that were under the head
//! are torn.

mod durable;
mod error;
#[cfg(test)]
mod tests;

pub use durable::TornPolicy;
pub use error::VolumeError;

use crate::{Completion, Device, Instant, Landed, Lba, Media, MediaError, Op, Request, Sink, Tag};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// A version of a sector that is not durable: who wrote it, and what (`None` is zeros).
#[derive(Debug, Clone)]
struct Version {
    write: u64,
    data: Option<Box<[u8]>>,
}

/// A [`Device`] and a [`Media`] as one disk.
#[derive(Debug)]
pub struct Volume<D, M> {
    device: D,
    media: M,
    /// Not durable yet, oldest version first.
    pending: BTreeMap<u64, Vec<Version>>,
    /// Requests in flight by the volume's own number.
    flying: BTreeMap<u64, Tag>,
    torn: BTreeSet<u64>,
    next: u64,
}

/// Gathers a device's reports so that the volume can apply them in order.
#[derive(Default)]
struct Reports(Vec<Report>);

enum Report {
    Completed(Completion),
    Landed(Landed),
}

impl Sink for Reports {
    fn completed(&mut self, completion: Completion) {
        self.0.push(Report::Completed(completion));
    }
    fn landed(&mut self, landed: Landed) {
        self.0.push(Report::Landed(landed));
    }
}

impl<D: Device, M: Media> Volume<D, M> {
    /// Joins a device and its content.
    ///
    /// # Errors
    /// When their sectors differ in number or size.
    pub fn new(device: D, media: M) -> Result<Self, VolumeError> {
        let shape = device.shape();
        if (shape.sectors, shape.sector_bytes) != (media.sectors(), media.sector_bytes()) {
            return Err(VolumeError::Mismatch {
                device: shape.sectors,
                device_bytes: shape.sector_bytes,
                media: media.sectors(),
                media_bytes: media.sector_bytes(),
            });
        }
        Ok(Volume {
            device,
            media,
            pending: BTreeMap::new(),
            flying: BTreeMap::new(),
            torn: BTreeSet::new(),
            next: 0,
        })
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device, for what is no request: statistics, faults. Submitting behind the volume's back
    /// makes it lose track of content.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// The durable content.
    pub fn media_mut(&mut self) -> &mut M {
        &mut self.media
    }

    /// Takes the two apart again; what is not durable is gone.
    pub fn into_parts(self) -> (D, M) {
        (self.device, self.media)
    }

    /// Sectors with content that is not durable yet.
    pub fn volatile_sectors(&self) -> usize {
        self.pending.len()
    }

    /// Takes a request at `now`; `data` is a write's content and empty otherwise.
    ///
    /// # Errors
    /// When the device refuses or `data` has the wrong length; nothing has changed then.
    pub fn submit(
        &mut self,
        now: Instant,
        request: Request,
        data: &[u8],
    ) -> Result<(), VolumeError> {
        let size = self.media.sector_bytes() as usize;
        let wanted = if request.op == Op::Write { request.sectors as usize * size } else { 0 };
        if data.len() != wanted {
            let Request { op, sectors, .. } = request;
            return Err(VolumeError::Payload { op, sectors, bytes: data.len() });
        }
        let own = self.next;
        self.device.submit(now, Request { tag: Tag(own), ..request })?;
        self.next += 1;
        self.flying.insert(own, request.tag);
        if request.op.changes() {
            for i in 0..u64::from(request.sectors) {
                let from = i as usize * size;
                let data = (request.op == Op::Write).then(|| data[from..from + size].into());
                let versions = self.pending.entry(request.lba.get() + i).or_default();
                versions.push(Version { write: own, data });
            }
        }
        Ok(())
    }

    /// When something will happen next.
    pub fn next_event(&self) -> Option<Instant> {
        self.device.next_event()
    }

    /// Brings the volume to `now`; `done` hears of each completion, with a read's data.
    ///
    /// # Errors
    /// When the content can't be read or written.
    pub fn advance(
        &mut self,
        now: Instant,
        done: &mut dyn FnMut(Completion, Option<Vec<u8>>),
    ) -> Result<(), VolumeError> {
        let mut reports = Reports::default();
        self.device.advance(now, &mut reports);
        self.apply(reports, done)
    }

    fn apply(
        &mut self,
        reports: Reports,
        done: &mut dyn FnMut(Completion, Option<Vec<u8>>),
    ) -> Result<(), VolumeError> {
        for report in reports.0 {
            match report {
                Report::Landed(l) => self.land(l.tag.0, l.lba, l.sectors)?,
                Report::Completed(mut c) => {
                    let own = c.request.tag.0;
                    c.request.tag = self.flying.remove(&own).unwrap_or(c.request.tag);
                    if !c.status.is_ok() && c.request.op.changes() {
                        self.forget(own, c.request.lba, c.request.sectors);
                    }
                    let data = if c.request.op == Op::Read && c.status.is_ok() {
                        Some(self.content(&mut c)?)
                    } else {
                        None
                    };
                    done(c, data);
                }
            }
        }
        Ok(())
    }

    /// What a completed read returns; a torn sector turns it into a medium error.
    fn content(&mut self, c: &mut Completion) -> Result<Vec<u8>, VolumeError> {
        let mut out =
            alloc::vec![0; c.request.sectors as usize * self.media.sector_bytes() as usize];
        match self.read_now(c.request.lba, &mut out) {
            Err(MediaError::Unreadable { lba }) => {
                c.status = crate::Status::Unreadable { lba };
                out.clear();
                Ok(out)
            }
            other => other.map(|()| out).map_err(Into::into),
        }
    }

    /// Reads the newest content at once, in no time.
    ///
    /// # Errors
    /// When the range does not fit, or a sector is torn.
    pub fn read_now(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
        let sectors = self.media.check(lba, out.len())?;
        let range = lba.get()..lba.get() + sectors;
        for &torn in self.torn.range(range.clone()) {
            if !self.pending.contains_key(&torn) {
                return Err(MediaError::Unreadable { lba: Lba::new(torn) });
            }
        }
        self.media.read(lba, out)?;
        let size = self.media.sector_bytes() as usize;
        for (&at, versions) in self.pending.range(range) {
            let to = (at - lba.get()) as usize * size;
            match versions.last().and_then(|v| v.data.as_deref()) {
                Some(data) => out[to..to + size].copy_from_slice(data),
                None => out[to..to + size].fill(0),
            }
        }
        Ok(())
    }

    /// The power returns at `now`.
    pub fn power_on(&mut self, now: Instant) {
        self.device.power_on(now);
    }
}
