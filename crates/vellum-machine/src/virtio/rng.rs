//! The entropy device (virtio 1.2, section 5.4): fills what the driver gives it from the outside.

use std::collections::VecDeque;

use vellum_state::{Error, Reader, State, Writer};
use virtio_bindings::virtio_ids::VIRTIO_ID_RNG;

use super::{Broken, Chain, Io, QUEUE_SIZE, Used, VirtioDevice};
use crate::clock::{Duration, Instant};

/// Bytes that one chain gets at most; a driver that wants more asks again.
pub const FILL_LIMIT: u64 = 4096;
/// How long a chain takes.
pub const LATENCY: Duration = Duration::from_us(1);

/// The device.
#[derive(Debug, Default)]
pub struct Rng {
    /// Chains to be filled, and when.
    waiting: VecDeque<(Instant, Chain)>,
}

impl Rng {
    /// A device without a driver.
    pub fn new() -> Self {
        Rng::default()
    }
}

impl VirtioDevice for Rng {
    fn id(&self) -> u32 {
        VIRTIO_ID_RNG
    }

    fn features(&self) -> u64 {
        0
    }

    fn queues(&self) -> usize {
        1
    }

    fn read_config(&self, _offset: u64, out: &mut [u8]) {
        out.fill(0);
    }

    fn activate(&mut self, _features: u64) {}

    fn reset(&mut self) {
        self.waiting.clear();
    }

    fn has_room(&self, _queue: usize) -> bool {
        self.waiting.len() < QUEUE_SIZE.into()
    }

    fn start(
        &mut self,
        io: &mut Io<'_>,
        _queue: usize,
        chain: Chain,
    ) -> Result<Option<Used>, Broken> {
        self.waiting.push_back((io.now + LATENCY, chain));
        Ok(None)
    }

    fn next_event(&self) -> Option<Instant> {
        self.waiting.front().map(|&(due, _)| due)
    }

    fn advance(&mut self, io: &mut Io<'_>, used: &mut Vec<Used>) -> Result<(), Broken> {
        while let Some((_, chain)) = self.waiting.pop_front_if(|(due, _)| *due <= io.now) {
            let mut bytes = vec![0; chain.writable().min(FILL_LIMIT) as usize];
            // No entropy to be had: a chain with nothing in it, and the driver asks again.
            if io.outside.entropy(io.stamp, &mut bytes).is_err() {
                bytes.clear();
            }
            chain.put(io.memory, 0, &bytes)?;
            used.push(Used { queue: 0, head: chain.head, written: bytes.len() as u32 });
        }
        Ok(())
    }
}

impl State for Rng {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"VRNG", 1, |w| {
            w.u16(self.waiting.len() as u16);
            for (due, chain) in &self.waiting {
                due.save(w);
                chain.save(w);
            }
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"VRNG", 1, |r| {
            self.waiting.clear();
            for _ in 0..r.u16()? {
                let due = Instant::restore(r)?;
                let mut chain = Chain::default();
                chain.restore(r)?;
                self.waiting.push_back((due, chain));
            }
            Ok(())
        })
    }
}
