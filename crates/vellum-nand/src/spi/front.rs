//! The driver as users see it: [`SpiNand`] over `embedded-hal`, and with feature `async`
//! `AsyncSpiNand` over `embedded-hal-async`. Both are [`Driver`] on another bus.

use super::bus::Plain;
#[cfg(feature = "async")]
use super::bus::Waiting;
use super::chip::Driver;
use super::{Parameters, Part};
#[cfg(feature = "async")]
use crate::AsyncNand;
use crate::{EraseBlock, Geometry, Nand, NandError, Ppa, ReadStatus, block_on};
use embedded_hal::delay::DelayNs;
use embedded_hal::spi::SpiDevice;

/// A SPI-NAND chip.
#[derive(Debug)]
pub struct SpiNand<S, D> {
    driver: Driver<Plain<S, D>>,
}

impl<S: SpiDevice, D: DelayNs> SpiNand<S, D> {
    /// Finds the chip on `spi`.
    ///
    /// # Errors
    /// When the bus fails, no chip answers, or its parameter page can't be read.
    pub fn new(spi: S, delay: D) -> Result<Self, NandError> {
        Self::with_part(spi, delay, None)
    }

    /// The same for a chip whose `part` is not in the table.
    ///
    /// # Errors
    /// As for [`SpiNand::new`].
    pub fn with_part(spi: S, delay: D, part: Option<Part>) -> Result<Self, NandError> {
        Ok(SpiNand { driver: block_on(Driver::new(Plain(spi, delay), part))? })
    }

    /// What the chip is taken for.
    pub fn part(&self) -> &Part {
        &self.driver.part
    }

    /// What its parameter page says.
    pub fn parameters(&self) -> &Parameters {
        &self.driver.parameters
    }

    /// Gives the bus back.
    pub fn release(self) -> (S, D) {
        (self.driver.bus.0, self.driver.bus.1)
    }
}

impl<S: SpiDevice, D: DelayNs> Nand for SpiNand<S, D> {
    fn geometry(&self) -> &Geometry {
        &self.driver.geometry
    }
    fn read(
        &mut self,
        ppa: Ppa,
        at: u32,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<ReadStatus, NandError> {
        block_on(self.driver.read(ppa, at, data, oob))
    }
    fn program(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError> {
        block_on(self.driver.program(ppa, data, oob))
    }
    fn erase(&mut self, block: EraseBlock) -> Result<(), NandError> {
        block_on(self.driver.erase(block))
    }
    fn copy_back(&mut self, from: Ppa, to: Ppa, oob: &[u8]) -> Result<ReadStatus, NandError> {
        block_on(self.driver.copy_back(from, to, oob))
    }
    fn is_marked_bad(&mut self, block: EraseBlock) -> Result<bool, NandError> {
        block_on(self.driver.is_marked_bad(block))
    }
    fn mark_bad(&mut self, block: EraseBlock) -> Result<(), NandError> {
        block_on(self.driver.mark_bad(block))
    }
}

/// A SPI-NAND chip on a bus that waits in tasks: the same driver as [`SpiNand`], command for command.
#[cfg(feature = "async")]
#[derive(Debug)]
pub struct AsyncSpiNand<S, D> {
    driver: Driver<Waiting<S, D>>,
}

#[cfg(feature = "async")]
impl<S, D> AsyncSpiNand<S, D>
where
    S: embedded_hal_async::spi::SpiDevice,
    D: embedded_hal_async::delay::DelayNs,
{
    /// Finds the chip on `spi`.
    ///
    /// # Errors
    /// When the bus fails, no chip answers, or its parameter page can't be read.
    pub async fn new(spi: S, delay: D) -> Result<Self, NandError> {
        Self::with_part(spi, delay, None).await
    }

    /// The same for a chip whose `part` is not in the table.
    ///
    /// # Errors
    /// As for [`AsyncSpiNand::new`].
    pub async fn with_part(spi: S, delay: D, part: Option<Part>) -> Result<Self, NandError> {
        Ok(AsyncSpiNand { driver: Driver::new(Waiting(spi, delay), part).await? })
    }

    /// What the chip is taken for.
    pub fn part(&self) -> &Part {
        &self.driver.part
    }

    /// What its parameter page says.
    pub fn parameters(&self) -> &Parameters {
        &self.driver.parameters
    }

    /// Gives the bus back.
    pub fn release(self) -> (S, D) {
        (self.driver.bus.0, self.driver.bus.1)
    }
}

#[cfg(feature = "async")]
impl<S, D> AsyncNand for AsyncSpiNand<S, D>
where
    S: embedded_hal_async::spi::SpiDevice,
    D: embedded_hal_async::delay::DelayNs,
{
    fn geometry(&self) -> &Geometry {
        &self.driver.geometry
    }
    async fn read(
        &mut self,
        ppa: Ppa,
        at: u32,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<ReadStatus, NandError> {
        self.driver.read(ppa, at, data, oob).await
    }
    async fn program(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError> {
        self.driver.program(ppa, data, oob).await
    }
    async fn erase(&mut self, block: EraseBlock) -> Result<(), NandError> {
        self.driver.erase(block).await
    }
    async fn copy_back(&mut self, from: Ppa, to: Ppa, oob: &[u8]) -> Result<ReadStatus, NandError> {
        self.driver.copy_back(from, to, oob).await
    }
    async fn is_marked_bad(&mut self, block: EraseBlock) -> Result<bool, NandError> {
        self.driver.is_marked_bad(block).await
    }
    async fn mark_bad(&mut self, block: EraseBlock) -> Result<(), NandError> {
        self.driver.mark_bad(block).await
    }
}
