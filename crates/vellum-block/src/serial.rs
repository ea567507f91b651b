//! A volume as a medium: each call becomes a request that is served to its end.
//!
//! So whoever knows media only (the NBD server, a file system in a test) uses a model as its disk,
//! in the model's own time. Between two calls no time passes for the model but what
//! [`Serial::think`] lets pass; data in its cache stays there until it is flushed or destaged.

use crate::{
    Completion, Device, Duration, Instant, Lba, Media, MediaError, Op, Request, Statistics, Status,
    Tag, Volume, VolumeError,
};
use alloc::vec::Vec;

/// Most sectors of one request; longer calls are cut.
const PIECE: u64 = 2048;

/// A volume whose requests come one after the other.
#[derive(Debug)]
pub struct Serial<D, M> {
    volume: Volume<D, M>,
    now: Instant,
    /// Time that the host leaves between two calls.
    pause: Duration,
    statistics: Statistics,
}

impl<D: Device, M: Media> Serial<D, M> {
    /// The volume, at time zero.
    pub fn new(volume: Volume<D, M>) -> Self {
        let (now, pause) = (Instant::ZERO, Duration::ZERO);
        Serial { volume, now, pause, statistics: Statistics::default() }
    }

    /// Lets `pause` pass between two calls from now on.
    pub fn think(&mut self, pause: Duration) {
        self.pause = pause;
    }

    /// The model's time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// What was asked so far, and how long it took.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The volume, to cut its power.
    pub fn volume_mut(&mut self) -> &mut Volume<D, M> {
        &mut self.volume
    }

    /// Serves one request to its end; a read's data.
    fn serve(
        &mut self,
        op: Op,
        lba: Lba,
        sectors: u32,
        data: &[u8],
    ) -> Result<Vec<u8>, MediaError> {
        self.now += self.pause;
        let refused = |_| MediaError::Device { op, lba };
        let wrong = |e: VolumeError| match e {
            VolumeError::Media(e) => e,
            _ => MediaError::Device { op, lba },
        };
        self.volume.advance(self.now, &mut |_, _| ()).map_err(wrong)?;
        self.volume
            .submit(self.now, Request::new(Tag(0), op, lba, sectors), data)
            .map_err(refused)?;
        let mut end: Option<(Completion, Vec<u8>)> = None;
        while end.is_none() {
            let at = self.volume.next_event().ok_or(MediaError::Device { op, lba })?;
            let done = &mut |c, data: Option<Vec<u8>>| end = Some((c, data.unwrap_or_default()));
            self.volume.advance(at, done).map_err(wrong)?;
        }
        let (done, data) = end.ok_or(MediaError::Device { op, lba })?;
        self.now = self.now.max(done.at);
        self.statistics.record(&done);
        match done.status {
            Status::Done | Status::Recovered { .. } => Ok(data),
            Status::Unreadable { lba } => Err(MediaError::Unreadable { lba }),
            _ => Err(MediaError::Device { op, lba }),
        }
    }

    fn pieces(lba: Lba, sectors: u64) -> impl Iterator<Item = (Lba, u32)> {
        let starts = (0..sectors).step_by(PIECE as usize);
        starts.map(move |at| (Lba::new(lba.get() + at), PIECE.min(sectors - at) as u32))
    }
}

impl<D: Device, M: Media> Media for Serial<D, M> {
    fn sector_bytes(&self) -> u32 {
        self.volume.device().shape().sector_bytes
    }

    fn sectors(&self) -> u64 {
        self.volume.device().shape().sectors
    }

    fn read(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
        let sectors = self.check(lba, out.len())?;
        let size = self.sector_bytes() as usize;
        for ((at, n), out) in Self::pieces(lba, sectors).zip(out.chunks_mut(PIECE as usize * size))
        {
            out.copy_from_slice(&self.serve(Op::Read, at, n, &[])?);
        }
        Ok(())
    }

    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediaError> {
        let sectors = self.check(lba, data.len())?;
        let size = self.sector_bytes() as usize;
        for ((at, n), data) in Self::pieces(lba, sectors).zip(data.chunks(PIECE as usize * size)) {
            self.serve(Op::Write, at, n, data)?;
        }
        Ok(())
    }

    /// A device that can't discard is told to write zeros.
    fn discard(&mut self, lba: Lba, sectors: u64) -> Result<(), MediaError> {
        self.check_sectors(lba, sectors)?;
        if self.volume.device().supports(Op::Discard) {
            for (at, n) in Self::pieces(lba, sectors) {
                self.serve(Op::Discard, at, n, &[])?;
            }
            return Ok(());
        }
        let zeros = alloc::vec![0; PIECE as usize * self.sector_bytes() as usize];
        for (at, n) in Self::pieces(lba, sectors) {
            let bytes = n as usize * self.sector_bytes() as usize;
            self.serve(Op::Write, at, n, &zeros[..bytes])?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), MediaError> {
        self.serve(Op::Flush, Lba::new(0), 0, &[]).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fixed, FixedConfig, Ram, TornPolicy};
    use alloc::vec;

    #[test]
    fn calls_take_the_models_time_and_only_a_flush_makes_them_last() {
        let config = FixedConfig {
            sectors: 8192,
            latency: Duration::from_us(100),
            volatile_cache: true,
            ..FixedConfig::default()
        };
        let volume = Volume::new(Fixed::new(config), Ram::new(8192, 512).unwrap()).unwrap();
        let mut disk = Serial::new(volume);
        disk.think(Duration::from_us(10));
        disk.write(Lba::new(8), &[1; 512]).unwrap();
        disk.flush().unwrap();
        disk.write(Lba::new(9), &[2; 512]).unwrap();
        let mut out = vec![0; 1024];
        disk.read(Lba::new(8), &mut out).unwrap();
        assert_eq!((out[0], out[512]), (1, 2));
        let busy = disk.now().since(Instant::ZERO);
        assert!(busy >= Duration::from_us(240), "{busy}");
        let now = disk.now();
        disk.volume_mut().power_loss(now, TornPolicy::Unreadable, &mut |_, _| ()).unwrap();
        disk.volume_mut().power_on(now);
        disk.read(Lba::new(8), &mut out).unwrap();
        assert_eq!((out[0], out[512]), (1, 0), "the second write was only in the cache");
        assert!(matches!(disk.read(Lba::new(8192), &mut out), Err(MediaError::PastEnd { .. })));
        let long = vec![7; 5000 * 512];
        disk.write(Lba::new(100), &long).unwrap();
        let mut back = vec![0; long.len()];
        disk.read(Lba::new(100), &mut back).unwrap();
        assert_eq!(back, long);
    }
}
