//! The bus: connecting, moving data, disconnecting.
//!
//! [`pieces`] says what a connected job moves next, [`ending`] what follows when all has moved.

mod ending;
mod pieces;

use super::types::{Bus, BusEvent, Hit, JobId, Out, SegOut};
use super::{Control, Fixed};
use pieces::Piece;

/// What the bus can do for a job now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Reconnect { data: bool },
    GoOn,
}

impl Control {
    pub(super) fn sector_on_bus(&self, fixed: &Fixed, id: JobId) -> u64 {
        let c = &fixed.config;
        if self.job(id).read { c.read_sector.as_ps() } else { c.write_sector.as_ps() }
    }

    pub(super) fn bus_done(&mut self, fixed: &Fixed, event: BusEvent, out: &mut Out) {
        match event {
            BusEvent::Connected(id) if self.fill(fixed, id, out) => (),
            BusEvent::Connected(id) => self.transfer(fixed, id),
            BusEvent::Moved(id) => {
                self.charge_bus(id);
                self.transfer(fixed, id);
            }
            BusEvent::Left(id) => self.left(fixed, id, out),
            BusEvent::Completed(id) => self.completed(fixed, id, out),
        }
    }

    /// Whether a job can use the bus.
    fn needs_bus(&self, fixed: &Fixed, id: JobId) -> Option<Need> {
        if self.bus != Bus::Idle && !self.held {
            return None;
        }
        let j = self.job(id);
        let s = &self.segments[j.segment?];
        if !j.asked || j.sent {
            return None;
        }
        let go = |data| Some(if self.held { Need::GoOn } else { Need::Reconnect { data } });
        if j.read {
            let there = s.end > j.outer && s.start <= j.outer;
            let enough = s.end >= j.end() || s.end - j.outer >= j.watermark;
            return if there && enough { go(true) } else { None };
        }
        let owner = s.jobs.iter().map(|&o| self.job(o)).find(|o| o.owns_segment).unwrap_or(j);
        let _ = fixed;
        let fresh = j.outer == j.lba && j.hit != Hit::Append;
        let room = s.end == j.outer
            && s.end < j.end()
            && s.end - owner.inner < s.size
            && s.end - j.inner <= j.watermark;
        if j.inner >= j.end() || fresh || room {
            let count = if fresh {
                j.count.min(s.size)
            } else {
                (j.end() - j.outer).min(s.size - s.end + owner.inner)
            };
            return go(count > 0);
        }
        None
    }

    /// Starts the bus for a job, or for whoever needs it.
    pub(super) fn check_bus(&mut self, fixed: &Fixed, wish: Option<JobId>, out: &mut Out) {
        if self.bus_event.is_some() && self.bus != Bus::Transferring {
            return;
        }
        let fixed_choice = self.effective_bus.or(self.current_bus);
        let candidate = match (wish, fixed_choice) {
            (Some(w), Some(f)) if w != f => None,
            (Some(w), _) => Some(w),
            (None, Some(f)) => Some(f),
            (None, None) => self
                .off_bus
                .iter()
                .copied()
                .filter(|&j| self.job(j).has_arm && self.needs_bus(fixed, j).is_some())
                .max_by_key(|&j| {
                    let behind = Some(j) != self.effective_arm && Some(j) != self.current_arm;
                    (behind, std::cmp::Reverse(j))
                }),
        };
        let Some(id) = candidate else { return };
        let Some(need) = self.needs_bus(fixed, id) else { return };
        self.off_bus.retain(|&j| j != id);
        (self.current_bus, self.effective_bus) = (Some(id), Some(id));
        match need {
            Need::Reconnect { data } => {
                self.activate(fixed, id, false, false, out);
                let o = &fixed.config.overheads;
                let mut delay = if self.extra_job == Some(id) {
                    self.extra_job = None;
                    o.reselect
                } else if self.job(id).extra {
                    o.reselect_other
                } else {
                    o.reselect
                };
                if data {
                    delay += o.data_preparation;
                }
                if let Some(n) = self.job(id).segment {
                    self.segments[n].out = SegOut::Contacting;
                }
                self.bus = Bus::Waiting;
                self.bus_event = Some((self.now + delay.as_ps(), BusEvent::Connected(id)));
            }
            Need::GoOn => {
                self.held = false;
                self.transfer(fixed, id);
            }
        }
    }

    /// Connected, or a piece of data has moved: what next.
    fn transfer(&mut self, fixed: &Fixed, id: JobId) {
        self.effective_bus = Some(id);
        self.bus = Bus::Transferring;
        let Some(n) = self.job(id).segment else {
            self.held = true;
            return;
        };
        let step = if self.job(id).read {
            self.read_piece(fixed, id, n)
        } else {
            self.write_piece(fixed, id, n)
        };
        match step {
            Piece::Move(count) => {
                self.transfer_start = self.now;
                self.transferred = 0;
                let time = self.sector_on_bus(fixed, id) * count as u64;
                self.bus_event = Some((self.now + time, BusEvent::Moved(id)));
            }
            Piece::Hold => self.held = true,
            Piece::Leave => {
                let o = &fixed.config.overheads;
                let delay = if self.job(id).read {
                    o.read_disconnect.get(self.last_read)
                } else {
                    match fixed.config.extra_disconnect.filter(|_| self.job(id).extra) {
                        Some(x) => x.second,
                        None => o.write_disconnect,
                    }
                };
                self.bus = Bus::Waiting;
                self.bus_event = Some((self.now + delay.as_ps(), BusEvent::Left(id)));
            }
            Piece::Over => self.complete(fixed, id),
        }
    }

    /// Charges a job for the piece that has moved, as far as the medium was not at work.
    fn charge_bus(&mut self, id: JobId) {
        let (start, now) = (self.transfer_start, self.now);
        let parts = &mut self.job_mut(id).parts;
        let from = start.max(parts.medium_end.unwrap_or(0));
        parts.bus = parts.bus.saturating_add(now.saturating_sub(from));
    }

    /// Notes that a job is off the bus, and the bus free.
    pub(super) fn leave_bus(&mut self, id: JobId) {
        (self.effective_bus, self.bus) = (None, Bus::Idle);
        if self.current_bus == Some(id) {
            self.current_bus = None;
        }
        self.off_bus.insert(0, id);
    }

    /// The bus was left.
    fn left(&mut self, fixed: &Fixed, id: JobId, out: &mut Out) {
        let again =
            self.job(id).extra && self.extra_job == Some(id) && self.current_bus == Some(id);
        if let Some(x) = fixed.config.extra_disconnect.filter(|_| again) {
            (self.effective_bus, self.bus) = (None, Bus::Idle);
            self.extra_event = Some((self.now + x.between.as_ps(), id));
            return;
        }
        self.leave_bus(id);
        self.check_bus(fixed, None, out);
    }
}
