//! Where a segmented drive's time goes: each request pays for what it waited for, and for nothing
//! that the drive does on its own behalf.

use vellum_block::{
    Breakdown, Completion, Device, Duration, Instant, Lba, Phase, Request, Rng, Tag, drain,
};
use vellum_disk::config::{FastWrite, ReadAhead, Segmented};
use vellum_disk::profile::{Controller, Profile};
use vellum_disk::{Disk, Error, Policy, profiles};

/// The textbook drive with other buffer rules.
fn drive(change: impl FnOnce(&mut Segmented)) -> (Disk, Segmented) {
    let mut profile: Profile = profiles::find("hp97560").unwrap();
    let Controller::Segmented(c) = &mut profile.controller else { panic!("it has segments") };
    change(c);
    let config = *c;
    (Disk::new(&profile, Policy::Fcfs).unwrap(), config)
}

/// Runs one request alone and gives the drive time to come to rest.
fn alone(disk: &mut Disk, request: Request) -> Completion {
    let now = disk.time() + Duration::from_ms(500);
    let mut done = None;
    let mut sink = |c: Completion| done = Some(c);
    disk.advance(now, &mut sink);
    disk.submit(now, request).unwrap();
    drain(disk, &mut sink);
    done.expect("it ended")
}

fn only(parts: Breakdown, allowed: &[Phase]) -> bool {
    Phase::ALL.iter().all(|&p| parts.get(p).is_zero() || allowed.contains(&p))
}

#[test]
fn reading_ahead_is_not_charged_to_the_request_that_it_follows() {
    let mut rng = Rng::new(5);
    for _ in 0..200 {
        let lba = Lba::new(rng.below(2_000_000));
        let read = Request::read(Tag(0), lba, 1 + rng.below(120) as u32);
        let with = |kind| alone(&mut drive(|c| c.buffer.read_ahead = kind).0, read);
        let plain = with(ReadAhead::None);
        for kind in [ReadAhead::Track, ReadAhead::Cylinder, ReadAhead::Segment] {
            let ahead = with(kind);
            assert_eq!(
                (ahead.at, ahead.breakdown),
                (plain.at, plain.breakdown),
                "{kind:?} {read:?}"
            );
        }
    }
}

#[test]
fn a_miss_pays_its_command_and_each_sector_once() {
    let (mut disk, config) = drive(|_| ());
    let turn = Duration::from_ps(60_000_000_000_000 / 4002);
    for n in [1u32, 7, 30] {
        // The track's first sectors, so that nothing is split.
        let done = alone(&mut disk, Request::read(Tag(0), Lba::new(72 * 19 * 500), n));
        let (parts, pass) = (done.breakdown, Duration::from_ps(turn.as_ps() * u64::from(n) / 72));
        assert!(parts.get(Phase::Transfer).as_ps().abs_diff(pass.as_ps()) < 1000, "{n}: {parts}");
        let o = &config.overheads;
        assert!(parts.get(Phase::Overhead) >= o.read_miss.read + o.read_complete, "{n}: {parts}");
        assert!(parts.get(Phase::Bus) <= config.read_sector.times(n.into()), "{n}: {parts}");
        assert!(parts.get(Phase::HeadSwitch).is_zero(), "{n}: {parts}");
        disk = drive(|_| ()).0;
    }
}

#[test]
fn a_hit_is_command_and_bus_alone() {
    let (mut disk, config) = drive(|_| ());
    alone(&mut disk, Request::read(Tag(0), Lba::new(4000), 8));
    // By now the drive has read ahead, and what follows lies in the buffer.
    let done = alone(&mut disk, Request::read(Tag(1), Lba::new(4008), 8));
    let parts = done.breakdown;
    let o = &config.overheads;
    assert!(only(parts, &[Phase::Overhead, Phase::Bus]), "{parts}");
    assert_eq!(parts.get(Phase::Bus), config.read_sector.times(8));
    let command = o.read_hit.read + o.data_preparation + o.read_complete;
    assert_eq!(parts.get(Phase::Overhead), command);
    assert_eq!((disk.media().accesses, disk.media().hits), (1, 1));
}

#[test]
fn a_stream_waits_for_the_platter_and_for_no_more() {
    let (mut disk, _) = drive(|_| ());
    let (mut at, mut sum) = (Instant::ZERO, Breakdown::ZERO);
    let n = 400u64;
    for i in 0..n {
        disk.submit(at, Request::read(Tag(i), Lba::new(50_000 + 16 * i), 16)).unwrap();
        let mut done = None;
        while done.is_none() {
            at = disk.next_event().expect("a request is under way");
            disk.advance(at, &mut |c: Completion| done = Some(c));
        }
        let done = done.unwrap();
        at = done.at;
        assert_eq!(done.breakdown.total(), done.response());
        sum += done.breakdown;
    }
    // Sixteen sectors pass in 3.3 ms; the reader can't be charged for more than what passed.
    let passed = Duration::from_ps(60_000_000_000_000 / 4002 * (16 * n) / 72);
    assert!(sum.get(Phase::Transfer) <= passed, "{sum}");
    assert!(sum.get(Phase::Transfer).times(4) > passed, "it does wait for the platter: {sum}");
    assert!(sum.get(Phase::Seek) < Duration::from_ms(20), "the first only: {sum}");
    assert!(sum.get(Phase::Rotation) < Duration::from_ms(15), "the first only: {sum}");
}

#[test]
fn a_write_that_ends_in_the_buffer_does_not_pay_for_the_arm() {
    let write = Request::write(Tag(0), Lba::new(900_000), 16);
    let (mut fast, config) = drive(|c| c.buffer.fast_write = FastWrite::On);
    let parts = alone(&mut fast, write).breakdown;
    assert!(only(parts, &[Phase::Overhead, Phase::Bus]), "{parts}");
    assert_eq!(parts.get(Phase::Bus), config.write_sector.times(16));
    assert_eq!((fast.media().accesses, fast.media().hits), (1, 1), "the arm came later");

    let (mut slow, _) = drive(|c| c.buffer.fast_write = FastWrite::Off);
    let parts = alone(&mut slow, write).breakdown;
    let pays = |p| !parts.get(p).is_zero();
    assert!(pays(Phase::Seek) && pays(Phase::Transfer) && pays(Phase::Overhead), "{parts}");
    assert_eq!((slow.media().accesses, slow.media().hits), (1, 0));
}

/// A buffer in which a read or a write would never find a segment is none.
#[test]
fn a_buffer_without_room_is_refused() {
    type Change = fn(&mut Segmented);
    let rows: [(Change, &str); 4] = [
        (|c| c.buffer.segments = 0, "segments"),
        (|c| (c.buffer.segments, c.buffer.own_write_segment) = (1, true), "segments"),
        (|c| c.buffer.write_segments = 0, "write-segments"),
        (|c| c.buffer.segment_sectors = 0, "segment-sectors"),
    ];
    for (change, named) in rows {
        let mut profile = profiles::find("hp97560").unwrap();
        let Controller::Segmented(c) = &mut profile.controller else { panic!("it has segments") };
        change(c);
        let refused = Disk::new(&profile, Policy::Fcfs);
        assert!(
            matches!(&refused, Err(Error::Field { field, .. }) if field == named),
            "{named}: {refused:?}"
        );
    }
}
