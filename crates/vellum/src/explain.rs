//! What happened on the way of one access, step by step.

use core::fmt;
use vellum_translate::host::GuardSet;
use vellum_translate::riscv::Pte;
use vellum_translate::{Access, Fault, FrameId, Gfn, Gpa, Gva, Rights};

/// A step on the way of an access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The TLB had no tag for it.
    TlbMiss(Gva, Access),
    /// The shadow tables have an entry: page, frame, rights.
    ShadowHit(Gfn, FrameId, Rights),
    /// They have none, or one with too few rights.
    ShadowMiss,
    /// The guest's table at this level has this entry at this address.
    GuestEntry(u8, Gpa, Pte),
    /// The guest's own fault.
    GuestFault(Fault),
    /// The walk ended here.
    GuestLeaf(Gfn, Rights),
    /// The host table has this frame, with these rights now.
    HostFrame(FrameId, Rights),
    /// The page was never written: it gets a frame of its own.
    ZeroFill(FrameId),
    /// The frame is shared: copied, from and to.
    CopyOnWrite(FrameId, FrameId),
    /// The page's owner brings it.
    Brought(FrameId),
    /// These guards withhold the right.
    Guarded(GuardSet),
    /// The shadow entry is installed.
    Installed(FrameId, Rights),
    /// The page is a guest table: the store is done here, the entry it wrote, and the shadow is
    /// brought in step.
    TableStore(Gfn, usize, Pte),
    /// Instructions were decoded from the frame: its blocks go stale.
    CodeStore(FrameId),
    /// A tag is granted in the TLB.
    TlbFill(Rights),
    /// There is a device.
    Device(Gpa),
}

/// The steps of one access, printable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// In order.
    pub events: Vec<Event>,
}

/// Rights as `rwx`.
struct Short(Rights);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |right, letter| if self.0.contains(right) { letter } else { '-' };
        write!(
            f,
            "{}{}{}",
            letter(Rights::READ, 'r'),
            letter(Rights::WRITE, 'w'),
            letter(Rights::EXECUTE, 'x')
        )
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::TlbMiss(va, access) => write!(f, "tlb     miss: {access:?} of {va}"),
            Event::ShadowHit(gfn, frame, rights) => {
                write!(f, "shadow  hit: {gfn} is {frame}, {}", Short(*rights))
            }
            Event::ShadowMiss => write!(f, "shadow  no entry with that right"),
            Event::GuestEntry(level, at, pte) => {
                write!(f, "guest   level {level}: entry {:#018x} at {at}", pte.0)
            }
            Event::GuestFault(fault) => write!(f, "guest   {fault}"),
            Event::GuestLeaf(gfn, rights) => {
                write!(f, "guest   leads to {gfn}, {}", Short(*rights))
            }
            Event::HostFrame(frame, rights) => {
                write!(f, "host    {frame}, {} right now", Short(*rights))
            }
            Event::ZeroFill(frame) => write!(f, "host    never written: gets {frame}"),
            Event::CopyOnWrite(from, to) => write!(f, "host    shared: {from} is copied to {to}"),
            Event::Brought(frame) => write!(f, "host    absent: its owner brings {frame}"),
            Event::Guarded(guards) => {
                write!(f, "host    withheld by guard")?;
                guards.iter().try_for_each(|g| write!(f, " {}", g.bit()))
            }
            Event::Installed(frame, rights) => {
                write!(f, "shadow  installs {frame}, {}", Short(*rights))
            }
            Event::TableStore(gfn, index, pte) => write!(
                f,
                "host    {gfn} is a guest table: stores entry {index} = {:#x}, shadow kept in step",
                pte.0
            ),
            Event::CodeStore(frame) => write!(f, "host    {frame} held decoded code: it is stale"),
            Event::TlbFill(rights) => write!(f, "tlb     tag granted: {}", Short(*rights)),
            Event::Device(at) => write!(f, "host    a device at {at}"),
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.events.iter().enumerate().try_for_each(|(i, e)| writeln!(f, "{:>3}  {e}", i + 1))
    }
}
