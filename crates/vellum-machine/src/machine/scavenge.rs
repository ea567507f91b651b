//! The scavenger in guest time: between rounds, a share of the virtual time that has passed is allowed
//! as work, counted in model nanoseconds. So the same run scavenges the same pages at the same
//! instructions, on every host. Or on a thread of its own, as fast as the host lets it. The guest sees none
//! of it, either way.

use super::Machine;
use vellum::scavenger::{Domain, Mode, SetId, Share, SharedScavenger};

/// How much the scavenger may work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Its share of the guest's virtual time, in thousandths.
    pub per_mille: u32,
    /// Virtual nanoseconds between two pieces of work.
    pub interval: u64,
}

impl Default for Pace {
    /// A twentieth of the guest's time, every millisecond.
    fn default() -> Self {
        Pace { per_mille: 50, interval: 1_000_000 }
    }
}

/// When the next piece of work is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pace: Pace,
    next: u64,
}

impl Machine {
    /// Hands the machine's memory to a scavenger, which works in the machine's own time from here on.
    /// The scavenger's pool must be the machine's: [`Config::frames`](super::Config::frames).
    ///
    /// # Errors
    /// When the memory can't be scavenged; see [`vellum::VmMemory::attach_scavenger`].
    pub fn attach_scavenger(
        &mut self,
        scavenger: SharedScavenger,
        domain: Domain,
        mode: Mode,
        pace: Pace,
    ) -> Result<SetId, vellum::Error> {
        let set = self.memory.attach_scavenger(scavenger, domain, mode)?;
        self.pace = Some(Due { pace, next: self.nanos.saturating_add(pace.interval) });
        Ok(set)
    }

    /// Hands the machine's memory to a scavenger that works on a thread of its own from here on, with a
    /// share of a CPU, while the guest runs ([`vellum::VmMemory::scavenge_beside`]). What it does depends
    /// on the host's speed; the guest sees none of it.
    ///
    /// # Errors
    /// As [`Machine::attach_scavenger`], and when the host has no thread left.
    pub fn attach_scavenger_beside(
        &mut self,
        scavenger: SharedScavenger,
        domain: Domain,
        mode: Mode,
        share: Share,
    ) -> Result<SetId, vellum::Error> {
        let set = self.memory.attach_scavenger(scavenger, domain, mode)?;
        self.memory.scavenge_beside(share)?;
        Ok(set)
    }

    /// What is due of the scavenger's work, or of what its thread asks for.
    pub(super) fn scavenge(&mut self) {
        self.memory.tell_scavenger_time(self.nanos);
        self.memory.meet_scavenger();
        let Some(due) = &mut self.pace else { return };
        if self.nanos < due.next {
            return;
        }
        // Time that the guest slept through counts as one interval: there is nothing new to look at.
        let passed = (self.nanos - due.next).min(due.pace.interval) + due.pace.interval;
        let work = passed.saturating_mul(due.pace.per_mille.into()) / 1000;
        due.next = self.nanos.saturating_add(due.pace.interval);
        let worked = self.memory.scavenge(work);
        debug_assert!(worked.is_ok(), "the scavenger is attached");
    }
}
