//! The device against a plain array, and what its cells, blocks and wear do.

use super::*;
use crate::profiles;
use proptest::prelude::*;

fn nvm(name: &str, lines: u64) -> Nvm {
    Nvm::new(profiles::find(name).unwrap(), lines, 9).unwrap()
}

proptest! {
    #[test]
    fn it_holds_what_a_plain_array_holds(
        ops in prop::collection::vec((0u64..40, any::<[u8; 8]>()), 1..300), which in 0usize..5
    ) {
        let mut nvm = nvm(profiles::NAMES[which], 40);
        let mut plain = vec![[0u8; LINE]; 40];
        let mut now = Instant::ZERO;
        for (line, bytes) in ops {
            let mut data = plain[line as usize];
            data[..8].copy_from_slice(&bytes);
            data[56..].copy_from_slice(&bytes);
            let done = nvm.write(now, line, &data).unwrap();
            prop_assert!(done.end > now || done.flips == 0);
            // Flip-N-Write bounds the flips of a word and its flag to half of 65.
            if nvm.profile().flip {
                prop_assert!(done.flips <= 8 * 33, "{}", done.flips);
            }
            now = done.end;
            plain[line as usize] = data;
        }
        for line in 0..40 {
            let mut out = [0; LINE];
            now = nvm.read(now, line, &mut out).unwrap().end;
            prop_assert_eq!(out, plain[line as usize]);
        }
    }
}

#[test]
fn optane_reads_take_305_ns_at_random_and_about_half_in_sequence() {
    let mut nvm = nvm("optane", 4096);
    nvm.profile.gap_interval = 0;
    let mut line = [0; LINE];
    let far = nvm.read(Instant::ZERO, 1000, &mut line).unwrap();
    assert_eq!(far.end, Instant::from_ns(305));
    let (mut now, start) = (Instant::from_ns(1000), Instant::from_ns(1000));
    for line_no in 0..64 {
        now = nvm.read(now, line_no, &mut line).unwrap().end;
    }
    let mean = now.since(start).as_ns() / 64;
    assert!((120..=180).contains(&mean), "{mean}");
}

#[test]
fn a_small_write_to_a_large_block_is_amplified() {
    let mut nvm = nvm("optane", 64);
    nvm.write(Instant::ZERO, 5, &[1; LINE]).unwrap();
    let c = nvm.counters();
    assert_eq!((c.writes, c.extra_lines), (1, 3), "64 bytes make 256");
}

#[test]
fn start_gap_saves_a_line_that_is_written_over_and_over() {
    let run = |interval: u32| {
        let mut profile = profiles::find("pcm").unwrap();
        profile.gap_interval = interval;
        let mut nvm = Nvm::new(profile, 64, 3).unwrap();
        (0..400_000u32).for_each(|i| {
            let _ = nvm.write(Instant::ZERO, 7, &[i as u8; LINE]);
        });
        nvm.levelling()
    };
    assert!(run(0) <= 2, "without levelling one line takes it all");
    assert!(run(10) >= 90, "{}", run(10));
}

#[test]
fn a_worn_line_says_so_and_keeps_its_content() {
    let mut profile = profiles::find("rram").unwrap();
    (profile.endurance, profile.gap_interval) = (100, 0);
    let mut nvm = Nvm::new(profile, 4, 1).unwrap();
    let worn = (0..1000u32).find_map(|i| nvm.write(Instant::ZERO, 0, &[i as u8; LINE]).err());
    let Some(NvmError::Worn { line: 0, writes }) = worn else { panic!("{worn:?}") };
    assert!((60..=140).contains(&writes), "{writes}");
    let before = nvm.peek(0).unwrap();
    assert!(nvm.write(Instant::ZERO, 0, &[0xee; LINE]).is_err());
    assert_eq!(nvm.peek(0).unwrap(), before);
    assert!(matches!(nvm.peek(4), Err(NvmError::PastEnd { line: 4, lines: 4 })));
    assert!(Nvm::new(profile, 1, 0).is_err());
}

#[test]
fn setting_is_slower_than_resetting_and_an_equal_write_costs_nothing() {
    let mut nvm = nvm("pcm", 16);
    nvm.profile.flip = false;
    let set = nvm.write(Instant::ZERO, 1, &[0xff; LINE]).unwrap();
    let start = Instant::from_ns(10_000);
    let reset = nvm.write(start, 1, &[0; LINE]).unwrap();
    assert!(set.end.since(Instant::ZERO) > reset.end.since(start));
    assert_eq!((set.flips, reset.flips), (512, 512));
    let same = nvm.write(Instant::from_ns(20_000), 1, &[0; LINE]).unwrap();
    assert_eq!((same.flips, same.energy_fj), (0, 0));
}
