//! The audit: what is kept of guest ∘ host, in the policy and in the TLBs, against both tables.

use crate::{Paging, VmMemory};
use vellum_frames::HostFrames;
use vellum_translate::host::{Resolved, TableReader};
use vellum_translate::riscv::{Leaf, walk};
use vellum_translate::shadow::{Kept, Mismatch};
use vellum_translate::tlb::{Held, HeldHost, PageFlags, Tlb};
use vellum_translate::{Access, Gpa, Rights, TableMemory};

/// An entry of a TLB that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlbMismatch {
    /// The entry.
    pub held: Held,
    /// What is wrong with it.
    pub why: &'static str,
}

impl VmMemory {
    /// Checks what the shadow tables keep against guest ∘ host. The virtual TLB's and nested's answer is
    /// always empty: what those hold may be what the guest's tables said before a fence, and no history
    /// of the tables is kept to compare with. What a TLB holds is [`VmMemory::audit_tlb`]'s.
    pub fn audit(&self) -> Vec<Mismatch> {
        self.policy.audit(&self.tables(), &self.host)
    }

    /// Checks what a hart's TLB holds, of whatever address space. The hart must be caught up.
    ///
    /// Where an entry leads and what hits there, against the host table, under every paging; the
    /// guest's word in it against the guest's tables under an in-step policy, and against what the
    /// policy keeps where that decides what a guest sees that omits a fence. Costs a walk an entry.
    pub fn audit_tlb(&self, tlb: &Tlb) -> Vec<TlbMismatch> {
        let check = |held: Held| self.check_held(held).err().map(|why| TlbMismatch { held, why });
        tlb.held().filter_map(check).collect()
    }

    fn check_held(&self, held: Held) -> Result<(), &'static str> {
        self.check_hosts_half(held)?;
        if self.paging.in_step() {
            self.check_guests_half(held)?;
        }
        let translated = held.satp.mode.levels() > 0;
        if translated && !self.paging.tlb_is_state() { self.check_kept(held) } else { Ok(()) }
    }

    fn check_hosts_half(&self, held: Held) -> Result<(), &'static str> {
        if held.rights.is_empty() || self.paging == Paging::Flat {
            return Ok(());
        }
        let Resolved::Frame { frame, rights, stamped } = self.host.resolve(held.gfn) else {
            return Err("an access hits a page without a frame");
        };
        let there = match held.host {
            HeldHost::Data(host) => host == self.pool.address(frame),
            HeldHost::Code(code) => code == frame,
        };
        let executable_is_readable = rights.contains(Rights::EXECUTE) && held.environment.mxr;
        let rights = if executable_is_readable { rights | Rights::READ } else { rights };
        if !there {
            Err("another frame than the host's")
        } else if !rights.contains(held.rights) {
            Err("an access hits that the host withholds")
        } else if held.rights.contains(Rights::WRITE) && !stamped {
            Err("a store hits that the epoch does not know")
        } else if held.rights.contains(Rights::WRITE) && self.pool.is_code(frame) {
            Err("a store hits a page that instructions were decoded from")
        } else {
            Ok(())
        }
    }

    /// The guest's word, against its tables as they are now.
    fn check_guests_half(&self, held: Held) -> Result<(), &'static str> {
        let tables = Whole { memory: &self.tables(), vm: self };
        let ask =
            |access| walk(&tables, held.satp, held.environment, held.va, access, |_, _, _| {}).ok();
        let leads = |leaf: Option<Leaf>| leaf.is_some_and(|leaf| leaf.gfn == held.gfn);
        let first = match held.host {
            HeldHost::Data(_) => Access::Load,
            HeldHost::Code(_) => Access::Fetch,
        };
        if !leads(ask(first)) {
            return Err("the guest's tables lead elsewhere, or nowhere");
        }
        let writable = held.flags.contains(PageFlags::GUEST_WRITABLE);
        if first == Access::Load && writable && !leads(ask(Access::Store)) {
            return Err("the guest's tables withhold writing");
        }
        Ok(())
    }

    /// The guest's word, against what the policy keeps: the TLB holds nothing beyond it.
    fn check_kept(&self, held: Held) -> Result<(), &'static str> {
        let trails = (0..self.spaces.len())
            .map(|hart| self.policy.trail(hart, held.satp, held.va, self.host.generation()));
        for trail in trails {
            if let Some(Kept::Leaf(known)) = trail.last().map(|last| last.kept)
                && known.gfn == held.gfn
            {
                let rights = held.environment.allows(known.guest, known.user);
                let mut needed = held.rights;
                if held.flags.contains(PageFlags::GUEST_WRITABLE) {
                    needed |= Rights::WRITE;
                }
                return match rights.contains(needed) {
                    true => Ok(()),
                    false => Err("a right that the policy does not know of"),
                };
            }
        }
        Err("a page that the policy does not know of")
    }
}

/// The guest's tables for a walk, wherever the host keeps them.
struct Whole<'a, M> {
    memory: &'a M,
    vm: &'a VmMemory,
}

impl<M: TableReader> TableMemory for Whole<'_, M> {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.memory.entry(&self.vm.host, at.gfn(), at.page_offset() / 8)
    }
}
