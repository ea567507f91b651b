//! The short ways against the plain one, sector by sector: the same ends, the same accounts, and the
//! same sectors on the medium whenever the power goes.

use crate::config::{FastWrite, Layout, ReadAhead, Segmented};
use crate::drive::Engine;
use crate::geometry::Sparing;
use crate::profile::Controller;
use crate::spindle::Rotation;
use crate::{Disk, MediaCounters, Policy, profiles};
use proptest::prelude::*;
use std::collections::BTreeMap;
use vellum_block::{
    Completion, Device, Duration, Flags, Instant, Landed, Lba, Loss, Op, Request, Sink, Tag, drain,
};

/// A controller of a profile with some of its figures changed, one bit each.
fn controller(c: &mut Segmented, bits: u32) {
    let bit = |n: u32| bits >> n & 1 == 1;
    let kinds = [ReadAhead::None, ReadAhead::Track, ReadAhead::Cylinder, ReadAhead::Segment];
    c.buffer.cache = bit(0) || bit(1);
    c.buffer.read_ahead = kinds[(bits >> 1 & 3) as usize];
    c.buffer.read_watermark = if bit(3) { 1_000_000 } else { 200_000 };
    c.buffer.watermark_of_request = true;
    c.buffer.read_on_arrival = bit(4);
    c.buffer.stop_in_sector = bit(5);
    c.buffer.read_ahead_max = if bit(6) { 40 } else { 0 };
    c.hold_bus_read = bit(7);
    if bit(8) {
        (c.read_sector, c.overheads.read_complete) = (Duration::ZERO, Duration::ZERO);
        c.overheads.read_disconnect = Default::default();
        (c.overheads.reselect, c.overheads.data_preparation) = Default::default();
    }
    c.buffer.fast_write = if bit(9) { FastWrite::On } else { FastWrite::Off };
    c.buffer.read_ahead_on_hit = bit(10);
    c.buffer.write_on_arrival = bit(11) && bit(4);
    c.overheads.write_complete = Duration::from_us(if bit(12) { 300 } else { 0 });
    if bit(13) {
        // A bus far slower than the medium.
        c.write_sector = c.write_sector.times(40);
        c.read_sector = c.read_sector.times(40);
    }
}

/// Bits with which a drive reads 40 sectors ahead of a read, buffers writes, and takes the bus for a read
/// when a fifth of it is there.
const PARTIAL_HITS: u32 = 1 | 3 << 1 | 1 << 6 | 1 << 9;
/// Those that may be anything then.
const FREE: u32 = !(PARTIAL_HITS | 1 << 3);

/// Gap in µs, what, place, sectors.
type Step = (u64, u8, u64, u32);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0u64..25_000, 0u8..8, 0u64..900, 1u32..120), 1..24)
}

/// What a drive told: completions, and each write's sectors on the medium with the time of the last.
#[derive(Debug, Default, PartialEq)]
struct Told {
    done: Vec<Completion>,
    landed: BTreeMap<u64, (u32, Instant)>,
    lost: Vec<Loss>,
}

impl Sink for Told {
    fn completed(&mut self, c: Completion) {
        self.done.push(c);
    }
    fn landed(&mut self, l: Landed) {
        let of = self.landed.entry(l.tag.0).or_default();
        *of = (of.0 + l.sectors, l.at);
    }
}

/// Plays the steps; the power goes so many microseconds after the last, if it does.
fn play(
    drive: (usize, u32),
    whole: bool,
    steps: &[Step],
    cut: Option<u64>,
) -> (Told, MediaCounters) {
    let (name, bits) = (profiles::NAMES[drive.0], drive.1);
    let mut profile = profiles::find(name).unwrap();
    if let Controller::Segmented(c) = &mut profile.controller {
        controller(c, bits);
    }
    if let (Layout::Zoned(z), true) = (&mut profile.layout, bits >> 14 & 1 == 1) {
        // A spare at the end of each track, which passes between the last sector and the first.
        z.sparing = Sparing::PerTrack;
        z.zones.iter_mut().for_each(|zone| zone.spares = 1);
    }
    if bits >> 15 & 1 == 1 {
        profile.mechanics.rotation = Rotation::Stepped;
    }
    let mut disk = Disk::new(&profile, Policy::Fcfs).unwrap();
    if let Engine::Segmented(d) = &mut disk.engine {
        d.fixed.whole_reads = whole;
    }
    let (mut told, mut at, mut lba) = (Told::default(), Instant::ZERO, 4000);
    for (i, &(gap, what, place, sectors)) in steps.iter().enumerate() {
        at += Duration::from_us(gap);
        disk.advance(at, &mut told);
        // Near the request before, right behind it, or so much before its end.
        match what {
            8.. => lba -= place,
            4.. => (),
            _ => lba += place * 3,
        }
        let op = if what & 3 == 0 && what != 8 { Op::Write } else { Op::Read };
        let mut request = Request::new(Tag(i as u64), op, Lba::new(lba), sectors);
        if what == 0 && place % 3 == 0 {
            request = request.with_flags(Flags::FUA);
        }
        disk.submit(at, request).unwrap();
        lba += u64::from(sectors);
    }
    match cut {
        None => drain(&mut disk, &mut told),
        Some(us) => {
            let mut lost = Vec::new();
            at += Duration::from_us(us);
            disk.power_loss(at, &mut told, &mut |l| lost.push(l));
            told.lost = lost;
            at
        }
    };
    (told, disk.media())
}

/// A write of one sector comes behind another while that is under way: its sector passes with the
/// other's, and passes again for itself. It became durable the first time.
#[test]
fn a_sector_that_passes_behind_another_write_lands_once() {
    let mut steps = vec![(15_550, 1, 313, 41), (13_626, 4, 0, 48)];
    let gaps = [1149, 44, 11_763, 22_797, 4310, 3195, 2737];
    steps.extend(gaps.map(|gap| (gap, 0, 0, 1)));
    let (short, _) = play((0, 49_805), true, &steps, None);
    assert_eq!(short.landed[&2], (1, Instant::from_ps(60_177_902_392)));
    assert_eq!(short, play((0, 49_805), false, &steps, None).0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_short_way_of_a_request_ends_where_the_plain_one_does(
        drive in (0usize..2, 0u32..1 << 16), steps in steps()
    ) {
        prop_assert_eq!(play(drive, true, &steps, None), play(drive, false, &steps, None));
    }

    #[test]
    fn a_power_cut_on_the_short_way_leaves_what_it_leaves_on_the_plain_one(
        drive in (0usize..2, 0u32..1 << 16), steps in steps(), cut in 0u64..40_000
    ) {
        let (short, _) = play(drive, true, &steps, Some(cut));
        let (plain, _) = play(drive, false, &steps, Some(cut));
        prop_assert_eq!(short, plain);
    }

    /// Requests that wait in front of the controller ask for what has just been read ahead, or not yet.
    #[test]
    fn with_a_queue_that_waits_the_short_way_ends_where_the_plain_one_does(
        drive in (0usize..2, 0u32..1 << 16),
        steps in prop::collection::vec((0u64..3, 4u8..8, 0u64..1, 1u32..120), 2..24),
        few in prop::collection::vec(0usize..24, 0..4),
    ) {
        // Most come at once; a few somewhat later.
        let late = |i: usize| if few.contains(&i) { 9000 } else { 0 };
        let steps: Vec<Step> =
            steps.iter().enumerate().map(|(i, s)| (s.0 + late(i), s.1, s.2, s.3)).collect();
        prop_assert_eq!(play(drive, true, &steps, None), play(drive, false, &steps, None));
    }

    /// A read whose beginning was read ahead, while the arm still writes behind the one before: it leaves
    /// the bus, and takes it again at once when enough is there.
    #[test]
    fn a_partial_hit_on_the_short_way_takes_the_bus_when_it_does_on_the_plain_one(
        name in 0usize..2, bits in 0u32..1 << 16,
        rounds in prop::collection::vec((1u32..20, 0u64..9_000, 40u32..110), 1..12)
    ) {
        let drive = (name, bits & FREE | PARTIAL_HITS);
        let steps: Vec<Step> = rounds
            .iter()
            .flat_map(|&(written, gap, read)| {
                // Read; write at a distance; read on behind the first, which stands far before the write.
                [(40_000, 1, 300, 8), (40_000, 0, 100, written), (gap, 8, u64::from(written) + 300, read)]
            })
            .collect();
        prop_assert_eq!(play(drive, true, &steps, None), play(drive, false, &steps, None));
    }
}
