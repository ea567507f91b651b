//! Transparent memory compression.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod background;
pub mod content;
mod costs;
mod engine;
mod error;
mod ids;
mod index;
mod plain;
mod policy;
mod refaults;
mod report;
mod set;
mod sketch;
mod store;

/// A scavenger that several owners of pages use, each from its own thread.
pub type SharedScavenger = std::sync::Arc<parking_lot::Mutex<Scavenger>>;

pub use background::{Background, Share};
pub use costs::Costs;
pub use engine::{Broken, Check, Kept, Mode, Options, Scavenger, Step};
pub use error::Error;
pub use ids::{Domain, ObjectId, SetId};
pub use plain::Pages;
pub use policy::Policy;
pub use refaults::Refaults;
pub use report::{Class, Counters, Metadata, Report, Tally};
pub use set::{Backing, Busy, Look, PageSet, Withhold};
pub use sketch::{Estimate, SAMPLE, Sketch, SketchError, Sketcher};
pub use store::{FileSpill, Spill, StoreBytes};
