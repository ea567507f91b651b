//! From a TLB miss through the policy and the guest's tables to the host.

use crate::explain::Event;
use crate::leaf::{flags_of, granted, leaf_of, recalled_leaf};
use crate::resolve::{Behind, Host};
use crate::{Paging, VmMemory};
use vellum_hart::Stop;
use vellum_translate::host::HostEntry;
use vellum_translate::riscv::Leaf;
use vellum_translate::shadow::{Found, Install};
use vellum_translate::tlb::{PageFlags, Tlb, Translation};
use vellum_translate::{Access, Fault, FaultKind, FrameId, Gfn, Gpa, Gva, Rights};

/// One miss.
#[derive(Clone, Copy)]
struct Miss {
    hart: usize,
    va: Gva,
    access: Access,
}

/// Where the guest's word on a page came from, and so what becomes of it.
#[derive(Clone, Copy)]
enum Word<'a> {
    /// The TLB had it.
    Recalled,
    /// The policy had it; it gets the host's beside it.
    Known,
    /// A walk from the root, whose entries these are: the policy keeps what it wants.
    Walked(&'a [u64]),
    /// A walk that began in a table which the policy does not shadow.
    Continued,
    /// A walk, or none where the hart's paging is off, of which nothing is kept. So many loads of the
    /// host table led to the guest's.
    Passing(u64),
}

impl VmMemory {
    /// Resolves a miss completely: the translation, with the right that `access` needs, except
    /// that a store to a followed guest table gets one without.
    pub(crate) fn translate(
        &mut self,
        hart: usize,
        tlb: &mut Tlb,
        va: Gva,
        access: Access,
    ) -> Result<Translation, Stop> {
        self.counters.misses[access as usize] += 1;
        tlb.counters.misses[access as usize] += 1;
        self.note(|| Event::TlbMiss(va, access));
        let miss = Miss { hart, va, access };
        // The guest's tables are not looked at again: when the host grants something must not decide
        // when a change of theirs is seen.
        if self.paging.tlb_is_state()
            && tlb.translates()
            && let Some(known) = tlb.recall(va, access)
        {
            self.counters.recalled += 1;
            let leaf = recalled_leaf(known, tlb.environment(), access);
            return self.join(tlb, miss, &leaf, known.flags, Word::Recalled);
        }
        match self.paging {
            Paging::Flat => self.through_flat(tlb, va, access),
            _ if !tlb.translates() => self.through_host(tlb, miss),
            Paging::Nested => self.through_both(tlb, miss),
            _ => self.through_policy(tlb, miss),
        }
    }

    fn through_policy(&mut self, tlb: &mut Tlb, miss: Miss) -> Result<Translation, Stop> {
        let Miss { hart, va, access } = miss;
        let (satp, environment) = (tlb.satp(), tlb.environment());
        let references = &mut self.counters.shadow_references;
        match self.policy.lookup(hart, satp, va, self.host.generation(), references) {
            Found::Leaf(known) => {
                let to = granted(&known, environment);
                if to.rights.contains(access.right()) {
                    self.counters.shadow_hits += 1;
                    self.note(|| Event::ShadowHit(to.gfn, to.frame, to.rights));
                    return Ok(to);
                }
                let leaf = leaf_of(&known, environment);
                if leaf.rights.contains(access.right()) {
                    return self.join(tlb, miss, &leaf, to.flags, Word::Known);
                }
            }
            Found::Continue(table, level) => {
                if let Some(leaf) = self.continue_walk(tlb, (va, access), table, level) {
                    let flags = flags_of(&leaf, environment);
                    return self.join(tlb, miss, &leaf, flags, Word::Continued);
                }
            }
            Found::Nothing => {}
        }
        self.note(|| Event::ShadowMiss);
        let mut path = [0; 5];
        let mut depth = 0;
        let leaf = self.walk_guest(tlb, va, access, |level, pte| {
            depth = usize::from(satp.mode.levels() - level);
            path[depth - 1] = pte.0;
        })?;
        let flags = flags_of(&leaf, environment);
        self.join(tlb, miss, &leaf, flags, Word::Walked(&path[..depth]))
    }

    /// The guest's word is known and allows the access; the host has to say which frame, and the
    /// policy keeps what it wants of both.
    fn join(
        &mut self,
        tlb: &Tlb,
        miss: Miss,
        leaf: &Leaf,
        flags: PageFlags,
        word: Word<'_>,
    ) -> Result<Translation, Stop> {
        let Miss { hart, va, access } = miss;
        self.note(|| Event::GuestLeaf(leaf.gfn, leaf.rights));
        let host_work = self.counters.host_work();
        let (behind, table) = match self.resolve(leaf.gfn, access, va)? {
            Host::Frame(behind) => (behind, false),
            // A store to a followed table: a trap of its own, and no hidden fault. What leads to the
            // page is kept all the same, so that the TLB may hold it: the next store to the table is
            // then found there.
            Host::Table(behind) => (behind, true),
            Host::Device => return Err(self.device(leaf.gfn, va)),
            Host::Nothing => return Err(access_fault(access, va)),
        };
        if !table {
            self.count_join(self.counters.host_work() != host_work, behind.loads, word);
        }
        let Behind { frame, mut rights, .. } = behind;
        let path = if let Word::Walked(path) = word { path } else { &[] };
        let Leaf { gfn, level, .. } = *leaf;
        let what = Install { satp: tlb.satp(), va, gfn, level, path, frame, rights };
        match word {
            Word::Passing(_) => {}
            Word::Recalled | Word::Known => {
                self.with_policy(|policy, cx| policy.grant(hart, &what, cx));
            }
            Word::Walked(_) | Word::Continued => {
                self.with_policy(|policy, cx| policy.install(hart, &what, cx));
                // Shadowing a table may have withdrawn the right to write this very page.
                if self.policy.is_followed(leaf.gfn) {
                    rights -= Rights::WRITE;
                }
            }
        }
        rights &= leaf.rights;
        if table {
            rights -= Rights::WRITE;
        } else if !matches!(word, Word::Passing(_)) {
            self.note(|| Event::Installed(frame, rights));
        }
        Ok(Translation { gfn: leaf.gfn, frame, rights, flags })
    }

    /// What a miss was that the host allowed: `worked` if the host table had to act first.
    fn count_join(&mut self, worked: bool, loads: u64, word: Word<'_>) {
        let counters = &mut self.counters;
        match word {
            // Both tables are walked at each miss: no fault is hidden.
            Word::Passing(to_tables) => counters.host_references += to_tables + loads,
            _ if worked => counters.host_faults += 1,
            Word::Recalled => counters.host_references += loads,
            Word::Known if self.paging == Paging::VirtualTlb => {
                // It never knows more than the guest's word.
                counters.shadow_hits += 1;
                counters.host_references += loads;
            }
            Word::Known | Word::Walked(_) => counters.hidden_faults += 1,
            Word::Continued => {
                counters.switched_walks += 1;
                counters.host_references += loads;
            }
        }
    }

    /// No translation: the host table alone. Another hart's tables may be shadowed all the same.
    fn through_host(&mut self, tlb: &Tlb, miss: Miss) -> Result<Translation, Stop> {
        let leaf = Leaf::bare(miss.va, tlb.environment());
        let flags = flags_of(&leaf, tlb.environment());
        self.join(tlb, miss, &leaf, flags, Word::Passing(0))
    }

    /// A walk of the guest's tables, and of the host table at each step.
    fn through_both(&mut self, tlb: &Tlb, miss: Miss) -> Result<Translation, Stop> {
        let (leaf, references) = self.walk_counted(tlb, miss.va, miss.access, |_, _| {})?;
        let flags = flags_of(&leaf, tlb.environment());
        self.join(tlb, miss, &leaf, flags, Word::Passing(references))
    }

    fn through_flat(&mut self, tlb: &Tlb, va: Gva, access: Access) -> Result<Translation, Stop> {
        let leaf = self.walk_guest(tlb, va, access, |_, _| {})?;
        self.note(|| Event::GuestLeaf(leaf.gfn, leaf.rights));
        let page = leaf.gfn.get();
        if let (true, Some(base)) = (self.ram.contains(&page), self.flat_base) {
            let frame = FrameId::from_index(base + (page - self.ram.start) as u32);
            let flags = flags_of(&leaf, tlb.environment());
            return Ok(Translation { gfn: leaf.gfn, frame, rights: leaf.rights, flags });
        }
        match self.host.get(leaf.gfn) {
            HostEntry::Absent { .. } => Err(self.device(leaf.gfn, va)),
            _ => Err(access_fault(access, va)),
        }
    }

    fn device(&mut self, gfn: Gfn, va: Gva) -> Stop {
        self.counters.device_accesses += 1;
        let at = Gpa::new(gfn.base().get() + va.page_offset() as u64);
        self.note(|| Event::Device(at));
        Stop::Device(at)
    }
}

pub(crate) fn access_fault(access: Access, va: Gva) -> Stop {
    Stop::Fault(Fault::new(FaultKind::Access, access, va))
}
