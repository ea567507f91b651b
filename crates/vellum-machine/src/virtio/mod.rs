//! Virtio 1.2 devices behind memory-mapped registers.
//!
//! Who does what: [`Slots`] are the places on the bus. A [`Transport`] is one device's registers, its
//! status and its queues (`virtio-queue`'s split rings over the guest's memory). A [`VirtioDevice`]
//! carries out chains of buffers, which reach it checked and as plain lists.
//!
//! A store to the notify register only leaves a note. Work is done when the machine calls
//! [`Slots::advance`] with the time and its memory: chains are taken, requests end when their model
//! says so, and used buffers and the interrupt follow at that instant of virtual time. A driver that
//! breaks the rules finds its device in need of a reset; no ring, chain or register makes the host
//! panic, loop, or hold more than the limits here say.

pub mod block;
mod chain;
mod dma;
mod queue;
mod rng;
mod slots;
mod transport;

pub use block::Block;
pub use chain::{Chain, Segment};
pub use dma::{Dma, DmaError, GuestDma};
pub use rng::Rng;
pub use slots::Slots;
pub use transport::Transport;

use thiserror::Error as ThisError;
use vellum_replay::{Outside, Stamp};
use vellum_state::State;
use vellum_translate::Gpa;

use crate::clock::Instant;

/// Descriptors of every queue here, and so the longest chain.
pub const QUEUE_SIZE: u16 = 128;
/// Queues that a device can have.
pub const MAX_QUEUES: usize = 8;
/// Bytes of buffers that one device takes at one advance; the rest waits for the next. Bounds the
/// host's work between two looks at the guest.
pub const ADVANCE_BYTES: u64 = 16 << 20;

/// What a driver did that it must not; the device then asks for a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Broken {
    /// A queue's rings are not in memory, or not aligned.
    #[error("queue {queue}: its rings at {desc}, {avail} and {used} can't be used")]
    Rings {
        /// Which queue.
        queue: usize,
        /// Descriptor table.
        desc: Gpa,
        /// Available ring.
        avail: Gpa,
        /// Used ring.
        used: Gpa,
    },
    /// The available ring can't be read, or claims more than it holds.
    #[error("queue {queue}: the available ring can't be read, or is ahead by more than its size")]
    Available {
        /// Which queue.
        queue: usize,
    },
    /// The used ring can't be written.
    #[error("queue {queue}: the used ring can't be written")]
    Used {
        /// Which queue.
        queue: usize,
    },
    /// A chain without an end: a loop, a descriptor that is not there, or one too many.
    #[error("the chain at descriptor {head} has no end within {taken} descriptors")]
    Endless {
        /// Its first descriptor.
        head: u16,
        /// How many were read.
        taken: u16,
    },
    /// Buffers in the wrong order: readable ones come first.
    #[error("the chain at descriptor {head} has a readable buffer behind a writable one")]
    Order {
        /// Its first descriptor.
        head: u16,
    },
    /// Too few buffers for any answer.
    #[error("the chain at descriptor {head} has {readable} readable and {writable} writable bytes")]
    Short {
        /// Its first descriptor.
        head: u16,
        /// Bytes for the device to read.
        readable: u64,
        /// Bytes for the device to write.
        writable: u64,
    },
    /// A buffer that is not in memory, where no error can be reported.
    #[error(transparent)]
    Dma(#[from] DmaError),
    /// A queue was switched off while it had work.
    #[error("queue {queue} was switched off with {in_flight} chains in flight")]
    Stopped {
        /// Which queue.
        queue: usize,
        /// Chains that the device had.
        in_flight: u16,
    },
}

/// A chain that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Its queue.
    pub queue: usize,
    /// Its first descriptor.
    pub head: u16,
    /// Bytes that the device wrote, from the first writable one on.
    pub written: u32,
}

/// What a device's transport did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Times that the driver notified it.
    pub notifications: u64,
    /// Chains taken.
    pub chains: u64,
    /// Bytes of the buffers that the device could read.
    pub bytes_in: u64,
    /// Bytes that the device wrote.
    pub bytes_out: u64,
    /// Times that the interrupt was raised while it was not.
    pub interrupts: u64,
    /// Times that the driver broke a rule.
    pub broken: u64,
}

/// What a device works with during one call.
pub struct Io<'a> {
    /// The instant.
    pub now: Instant,
    /// The same in retired instructions, for the outside.
    pub stamp: Stamp,
    /// The guest's memory.
    pub memory: &'a dyn Dma,
    /// The outside.
    pub outside: &'a mut dyn Outside,
}

impl core::fmt::Debug for Io<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Io").field("now", &self.now).field("stamp", &self.stamp).finish()
    }
}

/// A device. The transport calls `activate` when the driver is ready, then `start` and `advance`
/// with times that never decrease, until `reset`.
pub trait VirtioDevice: State + core::fmt::Debug {
    /// The device's number (virtio 1.2, chapter 5).
    fn id(&self) -> u32;

    /// The features that are the device's own.
    fn features(&self) -> u64;

    /// How many queues it has, at most [`MAX_QUEUES`].
    fn queues(&self) -> usize;

    /// Reads the configuration from `offset` on; what is not there is zero.
    fn read_config(&self, offset: u64, out: &mut [u8]);

    /// The driver is ready and has taken these of the features.
    fn activate(&mut self, features: u64);

    /// What it moved without copying, and with; nothing where it never remaps.
    fn transfers(&self) -> vellum::remap::Counters {
        vellum::remap::Counters::default()
    }

    /// Forgets the driver and everything in flight.
    fn reset(&mut self);

    /// Whether the device takes another chain from this queue now.
    fn has_room(&self, queue: usize) -> bool;

    /// Takes a chain. Done at once it is returned, otherwise `advance` reports it later.
    ///
    /// # Errors
    /// When no answer is possible in the chain.
    fn start(
        &mut self,
        io: &mut Io<'_>,
        queue: usize,
        chain: Chain,
    ) -> Result<Option<Used>, Broken>;

    /// When something in flight will end, or have to be looked at.
    fn next_event(&self) -> Option<Instant>;

    /// Brings the device to `io.now`, and reports the chains that ended up to then.
    ///
    /// # Errors
    /// When an answer can't be written.
    fn advance(&mut self, io: &mut Io<'_>, used: &mut Vec<Used>) -> Result<(), Broken>;
}

#[cfg(test)]
mod tests;
