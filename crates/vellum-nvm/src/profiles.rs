//! Devices that ship, with where their figures come from.

use vellum_block::Duration;

/// The figures of a device. Energies are femtojoules a bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// Where the figures come from.
    pub source: &'static str,
    /// Bringing a row into its buffer.
    pub row_read: Duration,
    /// A line out of an open row.
    pub line_read: Duration,
    /// Turning cells to 1 (crystalline, low resistance).
    pub set: Duration,
    /// Turning cells to 0.
    pub reset: Duration,
    /// Bits that a bank can change at once; more take further pulses.
    pub parallel_bits: u32,
    /// Energy of reading a bit from the array.
    pub read_fj: u64,
    /// Energy of setting a bit.
    pub set_fj: u64,
    /// Energy of resetting a bit.
    pub reset_fj: u64,
    /// Mean writes that a line stands.
    pub endurance: u64,
    /// Deviation of that, in thousandths of the mean.
    pub spread: u32,
    /// Lines of a row, a power of two.
    pub row_lines: u32,
    /// Banks, a power of two.
    pub banks: u32,
    /// Lines that the medium writes as one; smaller writes read the rest first.
    pub block_lines: u32,
    /// Whether only cells that differ are written.
    pub compare: bool,
    /// Whether a word is stored inverted when that changes fewer cells (Cho and Lee, MICRO 2009).
    pub flip: bool,
    /// Writes after which Start-Gap moves its gap; 0 for no wear levelling.
    pub gap_interval: u32,
}

/// The names of the devices.
pub const NAMES: [&str; 5] = ["pcm", "pcm-20nm", "rram", "optane", "stacked-memristor"];

/// The device called `name`.
pub fn find(name: &str) -> Option<Profile> {
    ALL.iter().zip(NAMES).find(|(_, n)| *n == name).map(|(p, _)| *p)
}

const BASE: Profile = Profile {
    name: "phase-change memory, single level",
    source: "Lee, Ipek, Mutlu and Burger, ISCA 2009 (CACM 53:7): read 48 ns, SET 150 ns, RESET \
             40 ns, 2.47 pJ/bit read, 13.5 SET, 19.2 RESET, 10^8 writes",
    row_read: Duration::from_ns(48),
    line_read: Duration::from_ns(10),
    set: Duration::from_ns(150),
    reset: Duration::from_ns(40),
    parallel_bits: 512,
    read_fj: 2_470,
    set_fj: 13_500,
    reset_fj: 19_200,
    endurance: 100_000_000,
    spread: 100,
    row_lines: 32,
    banks: 8,
    block_lines: 1,
    compare: true,
    flip: true,
    gap_interval: 100,
};

const ALL: [Profile; 5] = [
    BASE,
    Profile {
        name: "phase-change memory, 20 nm 8 Gb",
        source: "Choi et al., ISSCC 2012, as configured in NVMain 2.0: tRCD 120 ns, write pulse \
                 150 ns; energies 81.2 pJ a read and 1684.8 pJ a write of 512 bits",
        row_read: Duration::from_ns(120),
        line_read: Duration::from_ns(10),
        read_fj: 159,
        set_fj: 3_291,
        reset_fj: 3_291,
        endurance: 1_000_000,
        ..BASE
    },
    Profile {
        name: "resistive memory (memristor)",
        source: "Kawahara et al., ISSCC 2012, as configured in NVMain 2.0: tRCD 25 ns, write pulse \
                 10 ns",
        row_read: Duration::from_ns(25),
        line_read: Duration::from_ns(5),
        set: Duration::from_ns(10),
        reset: Duration::from_ns(10),
        read_fj: 159,
        set_fj: 1_000,
        reset_fj: 1_000,
        endurance: 1_000_000,
        ..BASE
    },
    Profile {
        name: "3D-XPoint module",
        source: "Izraelevitz et al. 2019 (arXiv:1903.05714): random load 305 ns, sequential 169 ns, \
                 256-byte blocks inside",
        row_read: Duration::from_ns(236),
        line_read: Duration::from_ns(69),
        set: Duration::from_ns(110),
        reset: Duration::from_ns(110),
        row_lines: 4,
        block_lines: 4,
        compare: false,
        flip: false,
        ..BASE
    },
    Profile {
        name: "memristor layers stacked on each core",
        source: "a design figure, not a product: arrays of the resistive memory above, reached \
                 through silicon within 2 ns, wide rows, many banks",
        row_read: Duration::from_ns(12),
        line_read: Duration::from_ns(2),
        set: Duration::from_ns(10),
        reset: Duration::from_ns(10),
        read_fj: 50,
        set_fj: 500,
        reset_fj: 500,
        endurance: 1_000_000_000,
        row_lines: 64,
        banks: 32,
        ..BASE
    },
];
