//! The two indexes: identical content by hash, similar content by features.

mod hash;
mod similar;

pub(crate) use hash::{ALIKE, HashIndex, Slot, Target};
pub(crate) use similar::Similar;
