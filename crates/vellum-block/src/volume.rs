//! A device and its content together: what completed and what is durable, kept apart.
//!
//! A write's data is visible to reads from its submission on (a read beside a write in flight may
//! see either), and reaches the medium when the device says that it landed. When the power goes,
//! the medium holds exactly what the device's timeline put there; sectors that were under the head
//! are torn.

use crate::{
    Completion, Device, Fate, Instant, Landed, Lba, Loss, Media, MediaError, Op, Request, Rng,
    Sink, SubmitError, Tag,
};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Why a volume did not take a request, or could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// The device refused.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The content could not be read or written.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// A write came with the wrong number of bytes.
    #[error("a {op:?} of {sectors} sectors came with {bytes} bytes")]
    Payload {
        /// The operation.
        op: Op,
        /// Its sectors.
        sectors: u32,
        /// The bytes that came.
        bytes: usize,
    },
    /// Device and medium are not of the same size.
    #[error(
        "the device has {device} sectors of {device_bytes} bytes, the medium {media} of {media_bytes}"
    )]
    Mismatch {
        /// The device's sectors.
        device: u64,
        /// Their size.
        device_bytes: u32,
        /// The medium's sectors.
        media: u64,
        /// Their size.
        media_bytes: u32,
    },
}

/// What becomes of a sector that was being written when the power went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TornPolicy {
    /// Its code does not fit its data: reading it fails until it is written again. What magnetic
    /// disks do.
    #[default]
    Unreadable,
    /// It holds what it held before.
    Old,
    /// It holds the new content.
    New,
    /// Old or new, by a coin with this seed.
    Coin(u64),
}

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

    /// Moves a write's sectors to the medium, with everything older that they supersede.
    fn land(&mut self, write: u64, lba: Lba, sectors: u32) -> Result<(), VolumeError> {
        for at in lba.get()..lba.get() + u64::from(sectors) {
            let Some(versions) = self.pending.get_mut(&at) else { continue };
            let Some(i) = versions.iter().position(|v| v.write == write) else { continue };
            match versions[i].data.as_deref() {
                Some(data) => self.media.write(Lba::new(at), data)?,
                None => self.media.discard(Lba::new(at), 1)?,
            }
            versions.drain(..=i);
            if versions.is_empty() {
                self.pending.remove(&at);
            }
            self.torn.remove(&at);
        }
        Ok(())
    }

    fn forget(&mut self, write: u64, lba: Lba, sectors: u32) {
        for at in lba.get()..lba.get() + u64::from(sectors) {
            if let Some(versions) = self.pending.get_mut(&at) {
                versions.retain(|v| v.write != write);
                if versions.is_empty() {
                    self.pending.remove(&at);
                }
            }
        }
    }

    /// Cuts the power at `now`: afterwards the medium holds the durable content and nothing else.
    /// `done` hears of completions up to then; the losses are returned with the submitters' tags.
    ///
    /// # Errors
    /// When the content can't be written.
    pub fn power_loss(
        &mut self,
        now: Instant,
        policy: TornPolicy,
        done: &mut dyn FnMut(Completion, Option<Vec<u8>>),
    ) -> Result<Vec<Loss>, VolumeError> {
        let (mut reports, mut losses) = (Reports::default(), Vec::new());
        self.device.power_loss(now, &mut reports, &mut |l| losses.push(l));
        let tags = self.flying.clone();
        self.apply(reports, done)?;
        let mut rng = Rng::new(if let TornPolicy::Coin(seed) = policy { seed } else { 0 });
        for loss in &losses {
            match loss.fate {
                Fate::Lost => {}
                Fate::Kept => self.land(loss.tag.0, loss.lba, loss.sectors)?,
                Fate::Torn => self.tear(loss, policy, &mut rng)?,
            }
        }
        self.pending.clear();
        self.flying.clear();
        for loss in &mut losses {
            loss.tag = tags.get(&loss.tag.0).copied().unwrap_or(loss.tag);
        }
        Ok(losses)
    }

    fn tear(&mut self, loss: &Loss, policy: TornPolicy, rng: &mut Rng) -> Result<(), VolumeError> {
        for at in loss.lba.get()..loss.lba.get() + u64::from(loss.sectors) {
            let new = match policy {
                TornPolicy::Unreadable => {
                    self.torn.insert(at);
                    false
                }
                TornPolicy::Old => false,
                TornPolicy::New => true,
                TornPolicy::Coin(_) => rng.one_in(2),
            };
            if new {
                self.land(loss.tag.0, Lba::new(at), 1)?;
            }
        }
        Ok(())
    }

    /// The power returns at `now`.
    pub fn power_on(&mut self, now: Instant) {
        self.device.power_on(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Duration, Fixed, FixedConfig, Flags, Ram};
    use alloc::vec;

    fn volume(volatile_cache: bool) -> Volume<Fixed, Ram> {
        let config = FixedConfig {
            sectors: 64,
            latency: Duration::from_us(10),
            volatile_cache,
            ..FixedConfig::default()
        };
        Volume::new(Fixed::new(config), Ram::new(64, 512).unwrap()).unwrap()
    }

    fn first_byte(v: &mut Volume<Fixed, Ram>, lba: u64) -> u8 {
        let mut out = [0; 512];
        v.media_mut().read(Lba::new(lba), &mut out).unwrap();
        out[0]
    }

    fn write(v: &mut Volume<Fixed, Ram>, at: u64, lba: u64, fill: u8, flags: Flags) {
        let r = Request::write(Tag(lba), Lba::new(lba), 1).with_flags(flags);
        v.submit(Instant::from_ns(at * 1000), r, &[fill; 512]).unwrap();
    }

    #[test]
    fn a_cached_write_is_lost_and_a_flushed_or_forced_one_is_kept() {
        let mut v = volume(true);
        write(&mut v, 0, 1, 0xaa, Flags::empty());
        v.submit(Instant::from_ns(20_000), Request::flush(Tag(99)), &[]).unwrap();
        v.advance(Instant::from_ns(40_000), &mut |_, _| ()).unwrap();
        write(&mut v, 41, 2, 0xbb, Flags::empty());
        write(&mut v, 41, 3, 0xcc, Flags::FUA);
        v.advance(Instant::from_ns(70_000), &mut |_, _| ()).unwrap();
        let mut seen = vec![0; 512];
        v.read_now(Lba::new(2), &mut seen).unwrap();
        assert_eq!(seen[0], 0xbb, "a completed write is visible");
        let losses =
            v.power_loss(Instant::from_ns(80_000), TornPolicy::Unreadable, &mut |_, _| ()).unwrap();
        assert_eq!(losses.len(), 1);
        assert_eq!(losses[0].fate, Fate::Lost);
        assert_eq!([1, 2, 3].map(|l| first_byte(&mut v, l)), [0xaa, 0, 0xcc]);
        assert!(matches!(
            v.submit(Instant::from_ns(90_000), Request::flush(Tag(0)), &[]),
            Err(VolumeError::Submit(SubmitError::PoweredOff))
        ));
        v.power_on(Instant::from_ns(95_000));
        v.submit(Instant::from_ns(96_000), Request::flush(Tag(0)), &[]).unwrap();
    }

    #[test]
    fn a_sector_being_written_is_torn_until_written_again() {
        let mut v = volume(false);
        write(&mut v, 0, 5, 0x11, Flags::empty());
        v.power_loss(Instant::from_ns(5_000), TornPolicy::Unreadable, &mut |_, _| ()).unwrap();
        v.power_on(Instant::from_ns(6_000));
        let mut out = [0; 512];
        assert!(matches!(v.read_now(Lba::new(5), &mut out), Err(MediaError::Unreadable { .. })));
        write(&mut v, 7, 5, 0x22, Flags::empty());
        v.advance(Instant::from_ns(30_000), &mut |_, _| ()).unwrap();
        v.read_now(Lba::new(5), &mut out).unwrap();
        assert_eq!(out[0], 0x22);
    }

    #[test]
    fn payload_and_size_must_fit() {
        let mut v = volume(false);
        let r = Request::write(Tag(0), Lba::new(0), 2);
        assert!(matches!(
            v.submit(Instant::ZERO, r, &[0; 512]),
            Err(VolumeError::Payload { sectors: 2, bytes: 512, .. })
        ));
        let device = Fixed::new(FixedConfig::default());
        assert!(matches!(
            Volume::new(device, Ram::new(8, 512).unwrap()),
            Err(VolumeError::Mismatch { .. })
        ));
    }
}
