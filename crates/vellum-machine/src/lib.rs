//! A RISC-V machine whose every page, page table and sector goes through Vellum; boots Linux.

#![forbid(unsafe_code)]

pub mod bus;
pub mod clock;
pub mod finisher;
pub mod memory_map;
pub mod plic;
pub mod rtc;
pub mod uart;
