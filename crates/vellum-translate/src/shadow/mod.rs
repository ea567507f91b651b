//! What is kept of guest ∘ host between the misses of a TLB: shadow tables, and what can stand in
//! their place.
//!
//! A *shadow page* mirrors one guest table at one level ([`Key::Table`]), or a part of a guest
//! superpage ([`Key::Piece`]), in one [`Role`]: what decides the meaning of a table beside its
//! entries, as the rights that x86-64's entries above it grant. RISC-V gives no rights at inner levels,
//! so there a shadow page depends on its guest table alone. It is shared by every address space that
//! points to that table, the kernel's half as a rule. Whose tables they are is a [`Format`]. Entries are filled on demand. A guest table that has a shadow page
//! carries a guard that withholds writing; the store traps, is done, and the one shadow entry it
//! concerns is brought up to date, or the table goes out of step until a fence.
//!
//! How much of that is done is a [`Policy`]: [`Shadow`] with a set of [`Tricks`], [`VirtualTlb`]
//! without protection, [`Nested`] without anything. What an in-step policy keeps may be thrown away
//! at any instant with no effect but time; what another keeps is a part of the machine's state.

mod audit;
mod compare;
mod counters;
mod entry;
mod fill;
mod follow;
mod format;
mod grants;
mod large;
mod lookup;
mod loose;
mod nested;
mod page;
mod policy;
mod remove;
mod rmap;
mod shadow_policy;
mod state;
mod table;
mod trail;
mod tricks;
mod virtual_tlb;

pub use audit::Mismatch;
pub use counters::Counters;
pub use fill::PREFETCH;
pub use follow::FLOOD;
pub use format::{Format, Meaning, RiscV, Role, Said};
pub use loose::{LOOSE, QUIET};
pub use nested::Nested;
pub use page::{Key, PAGE_BYTES};
pub use policy::{AfterFence, Context, Fence, Found, Install, Known, Policy};
pub use table::Shadow;
pub use trail::{Kept, Trail};
pub use tricks::Tricks;
pub use virtual_tlb::VirtualTlb;
