//! User-level paging: where a missing page comes from, who may touch it, which page goes.
#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod checksum;
pub mod curve;
mod error;
pub mod foresee;
mod history;
mod names;
mod page;
mod pager;
pub mod policy;
pub mod prefetch;
mod pressure;
mod rules;
pub mod simulate;
pub mod space;
pub mod store;
pub mod trace;

pub use error::{Error, StoreError};
pub use history::History;
pub use names::{NamedFrames, Names};
pub use page::{LINE, Lines, PAGE, Page, PageNo};
pub use pager::{Counters, MAX_PAGES, Options, Pager, Resolved, Stands};
pub use pressure::Pressure;
pub use rules::{Handler, Reason, Verdict};
pub use vellum_translate::{Access, Rights};
