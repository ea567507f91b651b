//! What crosses crates is tested in `tests/tests/`; here is what those tests share: the small guest,
//! booted with a command, and what a run of it gives.

pub mod fuzz;
pub mod hostile;

use std::path::Path;
use vellum_machine::{Config, Machine, Paging, Stop};
use vellum_replay::{Script, Seeded};

/// Every kind of paging.
pub const PAGINGS: [Paging; 9] = Paging::ALL;
/// Instructions that a run of the small guest never comes near.
pub const PLENTY: u64 = 2_000_000_000;
/// Memory of the small guest's machine.
pub const MEMORY: u64 = 64 << 20;

/// The small guest's image.
///
/// # Panics
/// When the repository is without it.
pub fn small_guest() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/small.img");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A machine for the small guest, with these words on its command line.
pub fn config(words: &str, paging: Paging) -> Config {
    let mut config = Config::new(small_guest());
    config.memory = MEMORY;
    config.paging = paging;
    config.cmdline = words.into();
    config
}

/// A machine that takes chance from `seed` and is typed nothing at.
///
/// # Panics
/// When it can't be made.
pub fn machine(config: Config, seed: u64) -> Machine {
    let outside = Box::new(Seeded::new(seed, Script::new()));
    Machine::new(config, outside).expect("the guest can be loaded")
}

/// How a run ended, and what the guest printed.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    /// Why it came back.
    pub stop: Stop,
    /// The console.
    pub text: String,
}

/// Runs to the end, or for [`PLENTY`]; `between` is called between slices of `slice` instructions.
pub fn run(machine: &mut Machine, slice: u64, mut between: impl FnMut(&mut Machine)) -> Ran {
    let mut text = Vec::new();
    loop {
        let stop = machine.run(slice);
        text.extend(machine.take_console_output());
        if stop != Stop::Slice || machine.instructions() > PLENTY {
            return Ran { stop, text: String::from_utf8_lossy(&text).into_owned() };
        }
        between(machine);
    }
}

/// Holds two runs of one guest against each other of which the host troubled one: with a pager, a
/// scavenger. Neither memory nor the translations that a lazy policy keeps depend on what the host
/// does.
///
/// # Panics
/// When the two machines differ.
pub fn assert_same_state(paging: Paging, one: &Machine, other: &Machine, what: &str) {
    assert_eq!(one.content_hash(), other.content_hash(), "{paging}, {what}");
    assert_eq!(one.state_hash(), other.state_hash(), "{paging}, {what}");
}
