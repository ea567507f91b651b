//! The driver trait for firmware that waits in tasks, and the ways between it and [`Nand`].
//!
//! ```
//! use vellum_nand::{AsyncNand, Blocking, EraseBlock, Geometry, Model, ModelConfig, Nand, Ready};
//!
//! /// Code for any driver that waits.
//! async fn first_byte<N: AsyncNand>(chip: &mut N) -> Result<u8, vellum_nand::NandError> {
//!     let page = chip.geometry().ppa(EraseBlock(5), 0);
//!     let mut data = [0];
//!     chip.read(page, 0, &mut data, &mut []).await?;
//!     Ok(data[0])
//! }
//!
//! // A chip that never waits, where one that does is asked for; and back.
//! let chip = Ready(Model::new(ModelConfig::perfect(Geometry::slc_1gbit()))?);
//! let mut chip = Blocking(chip);
//! chip.erase(EraseBlock(5))?;
//! assert_eq!(vellum_nand::block_on(first_byte(&mut chip.0))?, 0xFF);
//! # Ok::<(), vellum_nand::NandError>(())
//! ```

use crate::driver::no_offset_but_none;
use crate::{EraseBlock, Geometry, Nand, NandError, Ppa, ReadStatus};
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

/// [`Nand`] for executors: the same operations, the same order of calls, and futures that wait while
/// the bus or the chip is busy. A future that is dropped before its end leaves the chip in the middle
/// of that operation; the next one waits until it is done.
///
/// The futures need not be `Send`: firmware runs them where the bus is.
#[allow(
    async_fn_in_trait,
    reason = "as in embedded-hal-async: no bound on the futures is asked for"
)]
pub trait AsyncNand {
    /// The chip's shape.
    fn geometry(&self) -> &Geometry;

    /// [`Nand::read`].
    ///
    /// # Errors
    /// As there.
    async fn read(
        &mut self,
        ppa: Ppa,
        at: u32,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<ReadStatus, NandError>;

    /// [`Nand::program`].
    ///
    /// # Errors
    /// As there.
    async fn program(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError>;

    /// [`Nand::erase`].
    ///
    /// # Errors
    /// As there.
    async fn erase(&mut self, block: EraseBlock) -> Result<(), NandError>;

    /// [`Nand::copy_back`].
    ///
    /// # Errors
    /// As there.
    async fn copy_back(&mut self, from: Ppa, to: Ppa, oob: &[u8]) -> Result<ReadStatus, NandError> {
        let _ = (from, to, oob);
        Err(NandError::Unsupported { what: "copy-back" })
    }

    /// [`Nand::is_marked_bad`].
    ///
    /// # Errors
    /// As there.
    async fn is_marked_bad(&mut self, block: EraseBlock) -> Result<bool, NandError>;

    /// [`Nand::mark_bad`].
    ///
    /// # Errors
    /// As there.
    async fn mark_bad(&mut self, block: EraseBlock) -> Result<(), NandError>;

    /// [`Nand::retry_levels`].
    fn retry_levels(&self) -> u8 {
        0
    }

    /// [`Nand::set_retry`].
    ///
    /// # Errors
    /// As there.
    async fn set_retry(&mut self, level: u8) -> Result<(), NandError> {
        if level == 0 { Ok(()) } else { Err(NandError::Unsupported { what: "read retry" }) }
    }

    /// [`Nand::read_offsets`].
    fn read_offsets(&self) -> u8 {
        0
    }

    /// [`Nand::set_read_offset`].
    ///
    /// # Errors
    /// As there.
    async fn set_read_offset(&mut self, offset: i8) -> Result<(), NandError> {
        no_offset_but_none(offset)
    }

    /// [`Nand::is_erased`].
    ///
    /// # Errors
    /// As there.
    async fn is_erased(&mut self, ppa: Ppa) -> Result<bool, NandError> {
        self.read(ppa, 0, &mut [], &mut []).await.map(|status| status.is_erased())
    }
}

/// A driver that never waits, as one that might: each future is ready when it is first asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ready<N>(pub N);

impl<N: Nand> AsyncNand for Ready<N> {
    fn geometry(&self) -> &Geometry {
        self.0.geometry()
    }
    async fn read(
        &mut self,
        ppa: Ppa,
        at: u32,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<ReadStatus, NandError> {
        self.0.read(ppa, at, data, oob)
    }
    async fn program(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError> {
        self.0.program(ppa, data, oob)
    }
    async fn erase(&mut self, block: EraseBlock) -> Result<(), NandError> {
        self.0.erase(block)
    }
    async fn copy_back(&mut self, from: Ppa, to: Ppa, oob: &[u8]) -> Result<ReadStatus, NandError> {
        self.0.copy_back(from, to, oob)
    }
    async fn is_marked_bad(&mut self, block: EraseBlock) -> Result<bool, NandError> {
        self.0.is_marked_bad(block)
    }
    async fn mark_bad(&mut self, block: EraseBlock) -> Result<(), NandError> {
        self.0.mark_bad(block)
    }
    fn retry_levels(&self) -> u8 {
        self.0.retry_levels()
    }
    async fn set_retry(&mut self, level: u8) -> Result<(), NandError> {
        self.0.set_retry(level)
    }
    fn read_offsets(&self) -> u8 {
        self.0.read_offsets()
    }
    async fn set_read_offset(&mut self, offset: i8) -> Result<(), NandError> {
        self.0.set_read_offset(offset)
    }
    async fn is_erased(&mut self, ppa: Ppa) -> Result<bool, NandError> {
        self.0.is_erased(ppa)
    }
}

/// A driver that waits, as one that does not return before it is done: for an FTL, or any code over
/// [`Nand`], on a chip whose bus is asynchronous. It asks the future again until it is ready
/// ([`block_on`]), so the bus must be one that goes on by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Blocking<N>(pub N);

impl<N: AsyncNand> Nand for Blocking<N> {
    fn geometry(&self) -> &Geometry {
        self.0.geometry()
    }
    fn read(
        &mut self,
        ppa: Ppa,
        at: u32,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<ReadStatus, NandError> {
        block_on(self.0.read(ppa, at, data, oob))
    }
    fn program(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError> {
        block_on(self.0.program(ppa, data, oob))
    }
    fn erase(&mut self, block: EraseBlock) -> Result<(), NandError> {
        block_on(self.0.erase(block))
    }
    fn copy_back(&mut self, from: Ppa, to: Ppa, oob: &[u8]) -> Result<ReadStatus, NandError> {
        block_on(self.0.copy_back(from, to, oob))
    }
    fn is_marked_bad(&mut self, block: EraseBlock) -> Result<bool, NandError> {
        block_on(self.0.is_marked_bad(block))
    }
    fn mark_bad(&mut self, block: EraseBlock) -> Result<(), NandError> {
        block_on(self.0.mark_bad(block))
    }
    fn retry_levels(&self) -> u8 {
        self.0.retry_levels()
    }
    fn set_retry(&mut self, level: u8) -> Result<(), NandError> {
        block_on(self.0.set_retry(level))
    }
    fn read_offsets(&self) -> u8 {
        self.0.read_offsets()
    }
    fn set_read_offset(&mut self, offset: i8) -> Result<(), NandError> {
        block_on(self.0.set_read_offset(offset))
    }
    fn is_erased(&mut self, ppa: Ppa) -> Result<bool, NandError> {
        block_on(self.0.is_erased(ppa))
    }
}

/// Runs a future to its end by asking it again and again: no executor, no interrupt needed. A future
/// that is ready at once, as every one over a blocking bus is, costs nothing more.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        core::hint::spin_loop();
    }
}
