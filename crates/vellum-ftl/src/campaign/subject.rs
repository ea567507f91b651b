//! What a campaign asks of a layer beyond what every one has: batches, snapshots and days, where there are any.

use super::chip::Chip;
use crate::{Cached, Ftl, FtlError, Layer, Lpn, Small};
use vellum_nand::Nand;

/// A layer that is cut.
pub(super) trait Subject: Layer<Chip: Chip> + Clone {
    /// Most pages of an atomic batch; 0: there are no batches.
    fn batch_limit(&self) -> usize {
        0
    }
    fn write_batch(&mut self, _batch: &[(Lpn, &[u8])]) -> Result<(), FtlError> {
        Ok(())
    }
    fn has_snapshot(&self) -> bool {
        false
    }
    fn take_snapshot(&mut self) -> Result<(), FtlError> {
        Ok(())
    }
    fn drop_snapshot(&mut self) -> Result<(), FtlError> {
        Ok(())
    }
    fn read_snapshot(&mut self, lpn: Lpn, _out: &mut [u8]) -> Result<(), FtlError> {
        let pages = self.pages().into();
        Err(FtlError::PastEnd { lpn: lpn.0.into(), pages })
    }
    fn set_day(&mut self, _day: u16) -> Result<(), FtlError> {
        Ok(())
    }
}

impl<N: Nand + Chip> Subject for Small<N> {}

impl<N: Nand + Chip> Subject for Ftl<N> {
    fn batch_limit(&self) -> usize {
        Ftl::batch_limit(self)
    }
    fn write_batch(&mut self, batch: &[(Lpn, &[u8])]) -> Result<(), FtlError> {
        Ftl::write_batch(self, batch)
    }
    fn has_snapshot(&self) -> bool {
        Ftl::has_snapshot(self)
    }
    fn take_snapshot(&mut self) -> Result<(), FtlError> {
        Ftl::take_snapshot(self)
    }
    fn drop_snapshot(&mut self) -> Result<(), FtlError> {
        Ftl::drop_snapshot(self)
    }
    fn read_snapshot(&mut self, lpn: Lpn, out: &mut [u8]) -> Result<(), FtlError> {
        Ftl::read_snapshot(self, lpn, out)
    }
    fn set_day(&mut self, day: u16) -> Result<(), FtlError> {
        Ftl::set_day(self, day)
    }
}

impl<L: Subject> Subject for Cached<L> {
    fn batch_limit(&self) -> usize {
        self.layer().batch_limit()
    }
    fn write_batch(&mut self, batch: &[(Lpn, &[u8])]) -> Result<(), FtlError> {
        self.written_out()?.write_batch(batch)
    }
    fn has_snapshot(&self) -> bool {
        self.layer().has_snapshot()
    }
    fn take_snapshot(&mut self) -> Result<(), FtlError> {
        self.written_out()?.take_snapshot()
    }
    fn drop_snapshot(&mut self) -> Result<(), FtlError> {
        self.layer_mut().drop_snapshot()
    }
    fn read_snapshot(&mut self, lpn: Lpn, out: &mut [u8]) -> Result<(), FtlError> {
        self.layer_mut().read_snapshot(lpn, out)
    }
    fn set_day(&mut self, day: u16) -> Result<(), FtlError> {
        self.layer_mut().set_day(day)
    }
}
