//! The plain walker that everything fast is held against: the specification's algorithm, step by
//! step, with its numbering, and nothing else. Not meant to be fast.

use super::{Extensions, Mode, Satp, TableMemory, TwoStage};
use crate::{Access, Environment, Gpa, Gva, Privilege};

/// What the specification says about one access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The physical address.
    Translated(Gpa),
    /// A page fault of the access's kind.
    PageFault,
    /// An access fault of the access's kind.
    AccessFault,
    /// A guest-page fault of the access's kind, with the guest physical address that was refused.
    GuestPageFault(Gpa),
}

const PAGESIZE: u64 = 4096;
const PTESIZE: u64 = 8;

/// Translates as the privileged specification's "Virtual Address Translation Process" does, for an
/// implementation with Svade and without Svnapot and Svpbmt.
pub fn translate<M: TableMemory + ?Sized>(
    memory: &M,
    satp: Satp,
    environment: Environment,
    va: Gva,
    access: Access,
) -> Verdict {
    translate_with(memory, Extensions::NONE, satp, environment, va, access)
}

/// The same, with extensions. Svadu's update is made in `memory`.
pub fn translate_with<M: TableMemory + ?Sized>(
    memory: &M,
    extensions: Extensions,
    satp: Satp,
    environment: Environment,
    va: Gva,
    access: Access,
) -> Verdict {
    let stage = Stage { extensions, mode: satp.mode, root: satp.root.get(), widened: 0 };
    let physical = |at: Gpa, _: Access| Ok(at);
    match one_stage(memory, physical, stage, environment, va, access) {
        Ok(at) => Verdict::Translated(at),
        Err(verdict) => verdict,
    }
}

/// Translates through two stages, as the chapter on the hypervisor extension says.
pub fn translate_two_stage<M: TableMemory + ?Sized>(
    memory: &M,
    state: &TwoStage,
    va: Gva,
    access: Access,
) -> Verdict {
    let second = |gpa: Gpa, access: Access| {
        let stage = Stage {
            extensions: state.second,
            mode: state.hgatp.mode,
            root: state.hgatp.root.get(),
            widened: 2,
        };
        // "all memory accesses ... are considered to be user-level accesses"
        let user = Environment { privilege: Privilege::User, sum: false, mxr: state.mxr };
        let physical = |at: Gpa, _: Access| Ok(at);
        let va = Gva::new(gpa.get());
        one_stage(memory, physical, stage, user, va, access).map_err(|verdict| match verdict {
            Verdict::PageFault => Verdict::GuestPageFault(gpa),
            other => other,
        })
    };
    let stage = Stage {
        extensions: state.first,
        mode: state.vsatp.mode,
        root: state.vsatp.root.get(),
        widened: 0,
    };
    let environment = Environment { mxr: state.environment.mxr || state.mxr, ..state.environment };
    let translated = one_stage(memory, second, stage, environment, va, access)
        .and_then(|gpa| second(gpa, access));
    match translated {
        Ok(at) => Verdict::Translated(at),
        Err(verdict) => verdict,
    }
}

#[derive(Clone, Copy)]
struct Stage {
    extensions: Extensions,
    mode: Mode,
    root: u64,
    /// Bits that the root's index has beyond nine.
    widened: u32,
}

fn one_stage<M: TableMemory + ?Sized>(
    memory: &M,
    // Where an entry really lies.
    physical: impl Fn(Gpa, Access) -> Result<Gpa, Verdict>,
    stage: Stage,
    environment: Environment,
    va: Gva,
    access: Access,
) -> Result<Gpa, Verdict> {
    let extensions = stage.extensions;
    let levels: u32 = match stage.mode {
        Mode::Bare => return Ok(Gpa::new(va.get())),
        Mode::Sv39 => 3,
        Mode::Sv48 => 4,
        Mode::Sv57 => 5,
    };
    let width = 12 + 9 * levels + stage.widened;
    if stage.widened == 0 {
        // "must have bits 63–39 all equal to bit 38, or else a page-fault exception will occur"
        let top = va.get() >> (width - 1);
        if top != 0 && top != u64::MAX >> (width - 1) {
            return Err(Verdict::PageFault);
        }
    } else if va.get() >> width != 0 {
        // "address bits 63:41 must all be zeros, or else a guest-page-fault exception occurs"
        return Err(Verdict::PageFault);
    }
    let vpn = |i: u32| {
        let bits = if i == levels - 1 { 9 + stage.widened } else { 9 };
        va.get() >> (12 + 9 * i) & ((1 << bits) - 1)
    };
    // 1.
    let mut a = stage.root * PAGESIZE;
    let mut i = levels - 1;
    loop {
        // 2.
        let at = Gpa::new(a + vpn(i) * PTESIZE);
        let loaded = memory.load_entry(physical(at, Access::Load)?);
        let Some(pte) = loaded else { return Err(Verdict::AccessFault) };
        let bit = |n: u32| pte >> n & 1 == 1;
        let (v, r, w, x, u) = (bit(0), bit(1), bit(2), bit(3), bit(4));
        let (accessed, dirty, n) = (bit(6), bit(7), bit(63));
        let pbmt = pte >> 61 & 3;
        // 3.
        if !v || (!r && w) {
            return Err(Verdict::PageFault);
        }
        let leaf = r || x;
        for reserved in 54..64 {
            let meant = match reserved {
                59 | 60 => extensions.svrsw60t59b,
                61 | 62 => extensions.svpbmt && leaf,
                63 => extensions.svnapot && leaf,
                _ => false,
            };
            if bit(reserved) && !meant {
                return Err(Verdict::PageFault);
            }
        }
        if pbmt == 3 {
            return Err(Verdict::PageFault);
        }
        let ppn = pte >> 10 & ((1 << 44) - 1);
        // 4.
        if !leaf {
            if u || accessed || dirty || i == 0 {
                return Err(Verdict::PageFault);
            }
            i -= 1;
            a = ppn * PAGESIZE;
            continue;
        }
        // 5. a misaligned superpage; and for Svnapot the table "Page table entry encodings when
        // pte.N=1": only level 0 with pte.ppn[0] = x xxxx 1000
        if ppn % (1 << (9 * i)) != 0 || (n && (i != 0 || ppn % 16 != 8)) {
            return Err(Verdict::PageFault);
        }
        // 6. the privilege mode, the U bit and SUM
        match environment.privilege {
            Privilege::User if !u => return Err(Verdict::PageFault),
            Privilege::Supervisor if u && (access == Access::Fetch || !environment.sum) => {
                return Err(Verdict::PageFault);
            }
            _ => {}
        }
        // 7. R, W, X and MXR
        let granted = match access {
            Access::Fetch => x,
            Access::Load => r || (x && environment.mxr),
            Access::Store => w,
        };
        if !granted {
            return Err(Verdict::PageFault);
        }
        // 8. Svade and Svadu
        if !accessed || (access == Access::Store && !dirty) {
            if !extensions.svadu {
                return Err(Verdict::PageFault);
            }
            let set = if access == Access::Store { 1 << 6 | 1 << 7 } else { 1 << 6 };
            match memory.exchange_entry(physical(at, Access::Store)?, pte, pte | set) {
                None => return Err(Verdict::AccessFault),
                Some(false) => continue,
                Some(true) => {}
            }
        }
        // 9.
        let kept = if n { 16 } else { 12 + 9 * i };
        let inside = va.get() & ((1 << kept) - 1);
        let base = (ppn * PAGESIZE) & !((1 << kept) - 1);
        return Ok(Gpa::new(base + inside));
    }
}
