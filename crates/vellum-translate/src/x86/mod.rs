//! x86-64's formats: four and five levels of tables (Intel 64 and IA-32 Architectures Software
//! Developer's Manual, volume 3A, chapter "Paging", sections on 4-level and 5-level paging).

pub mod campaign;
mod entry;
mod fault;
mod format;
mod leaf;
mod paging;
pub mod reference;
mod shadow;
mod shadow_format;
mod table_store;
mod walk;

pub use entry::Entry;
pub use fault::{ErrorCode, Fault, FaultKind};
pub use format::LongMode;
pub use leaf::Leaf;
pub use paging::{Access, NotLongMode, Paging, Registers};
pub use shadow::{Mmu, Needed, Reached};
pub use shadow_format::Processor;
pub use table_store::TableStore;
pub use walk::{Walker, walk};
