//! RISC-V's formats: Sv39, Sv48 and Sv57 (privileged specification, chapter "Supervisor-Level ISA").

mod mode;
mod pte;
pub mod reference;
mod walk;

pub use mode::{Mode, Satp};
pub use pte::Pte;
pub use walk::{Leaf, TableMemory, walk};
