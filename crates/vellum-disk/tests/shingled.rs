//! A shingled drive against a plain list of write pointers, and what a loss of power leaves of it.

use proptest::prelude::*;
use vellum_block::{
    Completion, Device, Duration, Flags, Instant, Landed, Lba, Loss, Op, Request, Sink, Status,
    Tag, drain,
};
use vellum_disk::config::Layout;
use vellum_disk::shingled::{Condition, Shingled, ShingledConfig, ZoneAction, ZoneError};
use vellum_disk::{Policy, profiles};
use vellum_state::{from_bytes, state_hash, to_bytes};

const ZONE: u64 = 4096;

fn drive(max_open: u32, read_beyond: bool) -> Shingled {
    let mut profile = profiles::find("desktop7200").unwrap();
    // A hundred cylinders are enough.
    if let Layout::Zoned(z) = &mut profile.layout {
        z.cylinders = 100;
        z.zones.truncate(1);
        z.zones[0].last_cylinder = 99;
    }
    let config = ShingledConfig {
        zone_sectors: ZONE,
        conventional: 2,
        max_open,
        read_beyond,
        ..ShingledConfig::default()
    };
    Shingled::new(&profile, Policy::Sptf, config).unwrap()
}

fn end(d: &mut Shingled, request: Request) -> Status {
    let at = d.next_event().unwrap_or(Instant::ZERO);
    let at = at.max(d.disk().time());
    d.advance(at, &mut |_: Completion| ());
    d.submit(at, request).unwrap();
    let mut status = None;
    drain(d, &mut |c: Completion| {
        assert_eq!(c.breakdown.total(), c.response());
        if c.tag() == request.tag {
            status = Some(c.status);
        }
    });
    status.unwrap()
}

fn write(tag: u64, lba: u64, sectors: u32) -> Request {
    Request::write(Tag(tag), Lba::new(lba), sectors)
}

#[test]
fn writes_must_follow_the_pointer_and_stay_in_their_zone() {
    let mut d = drive(8, true);
    let z = 5 * ZONE;
    let wrong =
        |lba, expected| Status::ZoneViolation { lba: Lba::new(lba), expected: Lba::new(expected) };
    assert_eq!(end(&mut d, write(0, z + 8, 8)), wrong(z + 8, z));
    assert_eq!(end(&mut d, write(1, z, 16)), Status::Done);
    assert_eq!(end(&mut d, write(2, z, 16)), wrong(z, z + 16));
    assert_eq!(end(&mut d, write(3, z + 16, 4)), wrong(z + 16, z + 16), "half a physical sector");
    let crossing = write(4, z + 16, ZONE as u32);
    assert_eq!(end(&mut d, crossing), wrong(z + 16, z + ZONE));
    assert_eq!(end(&mut d, write(5, 13, 3)), Status::Done, "a conventional zone takes anything");
    assert_eq!(end(&mut d, write(6, ZONE - 8, 16)), Status::Done, "even over its border");
    assert!(matches!(end(&mut d, write(7, 2 * ZONE - 8, 16)), Status::ZoneViolation { .. }));
    let at = d.disk().time();
    assert_eq!(d.append(at, write(8, z, 8)), Ok(Lba::new(z + 16)));
    assert_eq!(d.zones()[5].pointer, z + 24);
}

#[test]
fn zones_open_close_fill_and_are_reset() {
    let mut d = drive(2, false);
    for zone in 2..5 {
        assert_eq!(end(&mut d, write(zone, zone * ZONE, 8)), Status::Done);
    }
    let conditions: Vec<Condition> = d.zones()[2..5].iter().map(|z| z.condition).collect();
    use Condition::{Closed, Empty, ImplicitlyOpen};
    assert_eq!(conditions, [Closed, ImplicitlyOpen, ImplicitlyOpen], "the oldest was closed");
    d.manage(6, ZoneAction::Open).unwrap();
    d.manage(7, ZoneAction::Open).unwrap();
    let refused = d.manage(8, ZoneAction::Open);
    assert_eq!(refused, Err(ZoneError::Resources { zone: 8, open: 2, limit: 2 }));
    let status = end(&mut d, write(0, 9 * ZONE, 8));
    assert_eq!(status, Status::ZoneResources { open: 2, limit: 2 });
    d.manage(6, ZoneAction::Close).unwrap();
    assert_eq!(d.zones()[6].condition, Empty);
    d.manage(2, ZoneAction::Finish).unwrap();
    assert!(matches!(end(&mut d, write(0, 2 * ZONE + 8, 8)), Status::ZoneViolation { .. }));
    d.manage(2, ZoneAction::Reset).unwrap();
    assert_eq!(end(&mut d, write(0, 2 * ZONE, 8)), Status::Done);
    let beyond = Request::read(Tag(0), Lba::new(2 * ZONE + 4), 8);
    assert!(matches!(end(&mut d, beyond), Status::ZoneViolation { .. }));
    assert_eq!(d.manage(0, ZoneAction::Reset), Err(ZoneError::Conventional { zone: 0 }));
    let zones = d.zones().len() as u32;
    assert_eq!(d.manage(zones, ZoneAction::Open), Err(ZoneError::NoZone { zone: zones, zones }));
}

#[derive(Default)]
struct Log(Vec<Landed>);

impl Sink for Log {
    fn completed(&mut self, _: Completion) {}
    fn landed(&mut self, l: Landed) {
        self.0.push(l);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn after_a_power_cut_every_pointer_stands_behind_durable_sectors_alone(
        writes in prop::collection::vec((2u64..8, 1u32..20, any::<bool>(), 0u64..4000), 1..40),
        cut in 0u64..120_000,
    ) {
        let mut d = drive(4, true);
        let mut log = Log::default();
        let mut now = Instant::ZERO;
        let mut model = [0u64; 8];
        for (i, &(zone, blocks, fua, gap)) in writes.iter().enumerate() {
            now += Duration::from_us(gap);
            d.advance(now, &mut log);
            let lba = zone * ZONE + model[zone as usize];
            let flags = if fua { Flags::FUA } else { Flags::empty() };
            d.submit(now, write(i as u64, lba, blocks * 8).with_flags(flags)).unwrap();
            model[zone as usize] += u64::from(blocks) * 8;
            prop_assert_eq!(d.zones()[zone as usize].pointer, zone * ZONE + model[zone as usize]);
        }
        let mut copy = drive(4, true);
        from_bytes(&mut copy, &to_bytes(&d)).unwrap();
        prop_assert_eq!(state_hash(&d), state_hash(&copy));
        now += Duration::from_us(cut);
        let mut losses: Vec<Loss> = Vec::new();
        d.power_loss(now, &mut log, &mut |l| losses.push(l));
        let (mut again, mut log2) = (Vec::new(), Log::default());
        copy.power_loss(now, &mut log2, &mut |l| again.push(l));
        prop_assert_eq!(&losses, &again, "a restored drive loses the same");
        for zone in 2..8u64 {
            let z = d.zones()[zone as usize];
            let mut durable = vec![false; ZONE as usize];
            for l in log.0.iter().filter(|l| l.lba.get() / ZONE == zone) {
                let from = (l.lba.get() % ZONE) as usize;
                durable[from..from + l.sectors as usize].fill(true);
            }
            let prefix = durable.iter().take_while(|&&d| d).count() as u64;
            prop_assert_eq!(z.pointer - z.start, prefix, "zone {}", zone);
            // Tracks overlap: nothing beyond the pointer may have been written.
            prop_assert!(!durable[prefix as usize..].contains(&true), "zone {}", zone);
        }
        d.power_on(now);
        prop_assert_eq!(d.open_zones(), 0);
        let z = d.zones()[2];
        d.submit(now, Request::new(Tag(0), Op::Write, Lba::new(z.pointer), 8)).unwrap();
        let mut ok = false;
        drain(&mut d, &mut |c: Completion| ok = c.status.is_ok());
        prop_assert!(ok);
    }
}
