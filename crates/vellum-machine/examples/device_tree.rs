//! Prints the device tree of a machine as a blob: `device_tree [HARTS] | dtc -I dtb`.

use std::error::Error;
use std::io::Write;

use vellum_machine::fdt::{Description, Mmu, build};
use vellum_machine::memory_map::{RAM_BASE, Range, VIRTIO_SLOTS};

fn main() -> Result<(), Box<dyn Error>> {
    let harts = std::env::args().nth(1).map_or(Ok(1), |n| n.parse())?;
    let blob = build(&Description {
        harts,
        memory: Range { base: RAM_BASE, length: 256 << 20 },
        extensions: &["i", "m", "a", "f", "d", "c", "zicntr", "zicsr", "zifencei"],
        mmu: Mmu::Sv57,
        bootargs: "console=ttyS0",
        initrd: None,
        rng_seed: &[],
        virtio: [true; VIRTIO_SLOTS],
    })?;
    Ok(std::io::stdout().write_all(&blob)?)
}
