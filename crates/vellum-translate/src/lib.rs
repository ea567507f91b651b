//! Address translation for virtual machines: guest, host and shadow page tables.
#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod addr;
pub mod edit;
pub mod explain;
mod fault;
pub mod host;
mod memory;
mod rights;
pub mod riscv;
pub mod shadow;
pub mod tlb;
#[cfg(feature = "vm-memory")]
pub mod vm_memory;
pub mod x86;

pub use addr::{Gfn, Gpa, Gva};
pub use fault::{Fault, FaultKind, Reference, Stage};
pub use memory::{TableMemory, Words};
pub use rights::{Access, Environment, Privilege, Rights};
pub use vellum_frames::{FrameId, Hpa, PAGE_MASK, PAGE_SHIFT, PAGE_SIZE};
