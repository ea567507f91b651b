//! Content and timing, joined.

use super::*;
use crate::{Duration, Fate, Fixed, FixedConfig, Flags, Ram, SubmitError};
use alloc::vec;

fn volume(volatile_cache: bool) -> Volume<Fixed, Ram> {
    let config = FixedConfig {
        sectors: 64,
        latency: Duration::from_us(10),
        volatile_cache,
        ..FixedConfig::default()
    };
    Volume::new(Fixed::new(config), Ram::new(64, 512).unwrap()).unwrap()
}

fn first_byte(v: &mut Volume<Fixed, Ram>, lba: u64) -> u8 {
    let mut out = [0; 512];
    v.media_mut().read(Lba::new(lba), &mut out).unwrap();
    out[0]
}

fn write(v: &mut Volume<Fixed, Ram>, at: u64, lba: u64, fill: u8, flags: Flags) {
    let r = Request::write(Tag(lba), Lba::new(lba), 1).with_flags(flags);
    v.submit(Instant::from_ns(at * 1000), r, &[fill; 512]).unwrap();
}

#[test]
fn a_cached_write_is_lost_and_a_flushed_or_forced_one_is_kept() {
    let mut v = volume(true);
    write(&mut v, 0, 1, 0xaa, Flags::empty());
    v.submit(Instant::from_ns(20_000), Request::flush(Tag(99)), &[]).unwrap();
    v.advance(Instant::from_ns(40_000), &mut |_, _| ()).unwrap();
    write(&mut v, 41, 2, 0xbb, Flags::empty());
    write(&mut v, 41, 3, 0xcc, Flags::FUA);
    v.advance(Instant::from_ns(70_000), &mut |_, _| ()).unwrap();
    let mut seen = vec![0; 512];
    v.read_now(Lba::new(2), &mut seen).unwrap();
    assert_eq!(seen[0], 0xbb, "a completed write is visible");
    let losses =
        v.power_loss(Instant::from_ns(80_000), TornPolicy::Unreadable, &mut |_, _| ()).unwrap();
    assert_eq!(losses.len(), 1);
    assert_eq!(losses[0].fate, Fate::Lost);
    assert_eq!([1, 2, 3].map(|l| first_byte(&mut v, l)), [0xaa, 0, 0xcc]);
    assert!(matches!(
        v.submit(Instant::from_ns(90_000), Request::flush(Tag(0)), &[]),
        Err(VolumeError::Submit(SubmitError::PoweredOff))
    ));
    v.power_on(Instant::from_ns(95_000));
    v.submit(Instant::from_ns(96_000), Request::flush(Tag(0)), &[]).unwrap();
}

#[test]
fn a_sector_being_written_is_torn_until_written_again() {
    let mut v = volume(false);
    write(&mut v, 0, 5, 0x11, Flags::empty());
    v.power_loss(Instant::from_ns(5_000), TornPolicy::Unreadable, &mut |_, _| ()).unwrap();
    v.power_on(Instant::from_ns(6_000));
    let mut out = [0; 512];
    assert!(matches!(v.read_now(Lba::new(5), &mut out), Err(MediaError::Unreadable { .. })));
    write(&mut v, 7, 5, 0x22, Flags::empty());
    v.advance(Instant::from_ns(30_000), &mut |_, _| ()).unwrap();
    v.read_now(Lba::new(5), &mut out).unwrap();
    assert_eq!(out[0], 0x22);
}

#[test]
fn payload_and_size_must_fit() {
    let mut v = volume(false);
    let r = Request::write(Tag(0), Lba::new(0), 2);
    assert!(matches!(
        v.submit(Instant::ZERO, r, &[0; 512]),
        Err(VolumeError::Payload { sectors: 2, bytes: 512, .. })
    ));
    let device = Fixed::new(FixedConfig::default());
    assert!(matches!(
        Volume::new(device, Ram::new(8, 512).unwrap()),
        Err(VolumeError::Mismatch { .. })
    ));
}
