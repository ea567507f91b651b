//! A toy machine that mixes what it is told into a number: two seeded runs agree, live runs do not.

use vellum_replay::{Expect, Live, Outside, Script, Seeded, Stamp};

/// Runs until nothing more can come; the "instructions" are the rounds.
fn run(outside: &mut dyn Outside) -> Result<u64, vellum_replay::Error> {
    let mut digest = outside.boot_clock(Stamp::default()).nanos();
    for round in 0.. {
        let at = Stamp::new(0, round);
        let mut noise = [0; 8];
        outside.entropy(at, &mut noise)?;
        digest = digest.rotate_left(7) ^ u64::from_le_bytes(noise);
        let mut keys = [0; 4];
        let n = outside.console(at, &mut keys);
        digest = keys[..n].iter().fold(digest, |d, &k| d.wrapping_mul(31).wrapping_add(k.into()));
        if n == 0 && outside.idle(at) != Expect::Input {
            break;
        }
    }
    Ok(digest)
}

fn main() -> Result<(), vellum_replay::Error> {
    for seed in [1, 1, 2] {
        let digest = run(&mut Seeded::new(seed, Script::typed("the same keys")))?;
        println!("seeded {seed}: {digest:016x}");
    }
    for _ in 0..2 {
        let mut live = Live::new();
        live.push_console(b"the same keys");
        live.close_console();
        println!("live:     {:016x}", run(&mut live)?);
    }
    Ok(())
}
