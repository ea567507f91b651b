//! Saving, restoring and hashing a machine: everything but the outside, which has its own state.

use super::Machine;
use vellum_state::{Error, Reader, State, StateHash, Writer};
use vellum_translate::tlb::Tlb;

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

    /// A hash of the machine's state: of everything that [`Machine::save`] saves.
    pub fn state_hash(&self) -> StateHash {
        vellum_state::state_hash(self)
    }

    /// A hash of the state without the translations that a policy keeps which is not in step. Two
    /// runs that did the same have the same, whatever the paging was.
    pub fn content_hash(&self) -> StateHash {
        vellum_state::state_hash(&Content(self))
    }

    fn save_content(&self, w: &mut Writer<'_>) {
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
    }
}

/// A machine but for its translations: to be hashed, never to be restored.
struct Content<'a>(&'a Machine);

impl State for Content<'_> {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"MACC", 1, |w| self.0.save_content(w));
    }

    fn restore(&mut self, _: &mut Reader<'_>) -> Result<(), Error> {
        let why = "a machine is restored with its translations";
        Err(Error::Value { field: "content", value: 0, why })
    }
}

impl State for Machine {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"MACH", 2, |w| {
            self.save_content(w);
            let tlbs: Vec<&Tlb> = self.cores.iter().map(|core| &*core.hart.tlb).collect();
            self.memory.save_translations(&tlbs, w);
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"MACH", 2, |r| {
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
            let mut tlbs: Vec<&mut Tlb> =
                self.cores.iter_mut().map(|core| &mut *core.hart.tlb).collect();
            self.memory.restore_translations(&mut tlbs, r)?;
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
