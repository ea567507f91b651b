//! Cuts the power at every microsecond of a small run and counts what survives.

use vellum_block::{
    Duration, Fixed, FixedConfig, Instant, Lba, Ram, Request, Tag, TornPolicy, Volume, VolumeError,
};

fn main() -> Result<(), VolumeError> {
    let config = FixedConfig {
        sectors: 64,
        latency: Duration::from_us(10),
        volatile_cache: true,
        ..FixedConfig::default()
    };
    for cut in (0..60).step_by(10) {
        let mut disk = Volume::new(Fixed::new(config), Ram::new(64, 512)?)?;
        disk.submit(Instant::ZERO, Request::write(Tag(0), Lba::new(0), 1), &[1; 512])?;
        disk.submit(Instant::ZERO, Request::flush(Tag(1)), &[])?;
        disk.submit(Instant::ZERO, Request::write(Tag(2), Lba::new(1), 1), &[2; 512])?;
        let mut done = 0;
        let losses =
            disk.power_loss(Instant::from_ns(cut * 1000), TornPolicy::Unreadable, &mut |_, _| {
                done += 1
            })?;
        println!(
            "power lost at {cut:2} µs: {done} requests had ended, {} writes lost",
            losses.len()
        );
    }
    Ok(())
}
