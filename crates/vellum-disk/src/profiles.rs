//! Drives that ship with the crate.

use crate::config::{
    After, Buffer, FastWrite, Layout, Mechanics, Overheads, ReadAhead, Segmented, turn_of_rpm,
};
use crate::geometry::{Angle, Mapping, Sparing, Zone, Zoned};
use crate::profile::{Controller, Profile};
use crate::seek::SeekCurve;
use crate::spindle::Rotation;
use vellum_block::Duration;

/// The names of the drives that ship.
pub const NAMES: [&str; 3] = ["hp97560", "enterprise15k", "desktop7200"];

/// The drive called `name`.
pub fn find(name: &str) -> Option<Profile> {
    match name {
        "hp97560" => Some(hp97560()),
        "enterprise15k" => Some(enterprise15k()),
        "desktop7200" => Some(desktop7200()),
        _ => None,
    }
}

fn us(n: u64) -> Duration {
    Duration::from_us(n)
}

/// Angle of `n` sectors of a track of `per_track`.
fn skew(n: u32, per_track: u32) -> Angle {
    Angle(n * ((1u64 << 32) / u64::from(per_track)) as u32)
}

fn buffer(segments: u32, segment_sectors: u32, fast_write: FastWrite) -> Buffer {
    Buffer {
        segments,
        write_segments: (segments / 4).max(1),
        segment_sectors,
        own_write_segment: false,
        cache: true,
        read_ahead: ReadAhead::Segment,
        read_ahead_min: 0,
        read_ahead_max: segment_sectors,
        read_ahead_over_request: 1,
        read_ahead_on_hit: true,
        read_on_arrival: false,
        write_on_arrival: false,
        keep_free_sectors: false,
        almost_hits: false,
        hits_on_writes: true,
        partial_hits_start: true,
        write_stops_read_ahead: true,
        stop_in_sector: true,
        stop_in_seek: false,
        fast_write,
        combine_writes: true,
        read_watermark: 0,
        write_watermark: 0,
        watermark_of_request: true,
    }
}

fn overheads(read: u64, write: u64) -> Overheads {
    let same = |n| After { read: us(n), write: us(n) };
    Overheads {
        read_hit: same(read),
        read_miss: same(read),
        write_hit: same(write),
        write_miss: same(write),
        ..Overheads::default()
    }
}

fn mechanics(
    seek: SeekCurve,
    rpm: u64,
    head_switch: Duration,
    write_settle: Duration,
) -> Mechanics {
    Mechanics {
        seek,
        write_seek: None,
        head_switch,
        write_settle_ps: write_settle.as_ps() as i64,
        turn: turn_of_rpm(rpm),
        rotation: Rotation::Exact,
        phase: Angle(0),
    }
}

/// The HP 97560 of 1991, the drive of the literature: Ruemmler and Wilkes, *An introduction to disk
/// drive modeling*, IEEE Computer 27(3), 1994; figures as in Kotz, Toh and Radhakrishnan's
/// re-implementation (Dartmouth PCS-TR94-220).
fn hp97560() -> Profile {
    let zone = Zone {
        first_cylinder: 0,
        last_cylinder: 1961,
        per_track: 72,
        track_skew: skew(8, 72),
        cylinder_skew: skew(18 - 8, 72),
        ..Zone::default()
    };
    Profile {
        name: "HP 97560".into(),
        source: "Ruemmler and Wilkes 1994; Kotz, Toh and Radhakrishnan 1994".into(),
        sector_bytes: 512,
        layout: Layout::Zoned(Zoned {
            surfaces: 19,
            cylinders: 1962,
            mapping: Mapping::Normal,
            sparing: Sparing::None,
            range: 1,
            zones: vec![zone],
        }),
        mechanics: mechanics(
            SeekCurve::RootLine {
                shortest: vec![],
                line_from: 384,
                root_base: us(3240),
                root: us(400),
                line_base: us(8000),
                line: us(8),
            },
            4002,
            us(1600),
            Duration::ZERO,
        ),
        controller: Controller::Segmented(Segmented {
            buffer: Buffer { read_ahead_max: 128, ..buffer(1, 256, FastWrite::Off) },
            overheads: overheads(2200, 2200),
            extra_disconnect: None,
            // SCSI-II at 10 MB/s.
            read_sector: Duration::from_ns(51_200),
            write_sector: Duration::from_ns(51_200),
            hold_bus_read: false,
            hold_bus_write: false,
            never_disconnect: false,
            write_seek_min: Duration::ZERO,
        }),
    }
}

/// Zones of falling track length: `counts` from the outside in, over all cylinders.
fn zones(cylinders: u32, counts: &[u32], track_skew_ppm: u64, cylinder_skew_ppm: u64) -> Vec<Zone> {
    let n = counts.len() as u32;
    let turn = |ppm: u64| Angle(((ppm << 32) / 1_000_000) as u32);
    (0..n)
        .map(|i| Zone {
            first_cylinder: cylinders / n * i,
            last_cylinder: if i + 1 == n { cylinders - 1 } else { cylinders / n * (i + 1) - 1 },
            per_track: counts[i as usize],
            track_skew: turn(track_skew_ppm),
            cylinder_skew: turn(cylinder_skew_ppm),
            spares: counts[i as usize],
            ..Zone::default()
        })
        .collect()
}

/// A 15,000 rpm server drive of about 2005: 147 GB, 3.5 ms mean seek; data-sheet figures of that
/// class (Seagate Cheetah 15K.5 product manual), layout made up to give its capacity and rates.
fn enterprise15k() -> Profile {
    let counts = [1240, 1180, 1120, 1060, 1000, 940, 880, 830];
    Profile {
        name: "15k enterprise".into(),
        source: "class of the Seagate Cheetah 15K.5 product manual; layout made up".into(),
        sector_bytes: 512,
        layout: Layout::Zoned(Zoned {
            surfaces: 4,
            cylinders: 69_500,
            mapping: Mapping::OddInZone,
            sparing: Sparing::PerZone,
            range: 1,
            zones: zones(69_500, &counts, 140_000, 20_000),
        }),
        mechanics: mechanics(
            SeekCurve::ThreePoints { single: us(270), average: us(3500), full: us(7400) },
            15_000,
            us(450),
            us(400),
        ),
        controller: Controller::Segmented(Segmented {
            buffer: buffer(32, 1024, FastWrite::Off),
            overheads: overheads(120, 150),
            extra_disconnect: None,
            read_sector: Duration::from_ns(1_600),
            write_sector: Duration::from_ns(1_600),
            hold_bus_read: false,
            hold_bus_write: false,
            never_disconnect: false,
            write_seek_min: Duration::ZERO,
        }),
    }
}

/// A 7,200 rpm desktop drive of 2 TB: 8.5 ms mean seek, 210 to 100 MB/s; data-sheet figures of that
/// class (Seagate ST2000DM006), layout made up to give its capacity and rates.
fn desktop7200() -> Profile {
    let counts = [3400, 3280, 3150, 3010, 2860, 2700, 2530, 2350, 2150, 1940, 1720];
    Profile {
        name: "7200 desktop 2 TB".into(),
        source: "class of the Seagate ST2000DM006 data sheet; layout made up".into(),
        sector_bytes: 512,
        layout: Layout::Zoned(Zoned {
            surfaces: 4,
            cylinders: 369_000,
            mapping: Mapping::OddInZone,
            sparing: Sparing::PerZone,
            range: 1,
            zones: zones(369_000, &counts, 120_000, 10_000),
        }),
        mechanics: mechanics(
            SeekCurve::ThreePoints { single: us(1000), average: us(12_600), full: us(24_000) },
            7200,
            us(900),
            us(600),
        ),
        controller: Controller::Segmented(Segmented {
            buffer: Buffer { write_segments: 16, ..buffer(64, 2048, FastWrite::On) },
            overheads: overheads(100, 100),
            extra_disconnect: None,
            read_sector: Duration::from_ns(930),
            write_sector: Duration::from_ns(930),
            hold_bus_read: false,
            hold_bus_write: false,
            never_disconnect: false,
            write_seek_min: Duration::ZERO,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_builds_and_has_its_class_capacity() {
        let gigabytes = |name: &str| {
            let p = find(name).unwrap();
            p.layout.build().unwrap().sectors() * u64::from(p.sector_bytes) / 1_000_000_000
        };
        assert_eq!(gigabytes("hp97560"), 1);
        assert!((140..=155).contains(&gigabytes("enterprise15k")));
        assert!((1950..=2050).contains(&gigabytes("desktop7200")), "{}", gigabytes("desktop7200"));
        assert!(find("floppy").is_none());
    }
}
