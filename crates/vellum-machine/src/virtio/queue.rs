//! A queue: the driver's settings until it is ready, then `virtio-queue`'s ring over them.

use core::sync::atomic::Ordering;

use vellum_state::{Error, Reader, State, Writer};
use vellum_translate::Gpa;
use virtio_bindings::virtio_ring::VRING_AVAIL_F_NO_INTERRUPT;
use virtio_queue::{Queue, QueueOwnedT, QueueState, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemory};

use super::{Broken, Chain, QUEUE_SIZE};

/// One queue of a device.
#[derive(Debug)]
pub(super) struct VirtQueue {
    pub(super) size: u16,
    pub(super) desc: u64,
    pub(super) avail: u64,
    pub(super) used: u64,
    /// The ring, once the driver says that it is ready.
    live: Option<Queue>,
    /// Chains that the device has.
    pub(super) in_flight: u16,
    /// The driver has notified, and not everything was looked at since.
    pub(super) kicked: bool,
}

impl Default for VirtQueue {
    fn default() -> Self {
        VirtQueue {
            size: QUEUE_SIZE,
            desc: 0,
            avail: 0,
            used: 0,
            live: None,
            in_flight: 0,
            kicked: false,
        }
    }
}

impl VirtQueue {
    pub(super) fn ready(&self) -> bool {
        self.live.is_some()
    }

    /// The driver says that the queue is ready to use.
    pub(super) fn enable(&mut self, number: usize, event_idx: bool) -> Result<(), Broken> {
        if self.live.is_none() {
            let live = self.ring(0, 0, event_idx).ok_or_else(|| self.rings(number))?;
            self.live = Some(live);
        }
        Ok(())
    }

    /// The driver takes the queue back.
    pub(super) fn disable(&mut self, queue: usize) -> Result<(), Broken> {
        self.live = None;
        self.kicked = false;
        match self.in_flight {
            0 => Ok(()),
            in_flight => Err(Broken::Stopped { queue, in_flight }),
        }
    }

    fn ring(&self, next_avail: u16, next_used: u16, event_idx_enabled: bool) -> Option<Queue> {
        let state = QueueState {
            max_size: QUEUE_SIZE,
            next_avail,
            next_used,
            event_idx_enabled,
            size: self.size,
            ready: true,
            desc_table: self.desc,
            avail_ring: self.avail,
            used_ring: self.used,
        };
        Queue::try_from(state).ok()
    }

    fn rings(&self, queue: usize) -> Broken {
        let (desc, avail) = (Gpa::new(self.desc), Gpa::new(self.avail));
        Broken::Rings { queue, desc, avail, used: Gpa::new(self.used) }
    }

    /// Whether a chain may be there to be taken.
    pub(super) fn wants_service(&self) -> bool {
        self.kicked && self.live.is_some() && self.in_flight < self.size
    }

    /// Takes the next chain. `None` when there is none, and the driver will notify of the next.
    pub(super) fn pop<M: GuestMemory>(
        &mut self,
        number: usize,
        memory: &M,
    ) -> Result<Option<Chain>, Broken> {
        let unreadable = Broken::Available { queue: number };
        let rings = self.rings(number);
        let Some(live) = &mut self.live else { return Ok(None) };
        if !live.is_valid(memory) {
            return Err(rings);
        }
        loop {
            let index = live.avail_idx(memory, Ordering::Acquire).map_err(|_| unreadable)?;
            if index.0 == live.next_avail() {
                if live.event_idx_enabled()
                    && live.enable_notification(memory).map_err(|_| unreadable)?
                {
                    continue;
                }
                self.kicked = false;
                return Ok(None);
            }
            let chain = live.iter(memory).map_err(|_| unreadable)?.next().ok_or(unreadable)?;
            let chain = Chain::read(chain)?;
            self.in_flight += 1;
            return Ok(Some(chain));
        }
    }

    /// Gives a chain back; whether the driver wants an interrupt for it.
    pub(super) fn push<M: GuestMemory>(
        &mut self,
        number: usize,
        memory: &M,
        head: u16,
        written: u32,
    ) -> Result<bool, Broken> {
        let unwritable = Broken::Used { queue: number };
        let Some(live) = &mut self.live else { return Ok(false) };
        live.add_used(memory, head, written).map_err(|_| unwritable)?;
        self.in_flight = self.in_flight.saturating_sub(1);
        // Also forgets how many were added, so that nothing is left between two calls.
        let wanted = live.needs_notification(memory).map_err(|_| unwritable)?;
        if live.event_idx_enabled() {
            return Ok(wanted);
        }
        let flags: u16 = memory
            .load(GuestAddress(self.avail), Ordering::Relaxed)
            .map_err(|_| Broken::Available { queue: number })?;
        Ok(u32::from(u16::from_le(flags)) & VRING_AVAIL_F_NO_INTERRUPT == 0)
    }
}

impl State for VirtQueue {
    fn save(&self, w: &mut Writer<'_>) {
        w.u16(self.size);
        [self.desc, self.avail, self.used].iter().for_each(|&a| w.u64(a));
        w.bool(self.live.is_some());
        let live = self.live.as_ref();
        w.u16(live.map_or(0, QueueT::next_avail));
        w.u16(live.map_or(0, QueueT::next_used));
        w.bool(live.is_some_and(QueueT::event_idx_enabled));
        w.u16(self.in_flight);
        w.bool(self.kicked);
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        self.size = r.u16()?;
        (self.desc, self.avail, self.used) = (r.u64()?, r.u64()?, r.u64()?);
        let (ready, next_avail, next_used) = (r.bool()?, r.u16()?, r.u16()?);
        let event_idx = r.bool()?;
        (self.in_flight, self.kicked) = (r.u16()?, r.bool()?);
        let ring = self.ring(next_avail, next_used, event_idx);
        if !self.size.is_power_of_two() || self.size > QUEUE_SIZE || (ready && ring.is_none()) {
            let why = "not a queue that a driver could have set up";
            return Err(Error::Value { field: "queue", value: self.size.into(), why });
        }
        self.live = ring.filter(|_| ready);
        Ok(())
    }
}
