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

/// Sees that `path` can be written, before a long run whose state would have no place. What is there
/// already stays as it is.
pub fn check(path: &Path) -> Result<()> {
    crate::replace::check(path)
        .with_context(|| format!("--save {}: it can't be written", path.display()))
}

/// Writes the run to `path`: whole, or not at all, so that a full disk doesn't take the run that was kept
/// there before.
pub fn save(path: &Path, machine: &mut Machine, door: &Door) -> Result<()> {
    let kept = Kept { machine, door: door.clone() };
    let bytes = vellum_state::to_bytes(&kept);
    crate::replace::replace(path, |out| Ok(out.write_all(&bytes)?))
        .with_context(|| format!("{} can't be written", path.display()))
}

/// Takes over the run in `path`.
pub fn restore(path: &Path, machine: &mut Machine, door: &Door) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
    let mut kept = Kept { machine, door: door.clone() };
    vellum_state::from_bytes(&mut kept, &bytes)
        .with_context(|| format!("{} can't be restored", path.display()))
}
