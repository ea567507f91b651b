//! All states that a loss of power can leave behind a workload.
//!
//! The durable set changes only when a sector reaches the medium. So the physically possible states
//! are few: one after each sector, and one with the sector under the head torn. The enumerator
//! steps a drive through a workload and reports each; no state is made up that the mechanics do not
//! allow.

use crate::Disk;
use vellum_block::{Completion, Device, Instant, Landed, Op, Request, Sink, SubmitError, Tag};

/// What is on the medium if the power goes now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashState {
    /// The first instant of this state.
    pub at: Instant,
    /// Sectors in the order in which they became durable: which write, which LBN.
    pub durable: Vec<(Tag, u64)>,
    /// Sectors that were being written, first and end: they are torn.
    pub torn: Option<(u64, u64)>,
    /// Requests that the host knows to have ended.
    pub ended: Vec<Tag>,
}

#[derive(Default)]
struct Log {
    durable: Vec<(Tag, u64)>,
    ended: Vec<Tag>,
}

impl Sink for Log {
    fn completed(&mut self, c: Completion) {
        if c.status.is_ok() {
            self.ended.push(c.tag());
        }
    }
    fn landed(&mut self, l: Landed) {
        let first = l.lba.get();
        self.durable.extend((first..first + u64::from(l.sectors)).map(|lba| (l.tag, lba)));
    }
}

/// Calls `visit` with every state that a loss of power can leave while `workload` runs (requests
/// with their times, ascending), until `idle` after the last request; stops when `visit` says so.
///
/// # Errors
/// When the drive refuses a request.
pub fn crash_states(
    disk: &mut Disk,
    workload: &[(Instant, Request)],
    idle: Instant,
    mut visit: impl FnMut(&CrashState) -> bool,
) -> Result<u64, SubmitError> {
    let (mut log, mut seen, mut next) = (Log::default(), 0u64, 0);
    let mut last = (usize::MAX, usize::MAX, None);
    loop {
        let torn = disk.torn_if_cut();
        let now = (log.durable.len(), log.ended.len(), torn);
        if now != last {
            seen += 1;
            let state = CrashState {
                at: disk.time(),
                durable: log.durable.clone(),
                torn,
                ended: log.ended.clone(),
            };
            if !visit(&state) {
                return Ok(seen);
            }
            last = now;
        }
        let event = disk.next_event().filter(|&t| t <= idle);
        match (workload.get(next), event) {
            (Some(&(at, request)), event) if event.is_none_or(|e| at <= e) => {
                disk.advance(at, &mut log);
                disk.submit(at, request)?;
                next += 1;
            }
            (_, Some(event)) => disk.advance(event, &mut log),
            (_, None) => return Ok(seen),
        }
    }
}

/// Whether every write of `workload` that ended before a completed flush was submitted is durable
/// in `state`: what a drive promises.
pub fn flush_holds(workload: &[(Instant, Request)], state: &CrashState) -> bool {
    let ended = |tag: Tag| state.ended.contains(&tag);
    let flushed = workload.iter().rposition(|(_, r)| r.op == Op::Flush && ended(r.tag));
    let Some(flush) = flushed else { return true };
    workload[..flush]
        .iter()
        .filter(|(_, r)| r.op == Op::Write && ended(r.tag))
        .all(|(_, r)| (r.lba.get()..r.end()).all(|lba| state.durable.contains(&(r.tag, lba))))
}
