//! The chip model: cells that obey the chip's rules, wear out, err and lose power.
//!
//! Everything is a function of the seed and the calls. Data is kept in counted frames of a page each, so a
//! clone of a chip costs a count a block and one a page that was ever written, and bytes are copied where they
//! are written.

mod block;
mod cells;
mod chip;
mod config;
mod cut;
mod distributions;
mod frames;
mod image;
mod pipeline;
mod reliability;
mod sample;
mod state;
mod timing;

pub use block::Flaw;
pub use config::ModelConfig;
pub use cut::{Cut, CutMode};
pub use distributions::poisson;
pub use image::{ImageError, image_geometry};
pub use pipeline::Pipeline;
pub use reliability::{
    Chances, PowerLaw, READ_OFFSETS, RETRY_LEVELS, Reliability, Stress, Voltage, arrhenius,
};
pub use timing::{Bus, Timing};

use crate::{Codeword, EraseBlock, Geometry, NandError, Ppa, ReadStatus};
use block::Block;
use cells::Cells;
use frames::{Frame, Frames};
use vellum_block::{Instant, Rng};

/// What a chip was asked to do, and how it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Page reads.
    pub reads: u64,
    /// Page programs, copy-back's included.
    pub programs: u64,
    /// Copy-backs, each also counted as a read and a program.
    pub copies: u64,
    /// Erases.
    pub erases: u64,
    /// Programs that the chip reported as failed.
    pub program_fails: u64,
    /// Erases that the chip reported as failed.
    pub erase_fails: u64,
    /// Bits corrected.
    pub corrected_bits: u64,
    /// Codewords that could not be corrected.
    pub uncorrectable: u64,
    /// Bytes over the bus.
    pub bus_bytes: u64,
}

/// A modelled chip.
#[derive(Debug, Clone)]
pub struct Model {
    config: ModelConfig,
    cells: Cells,
    frames: Frames,
    /// Reads of each block since its erase.
    disturb: Vec<u32>,
    /// When each unit is free.
    busy: Vec<Instant>,
    /// When each unit's second register is free, where it has one.
    register: Vec<Instant>,
    now: Instant,
    /// Milli-hours at 30 °C that have passed.
    aged: u64,
    retry: u8,
    offset: i8,
    open: u32,
    /// The block whose out-of-band bytes were read last, and whether the rest was asked for. A hint alone.
    walked: (u32, bool),
    /// What the error correction says of a page without an error.
    clean: ReadStatus,
    rng: Rng,
    powered: bool,
    cut: Option<Cut>,
    counters: Counters,
}

impl Model {
    /// A chip fresh from the factory.
    ///
    /// # Errors
    /// When the geometry does not fit together.
    pub fn new(config: ModelConfig) -> Result<Model, NandError> {
        let g = config.geometry;
        g.check()?;
        let mut model = Model {
            config,
            cells: Cells::new(
                g.blocks,
                Block::new(g.pages_per_block, g.user_oob_bytes(), u32::MAX),
            ),
            frames: Frames::default(),
            disturb: vec![0; g.blocks as usize],
            busy: vec![Instant::ZERO; g.units as usize],
            register: match config.pipeline {
                Pipeline::Cached => vec![Instant::ZERO; g.units as usize],
                Pipeline::Waits | Pipeline::Overlapped => Vec::new(),
            },
            now: Instant::ZERO,
            aged: 0,
            retry: 0,
            offset: 0,
            open: 0,
            walked: (u32::MAX, false),
            clean: every(&g, Codeword::Corrected(0)),
            rng: Rng::new(config.seed),
            powered: true,
            cut: None,
            counters: Counters::default(),
        };
        for block in 1..g.blocks {
            model.leave_factory(block);
        }
        Ok(model)
    }

    fn leave_factory(&mut self, block: u32) {
        let permille = u64::from(self.config.factory_bad_permille);
        if self.config.endurance > 0 {
            let mean = u64::from(self.config.endurance);
            let endurance = mean / 2 + self.rng.below(mean + 1);
            self.block_mut(EraseBlock(block)).endurance = endurance as u32;
        }
        let pairs = if self.config.clustered { 2 } else { 1 };
        if self.rng.below(1000 * pairs) < permille {
            for bad in block..(block + pairs as u32).min(self.config.geometry.blocks) {
                self.block_mut(EraseBlock(bad)).marked = true;
            }
        }
    }

    #[inline]
    fn block(&self, block: EraseBlock) -> &Block {
        self.cells.get(block.0)
    }

    #[inline]
    fn block_mut(&mut self, block: EraseBlock) -> &mut Block {
        self.cells.get_mut(block.0)
    }

    /// The chip's parameters.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// What it was asked to do so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Lets time pass on the shelf or in use, at a temperature, for retention.
    pub fn age(&mut self, hours: f64, celsius: f64) {
        self.aged += (hours.max(0.0) * arrhenius(celsius) * 1000.0) as u64;
    }

    /// Erases of a block so far.
    pub fn erases_of(&self, block: EraseBlock) -> u32 {
        if (block.0 as usize) < self.cells.count() { self.block(block).erases } else { 0 }
    }

    /// Sets how many more erases a block survives: 0 makes its next program and erase fail.
    pub fn doom(&mut self, block: EraseBlock, erases: u32) {
        if self.config.geometry.check_block(block).is_ok() {
            let state = self.block_mut(block);
            state.endurance = state.erases.saturating_add(erases);
        }
    }

    /// Spoils a page, as a failure of its cells would.
    pub fn spoil(&mut self, ppa: Ppa, flaw: Flaw) {
        if self.config.geometry.check_ppa(ppa).is_ok() {
            let g = self.config.geometry;
            self.block_mut(g.block_of(ppa)).pages[g.page_of(ppa) as usize].flaw = flaw;
        }
    }

    #[inline]
    fn ready(&self) -> Result<(), NandError> {
        if self.powered { Ok(()) } else { Err(NandError::PowerLost) }
    }

    /// Checks the chip's rules for a program.
    #[inline]
    fn check_program(&self, block: EraseBlock, page: u32) -> Result<(), NandError> {
        let g = &self.config.geometry;
        let state = self.block(block);
        if state.marked {
            return Err(NandError::BadBlock { block });
        }
        let times = state.pages[page as usize].programs;
        if page + 1 == state.next && times > 0 && times < g.programs_per_page {
            return Ok(());
        }
        if times > 0 && page < state.next {
            let (ppa, limit) = (g.ppa(block, page), g.programs_per_page);
            return Err(NandError::Reprogrammed { ppa, times, limit });
        }
        if page < state.next {
            return Err(NandError::Order { ppa: g.ppa(block, page), next: state.next });
        }
        let (open, limit) = (self.open + 1, self.config.open_blocks);
        if limit > 0 && !state.is_open() && open > limit {
            return Err(NandError::OpenBlocks { block, open, limit });
        }
        Ok(())
    }

    /// Puts data into the cells, or cuts the power while doing so.
    #[inline]
    fn store(
        &mut self,
        block: EraseBlock,
        page: u32,
        frame: Frame,
        oob: &[u8],
    ) -> Result<(), NandError> {
        if let Some((mode, rng)) = self.strikes() {
            let mode = if mode.of_program() { mode } else { CutMode::TornProgram };
            let ppa = self.config.geometry.ppa(block, page);
            self.cut_program(ppa, frame, oob, mode, rng);
            return Err(NandError::PowerLost);
        }
        self.counters.programs += 1;
        let state = self.cells.get_mut(block.0);
        let failed = state.is_worn() && self.rng.one_in(2);
        let weak = state.weak && self.rng.one_in(2);
        let was_open = state.is_open();
        state.next = page + 1;
        let is_open = state.is_open();
        state.set_born(page, self.aged);
        state.oob_of_mut(page)[..oob.len()].copy_from_slice(oob);
        let slot = &mut state.pages[page as usize];
        slot.programs += 1;
        if failed || weak || slot.flaw == Flaw::Charged {
            slot.flaw = Flaw::Unreadable;
        }
        self.frames.release(slot.frame.replace(frame));
        self.open = self.open + u32::from(is_open) - u32::from(was_open && self.open > 0);
        if failed {
            self.counters.program_fails += 1;
            return Err(NandError::ProgramFailed { ppa: self.config.geometry.ppa(block, page) });
        }
        Ok(())
    }
}

/// All codewords of a page with one outcome.
#[inline]
fn every(g: &Geometry, word: Codeword) -> ReadStatus {
    ReadStatus::all(g.codewords(), word)
}
