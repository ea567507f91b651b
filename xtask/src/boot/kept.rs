//! What `--save` keeps and `--restore` goes on from: the machine, and how far its outside has got.

use super::door::Door;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use vellum_machine::Machine;
use vellum_state::{Error, Reader, State, Writer};

/// A run, as it is kept: `MACH`, then `DOOR`.
struct Kept<'a> {
    machine: &'a mut Machine,
    door: Door,
}

impl State for Kept<'_> {
    fn save(&self, w: &mut Writer<'_>) {
        State::save(self.machine, w);
        self.door.save(w);
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        State::restore(self.machine, r)?;
        self.door.restore(r)
    }
}

/// Sees that `path` can be written, before a long run whose state would have no place.
pub fn check(path: &Path) -> Result<()> {
    let file = fs::OpenOptions::new().append(true).create(true).open(path);
    file.map(drop).with_context(|| format!("--save {}: it can't be written", path.display()))
}

/// Writes the run to `path`.
pub fn save(path: &Path, machine: &mut Machine, door: &Door) -> Result<()> {
    let kept = Kept { machine, door: door.clone() };
    fs::write(path, vellum_state::to_bytes(&kept))
        .with_context(|| format!("{} can't be written", path.display()))
}

/// Takes over the run in `path`.
pub fn restore(path: &Path, machine: &mut Machine, door: &Door) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
    let mut kept = Kept { machine, door: door.clone() };
    vellum_state::from_bytes(&mut kept, &bytes)
        .with_context(|| format!("{} can't be restored", path.display()))
}
