//! The host's half of a fault: the host table is asked, and the owners of what stands in the way.

use crate::explain::Event;
use crate::miss::access_fault;
use crate::owner::{HostFault, Resolution};
use crate::pager::PAGER;
use crate::vm::DEVICE;
use crate::{Error, VmMemory};
use vellum_hart::Stop;
use vellum_translate::host::{GuardSet, HostEntry, Resolved, Withheld};
use vellum_translate::tlb::Shootdown;
use vellum_translate::{Access, FrameId, Gfn, Gpa, Gva, Rights};

/// Times that owners may say "retry" for one access before the host gives up.
const MAX_TRIES: u32 = 64;

/// A frame behind a page.
#[derive(Clone, Copy)]
pub(crate) struct Behind {
    pub(crate) frame: FrameId,
    /// What may be done with it right now.
    pub(crate) rights: Rights,
    /// Loads of the host table that it took to find it.
    pub(crate) loads: u64,
}

/// What the host has for an access.
pub(crate) enum Host {
    /// This frame, with the right that was asked for.
    Frame(Behind),
    /// This frame may not be written because it is a guest table that is followed.
    Table(Behind),
    /// A device.
    Device,
    /// Nothing there.
    Nothing,
}

impl VmMemory {
    /// Asks the host table for the right that `access` needs, and its owners for what stands in the
    /// way, until it is granted.
    pub(crate) fn resolve(&mut self, page: Gfn, access: Access, va: Gva) -> Result<Host, Stop> {
        let host = |error: Error| Stop::Host(error.to_string());
        for _ in 0..MAX_TRIES {
            let mut loads = 0;
            match self.host.resolve_counted(page, &mut loads) {
                Resolved::Hole => return Ok(Host::Nothing),
                Resolved::Absent { owner: DEVICE, .. } => return Ok(Host::Device),
                Resolved::Absent { .. } => match self.bring(page, access) {
                    Ok(()) => {}
                    // The guest hears of a page that can't be had; it never reads zeros instead.
                    Err(Error::Source { .. }) => return Err(access_fault(access, va)),
                    Err(error) => return Err(host(error)),
                },
                Resolved::Frame { frame, mut rights, stamped } => {
                    self.note(|| Event::HostFrame(frame, rights));
                    if rights.contains(access.right()) {
                        self.used(page, frame);
                        // A right to write is granted only to a page that is stamped with the
                        // current write epoch: by this store, or by an earlier one.
                        match (stamped, access) {
                            (true, _) => {}
                            (false, Access::Store) => self.host.stamp(page),
                            (false, Access::Load | Access::Fetch) => rights -= Rights::WRITE,
                        }
                        return Ok(Host::Frame(Behind { frame, rights, loads }));
                    }
                    if access == Access::Store && self.settle_for_write(page) {
                        continue;
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
                                None => {
                                    if !self.let_go(page) {
                                        return Ok(Host::Table(Behind { frame, rights, loads }));
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        Err(host(Error::Stuck { at: page.base(), tries: MAX_TRIES }))
    }

    /// The owners of these guards, in order; `None` when only the guest tables' guard is left.
    fn ask_owners(&mut self, page: Gfn, access: Access, guards: GuardSet) -> Option<Resolution> {
        if self.pager.as_ref().is_some_and(|pager| guards.contains(pager.clean)) {
            self.counters.guard_faults += 1;
            let allowed = self.page_written(page);
            self.page_changed(page, None);
            return Some(if allowed { Resolution::Retry } else { Resolution::Refuse });
        }
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

    /// A page that a walk found no table in: whether its owner brought it.
    pub(crate) fn bring_table(&mut self, page: Gfn) -> bool {
        match self.host.get(page) {
            HostEntry::Absent { owner, .. } if owner != DEVICE => {
                self.bring(page, Access::Load).is_ok()
            }
            _ => false,
        }
    }

    /// The guest stores to a page that only the guard of guest tables withholds: whether the guard
    /// is gone now.
    pub(crate) fn let_go(&mut self, page: Gfn) -> bool {
        self.with_policy(|policy, cx| policy.let_go(page, cx))
    }

    fn bring(&mut self, page: Gfn, access: Access) -> Result<(), Error> {
        let HostEntry::Absent { owner, token } = self.host.get(page) else { return Ok(()) };
        if owner == PAGER && self.pager.is_some() {
            return self.page_in(page, access);
        }
        self.pack_for(page);
        self.make_room(page)?;
        let source = usize::from(owner.0).checked_sub(1).and_then(|at| self.sources.get_mut(at));
        let Some(source) = source else {
            return Err(Error::Source {
                owner: format!("owner {}", owner.0),
                at: page.base(),
                why: "nobody is registered under that number".into(),
            });
        };
        // The source takes this page's name back. Where a kept root has the leaf too, there is one name
        // for both until the leaf is copied, so it is copied first.
        let _same = self.host.replace(page, HostEntry::Absent { owner, token });
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
        self.pack_for(page);
        let HostEntry::Frame { frame, rights } = self.host.get(page) else { return Ok(()) };
        self.make_room(page)?;
        let own = self.pool.allocate_copy(frame)?;
        if frame.is_zero_frame() {
            self.counters.zero_pages_filled += 1;
            self.note(|| Event::ZeroFill(own));
        } else {
            self.counters.copies_on_write += 1;
            self.note(|| Event::CopyOnWrite(frame, own));
        }
        let old = self.host.replace(page, HostEntry::Frame { frame: own, rights });
        // It is copied because it is about to be written.
        self.host.stamp(page);
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
            self.with_policy(|policy, cx| policy.unshadow(page, cx));
        }
        let va = Gva::new(at.get());
        let frame = match self.resolve(page, access, va) {
            Ok(Host::Frame(behind) | Host::Table(behind)) => behind.frame,
            Ok(Host::Device | Host::Nothing) | Err(Stop::Fault(_) | Stop::Device(_)) => {
                return Err(none);
            }
            Err(Stop::Host(why)) => {
                return Err(Error::Source { owner: "the host".into(), at, why });
            }
        };
        self.host.touch(page);
        if access == Access::Store {
            self.counters.device_page_writes += 1;
            self.note_filled(page);
            if self.pool.is_code(frame) {
                self.shoot.push(Shootdown::FrameExecute(frame));
            }
            self.pool.content_changed(frame);
        }
        Ok(frame)
    }
}
