//! The fault path: from a TLB miss through the shadow and guest tables to the host table, whose
//! owners resolve what stands in the way.

use crate::explain::Event;
use crate::owner::{HostFault, Resolution};
use crate::vm::{DEVICE, View};
use crate::{Error, Paging, VmMemory};
use vellum_hart::Stop;
use vellum_translate::host::{GuardSet, HostEntry, Resolved, Withheld};
use vellum_translate::riscv::{Leaf, Mode, Pte, walk};
use vellum_translate::shadow::Install;
use vellum_translate::tlb::{PageFlags, Shootdown, Tlb, Translation};
use vellum_translate::{Access, Environment, Fault, FaultKind, FrameId, Gfn, Gpa, Gva, Rights};

/// Times that owners may say "retry" for one access before the host gives up.
const MAX_TRIES: u32 = 64;

/// What the host has for an access.
pub(crate) enum Host {
    /// This frame, with these rights, among them the one that was asked for.
    Frame(FrameId, Rights),
    /// This frame may not be written because it is a guest table that is shadowed.
    Table(FrameId, Rights),
    /// A device.
    Device,
    /// Nothing there.
    Nothing,
}

impl VmMemory {
    /// Resolves a miss completely: the translation, with the right that `access` needs, except
    /// that a store to a shadowed guest table gets one without.
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
        match self.paging {
            Paging::Shadow if tlb.translates() => self.through_shadow(hart, tlb, va, access),
            Paging::Flat => self.through_flat(tlb, va, access),
            Paging::Shadow | Paging::Nested => self.through_walk(tlb, va, access),
        }
    }

    fn through_shadow(
        &mut self,
        hart: usize,
        tlb: &mut Tlb,
        va: Gva,
        access: Access,
    ) -> Result<Translation, Stop> {
        let (satp, environment) = (tlb.satp(), tlb.environment());
        if let Some((gfn, leaf)) = self.shadow.lookup(hart, satp, va, self.host.generation()) {
            let rights = environment.allows(leaf.rights, leaf.user);
            if rights.contains(access.right()) {
                self.counters.shadow_hits += 1;
                self.note(|| Event::ShadowHit(gfn, leaf.frame, rights));
                let writable = leaf.guest_writable
                    && environment.allows(Rights::WRITE, leaf.user).contains(Rights::WRITE);
                let flags = if writable { PageFlags::GUEST_WRITABLE } else { PageFlags::empty() };
                return Ok(self.translation(gfn, leaf.frame, rights, flags));
            }
        }
        self.note(|| Event::ShadowMiss);
        let mut path = [Pte(0); 5];
        let mut depth = 0;
        let leaf = self.walk_guest(tlb, va, access, |pte| {
            path[depth] = pte;
            depth += 1;
        })?;
        let flags = flags_of(&leaf, environment);
        let host_work = self.counters.host_work();
        match self.resolve(leaf.gfn, access, va)? {
            Host::Frame(frame, rights) => {
                if self.counters.host_work() == host_work {
                    self.counters.hidden_faults += 1;
                } else {
                    self.counters.host_faults += 1;
                }
                let install = Install { satp, va, leaf, path: &path[..depth], frame, rights };
                self.shadow.install(hart, &mut self.host, &install, &mut self.shoot);
                let mut rights = rights & leaf.rights;
                // Shadowing a table may have withdrawn the right to write this very page.
                if self.shadow.is_table(leaf.gfn) {
                    rights -= Rights::WRITE;
                }
                self.note(|| Event::Installed(frame, rights));
                Ok(self.translation(leaf.gfn, frame, rights, flags))
            }
            Host::Table(frame, rights) => {
                let rights = (rights & leaf.rights) - Rights::WRITE;
                Ok(self.translation(leaf.gfn, frame, rights, flags))
            }
            Host::Device => Err(self.device(leaf.gfn, va)),
            Host::Nothing => Err(access_fault(access, va)),
        }
    }

    /// No translation, or a walk of the guest's tables and of the host table at each step.
    fn through_walk(&mut self, tlb: &Tlb, va: Gva, access: Access) -> Result<Translation, Stop> {
        let mut references = 0;
        let mut tables = [Gfn::new(0); 5];
        let mut depth = 0;
        let satp = tlb.satp();
        if satp.mode != Mode::Bare {
            tables[0] = satp.root;
            depth = 1;
        }
        let leaf = self.walk_guest(tlb, va, access, |pte| {
            if !pte.is_leaf() && depth < tables.len() {
                tables[depth] = pte.gfn();
                depth += 1;
            }
        })?;
        for &table in &tables[..depth] {
            self.host.get_counted(table, &mut references);
        }
        self.host.get_counted(leaf.gfn, &mut references);
        self.counters.host_references += references;
        let flags = flags_of(&leaf, tlb.environment());
        match self.resolve(leaf.gfn, access, va)? {
            Host::Frame(frame, rights) => {
                Ok(self.translation(leaf.gfn, frame, rights & leaf.rights, flags))
            }
            // With paging off on this hart, another hart's tables may be shadowed all the same.
            Host::Table(frame, rights) => {
                let rights = (rights & leaf.rights) - Rights::WRITE;
                Ok(self.translation(leaf.gfn, frame, rights, flags))
            }
            Host::Device => Err(self.device(leaf.gfn, va)),
            Host::Nothing => Err(access_fault(access, va)),
        }
    }

    fn through_flat(&mut self, tlb: &Tlb, va: Gva, access: Access) -> Result<Translation, Stop> {
        let leaf = self.walk_guest(tlb, va, access, |_| {})?;
        let page = leaf.gfn.get();
        if let (true, Some(base)) = (self.ram.contains(&page), self.flat_base) {
            let frame = FrameId::from_index(base + (page - self.ram.start) as u32);
            return Ok(self.translation(
                leaf.gfn,
                frame,
                leaf.rights,
                flags_of(&leaf, tlb.environment()),
            ));
        }
        match self.host.get(leaf.gfn) {
            HostEntry::Absent { .. } => Err(self.device(leaf.gfn, va)),
            _ => Err(access_fault(access, va)),
        }
    }

    fn walk_guest(
        &mut self,
        tlb: &Tlb,
        va: Gva,
        access: Access,
        mut entry: impl FnMut(Pte),
    ) -> Result<Leaf, Stop> {
        let view = View { host: &self.host, pool: &self.pool };
        let mut references = 0;
        let trace = &mut self.trace;
        let walked = walk(&view, tlb.satp(), tlb.environment(), va, access, |level, at, pte| {
            references += 1;
            if let Some(trace) = trace {
                trace.events.push(Event::GuestEntry(level, at, pte));
            }
            entry(pte);
        });
        self.counters.guest_references += references;
        match walked {
            Ok(leaf) => {
                self.note(|| Event::GuestLeaf(leaf.gfn, leaf.rights));
                Ok(leaf)
            }
            Err(fault) => {
                self.counters.guest_faults += 1;
                self.note(|| Event::GuestFault(fault));
                Err(Stop::Fault(fault))
            }
        }
    }

    fn device(&mut self, gfn: Gfn, va: Gva) -> Stop {
        self.counters.device_accesses += 1;
        let at = Gpa::new(gfn.base().get() + va.page_offset() as u64);
        self.note(|| Event::Device(at));
        Stop::Device(at)
    }

    fn translation(
        &mut self,
        gfn: Gfn,
        frame: FrameId,
        rights: Rights,
        flags: PageFlags,
    ) -> Translation {
        let host = self.pool.pointer(frame).as_ptr().addr() as u64;
        Translation { gfn, frame, host, rights, flags }
    }

    /// Asks the host table for the right that `access` needs, and its owners for what stands in the
    /// way, until it is granted.
    fn resolve(&mut self, page: Gfn, access: Access, va: Gva) -> Result<Host, Stop> {
        let host = |error: Error| Stop::Host(error.to_string());
        for _ in 0..MAX_TRIES {
            match self.host.resolve(page) {
                Resolved::Hole => return Ok(Host::Nothing),
                Resolved::Absent { owner: DEVICE, .. } => return Ok(Host::Device),
                Resolved::Absent { .. } => match self.bring(page) {
                    Ok(()) => {}
                    // The guest hears of a page that can't be had; it never reads zeros instead.
                    Err(Error::Source { .. }) => return Err(access_fault(access, va)),
                    Err(error) => return Err(host(error)),
                },
                Resolved::Frame { frame, rights } => {
                    self.note(|| Event::HostFrame(frame, rights));
                    if rights.contains(access.right()) {
                        return Ok(Host::Frame(frame, self.stamped(page, access, rights)));
                    }
                    match self.host.why_withheld(page, access.right()) {
                        Withheld::Nothing => {}
                        Withheld::Entry => return Ok(Host::Nothing),
                        Withheld::Shared => self.copy_on_write(page).map_err(host)?,
                        Withheld::Guards(guards) => {
                            self.note(|| Event::Guarded(guards));
                            match self.ask_owners(page, access, guards) {
                                Some(Resolution::Retry) => {}
                                Some(Resolution::Refuse) => return Ok(Host::Nothing),
                                None => return Ok(Host::Table(frame, rights)),
                            }
                        }
                    }
                }
            }
        }
        Err(host(Error::Stuck { at: page.base(), tries: MAX_TRIES }))
    }

    /// A right to write is granted only to a page that is stamped with the current write epoch: by
    /// this store, or by an earlier one.
    fn stamped(&mut self, page: Gfn, access: Access, rights: Rights) -> Rights {
        if access == Access::Store {
            self.host.stamp(page);
            rights
        } else if self.host.written(page) == self.host.epoch() {
            rights
        } else {
            rights - Rights::WRITE
        }
    }

    /// The owners of these guards, in order; `None` when only the guest tables' guard is left.
    fn ask_owners(&mut self, page: Gfn, access: Access, guards: GuardSet) -> Option<Resolution> {
        for (guard, owner) in &mut self.owners {
            if guards.contains(*guard) {
                self.counters.guard_faults += 1;
                let fault = HostFault {
                    page,
                    access,
                    guard: *guard,
                    host: &mut self.host,
                    pool: &self.pool,
                };
                let resolution = owner.resolve(fault);
                self.page_changed(page, None);
                return Some(resolution);
            }
        }
        None
    }

    fn bring(&mut self, page: Gfn) -> Result<(), Error> {
        let HostEntry::Absent { owner, token } = self.host.get(page) else { return Ok(()) };
        let source = usize::from(owner.0).checked_sub(1).and_then(|at| self.sources.get_mut(at));
        let Some(source) = source else {
            return Err(Error::Source {
                owner: format!("owner {}", owner.0),
                at: page.base(),
                why: "nobody is registered under that number".into(),
            });
        };
        let frame = source.bring(page, token, &self.pool).map_err(|why| Error::Source {
            owner: source.name().into(),
            at: page.base(),
            why,
        })?;
        self.counters.pages_brought += 1;
        self.note(|| Event::Brought(frame));
        let entry = HostEntry::Frame { frame, rights: Rights::all() };
        let _absent = self.host.replace(page, entry);
        Ok(())
    }

    /// Gives a page a frame of its own.
    fn copy_on_write(&mut self, page: Gfn) -> Result<(), Error> {
        let HostEntry::Frame { frame, rights } = self.host.get(page) else { return Ok(()) };
        let own = self.pool.allocate_copy(frame)?;
        if frame.is_zero_frame() {
            self.counters.zero_pages_filled += 1;
            self.note(|| Event::ZeroFill(own));
        } else {
            self.counters.copies_on_write += 1;
            self.note(|| Event::CopyOnWrite(frame, own));
        }
        let old = self.host.replace(page, HostEntry::Frame { frame: own, rights });
        self.release(old);
        self.page_changed(page, Some(frame));
        Ok(())
    }

    /// The frame for a device's access, with nothing left in the way: a write to a guest table
    /// unshadows it first.
    pub(crate) fn device_frame(
        &mut self,
        at: Gpa,
        bytes: u64,
        right: Rights,
    ) -> Result<FrameId, Error> {
        let none = Error::NoMemory { at, bytes };
        let page = at.gfn();
        if !self.ram.contains(&page.get()) {
            return Err(none);
        }
        let access = if right == Rights::WRITE { Access::Store } else { Access::Load };
        if access == Access::Store {
            self.shadow.unshadow(&mut self.host, page, &mut self.shoot);
        }
        let va = Gva::new(at.get());
        let frame = match self.resolve(page, access, va) {
            Ok(Host::Frame(frame, _) | Host::Table(frame, _)) => frame,
            Ok(Host::Device | Host::Nothing) | Err(Stop::Fault(_) | Stop::Device(_)) => {
                return Err(none);
            }
            Err(Stop::Host(why)) => {
                return Err(Error::Source { owner: "the host".into(), at, why });
            }
        };
        if access == Access::Store {
            self.counters.device_page_writes += 1;
            if self.pool.is_code(frame) {
                self.shoot.push(Shootdown::FrameExecute(frame));
            }
            self.pool.content_changed(frame);
        }
        Ok(frame)
    }
}

fn flags_of(leaf: &Leaf, environment: Environment) -> PageFlags {
    let mut flags = PageFlags::empty();
    flags.set(PageFlags::GLOBAL, leaf.global);
    flags.set(PageFlags::PIECE, leaf.level > 0);
    flags.set(PageFlags::GIANT, leaf.level > 1);
    let writable = environment.allows(leaf.leaf_rights, leaf.user).contains(Rights::WRITE);
    flags.set(PageFlags::GUEST_WRITABLE, writable);
    flags
}

fn access_fault(access: Access, va: Gva) -> Stop {
    Stop::Fault(Fault::new(FaultKind::Access, access, va))
}
