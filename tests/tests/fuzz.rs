//! Every fuzz target for a moment: on its seeds, and on seeds with bytes changed, cut off or put
//! twice. The same ones in every run.

use std::path::Path;
use vellum_replay::Generator;
use vellum_tests::fuzz::{TARGETS, Target};

const ROUNDS: usize = 30;

fn bounded(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    let seeds = (target.seeds)();
    seeds.iter().for_each(|seed| (target.run)(seed));
    (target.run)(&[]);
    let mut chance = Chance(Generator::new(1));
    for round in 0..ROUNDS {
        let seed = &seeds[round % seeds.len()];
        let other = &seeds[chance.below(seeds.len())];
        run(target, &changed(&mut chance, seed, other));
    }
}

/// Runs an input; a panic names the target and the input's first bytes.
fn run(target: &Target, data: &[u8]) {
    let run = target.run;
    let caught = std::panic::catch_unwind(|| run(data));
    assert!(
        caught.is_ok(),
        "{} on {} bytes: {:02x?}…",
        target.name,
        data.len(),
        &data[..data.len().min(48)]
    );
}

struct Chance(Generator);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) as usize % limit.max(1)
    }
}

fn changed(chance: &mut Chance, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut data = seed.to_vec();
    for _ in 0..=chance.below(6) {
        let at = chance.below(data.len());
        match chance.below(6) {
            0 => data.truncate(at),
            1 => data
                .splice(at..at, other[chance.below(other.len())..].iter().copied().take(32))
                .for_each(drop),
            2 => data[at..].iter_mut().take(4).for_each(|byte| *byte = 0xff),
            _ if data.is_empty() => data.push(1),
            _ => data[at] = chance.below(256) as u8,
        }
    }
    data
}

#[test]
fn block_trace() {
    bounded("block_trace");
}

#[test]
fn drive_file() {
    bounded("drive_file");
}

#[test]
fn hostile_guest() {
    bounded("hostile_guest");
}

#[test]
fn hostile_rings() {
    bounded("hostile_rings");
}

#[test]
fn loader() {
    bounded("loader");
}

#[test]
fn recover_image() {
    bounded("recover_image");
}

#[test]
fn recover_store() {
    bounded("recover_store");
}

#[test]
fn recover_stream() {
    bounded("recover_stream");
}

#[test]
fn saved_state() {
    bounded("saved_state");
}

/// A target has its function here, its program under `fuzz/`, and its name in the manifest there.
#[test]
fn every_target_is_in_all_three_lists() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("fuzz/Cargo.toml");
    let programs = std::fs::read_dir(folder.join("fuzz_targets")).expect("fuzz/fuzz_targets");
    let mut programs: Vec<String> = programs
        .map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned())
        .collect();
    programs.sort();
    let names: Vec<String> = TARGETS.iter().map(|target| format!("{}.rs", target.name)).collect();
    assert_eq!(programs, names, "fuzz_targets/ and TARGETS, by name");
    for name in names {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}\"")), "{name}");
    }
}
