//! The memory of real Linux processes: frames are the pages of an anonymous file that processes
//! share, and to remap is to map another of its pages at an address.
//!
//! An [`Arena`] is the file, with a count of holders for each of its pages. A [`Window`] is a range of
//! addresses whose pages show frames of the arena: it is a [`Space`](crate::Space). Whoever writes
//! through the space gets a fresh frame where somebody holds the old one; a store through a plain
//! pointer into a page that is lent is a fault of the program, not a change of what was sent.
//!
//! Between processes frames go by number: [`ArenaRun::export`] gives its holds away,
//! [`Arena::import`] takes them over in the process that got the numbers. The host kernel's costs
//! stand beside this: a flip is a system call of some microseconds, so calibrate first.

//!
//! Where there is only one process, [`PlainMemory`] does without a file: pages of private memory change
//! places by `UFFDIO_MOVE`, a run of any length by one call each way.

mod arena;
mod map;
mod plain;
mod uffd;
mod window;

pub use arena::{Arena, ArenaRun};
pub use plain::{PlainMemory, PlainRun, PlainWindow};
pub use window::Window;
