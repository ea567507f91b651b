//! What the driver needs of a bus, whether it waits or not. The driver itself is written once, in
//! `async` functions; over a bus that does not wait their futures are ready at once.

use crate::NandError;
use embedded_hal::delay::DelayNs;
use embedded_hal::spi::{Operation, SpiDevice};

/// A bus with one chip on it, and time.
pub(super) trait Bus {
    /// One transaction: `head`, then `data`, are sent.
    async fn send(&mut self, head: &[u8], data: &[u8]) -> Result<(), NandError>;

    /// One transaction: `ask` is sent, then `answer` read.
    async fn ask(&mut self, ask: &[u8], answer: &mut [u8]) -> Result<(), NandError>;

    async fn delay_us(&mut self, us: u32);
}

const WRITE: NandError = NandError::Bus { what: "a write" };
const READ: NandError = NandError::Bus { what: "a read" };

/// `embedded-hal`.
#[derive(Debug)]
pub(super) struct Plain<S, D>(pub(super) S, pub(super) D);

impl<S: SpiDevice, D: DelayNs> Bus for Plain<S, D> {
    async fn send(&mut self, head: &[u8], data: &[u8]) -> Result<(), NandError> {
        let mut both = [Operation::Write(head), Operation::Write(data)];
        let used = if data.is_empty() { 1 } else { 2 };
        self.0.transaction(&mut both[..used]).map_err(|_| WRITE)
    }

    async fn ask(&mut self, ask: &[u8], answer: &mut [u8]) -> Result<(), NandError> {
        let mut both = [Operation::Write(ask), Operation::Read(answer)];
        self.0.transaction(&mut both).map_err(|_| READ)
    }

    async fn delay_us(&mut self, us: u32) {
        self.1.delay_us(us);
    }
}

/// `embedded-hal-async`.
#[cfg(feature = "async")]
#[derive(Debug)]
pub(super) struct Waiting<S, D>(pub(super) S, pub(super) D);

#[cfg(feature = "async")]
impl<S, D> Bus for Waiting<S, D>
where
    S: embedded_hal_async::spi::SpiDevice,
    D: embedded_hal_async::delay::DelayNs,
{
    async fn send(&mut self, head: &[u8], data: &[u8]) -> Result<(), NandError> {
        let mut both = [Operation::Write(head), Operation::Write(data)];
        let used = if data.is_empty() { 1 } else { 2 };
        self.0.transaction(&mut both[..used]).await.map_err(|_| WRITE)
    }

    async fn ask(&mut self, ask: &[u8], answer: &mut [u8]) -> Result<(), NandError> {
        let mut both = [Operation::Write(ask), Operation::Read(answer)];
        self.0.transaction(&mut both).await.map_err(|_| READ)
    }

    async fn delay_us(&mut self, us: u32) {
        self.1.delay_us(us).await;
    }
}
