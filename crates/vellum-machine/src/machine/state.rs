//! Saving, restoring and hashing a machine: everything but the outside, which has its own state.

use super::Machine;
use vellum_state::{Error, Reader, State, StateHash, Writer};

impl Machine {
    /// The machine's state, to be restored into one of the same configuration.
    pub fn save(&self) -> Vec<u8> {
        vellum_state::to_bytes(self)
    }

    /// Takes over a saved state. The machine must have been made with the same memory, harts and
    /// disks; its kernel is overwritten.
    ///
    /// # Errors
    /// When the state is damaged, or of a machine of another configuration. The machine is then
    /// not to be used any more.
    pub fn restore_from(&mut self, bytes: &[u8]) -> Result<(), Error> {
        vellum_state::from_bytes(self, bytes)
    }

    /// A hash of the machine's state. Two runs that did the same have the same, whatever the
    /// paging was.
    pub fn state_hash(&self) -> StateHash {
        vellum_state::state_hash(self)
    }
}

impl State for Machine {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"MACH", 1, |w| {
            w.u32(self.cores.len() as u32);
            w.u64(self.nanos);
            for core in &self.cores {
                core.hart.save(w);
                core.supervisor.save(w);
            }
            self.hsm.save(w);
            self.devices.save(w);
            let (front, back) = self.input.as_slices();
            w.u64(self.input.len() as u64);
            w.raw(front);
            w.raw(back);
            self.memory.save(w);
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"MACH", 1, |r| {
            let harts = r.u32()?;
            if harts as usize != self.cores.len() {
                let why = "the machine has another number of harts";
                return Err(Error::Value { field: "harts", value: harts.into(), why });
            }
            self.nanos = r.u64()?;
            for core in &mut self.cores {
                core.hart.restore(r)?;
                core.supervisor.restore(r)?;
            }
            self.hsm.restore(r)?;
            self.devices.restore(r)?;
            self.input = r.bytes(1 << 20)?.to_vec().into();
            self.memory.restore(r)?;
            for (number, core) in self.cores.iter_mut().enumerate() {
                let satp = core.supervisor.satp();
                self.memory.load_root(number, &mut core.hart.tlb, satp);
                core.supervisor.apply(&mut core.hart);
            }
            self.code.clear();
            Ok(())
        })
    }
}

impl State for super::devices::Devices {
    fn save(&self, w: &mut Writer<'_>) {
        self.finisher.save(w);
        self.rtc.save(w);
        self.plic.save(w);
        self.uart.save(w);
        self.virtio.save(w);
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        self.finisher.restore(r)?;
        self.rtc.restore(r)?;
        self.plic.restore(r)?;
        self.uart.restore(r)?;
        self.virtio.restore(r)
    }
}
