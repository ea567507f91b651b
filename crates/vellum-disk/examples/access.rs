//! Prints where a drive's time goes for a few requests: `access = seek + rotation + transfer`.
//!
//! `cargo run --example access -- FILE.parv` takes a DiskSim parameter file.

use std::path::Path;
use vellum_block::{Completion, Device, Instant, Lba, Request, Tag, drain};
use vellum_disk::disksim::read_drive;
use vellum_disk::{Disk, Policy};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: access FILE.parv")?;
    let file = read_drive(Path::new(&path))?;
    let mut disk = Disk::new(&file.profile, Policy::Fcfs)?;
    let sectors = disk.geometry().sectors();
    let s = disk.seek_table().summary();
    println!(
        "{}: {sectors} sectors; seek {} to {}, mean {}",
        disk.name(),
        s.minimum,
        s.maximum,
        s.average
    );
    let mut now = Instant::ZERO;
    for (i, part) in [0, 500, 250, 999, 0].into_iter().enumerate() {
        disk.submit(now, Request::read(Tag(i as u64), Lba::new(sectors / 1000 * part), 8))?;
        now = drain(&mut disk, &mut |c: Completion| {
            println!("{:>10} {}", c.request.lba, c.breakdown)
        });
    }
    Ok(())
}
