//! The interrupt controller against a plain model, and its rules one by one.

use proptest::prelude::*;
use vellum_state::{from_bytes, state_hash, to_bytes};

use super::*;

const NOW: Instant = Instant::ZERO;

fn write(p: &mut Plic, offset: u64, value: u32) {
    p.write(NOW, offset, Width::Word, value.into());
}

fn read(p: &mut Plic, offset: u64) -> u32 {
    p.read(NOW, offset, Width::Word) as u32
}

fn claim_at(context: u64) -> u64 {
    CONTEXT + context * CONTEXT_STRIDE + 4
}

/// A controller where context 1 takes source 3.
fn ready() -> Plic {
    let mut p = Plic::new(1);
    write(&mut p, 3 * 4, 1);
    write(&mut p, ENABLE + ENABLE_STRIDE, 1 << 3);
    p
}

#[test]
fn a_level_is_claimed_once_and_comes_back_after_completion() {
    let mut p = ready();
    p.set_level(3, true);
    assert!(p.raised(0));
    assert_eq!(read(&mut p, claim_at(1)), 3);
    assert!(!p.raised(0), "being served");
    assert_eq!(read(&mut p, claim_at(1)), 0);
    write(&mut p, claim_at(1), 3);
    assert!(p.raised(0), "the line is still up");
    p.set_level(3, false);
    assert_eq!(read(&mut p, claim_at(1)), 3);
    write(&mut p, claim_at(1), 3);
    assert!(!p.raised(0));
}

#[test]
fn machine_contexts_raise_nothing() {
    let mut p = Plic::new(1);
    write(&mut p, 3 * 4, 1);
    write(&mut p, ENABLE, 1 << 3);
    p.set_level(3, true);
    assert_eq!(read(&mut p, ENABLE), 1 << 3);
    assert!(!p.raised(0));
}

#[test]
fn the_threshold_masks_but_does_not_stop_a_claim() {
    let mut p = ready();
    write(&mut p, CONTEXT + CONTEXT_STRIDE, 1);
    p.set_level(3, true);
    assert!(!p.raised(0));
    assert_eq!(read(&mut p, claim_at(1)), 3);
}

#[test]
fn bits_that_are_not_there_stay_zero() {
    let mut p = Plic::new(1);
    for offset in [0, 4 * u64::from(SOURCES + 1), PENDING, ENABLE + 4 * WORDS as u64] {
        write(&mut p, offset, u32::MAX);
        assert_eq!(read(&mut p, offset), 0, "{offset:#x}");
    }
    write(&mut p, ENABLE, u32::MAX);
    assert_eq!(read(&mut p, ENABLE), u32::MAX - 1);
    write(&mut p, 4, u32::MAX);
    assert_eq!(read(&mut p, 4), MAX_PRIORITY);
    p.set_level(0, true);
    p.set_level(SOURCES + 1, true);
    assert_eq!(p.pending, Bits::default());
}

/// The specification, told as plainly as it goes: one record a source.
#[derive(Clone, Default)]
struct Model {
    sources: Vec<(u32, bool, bool, bool)>,
    enabled: Vec<Vec<bool>>,
    threshold: Vec<u32>,
}

impl Model {
    fn new(contexts: usize) -> Self {
        Model {
            sources: vec![(0, false, false, false); 96],
            enabled: vec![vec![false; 96]; contexts],
            threshold: vec![0; contexts],
        }
    }

    fn gate(&mut self, s: usize) {
        let (_, level, pending, served) = &mut self.sources[s];
        *pending |= *level && !*served;
    }

    fn best(&self, c: usize) -> Option<(u32, usize)> {
        (1..96)
            .filter(|&s| self.enabled[c][s] && self.sources[s].2 && self.sources[s].0 > 0)
            .map(|s| (self.sources[s].0, s))
            .min_by_key(|&(priority, s)| (8 - priority, s))
    }
}

proptest! {
    #[test]
    fn agrees_with_the_model(
        steps in proptest::collection::vec((0u8..7, 0usize..96, 0usize..4, any::<u32>()), 1..300)
    ) {
        let (mut p, mut m) = (Plic::new(2), Model::new(4));
        for (kind, s, c, v) in steps {
            match kind {
                0 => {
                    p.set_level(s as u32, v & 1 == 1);
                    if s > 0 {
                        m.sources[s].1 = v & 1 == 1;
                        m.gate(s);
                    }
                }
                1 => {
                    write(&mut p, 4 * s as u64, v);
                    if s > 0 {
                        m.sources[s].0 = v & 7;
                    }
                }
                2 => {
                    let word = s / 32;
                    write(&mut p, ENABLE + c as u64 * ENABLE_STRIDE + 4 * word as u64, v);
                    for b in 0..32 {
                        let s = word * 32 + b;
                        m.enabled[c][s] = s > 0 && v >> b & 1 == 1;
                    }
                }
                3 => {
                    write(&mut p, CONTEXT + c as u64 * CONTEXT_STRIDE, v);
                    m.threshold[c] = v & 7;
                }
                4 | 5 => {
                    let plain = m.best(c).map_or(0, |(_, s)| s);
                    if plain > 0 {
                        (m.sources[plain].2, m.sources[plain].3) = (false, true);
                    }
                    prop_assert_eq!(read(&mut p, claim_at(c as u64)) as usize, plain);
                }
                _ => {
                    write(&mut p, claim_at(c as u64), s as u32);
                    if m.enabled[c][s] {
                        m.sources[s].3 = false;
                        m.gate(s);
                    }
                }
            }
            for hart in 0..2 {
                let c = 2 * hart + 1;
                let plain = m.best(c).is_some_and(|(priority, _)| priority > m.threshold[c]);
                prop_assert_eq!(p.raised(hart as u32), plain);
            }
        }
        let mut other = Plic::new(2);
        from_bytes(&mut other, &to_bytes(&p)).unwrap();
        prop_assert_eq!(state_hash(&other), state_hash(&p));
        prop_assert_eq!(other, p);
    }

    #[test]
    fn any_access_is_harmless(
        accesses in proptest::collection::vec((0u64..0x60_0000, 0usize..4, any::<u64>()), 1..200)
    ) {
        let mut p = Plic::new(2);
        for (offset, width, value) in accesses {
            let width = [Width::Byte, Width::Half, Width::Word, Width::Double][width];
            p.write(NOW, offset, width, value & width.mask());
            prop_assert!(p.read(NOW, offset, width) <= width.mask());
        }
    }
}

#[test]
fn a_state_for_another_number_of_harts_is_refused() {
    let bytes = to_bytes(&Plic::new(1));
    assert!(matches!(
        from_bytes(&mut Plic::new(2), &bytes),
        Err(Error::Value { field: "contexts", value: 2, .. })
    ));
}
