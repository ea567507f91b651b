//! What a machine is made of.

use super::devices::Devices;
use super::{Core, Counters, Machine};
use crate::disk::{Disk, HELD_LIMIT};
use crate::fdt::{self, Description, Mmu};
use crate::loader::{self, GuestWriter, Kernel};
use crate::memory_map::{FINISHER, PLIC, RAM_BASE, RTC, Range, UART, VIRTIO_SLOTS, virtio_slot};
use crate::monitor::Supervisor;
use crate::sbi::{Hart as Begin, Hsm};
use crate::virtio::block::IN_FLIGHT;
use crate::virtio::{Block, Rng, Slots};
use std::collections::VecDeque;
use std::sync::Arc;
use thiserror::Error as ThisError;
use vellum::frames::{FramePool, PAGE_SIZE};
use vellum::vellum_pager::Pager;
use vellum::{Builder, Paging, VmMemory};
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
    /// Takes pages when the quota is used up, and brings them back. Made for as many pages as there
    /// are, with a quota of no more than `frame_quota`.
    pub pager: Option<Pager>,
    /// The pool to take frames of, if other machines use it too; its quota then counts.
    pub frames: Option<Arc<FramePool>>,
    /// The kernel: a RISC-V Linux Image (also gzipped), an ELF file or a flat binary.
    pub kernel: Vec<u8>,
    /// The initial RAM disk.
    pub initrd: Option<Vec<u8>>,
    /// Whether `kernel` is a flat binary, to be started with its first byte.
    pub flat: bool,
    /// The kernel's command line.
    pub cmdline: String,
    /// Disks: `/dev/vda` is the first. At most seven, beside the source of entropy.
    pub disks: Vec<Box<dyn Disk>>,
    /// Whole pages in a row from which on a disk's data is remapped and not copied. What pays depends on
    /// the host ([`vellum::remap::calibrate`]); the guest does not notice.
    pub remap_from: usize,
}

/// Extensions of the instruction set, in the device tree's order.
const EXTENSIONS: [&str; 13] =
    ["i", "m", "a", "f", "d", "c", "zicntr", "zicsr", "zifencei", "zba", "zbb", "zbs", "sstc"];
/// Bytes of entropy for the kernel's start.
const SEED: usize = 64;

impl Config {
    /// A machine of 256 MiB and one hart for `kernel`.
    pub fn new(kernel: Vec<u8>) -> Self {
        Config {
            memory: 256 << 20,
            harts: 1,
            paging: Paging::Shadow,
            max_mode: Mode::Sv57,
            frame_quota: None,
            pager: None,
            frames: None,
            kernel,
            initrd: None,
            flat: false,
            cmdline: String::new(),
            disks: Vec::new(),
            remap_from: 1,
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
    /// The kernel or the initial RAM disk can't be loaded.
    #[error(transparent)]
    Load(#[from] loader::LoadError),
    /// There is no device tree for such a machine.
    #[error(transparent)]
    DeviceTree(#[from] fdt::FdtError),
    /// More disks than slots.
    #[error("{found} disks are too many: a machine has room for {limit}")]
    Disks {
        /// Disks asked for.
        found: usize,
        /// What fits.
        limit: usize,
    },
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
    pub fn new(mut config: Config, mut outside: Box<dyn Outside>) -> Result<Self, Error> {
        let mut memory = Builder::new(RAM_BASE, config.memory)
            .paging(config.paging)
            .harts(config.harts as usize)
            .devices(FINISHER.base..RTC.end())
            .devices(PLIC.base..PLIC.end())
            .devices(UART.base..virtio_slot(VIRTIO_SLOTS - 1).end());
        let shared = config.frames.is_some();
        let strict = config.frame_quota.is_some() || config.pager.is_some() || shared;
        // Disks hold pages of the guest, which then writes to others: frames beyond its own, unless
        // the quota is what is wanted.
        let beside = config.disks.len() as u64 * (HELD_LIMIT + IN_FLIGHT) as u64;
        match config.frame_quota {
            Some(quota) => memory = memory.frame_quota(quota),
            None if strict => {}
            None => memory = memory.frame_quota(config.memory / PAGE_SIZE as u64 + beside),
        }
        if let Some(frames) = config.frames.take() {
            memory = memory.frames_of(frames);
        }
        let mut memory = memory.build()?;
        if let Some(pager) = config.pager.take() {
            memory.attach_pager(pager)?;
        }
        let stamp = Stamp { hart: 0, instret: 0 };
        let date = outside.boot_clock(stamp).nanos();
        let mut seed = [0; SEED];
        outside.entropy(stamp, &mut seed)?;
        // Where frames are counted strictly, disks hold none.
        let remap_from = if strict { usize::MAX } else { config.remap_from };
        let virtio = plug(core::mem::take(&mut config.disks), remap_from)?;
        let begin = load(&config, &mut memory, virtio.taken(), &seed)?;
        Ok(Machine {
            cores: (0..config.harts as usize)
                .map(|id| Core { hart: Hart::new(id), supervisor: Supervisor::default() })
                .collect(),
            memory,
            code: CodeCache::default(),
            hsm: Hsm::new(config.harts, begin),
            devices: Devices::new(config.harts, date, virtio)?,
            outside,
            nanos: 0,
            max_mode: config.max_mode,
            ending: None,
            input: VecDeque::new(),
            output: Vec::new(),
            counters: Counters::default(),
            costs: None,
            pace: None,
        })
    }
}

/// The virtio devices: the disks in order, then entropy.
fn plug(disks: Vec<Box<dyn Disk>>, remap_from: usize) -> Result<Slots, Error> {
    let (found, limit) = (disks.len(), VIRTIO_SLOTS - 1);
    if found > limit {
        return Err(Error::Disks { found, limit });
    }
    let mut slots = Slots::new();
    for (number, disk) in disks.into_iter().enumerate() {
        let name = format!("vellum-{number}");
        slots.plug(Box::new(Block::new(disk, &name).remapping_from(remap_from)));
    }
    slots.plug(Box::new(Rng::new()));
    Ok(slots)
}

/// Loads the kernel, the initial RAM disk and the device tree; where the first hart begins.
fn load(
    config: &Config,
    memory: &mut VmMemory,
    virtio: [bool; VIRTIO_SLOTS],
    rng_seed: &[u8],
) -> Result<Begin, Error> {
    let ram = Range::new(RAM_BASE.get(), config.memory);
    let kernel = match config.flat {
        true => Kernel::flat(&config.kernel, ram)?,
        false => Kernel::read(&config.kernel, ram)?,
    };
    let initrd = config.initrd.as_deref();
    initrd.map(loader::check_initrd).transpose()?;
    let place = loader::place(&kernel, initrd.map(|bytes| bytes.len() as u64), ram)?;
    kernel.write(memory)?;
    if let (Some(bytes), Some(range)) = (initrd, place.initrd) {
        memory.write(range.base, bytes)?;
    }
    let tree = fdt::build(&Description {
        harts: config.harts,
        memory: ram,
        extensions: &EXTENSIONS,
        mmu: match config.max_mode {
            Mode::Bare | Mode::Sv39 => Mmu::Sv39,
            Mode::Sv48 => Mmu::Sv48,
            Mode::Sv57 => Mmu::Sv57,
        },
        bootargs: &config.cmdline,
        initrd: place.initrd,
        rng_seed,
        virtio,
    })?;
    memory.write(place.dtb, &tree)?;
    Ok(Begin { entry: kernel.entry(), opaque: place.dtb.get() })
}

impl GuestWriter for VmMemory {
    type Error = vellum::Error;

    fn write(&mut self, at: Gpa, bytes: &[u8]) -> Result<(), vellum::Error> {
        VmMemory::write(self, at, bytes)
    }
}
