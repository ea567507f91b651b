//! Readers of DiskSim 4.0's files as they are: `.parv`, `.diskspecs`, `.model`, `.layout`, `.seek`.
//!
//! The language is a list of typed blocks (`disksim_disk NAME { Field name = value, … }`), lists in
//! brackets, comments from `#`, and `source FILE`. Only what describes one drive is taken from it;
//! topologies, generators and statistics are read over.

mod drive;
mod layout;
mod syntax;
mod words;

pub use drive::{DriveFile, read_drive, read_drive_from, read_seek_curve};
pub use syntax::{Block, Source, Value};
