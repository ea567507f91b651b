//! A drive's invariants under random requests, and state that can be saved at any instant.

use proptest::prelude::*;
use vellum_block::{
    Completion, Device, Flags, Instant, Landed, Lba, Loss, Op, Phase, Request, Sink, Tag, drain,
};
use vellum_disk::{Disk, Policy, profiles};
use vellum_state::{from_bytes, state_hash, to_bytes};

const POLICIES: [Policy; 9] = [
    Policy::Fcfs,
    Policy::Sstf,
    Policy::Look,
    Policy::CLook,
    Policy::Vscan { turn: 200 },
    Policy::Sptf,
    Policy::Spctf,
    Policy::Satf,
    Policy::Asptf { weight: 6 },
];

#[derive(Default)]
struct Log {
    done: Vec<Completion>,
    landed: Vec<Landed>,
}

impl Sink for Log {
    fn completed(&mut self, c: Completion) {
        self.done.push(c);
    }
    fn landed(&mut self, l: Landed) {
        self.landed.push(l);
    }
}

/// (gap in µs, kind, place in thousandths, sectors)
type Step = (u64, u8, u64, u32);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0u64..30_000, 0u8..12, 0u64..1000, 1u32..300), 1..40)
}

fn request(disk: &Disk, i: usize, step: &Step, last: u64) -> Request {
    let (_, kind, place, sectors) = *step;
    let total = disk.geometry().sectors();
    let lba = if kind % 3 == 0 { last } else { total / 1000 * place };
    let lba = lba.min(total - u64::from(sectors));
    let tag = Tag(i as u64);
    match kind {
        11 => Request::flush(tag),
        10 => Request::write(tag, Lba::new(lba), sectors).with_flags(Flags::FUA),
        5..10 => Request::write(tag, Lba::new(lba), sectors),
        4 => Request::read(tag, Lba::new(lba), sectors).with_flags(Flags::FUA),
        _ => Request::read(tag, Lba::new(lba), sectors),
    }
}

fn drive(profile: usize, policy: usize) -> Disk {
    let profile = profiles::find(profiles::NAMES[profile]).unwrap();
    Disk::new(&profile, POLICIES[policy]).unwrap()
}

/// Submits everything, advancing to each submission, and returns the time of the last.
fn play(disk: &mut Disk, steps: &[Step], log: &mut Log) -> Instant {
    let (mut now, mut last) = (Instant::ZERO, 0);
    for (i, step) in steps.iter().enumerate() {
        now += vellum_block::Duration::from_us(step.0);
        disk.advance(now, log);
        let r = request(disk, i, step, last);
        last = r.end();
        disk.submit(now, r).unwrap();
    }
    now
}

fn check(disk: &Disk, steps: &[Step], log: &Log) {
    assert_eq!(log.done.len(), steps.len(), "every request ends once");
    let mut tags: Vec<u64> = log.done.iter().map(|c| c.tag().0).collect();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), steps.len());
    assert!(log.done.is_sorted_by_key(|c| c.at), "completions are in order of time");
    for c in &log.done {
        assert_eq!(c.breakdown.total(), c.at.since(c.submitted), "{c:?}");
        let turn = vellum_block::Duration::from_ms(16);
        assert!(c.breakdown.get(Phase::Rotation) <= turn, "less than a turn: {c:?}");
        if c.request.reads_medium() {
            assert!(!c.breakdown.get(Phase::Transfer).is_zero(), "a forced read takes the medium");
        }
        if c.request.op == Op::Write && c.request.flags.contains(Flags::FUA) {
            assert_eq!(landed_before(log, c), u64::from(c.request.sectors), "FUA is durable");
        }
    }
    assert_eq!(disk.in_flight(), 0);
}

fn landed_before(log: &Log, c: &Completion) -> u64 {
    let mine = log.landed.iter().filter(|l| l.tag == c.tag() && l.at <= c.at);
    mine.map(|l| u64::from(l.sectors)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_request_ends_once_and_its_parts_add_up(
        steps in steps(), profile in 0usize..3, policy in 0usize..9
    ) {
        let mut disk = drive(profile, policy);
        let mut log = Log::default();
        play(&mut disk, &steps, &mut log);
        drain(&mut disk, &mut log);
        check(&disk, &steps, &log);
    }

    #[test]
    fn a_saved_drive_goes_on_as_if_nothing_had_been(
        steps in steps(), profile in 0usize..3, policy in 0usize..9, cut in 0u64..60_000
    ) {
        let mut a = drive(profile, policy);
        let mut log = Log::default();
        let now = play(&mut a, &steps, &mut log) + vellum_block::Duration::from_us(cut);
        a.advance(now, &mut log);
        let mut b = drive(profile, policy);
        from_bytes(&mut b, &to_bytes(&a)).unwrap();
        prop_assert_eq!(state_hash(&a), state_hash(&b));
        let (mut x, mut y) = (Log::default(), Log::default());
        drain(&mut a, &mut x);
        drain(&mut b, &mut y);
        prop_assert_eq!(x.done, y.done);
        prop_assert_eq!(x.landed, y.landed);
    }

    #[test]
    fn how_time_is_cut_into_steps_changes_nothing(
        steps in steps(), profile in 0usize..3, policy in 0usize..9, slice in 50u64..20_000
    ) {
        let (mut a, mut b) = (drive(profile, policy), drive(profile, policy));
        let (mut x, mut y) = (Log::default(), Log::default());
        let now = play(&mut a, &steps, &mut x);
        drain(&mut a, &mut x);
        let (mut at, mut last) = (Instant::ZERO, 0);
        let mut next = at;
        for (i, step) in steps.iter().enumerate() {
            at += vellum_block::Duration::from_us(step.0);
            while next < at {
                b.advance(next, &mut y);
                next += vellum_block::Duration::from_us(slice);
            }
            b.advance(at, &mut y);
            let r = request(&b, i, step, last);
            last = r.end();
            b.submit(at, r).unwrap();
        }
        prop_assert_eq!(at, now);
        drain(&mut b, &mut y);
        prop_assert_eq!(x.done, y.done);
    }

    /// Requests that always wait in front of the controller, most of them for what is being read ahead.
    #[test]
    fn how_time_is_cut_changes_nothing_while_a_queue_waits(
        reads in prop::collection::vec((0u64..4, 1u32..200), 2..24),
        profile in 0usize..3,
        slice in 10u64..400,
    ) {
        let (mut a, mut b) = (drive(profile, 0), drive(profile, 0));
        let mut next = 1_000_000;
        for (i, &(skip, sectors)) in reads.iter().enumerate() {
            // The next sectors, some that were passed, or some a little further on.
            let at = if skip == 3 { next - u64::from(sectors).min(100) } else { next + skip * 8 };
            next = at + u64::from(sectors);
            for disk in [&mut a, &mut b] {
                disk.submit(Instant::ZERO, Request::read(Tag(i as u64), Lba::new(at), sectors)).unwrap();
            }
        }
        let (mut x, mut y) = (Log::default(), Log::default());
        drain(&mut a, &mut x);
        let mut now = Instant::ZERO;
        while b.in_flight() > 0 {
            now += vellum_block::Duration::from_us(slice);
            b.advance(now, &mut y);
        }
        prop_assert_eq!(x.done, y.done);
    }

    #[test]
    fn after_a_power_cut_each_written_sector_either_landed_or_is_reported(
        steps in steps(), profile in 0usize..3, cut in 0u64..100_000
    ) {
        let mut disk = drive(profile, 0);
        let mut log = Log::default();
        let now = play(&mut disk, &steps, &mut log) + vellum_block::Duration::from_us(cut);
        let mut losses: Vec<Loss> = Vec::new();
        disk.power_loss(now, &mut log, &mut |l| losses.push(l));
        let mut last = 0;
        for (i, step) in steps.iter().enumerate() {
            let r = request(&disk, i, step, last);
            last = r.end();
            if !r.op.changes() {
                continue;
            }
            let of = |tag: Tag| tag.0 == i as u64;
            let landed: u64 = log.landed.iter().filter(|l| of(l.tag)).map(|l| u64::from(l.sectors)).sum();
            // A torn physical sector takes neighbours along that are no part of the write.
            let part = |l: &Loss| (l.lba.get() + u64::from(l.sectors)).min(r.end())
                .saturating_sub(l.lba.get().max(r.lba.get()));
            let lost: u64 = losses.iter().filter(|l| of(l.tag)).map(part).sum();
            prop_assert_eq!(landed + lost, u64::from(r.sectors), "write {}", i);
        }
        prop_assert!(disk.submit(now, Request::flush(Tag(0))).is_err());
        disk.power_on(now);
        disk.submit(now, Request::read(Tag(9), Lba::new(0), 1)).unwrap();
        drain(&mut disk, &mut log);
        prop_assert_eq!(log.done.last().unwrap().tag(), Tag(9));
    }
}
