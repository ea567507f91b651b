//! The two indexes: identical content by hash, similar content by features.

mod hash;
mod similar;

pub(crate) use hash::{HashIndex, Target};
pub(crate) use similar::Similar;
