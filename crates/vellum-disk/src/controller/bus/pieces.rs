//! What a connected job moves next.

use crate::config::FastWrite;
use crate::controller::types::{JobId, SegOut};
use crate::controller::{Control, Fixed};

/// What a transfer does next.
pub(super) enum Piece {
    /// Move so many sectors.
    Move(i64),
    /// Wait for the medium with the bus held.
    Hold,
    /// Wait for the medium and let the bus go.
    Leave,
    /// All has moved.
    Over,
}

impl Control {
    pub(super) fn read_piece(&mut self, fixed: &Fixed, id: JobId, n: usize) -> Piece {
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

    pub(super) fn write_piece(&mut self, fixed: &Fixed, id: JobId, n: usize) -> Piece {
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
        let j = &self.jobs[id];
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
}
