//! The host table: for each page of the guest's physical memory the frame behind it, the rights,
//! and the reasons why some of them are withheld.

mod entry;
mod guard;
mod node;
mod reader;
mod table;

pub use entry::{HostEntry, OwnerId, Token};
pub use guard::{Guard, GuardSet};
pub use node::FrameStore;
pub use reader::TableReader;
pub use table::{HostPath, HostTable, Resolved, Snapshot, Withheld};
