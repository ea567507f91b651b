//! Virtual time as devices see it: the clock of the block-device contract, counted from power-on.

pub use vellum_block::{Duration, Instant};
