//! Faults and crashes: what a host sees, and what is left on the medium.

use vellum_block::{
    Completion, Device, Duration, Instant, Lba, Phase, Request, Status, Tag, drain,
};
use vellum_disk::config::FastWrite;
use vellum_disk::crash::{crash_states, flush_holds};
use vellum_disk::profile::Controller;
use vellum_disk::{Disk, Policy, profiles};

fn disk(name: &str) -> Disk {
    Disk::new(&profiles::find(name).unwrap(), Policy::Fcfs).unwrap()
}

fn serve(disk: &mut Disk, request: Request) -> Completion {
    disk.submit(disk.time(), request).unwrap();
    let mut done = None;
    drain(disk, &mut |c: Completion| done = Some(c));
    let done = done.unwrap();
    assert_eq!(done.breakdown.total(), done.response());
    done
}

fn read(lba: u64) -> Request {
    Request::read(Tag(lba), Lba::new(lba), 8)
}

#[test]
fn a_latent_error_costs_turns_or_the_sector_and_writing_moves_it() {
    let mut d = disk("hp97560");
    let turn = Duration::from_ps(60_000_000_000_000 / 4002);
    d.faults_mut().plant_at(5003, 3);
    d.faults_mut().plant_at(9000, 99);
    let slow = serve(&mut d, read(5000));
    assert_eq!(slow.status, Status::Recovered { lba: Lba::new(5003) });
    assert_eq!(slow.breakdown.get(Phase::Retry), turn.times(3));
    let lost = serve(&mut d, read(9000));
    assert_eq!(lost.status, Status::Unreadable { lba: Lba::new(9000) });
    serve(&mut d, Request::write(Tag(1), Lba::new(9000), 8));
    assert_eq!(d.faults().counters().reallocated, 1);
    let after = serve(&mut d, read(9000));
    assert_eq!(after.status, Status::Done);
    assert!(!after.breakdown.get(Phase::Retry).is_zero(), "the spare is far away");
}

#[test]
fn a_crashed_head_loses_its_surface_and_no_other() {
    let mut d = disk("hp97560");
    d.faults_mut().crash_head(3);
    for i in 0..200u64 {
        let lba = i * 13_331;
        let spot = d.geometry().locate(lba).unwrap();
        let head = d.geometry().place(spot).head;
        let whole = d.geometry().track_lbns(spot.track, lba).unwrap().1 >= lba + 7;
        if whole {
            let status = serve(&mut d, read(lba)).status;
            assert_eq!(status.is_ok(), head != 3, "head {head}: {status:?}");
        }
    }
}

#[test]
fn recalibration_comes_at_its_time_and_is_in_the_breakdown() {
    let mut d = disk("enterprise15k");
    d.faults_mut().recalibrate(Duration::from_ms(100), Duration::from_ms(40));
    let done: Vec<Completion> = (0..100).map(|i| serve(&mut d, read(i * 999_983))).collect();
    let paused = done.iter().filter(|c| c.breakdown.get(Phase::Internal) == Duration::from_ms(40));
    let n = paused.count() as u64;
    assert_eq!(n, d.faults().counters().recalibrations);
    let time = d.time().as_ns() / 1_000_000;
    assert!(n >= 2 && n <= time / 100, "{n} in {time} ms");
}

/// A log record, perhaps a flush, and a commit mark far away.
fn workload(flush: bool) -> Vec<(Instant, Request)> {
    let at = |ms: u64| Instant::ZERO + Duration::from_ms(ms);
    let mut all = vec![(at(1), Request::write(Tag(1), Lba::new(3_000_000_000), 16))];
    if flush {
        all.push((at(40), Request::flush(Tag(2))));
    }
    all.push((at(90), Request::write(Tag(3), Lba::new(1000), 1)));
    all.push((at(90), Request::write(Tag(4), Lba::new(3_000_000_100), 8)));
    all
}

/// States in which the mark is there and the record is not all there.
fn broken(workload: &[(Instant, Request)]) -> u64 {
    let mut bad = 0;
    let until = Instant::ZERO + Duration::from_secs(2);
    // The mark overtakes the record when the record is submitted late.
    crash_states(&mut disk("desktop7200"), workload, until, |state| {
        let of = |tag| state.durable.iter().filter(|d| d.0 == Tag(tag)).count();
        bad += u64::from(of(3) == 1 && of(1) < 16);
        assert!(flush_holds(workload, state), "a completed flush holds: {state:?}");
        true
    })
    .unwrap();
    bad
}

#[test]
fn with_a_flush_the_mark_never_comes_before_the_record() {
    assert_eq!(broken(&workload(true)), 0);
}

#[test]
fn with_a_flush_the_mark_never_comes_before_the_record_in_a_segmented_buffer() {
    let mut profile = profiles::find("hp97560").unwrap();
    let Controller::Segmented(c) = &mut profile.controller else { panic!("it has segments") };
    c.buffer.fast_write = FastWrite::On;
    let mut drive = Disk::new(&profile, Policy::Fcfs).unwrap();
    let at = |ms: u64| Instant::ZERO + Duration::from_ms(ms);
    let all = [
        (at(1), Request::write(Tag(1), Lba::new(2_000_000), 16)),
        (at(6), Request::flush(Tag(2))),
        (at(6), Request::write(Tag(3), Lba::new(1000), 1)),
    ];
    let mut early = 0;
    crash_states(&mut drive, &all, at(2000), |state| {
        let of = |tag| state.durable.iter().filter(|d| d.0 == Tag(tag)).count();
        early += u64::from(state.ended.contains(&Tag(1)) && of(1) < 16);
        assert!(of(3) == 0 || of(1) == 16, "{state:?}");
        assert!(flush_holds(&all, state), "a completed flush holds: {state:?}");
        true
    })
    .unwrap();
    assert!(early > 0, "the record ends in the buffer before it is on the medium");
}

#[test]
fn a_missing_flush_is_found() {
    // The mark is written first and nothing holds it back.
    let mut all = workload(false);
    let mark = all.remove(1);
    all.insert(0, (Instant::ZERO, mark.1));
    assert!(broken(&all) > 0, "the planted bug");
}

#[test]
fn the_states_are_as_many_as_sectors_allow() {
    let all = [(Instant::ZERO, Request::write(Tag(1), Lba::new(100), 5))];
    let (mut states, mut torn) = (Vec::new(), 0);
    let until = Instant::ZERO + Duration::from_secs(1);
    crash_states(&mut disk("hp97560"), &all, until, |s| {
        assert!(s.durable.is_sorted(), "sectors land in order on one track");
        states.push(s.durable.len());
        torn += usize::from(s.torn.is_some());
        true
    })
    .unwrap();
    states.dedup();
    assert_eq!(states, [0, 1, 2, 3, 4, 5]);
    assert!(torn >= 5, "each sector may be torn");
}
