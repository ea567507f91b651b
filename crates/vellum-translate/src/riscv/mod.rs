//! RISC-V's formats: Sv39, Sv48 and Sv57 (privileged specification, chapter "Supervisor-Level ISA"),
//! and the second stage's Sv39x4, Sv48x4 and Sv57x4.

mod descend;
mod extensions;
mod format;
mod mode;
mod pte;
mod reach;
pub mod reference;
mod two_stage;
mod walk;

pub use crate::memory::TableMemory;
pub use descend::Leaf;
pub use extensions::{Extensions, MemoryType};
pub use format::Sv;
pub use mode::{Mode, Satp};
pub use pte::Pte;
pub use two_stage::{Hgatp, SeenEntry, TwoStage, TwoStageLeaf, walk_two_stage};
pub use walk::{Walker, walk, walk_with};
