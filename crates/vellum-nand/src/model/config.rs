//! What a modelled chip is like.

use super::{Bus, Pipeline, Reliability, Timing};
use crate::Geometry;
use vellum_block::Duration;

/// Parameters of a [`Model`](crate::Model).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelConfig {
    /// The chip's shape.
    pub geometry: Geometry,
    /// Its times.
    pub timing: Timing,
    /// Where its bit errors come from.
    pub reliability: Reliability,
    /// Blocks in a thousand that leave the factory bad; data sheets allow 20 (1004 good of 1024).
    /// Block 0 is always good.
    pub factory_bad_permille: u32,
    /// Whether factory bad blocks come in neighbouring pairs.
    pub clustered: bool,
    /// Erases that a block survives, on average; each block's own lies within half of it. 0: any
    /// number.
    pub endurance: u32,
    /// Most blocks that may be partly programmed; 0: any number.
    pub open_blocks: u32,
    /// What a program or an erase waits for.
    pub pipeline: Pipeline,
    /// A read suspends the program or erase that its unit is at, which takes so long, and as long to go on. `None`: it
    /// waits for the end. To be seen where a pipeline lets reads come meanwhile.
    pub suspend: Option<Duration>,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

impl ModelConfig {
    /// A chip without errors, wear or bad blocks, with its class's times.
    pub const fn perfect(geometry: Geometry) -> ModelConfig {
        ModelConfig {
            geometry,
            timing: Timing::class(geometry.cell, Bus::Sdr),
            reliability: Reliability::Perfect,
            factory_bad_permille: 0,
            clustered: false,
            endurance: 0,
            open_blocks: 0,
            pipeline: Pipeline::Waits,
            suspend: None,
            seed: 1,
        }
    }
}
