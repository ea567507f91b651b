//! Shadow tables: guest ∘ host, kept in step by write-protecting the guest's tables.
//!
//! A *shadow page* mirrors one guest table at one level ([`Key::Table`]), or a part of a guest
//! superpage ([`Key::Piece`]). RISC-V gives no rights at inner levels, so a shadow page depends on
//! its guest table alone and is shared by every address space that points to that table, the
//! kernel's half as a rule. Entries are filled on demand. A guest table that has a shadow page
//! carries a guard that withholds writing; the store traps, is done, and the one shadow entry it
//! concerns is brought up to date ([`Shadow::table_written`]).
//!
//! Everything here may be thrown away at any instant ([`Shadow::clear`]) with no effect but time.

mod audit;
mod entry;
mod page;
mod rmap;
mod table;

pub use audit::Mismatch;
pub use entry::ShadowLeaf;
pub use page::Key;
pub use table::{Counters, Install, Shadow};
