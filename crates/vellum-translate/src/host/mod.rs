//! The host table: for each page of the guest's physical memory the frame behind it, the rights,
//! and the reasons why some of them are withheld.

mod entry;
mod epochs;
mod guard;
mod node;
mod pages;
mod path;
mod reader;
mod resolve;
mod run;
mod snapshot;
mod table;

pub use entry::{HostEntry, OwnerId, Token};
pub use guard::{Guard, GuardSet};
pub use node::FrameStore;
pub use path::HostPath;
pub use reader::TableReader;
pub use resolve::{Resolved, Withheld};
pub use run::Run;
pub use snapshot::Snapshot;
pub use table::HostTable;
