//! The host table as a set of pages that can be read, withheld and replaced.

use crate::VmMemory;
use crate::scavenge::Scavenging;
use vellum_frames::FrameId;
use vellum_scavenger::{Backing, Busy, Look, ObjectId, PageSet, Withhold};
use vellum_translate::host::{HostEntry, Token};
use vellum_translate::{Gfn, Rights};

/// The memory as the scavenger sees it.
pub(crate) struct VmPages<'a> {
    pub(crate) vm: &'a mut VmMemory,
    pub(crate) ties: &'a Scavenging,
    /// A hart waits in the middle of a fault, and will carry out what is asked of its TLB when the
    /// fault is resolved, before it goes on.
    pub(crate) in_fault: bool,
}

impl VmPages<'_> {
    pub(crate) fn gfn(&self, page: u64) -> Gfn {
        Gfn::new(self.vm.ram.start + page)
    }

    fn shoot_down(&mut self) {
        if !self.in_fault {
            self.vm.broadcast();
        }
    }
}

impl PageSet for VmPages<'_> {
    fn pages(&self) -> u64 {
        self.vm.ram.end - self.vm.ram.start
    }

    fn open_epoch(&mut self) -> u64 {
        self.vm.revoke_writes();
        self.shoot_down();
        self.vm.host.epoch()
    }

    fn look(&self, page: u64) -> Look {
        let gfn = self.gfn(page);
        match self.vm.host.get(gfn) {
            HostEntry::Hole => Look::Busy(Busy::Hole),
            HostEntry::Absent { owner, token } if owner == self.ties.owner => {
                Look::Packed(ObjectId::from_number(token.get() as u32))
            }
            HostEntry::Absent { .. } => Look::Busy(Busy::Elsewhere),
            HostEntry::Frame { .. } if self.vm.host.is_pinned(gfn) => Look::Busy(Busy::Pinned),
            HostEntry::Frame { .. } if self.vm.policy.is_followed(gfn) => Look::Busy(Busy::Table),
            HostEntry::Frame { frame, .. } => {
                Look::Frame { frame, written: self.vm.host.written(gfn) }
            }
        }
    }

    fn withhold(&mut self, page: u64, what: Withhold) {
        let gfn = self.gfn(page);
        let guard = match what {
            Withhold::Write => self.ties.shared,
            Withhold::All => self.ties.probed,
        };
        if self.vm.host.add_guard(gfn, guard) {
            self.vm.page_changed(gfn, None);
            self.shoot_down();
        }
    }

    fn replace(&mut self, page: u64, with: Backing) -> Backing {
        let gfn = self.gfn(page);
        let rights = Rights::all();
        let entry = match with {
            Backing::Frame(frame) => HostEntry::Frame { frame, rights },
            Backing::Packed(object) => HostEntry::Absent {
                owner: self.ties.owner,
                token: Token::new(object.number().into()).expect("32 bits fit 48"),
            },
        };
        self.vm.host.remove_guard(gfn, self.ties.probed);
        let old = self.vm.host.replace(gfn, entry);
        let (moved, before) = match old {
            HostEntry::Frame { frame, .. } => (Some(frame), Backing::Frame(frame)),
            HostEntry::Absent { token, .. } => {
                (None, Backing::Packed(ObjectId::from_number(token.get() as u32)))
            }
            HostEntry::Hole => (None, Backing::Frame(FrameId::ZERO)),
        };
        self.vm.page_changed(gfn, moved);
        self.shoot_down();
        before
    }
}
