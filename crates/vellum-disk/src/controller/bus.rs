//! The bus: connecting, moving data, completing.

use super::types::{Arm, Bus, BusEvent, Ended, Hit, JobId, Out, SegOut, SegState};
use super::{Control, Fixed};
use crate::config::FastWrite;

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
            BusEvent::Connected(id) | BusEvent::Moved(id) => self.transfer(fixed, id, out),
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
                self.transfer(fixed, id, out);
            }
        }
    }

    /// Connected, or a piece of data has moved: what next.
    fn transfer(&mut self, fixed: &Fixed, id: JobId, out: &mut Out) {
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
            Piece::Over => self.complete(fixed, id, out),
        }
    }

    fn read_piece(&mut self, fixed: &Fixed, id: JobId, n: usize) -> Piece {
        if self.segments[n].out == SegOut::Transferring {
            let moved = self.segments[n].out_count;
            self.job_mut(id).outer += moved;
        }
        let (outer, end) = (self.job(id).outer, self.job(id).end());
        let s = &mut self.segments[n];
        if outer >= end {
            s.out = SegOut::Idle;
            return Piece::Over;
        }
        if s.end > outer {
            s.out = SegOut::Transferring;
            s.out_count = s.end.min(end) - outer;
            return Piece::Move(s.out_count);
        }
        if fixed.config.hold_bus_read || fixed.config.never_disconnect {
            s.out = SegOut::Transferring;
            s.out_count = 0;
            return Piece::Hold;
        }
        s.out = SegOut::Idle;
        Piece::Leave
    }

    fn write_piece(&mut self, fixed: &Fixed, id: JobId, n: usize) -> Piece {
        let (lba, end) = (self.job(id).lba, self.job(id).end());
        if self.job(id).outer == end && self.job(id).inner >= end {
            self.segments[n].out = SegOut::Idle;
            return Piece::Over;
        }
        let owner = |c: &Control| {
            c.segments[n].jobs.iter().copied().find(|&o| c.job(o).owns_segment).unwrap_or(id)
        };
        if self.segments[n].out == SegOut::Transferring {
            let moved = self.segments[n].out_count;
            self.job_mut(id).outer += moved;
            let outer = self.job(id).outer;
            let s = &mut self.segments[n];
            s.start = s.start.min(lba);
            s.end = s.end.max(outer);
            if s.hold_count > 0 && s.end == s.hold {
                s.end += s.hold_count;
                s.hold_count = 0;
            }
            let to = s.end;
            s.wrap(to);
            if outer >= end {
                s.out = SegOut::Idle;
                let through = self.job(id).through;
                return if fixed.config.buffer.fast_write == FastWrite::Off || through {
                    Piece::Leave
                } else {
                    Piece::Over
                };
            }
        }
        let inner = self.job(owner(self)).inner;
        let j = self.job(id).clone();
        let s = &mut self.segments[n];
        s.out = SegOut::Transferring;
        s.out_count = (s.size - (j.outer - inner)).min(end - j.outer);
        if (!j.owns_segment && s.end < j.outer) || s.out_count <= 0 {
            s.out_count = 0;
            if fixed.config.hold_bus_write || fixed.config.never_disconnect {
                return Piece::Hold;
            }
            s.out = SegOut::Idle;
            return Piece::Leave;
        }
        Piece::Move(s.out_count)
    }

    /// Tells the host that the request ended.
    fn complete(&mut self, fixed: &Fixed, id: JobId, out: &mut Out) {
        let o = &fixed.config.overheads;
        let read = self.job(id).read;
        self.last_read = read;
        self.job_mut(id).sent = true;
        let Some(n) = self.job(id).segment else { return };
        if read {
            self.queue.retain(|&q| q != id);
            if fixed.config.buffer.read_ahead_over_request == -1 && self.segments[n].jobs.len() == 1
            {
                let outer = self.job(id).outer;
                self.segments[n].start = outer;
            }
        }
        let delay = if read { o.read_complete } else { o.write_complete };
        out.finishing = delay;
        self.bus = Bus::Waiting;
        self.bus_event = Some((self.now + delay.as_ps(), BusEvent::Completed(id)));
    }

    fn arm_is_of(&self, id: JobId) -> bool {
        self.effective_arm == Some(id) || self.current_arm == Some(id)
    }

    /// The bus was left.
    fn left(&mut self, fixed: &Fixed, id: JobId, out: &mut Out) {
        self.effective_bus = None;
        self.bus = Bus::Idle;
        let again =
            self.job(id).extra && self.extra_job == Some(id) && self.current_bus == Some(id);
        if let Some(x) = fixed.config.extra_disconnect.filter(|_| again) {
            self.extra_event = Some((self.now + x.between.as_ps(), id));
            return;
        }
        if self.current_bus == Some(id) {
            self.current_bus = None;
        }
        self.off_bus.insert(0, id);
        self.check_bus(fixed, None, out);
    }

    /// The host has been told.
    fn completed(&mut self, fixed: &Fixed, id: JobId, out: &mut Out) {
        let j = self.job(id).clone();
        out.ended = Some(Ended {
            ask: j.ask,
            at: self.now,
            arrived: j.arrived,
            hit: !j.parts.moved,
            parts: j.parts,
        });
        self.job_mut(id).received = true;
        self.effective_bus = None;
        if self.current_bus == Some(id) {
            self.current_bus = None;
        }
        self.bus = Bus::Idle;
        let Some(n) = j.segment else { return };
        if j.read {
            self.job_mut(id).asked = false;
            if self.arm_is_of(id) {
                if self.segments[n].arm == Arm::Still {
                    self.release_arm(fixed, id, out);
                } else {
                    self.offer_arm(fixed, out);
                }
            } else {
                self.drop_job(fixed, id, n);
                if self.segments[n].jobs.is_empty() && !fixed.config.buffer.cache {
                    self.segments[n].state = SegState::Empty;
                }
            }
        } else if j.inner >= j.end() {
            if self.arm_is_of(id) {
                self.release_arm(fixed, id, out);
            } else {
                self.drop_job(fixed, id, n);
            }
        } else if j.owns_segment {
            self.segments[n].background = true;
        }
        self.check_arm(fixed, None, true, out);
        self.check_bus(fixed, None, out);
    }

    fn drop_job(&mut self, fixed: &Fixed, id: JobId, n: usize) {
        self.queue.retain(|&q| q != id);
        self.leave_segment(id);
        self.jobs[id] = None;
        if !self.segments[n].jobs.is_empty() {
            self.new_owner(fixed, n);
        }
    }
}

/// What a transfer does next.
enum Piece {
    Move(i64),
    Hold,
    Leave,
    Over,
}
