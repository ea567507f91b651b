//! How long a chip takes: ONFI timing classes by kind of cell, and the bus.

use crate::{CellKind, Geometry};
use vellum_block::Duration;

/// Times of a chip's operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Array to page register (tR).
    pub read: Duration,
    /// Page register to array (tPROG), for the first page of a cell and for the later ones.
    pub program: [Duration; 2],
    /// Erase of a block (tBERS).
    pub erase: Duration,
    /// Command, address and polling, an operation.
    pub command: Duration,
    /// One byte over the bus.
    pub byte: Duration,
}

/// Bus generations and their fastest mode, in million transfers (bytes) a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bus {
    /// Asynchronous, 50 MT/s.
    Sdr,
    /// Source-synchronous, 200 MT/s.
    NvDdr,
    /// 533 MT/s.
    NvDdr2,
    /// 1600 MT/s.
    NvDdr3,
    /// Serial, four data lines at 104 MHz: 52 MB/s.
    QuadSpi,
}

impl Bus {
    /// Time of one byte.
    pub const fn byte(self) -> Duration {
        Duration::from_ps(match self {
            Bus::Sdr => 20_000,
            Bus::NvDdr => 5_000,
            Bus::NvDdr2 => 1_876,
            Bus::NvDdr3 => 625,
            Bus::QuadSpi => 19_231,
        })
    }
}

impl Timing {
    /// The middle of the published range for this kind of cell: SLC 25/250/1750 µs, MLC
    /// 50/600–900/3000 µs, TLC 75/900–1350/4500 µs; QLC as TLC times 1.6.
    pub const fn class(cell: CellKind, bus: Bus) -> Timing {
        let us = Duration::from_us;
        let (read, program, erase) = match cell {
            CellKind::Slc => (us(25), [us(250), us(250)], us(1_750)),
            CellKind::Mlc => (us(50), [us(600), us(900)], us(3_000)),
            CellKind::Tlc => (us(75), [us(900), us(1_350)], us(4_500)),
            CellKind::Qlc => (us(120), [us(1_440), us(2_160)], us(7_200)),
        };
        Timing { read, program, erase, command: Duration::from_ns(200), byte: bus.byte() }
    }

    /// Time of programming `page`.
    #[inline]
    pub fn program_of(&self, geometry: &Geometry, page: u32) -> Duration {
        self.program[usize::from(geometry.paired_with(page).is_some())]
    }

    /// Time of `bytes` over the bus, with the command before them.
    #[inline]
    pub fn transfer(&self, bytes: usize) -> Duration {
        self.command + self.byte.times(bytes as u64)
    }
}
