//! Layouts are bijections, whatever the sparing scheme; and each policy chooses what its name says.

use proptest::prelude::*;
use std::collections::BTreeSet;
use vellum_block::{Completion, Device, Duration, Instant, Lba, Request, Tag, drain};
use vellum_disk::geometry::{Angle, Mapping, Place, Sparing, Zone, Zoned};
use vellum_disk::{Disk, Policy, profiles};

fn zones() -> impl Strategy<Value = Zoned> {
    let zone = (1u32..8, 4u32..40, 0u64..10, 0u32..3, prop::collection::vec(0u64..400, 0..5));
    let zones = prop::collection::vec(zone, 1..4);
    // Defects stand where there is a spare a track and nothing else has moved the sectors: left to
    // chance, that would be one layout in a hundred.
    let defects = prop::bool::weighted(0.2);
    (1u32..5, 0usize..3, 0i64..11, 1u32..4, zones, defects).prop_map(
        |(surfaces, mapping, sparing, range, zones, defects)| {
            let sparing = if defects { 3 } else { sparing };
            let mut next = 0;
            let zones = zones
                .into_iter()
                .map(|(cylinders, per_track, reserved, mut spares, mut slips)| {
                    if defects {
                        (spares, slips) = (spares.max(1), Vec::new());
                    }
                    let zone = Zone {
                        first_cylinder: next,
                        last_cylinder: next + cylinders - 1,
                        per_track,
                        reserved,
                        spares,
                        track_skew: Angle(1 << 20),
                        // The last sector of the first track is a spare there, and stands in for
                        // another one.
                        defects: if defects {
                            vec![(u64::from(per_track / 2), u64::from(per_track) - 1)]
                        } else {
                            Vec::new()
                        },
                        slips,
                        ..Zone::default()
                    };
                    next += cylinders;
                    zone
                })
                .collect();
            let mapping = [Mapping::Normal, Mapping::OddInZone, Mapping::OddOnDrive][mapping];
            let sparing = Sparing::from_code(sparing).unwrap();
            Zoned { surfaces, cylinders: next, mapping, sparing, range: range.min(next), zones }
        },
    )
}

#[test]
fn where_heads_go_back_no_head_changes_between_cylinders() {
    for (mapping, first) in
        [(Mapping::OddInZone, 4), (Mapping::OddOnDrive, 4), (Mapping::OddOnDrive, 5)]
    {
        let zone = Zone {
            first_cylinder: first,
            last_cylinder: first + 3,
            per_track: 10,
            ..Zone::default()
        };
        let layout = Zoned {
            surfaces: 3,
            cylinders: first + 4,
            mapping,
            sparing: Sparing::from_code(0).unwrap(),
            range: 1,
            zones: vec![zone],
        };
        let g = layout.build().unwrap();
        let place = |track: u64| g.place(g.locate(10 * track).unwrap());
        let places: Vec<Place> = (0..12).map(place).collect();
        for pair in places.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let step = (a.cylinder.abs_diff(b.cylinder), a.head.abs_diff(b.head));
            assert!(step == (1, 0) || step == (0, 1), "{mapping:?}: {a:?} then {b:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_lbn_has_a_place_of_its_own_and_the_place_leads_back(layout in zones()) {
        let Ok(g) = layout.build() else { return Ok(()) };
        let mut seen = BTreeSet::new();
        for lbn in 0..g.sectors() {
            let spot = g.locate(lbn).unwrap();
            let place = g.place(spot);
            prop_assert!(seen.insert(place), "{lbn} at {place:?}, which is taken");
            prop_assert_eq!(g.lbn_of(place), Some(lbn), "{:?}", place);
            prop_assert!(place.head < layout.surfaces && place.cylinder < layout.cylinders);
            let zone = layout.zones.iter().find(|z| place.cylinder <= z.last_cylinder).unwrap();
            prop_assert!(place.sector < zone.per_track);
        }
        prop_assert!(g.locate(g.sectors()).is_none());
        // What no LBN stands on leads nowhere.
        for z in &layout.zones {
            for cylinder in z.first_cylinder..=z.last_cylinder {
                for head in 0..layout.surfaces {
                    for sector in 0..z.per_track {
                        let place = Place { cylinder, head, sector };
                        prop_assert_eq!(g.lbn_of(place).is_some(), seen.contains(&place));
                    }
                }
            }
        }
    }
}

/// The order in which a policy serves requests for these cylinders' first sectors, all there while the
/// first request, at `from`, is served.
fn order(policy: Policy, from: u32, cylinders: &[u32]) -> Vec<u64> {
    let mut disk = Disk::new(&profiles::find("hp97560").unwrap(), policy).unwrap();
    let lbn = |cylinder: u32| {
        let place = Place { cylinder, head: 0, sector: 0 };
        Lba::new(disk.geometry().lbn_of(place).unwrap())
    };
    let all: Vec<Lba> = [from].iter().chain(cylinders).map(|&c| lbn(c)).collect();
    for (i, &lba) in all.iter().enumerate() {
        disk.submit(Instant::ZERO, Request::read(Tag(i as u64), lba, 1)).unwrap();
    }
    let mut served = Vec::new();
    drain(&mut disk, &mut |c: Completion| served.push(c.tag().0));
    assert_eq!(served.remove(0), 0);
    served
}

#[test]
fn policies_by_address_choose_what_they_are_named_for() {
    // Tags 1 to 4 from the middle of the drive: near below, far above, nearer above, far below.
    let at = [990, 1500, 1030, 200];
    assert_eq!(order(Policy::Fcfs, 1000, &at), [1, 2, 3, 4]);
    assert_eq!(order(Policy::Sstf, 1000, &at), [1, 3, 2, 4], "the nearest, then from there");
    assert_eq!(order(Policy::Look, 1000, &at), [3, 2, 1, 4], "up, then down");
    assert_eq!(order(Policy::CLook, 1000, &at), [3, 2, 4, 1], "up, and up again from the lowest");
    // Turning round costs about 100 cylinders: going on for 30 is less than 10 and the turn, going on
    // for 470 is not.
    assert_eq!(order(Policy::Vscan { turn: 51 }, 1000, &at), [3, 1, 2, 4]);
    assert_eq!(order(Policy::Vscan { turn: 0 }, 1000, &at), [1, 3, 2, 4]);
}

/// Mean response of random reads at a steady load.
fn mean(policy: Policy) -> Duration {
    let mut disk = Disk::new(&profiles::find("hp97560").unwrap(), policy).unwrap();
    let mut rng = vellum_block::Rng::new(9);
    let sectors = disk.geometry().sectors();
    let (mut sum, mut n) = (0, 0);
    let mut count = |c: Completion| {
        sum += c.response().as_ns();
        n += 1;
    };
    for i in 0..400u64 {
        let now = Instant::ZERO + Duration::from_ms(19 * i);
        disk.advance(now, &mut count);
        disk.submit(now, Request::read(Tag(i), Lba::new(rng.below(sectors - 8)), 8)).unwrap();
    }
    drain(&mut disk, &mut count);
    Duration::from_ns(sum / n)
}

#[test]
fn knowing_the_mechanics_pays_under_load() {
    let fcfs = mean(Policy::Fcfs);
    let by_distance = mean(Policy::Sstf);
    for by_time in [Policy::Sptf, Policy::Satf, Policy::Asptf { weight: 6 }] {
        let time = mean(by_time);
        assert!(
            time < by_distance && by_distance < fcfs,
            "{by_time:?} {time} {by_distance} {fcfs}"
        );
    }
}
