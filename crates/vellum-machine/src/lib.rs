//! A RISC-V machine whose every page, page table and sector goes through Vellum; boots Linux.

#![forbid(unsafe_code)]

pub mod bus;
pub mod clock;
pub mod disk;
pub mod fdt;
pub mod finisher;
pub mod loader;
mod machine;
pub mod memory_map;
mod monitor;
pub mod plic;
pub mod rtc;
pub mod sbi;
pub mod uart;
pub mod virtio;

pub use machine::{
    Config, Costs, Counters, Error, HartReport, Machine, Pace, Report, Spent, Stop, WORKS, Work,
    trap_name,
};
pub use monitor::{Cause, Supervisor};
pub use vellum::Paging;
pub use vellum_translate::riscv::Mode;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
