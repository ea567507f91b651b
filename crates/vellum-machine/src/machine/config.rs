//! What a machine is made of.

use super::devices::Devices;
use super::{Core, Counters, Machine};
use crate::memory_map::{FINISHER, PLIC, RAM_BASE, UART, VIRTIO_SLOTS, virtio_slot};
use crate::monitor::Supervisor;
use crate::sbi::{Hart as Begin, Hsm};
use std::collections::VecDeque;
use thiserror::Error as ThisError;
use vellum::{Builder, Paging};
use vellum_hart::{CodeCache, Hart};
use vellum_replay::{Outside, Stamp};
use vellum_translate::Gpa;
use vellum_translate::riscv::Mode;

/// A machine to be made.
#[derive(Debug)]
pub struct Config {
    /// Bytes of RAM: a multiple of 4 KiB.
    pub memory: u64,
    /// Harts: 1 to 64.
    pub harts: u32,
    /// How guest addresses are translated.
    pub paging: Paging,
    /// The largest paging mode that the guest is let have.
    pub max_mode: Mode,
    /// Host frames that the guest may use; `None` is as many as it has pages.
    pub frame_quota: Option<u64>,
    /// The kernel: a RISC-V Linux Image (also gzipped), an ELF file or a flat binary.
    pub kernel: Vec<u8>,
    /// The initial RAM disk.
    pub initrd: Option<Vec<u8>>,
    /// The kernel's command line.
    pub cmdline: String,
}

impl Config {
    /// A machine of 256 MiB and one hart for `kernel`.
    pub fn new(kernel: Vec<u8>) -> Self {
        Config {
            memory: 256 << 20,
            harts: 1,
            paging: Paging::Shadow,
            max_mode: Mode::Sv57,
            frame_quota: None,
            kernel,
            initrd: None,
            cmdline: String::new(),
        }
    }
}

/// Why a machine could not be made.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// Its memory could not be made, or not be loaded.
    #[error(transparent)]
    Memory(#[from] vellum::Error),
    /// The devices do not fit on the bus.
    #[error(transparent)]
    Bus(#[from] crate::bus::BusError),
    /// The outside refused what the machine needs.
    #[error(transparent)]
    Outside(#[from] vellum_replay::Error),
}

impl Machine {
    /// Makes a machine, its kernel loaded, ready to run.
    ///
    /// # Errors
    /// When the configuration is not possible, or a file is not what it should be.
    pub fn new(config: Config, mut outside: Box<dyn Outside>) -> Result<Self, Error> {
        let mut memory = Builder::new(RAM_BASE, config.memory)
            .paging(config.paging)
            .harts(config.harts as usize)
            .devices(FINISHER.base..Gpa::new(0x10_2000))
            .devices(PLIC.base..PLIC.end())
            .devices(UART.base..virtio_slot(VIRTIO_SLOTS).base);
        if let Some(quota) = config.frame_quota {
            memory = memory.frame_quota(quota);
        }
        let mut memory = memory.build()?;
        let stamp = Stamp { hart: 0, instret: 0 };
        let date = outside.boot_clock(stamp).nanos();
        let mut seed = [0; 64];
        outside.entropy(stamp, &mut seed)?;
        let (entry, dtb) = super::boot_tmp::load(&config, &mut memory, &seed)?;
        Ok(Machine {
            cores: (0..config.harts as usize)
                .map(|id| Core { hart: Hart::new(id), supervisor: Supervisor::default() })
                .collect(),
            memory,
            code: CodeCache::default(),
            hsm: Hsm::new(config.harts, Begin { entry, opaque: dtb.get() }),
            devices: Devices::new(config.harts, date)?,
            outside,
            nanos: 0,
            max_mode: config.max_mode,
            ending: None,
            input: VecDeque::new(),
            output: Vec::new(),
            counters: Counters::default(),
        })
    }
}
