//! Shadow tables of an x86-64 guest, usable without a machine of ours: an access goes in, what may be
//! done with which frame comes out, or the fault that the guest must get.
//!
//! ```text
//! access ── shadow tables ── hit ─────────────────────────────► Reached::Page
//!               │ miss                                               ▲
//!               └─ guest's tables (sets A and D) ── fault ──► Err    │ installed
//!                        │                                           │
//!                        └─ host table ── grants ────────────────────┤
//!                               ├─ the guard of tables withholds ► Reached::Table
//!                               └─ anything else ────────────────► Reached::Host
//! ```

use super::shadow_format::{Processor, leaf_of};
use super::table_store::{Marking, only};
use super::{Access, Entry, Fault, FaultKind, Leaf, Paging, TableStore, walk};
use crate::host::{Guard, HostTable, Resolved};
use crate::shadow::{
    Context, Counters, Fence, Found, Install, Known, Mismatch, Policy, Shadow, Trail, Tricks,
};
use crate::tlb::Shootdown;
use crate::{Access as Kind, FrameId, Gfn, Gva, Rights};
use alloc::vec::Vec;

/// The host must act before the access can go on: bring the page, copy it, ask a guard's owner. Then
/// the access is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    /// Of which page; perhaps a table that the walk needs.
    pub gfn: Gfn,
    /// Which right.
    pub right: Rights,
}

/// What an access came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// A page.
    Page {
        /// The guest physical page.
        gfn: Gfn,
        /// The frame behind it.
        frame: FrameId,
        /// What this privilege may do with it right now, without asking again: what a TLB may hold
        /// until it is shot down, for the same registers and privilege.
        rights: Rights,
        /// All of this is true of each of the `512^run` pages around it, whose frames lie in a row
        /// ([`Known::run`](crate::shadow::Known::run)): what a TLB of larger pages may hold, until a
        /// shootdown names any of them.
        run: u8,
    },
    /// A store into a followed table: do it in this frame, and then call [`Mmu::stored`].
    Table {
        /// The table's page.
        gfn: Gfn,
        /// The frame behind it.
        frame: FrameId,
    },
    /// The host must act first. There may be no memory there at all: the host table knows.
    Host(Needed),
}

/// The shadow tables of one x86-64 guest, for all its processors.
#[derive(Debug)]
pub struct Mmu {
    shadow: Shadow<Processor>,
    guard: Guard,
    /// What each processor has loaded.
    loaded: Vec<Paging>,
}

impl Mmu {
    /// Empty shadow tables over `host`, for `harts` processors of this kind, of at most `budget` shadow
    /// pages. `guard` is the reason that guest tables get; it must withhold writing.
    pub fn new(
        processor: Processor,
        host: &HostTable,
        guard: Guard,
        harts: usize,
        budget: u32,
        tricks: Tricks,
    ) -> Mmu {
        let shadow = Shadow::of(processor, host, guard, harts, budget, tricks);
        let paging = Paging { root: Gfn::new(u64::MAX >> 12), ..Paging::four_level(Gfn::new(0)) };
        Mmu { shadow, guard, loaded: alloc::vec![paging; harts] }
    }

    /// A processor's registers change. Only another root, number of levels or EFER.NXE asks for other
    /// tables; those of other roots are kept, and found again.
    pub fn load(&mut self, hart: usize, paging: Paging) {
        self.loaded[hart] = paging;
        Policy::load_root(&mut self.shadow, hart, paging);
    }

    /// What a processor has loaded.
    pub fn loaded(&self, hart: usize) -> &Paging {
        &self.loaded[hart]
    }

    /// One access. A hit costs a load a level, none of the guest's memory. What [`Context::shoot`] has
    /// afterwards must be carried out by every processor's TLB before its processor goes on, and
    /// before this access is done.
    ///
    /// # Errors
    /// The fault that the guest must get.
    pub fn access<M: TableStore>(
        &mut self,
        hart: usize,
        memory: &M,
        host: &mut HostTable,
        shoot: &mut Vec<Shootdown>,
        va: Gva,
        access: Access,
    ) -> Result<Reached, Fault> {
        let paging = self.loaded[hart];
        let generation = host.generation();
        let found = Policy::lookup(&mut self.shadow, hart, paging, va, generation, &mut 0);
        if let Found::Leaf(known) = found {
            let allowed = allowed(&paging, &leaf_of(&known), access);
            if (allowed & known.rights).contains(access.kind.right()) {
                let Known { gfn, frame, run, .. } = known;
                return Ok(Reached::Page { gfn, frame, rights: allowed & known.rights, run });
            }
        }
        let tables = Marking::new(memory, host, self.guard);
        let mut path = [0; 5];
        let mut depth = 0;
        let walked = walk(&tables, &paging, va, access, |level, _, entry| {
            depth = usize::from(paging.levels - level);
            path[depth - 1] = entry.0;
        });
        let (marks, blocked) = (tables.marks.get(), tables.blocked.get());
        let mut cx = Context { host, memory, shoot };
        for (at, entry) in marks.into_iter().flatten() {
            cx.host.stamp(at.gfn());
            Policy::marked(&mut self.shadow, at.gfn(), at.page_offset() / 8, entry, &mut cx);
        }
        let leaf = match walked {
            Ok(leaf) => leaf,
            Err(Fault { kind: FaultKind::Bus, .. }) if blocked.is_some() => {
                let gfn = blocked.unwrap_or(Gfn::new(0));
                return Ok(Reached::Host(Needed { gfn, right: Rights::WRITE }));
            }
            Err(Fault { kind: FaultKind::Bus, entry: Some(at), .. })
                if matches!(cx.host.resolve(at.gfn()), Resolved::Absent { .. }) =>
            {
                return Ok(Reached::Host(Needed { gfn: at.gfn(), right: Rights::READ }));
            }
            Err(fault) => return Err(fault),
        };
        // As the walk left them.
        let path = &mut path[..depth];
        path.iter_mut().for_each(|entry| *entry |= Entry::A);
        if let (true, Some(last)) = (leaf.dirty, path.last_mut()) {
            *last |= Entry::D;
        }
        Ok(self.join(hart, &leaf, path, va, access, &mut cx))
    }

    /// The guest allows the access; the host has to say which frame.
    fn join(
        &mut self,
        hart: usize,
        leaf: &Leaf,
        path: &[u64],
        va: Gva,
        access: Access,
        cx: &mut Context<'_>,
    ) -> Reached {
        let (paging, gfn, right) = (self.loaded[hart], leaf.gfn, access.kind.right());
        let needed = Reached::Host(Needed { gfn, right });
        if !matches!(cx.host.resolve(gfn), Resolved::Frame { .. }) {
            return needed;
        }
        let guard = self.guard;
        let followed = |host: &HostTable| {
            access.kind == Kind::Store && host.why_withheld(gfn, Rights::WRITE) == only(guard)
        };
        if followed(cx.host) {
            Policy::let_go(&mut self.shadow, gfn, cx);
        }
        let table = followed(cx.host);
        let Resolved::Frame { frame, rights, stamped } = cx.host.resolve(gfn) else {
            return needed;
        };
        if !rights.contains(right) && !table {
            return needed;
        }
        let mut rights = rights;
        if access.kind == Kind::Store && !table {
            cx.host.stamp(gfn);
        } else if !stamped {
            rights -= Rights::WRITE;
        }
        let what = Install { satp: paging, va, gfn, level: leaf.level, path, frame, rights };
        Policy::install(&mut self.shadow, hart, &what, cx);
        if table {
            return Reached::Table { gfn, frame };
        }
        // Shadowing a table on the way may have withdrawn the right to write this very page.
        if Policy::is_followed(&self.shadow, gfn) {
            if access.kind == Kind::Store {
                return Reached::Table { gfn, frame };
            }
            rights -= Rights::WRITE;
        }
        if !leaf.dirty {
            rights -= Rights::WRITE;
        }
        let rights = rights & allowed(&paging, leaf, access);
        let generation = cx.host.generation();
        let kept = Policy::lookup(&mut self.shadow, hart, paging, va, generation, &mut 0);
        let run = match kept {
            Found::Leaf(known) if known.frame == frame && known.rights.contains(rights) => {
                known.run
            }
            _ => 0,
        };
        Reached::Page { gfn, frame, rights, run }
    }

    /// A store into a followed table is done, at this offset of its page: brings the shadow in step.
    /// A store that reaches over an entry's end is told for both.
    pub fn stored<M: TableStore>(
        &mut self,
        memory: &M,
        host: &mut HostTable,
        shoot: &mut Vec<Shootdown>,
        gfn: Gfn,
        offset: usize,
    ) {
        let index = offset / 8;
        let entry = memory.entry(host, gfn, index).unwrap_or(0);
        host.stamp(gfn);
        Policy::stored(&mut self.shadow, gfn, index, entry, &mut Context { host, memory, shoot });
    }

    /// What the guest's INVLPG, INVPCID or load of CR3 asks: an address, a PCID, or all. Under in-step
    /// tricks there is nothing to do.
    pub fn invalidate<M: TableStore>(
        &mut self,
        hart: usize,
        memory: &M,
        host: &mut HostTable,
        shoot: &mut Vec<Shootdown>,
        what: Fence,
    ) {
        let (paging, mut cx) = (self.loaded[hart], Context { host, memory, shoot });
        let _the_shootdowns_say_it_all =
            Policy::fence(&mut self.shadow, hart, paging, what, &mut cx);
    }

    /// The host's entries or guards of a run of pages changed.
    pub fn host_changed<M: TableStore>(
        &mut self,
        memory: &M,
        host: &mut HostTable,
        shoot: &mut Vec<Shootdown>,
        first: Gfn,
        pages: u64,
    ) {
        let mut cx = Context { host, memory, shoot };
        Policy::host_changed(&mut self.shadow, first, pages, &mut cx);
    }

    /// Throws a part away, the `choice`th modulo the parts that there are: no effect but time.
    pub fn drop_some<M: TableStore>(
        &mut self,
        memory: &M,
        host: &mut HostTable,
        shoot: &mut Vec<Shootdown>,
        choice: u64,
    ) {
        let mut cx = Context { host, memory, shoot };
        Policy::drop_some(&mut self.shadow, choice, &mut cx);
    }

    /// Every present entry that does not say what guest ∘ host say, or less.
    pub fn audit<M: TableStore>(&self, memory: &M, host: &HostTable) -> Vec<Mismatch> {
        Policy::audit(&self.shadow, memory, host)
    }

    /// What is kept for an address that a processor may use, entry by entry.
    pub fn trail(&self, hart: usize, va: Gva, generation: u64) -> Vec<Trail> {
        Policy::trail(&self.shadow, hart, self.loaded[hart], va, generation)
    }

    /// What happened.
    pub fn counters(&self) -> &Counters {
        Policy::counters(&self.shadow)
    }
}

/// What the guest's registers let the one who asks do with a page. A page whose dirty bit is clear is
/// written only after a walk has set it.
fn allowed(paging: &Paging, leaf: &Leaf, access: Access) -> Rights {
    let rights = leaf.allows(paging, access.privilege, access.implicit);
    if leaf.dirty { rights } else { rights - Rights::WRITE }
}
