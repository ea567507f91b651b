//! What the block device tells of itself (virtio 1.2, section 5.2.4).

use super::{CLEAR_LIMIT, SEG_MAX, SIZE_MAX};
use crate::disk::{SECTOR, Shape};

/// Bytes of the configuration.
const LENGTH: usize = 60;

/// Reads configuration from `offset` on; zeros behind its end.
pub(super) fn read(shape: &Shape, offset: u64, out: &mut [u8]) {
    let bytes = layout(shape);
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = bytes.get((offset as usize).saturating_add(i)).copied().unwrap_or(0);
    }
}

fn layout(shape: &Shape) -> [u8; LENGTH] {
    let mut b = [0; LENGTH];
    let mut put = |at: usize, bytes: &[u8]| b[at..at + bytes.len()].copy_from_slice(bytes);
    let ratio = shape.physical / shape.logical.max(1);
    put(0, &shape.sectors.to_le_bytes());
    put(8, &SIZE_MAX.to_le_bytes());
    put(12, &SEG_MAX.to_le_bytes());
    // 16: geometry, not offered.
    put(20, &shape.logical.to_le_bytes());
    // Topology: logical blocks in a physical one (as a power of two), offset of the first, the
    // smallest and the best size of a request in logical blocks.
    put(24, &[ratio.max(1).ilog2() as u8, 0]);
    put(26, &(ratio.max(1) as u16).to_le_bytes());
    put(28, &0u32.to_le_bytes());
    // 32: write cache mode, not offered. 34: number of queues, not offered.
    let clear = if shape.read_only { 0 } else { CLEAR_LIMIT };
    let segments = u32::from(!shape.read_only);
    put(36, &clear.to_le_bytes());
    put(40, &segments.to_le_bytes());
    put(44, &(shape.logical / SECTOR as u32).to_le_bytes());
    put(48, &clear.to_le_bytes());
    put(52, &segments.to_le_bytes());
    put(56, &[u8::from(!shape.read_only)]);
    b
}
