//! Any bytes as a machine's saved state. What restores is a machine: it runs, and is saved again.
//!
//! Input: a state without its header, which is made to fit; and once more as a whole file.

use crate::hostile;
use vellum_machine::{Config, Machine, Stop, disk};
use vellum_replay::{Script, Seeded};
use vellum_state::{Error, Reader, State, Writer};

const MEMORY: u64 = 8 << 20;
const ENOUGH: u64 = 20_000;

/// Runs one.
///
/// # Panics
/// When the host is not what it was.
pub fn run(data: &[u8]) {
    let mut machine = machine();
    assert!(machine.restore_from(data).is_err() || data.len() > 24);
    let mut machine = self::machine();
    if machine.restore_from(&vellum_state::to_bytes(&Body(data))).is_err() {
        return;
    }
    let again = machine.save();
    let stop = machine.run(ENOUGH);
    assert_eq!(machine.memory().audit(), vec![]);
    assert!(!matches!(stop, Stop::Host(_)), "{stop:?}");
    let mut other = self::machine();
    other.restore_from(&again).expect("what was just saved restores");
    other.run(ENOUGH);
    assert_eq!(machine.state_hash(), other.state_hash(), "a restored machine goes on as the first");
}

/// Bytes as the body of a state.
struct Body<'a>(&'a [u8]);

impl State for Body<'_> {
    fn save(&self, w: &mut Writer<'_>) {
        w.raw(self.0);
    }

    fn restore(&mut self, _r: &mut Reader<'_>) -> Result<(), Error> {
        Ok(())
    }
}

fn machine() -> Machine {
    // csrr a0, time; addi; a store into its own page; ecall; and again.
    let mut config = Config::new(hostile::image(&[
        0xc010_2573,
        0x0015_0513,
        0x0000_0297,
        0x00a2_b423,
        0x0000_0073,
        0xfedf_f06f,
    ]));
    config.memory = MEMORY;
    config.harts = 2;
    config.disks = vec![Box::new(disk::in_memory(64 << 10).expect("whole sectors"))];
    Machine::new(config, Box::new(Seeded::new(1, Script::new()))).expect("an image that fits")
}

/// A machine before its first instruction and one that has run.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut machine = machine();
    let mut seeds = vec![body(&machine)];
    machine.run(ENOUGH);
    seeds.push(body(&machine));
    seeds
}

fn body(machine: &Machine) -> Vec<u8> {
    let mut body = Vec::new();
    State::save(machine, &mut Writer::new(&mut body));
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_restore() {
        for seed in seeds() {
            machine().restore_from(&vellum_state::to_bytes(&Body(&seed))).expect("a whole state");
        }
    }
}
