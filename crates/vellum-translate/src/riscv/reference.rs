//! The plain walker that everything fast is held against: the specification's algorithm, step by
//! step, with its numbering, and nothing else. Not meant to be fast.

use super::{Mode, Satp, TableMemory};
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
    let levels = match satp.mode {
        Mode::Bare => return Verdict::Translated(Gpa::new(va.get())),
        Mode::Sv39 => 3,
        Mode::Sv48 => 4,
        Mode::Sv57 => 5,
    };
    // "must have bits 63–39 all equal to bit 38, or else a page-fault exception will occur"
    let top = va.get() >> (12 + 9 * levels - 1);
    if top != 0 && top != u64::MAX >> (12 + 9 * levels - 1) {
        return Verdict::PageFault;
    }
    let vpn = |i: i32| va.get() >> (12 + 9 * i) & 0x1ff;
    // 1.
    let mut a = satp.root.get() * PAGESIZE;
    let mut i = levels - 1;
    let pte = loop {
        // 2.
        let Some(pte) = memory.load_entry(Gpa::new(a + vpn(i) * PTESIZE)) else {
            return Verdict::AccessFault;
        };
        let bit = |n: u32| pte >> n & 1 == 1;
        let (v, r, w, x) = (bit(0), bit(1), bit(2), bit(3));
        // 3.
        if !v || (!r && w) || pte >> 54 != 0 {
            return Verdict::PageFault;
        }
        // 4.
        if r || x {
            break pte;
        }
        if bit(4) || bit(6) || bit(7) {
            return Verdict::PageFault;
        }
        i -= 1;
        if i < 0 {
            return Verdict::PageFault;
        }
        a = (pte >> 10 & ((1 << 44) - 1)) * PAGESIZE;
    };
    let bit = |n: u32| pte >> n & 1 == 1;
    let (r, w, x, u, accessed, dirty) = (bit(1), bit(2), bit(3), bit(4), bit(6), bit(7));
    // 5. and 6.: the leaf's rights, the privilege mode, SUM and MXR
    match environment.privilege {
        Privilege::User if !u => return Verdict::PageFault,
        Privilege::Supervisor if u && (access == Access::Fetch || !environment.sum) => {
            return Verdict::PageFault;
        }
        _ => {}
    }
    let granted = match access {
        Access::Fetch => x,
        Access::Load => r || (x && environment.mxr),
        Access::Store => w,
    };
    if !granted {
        return Verdict::PageFault;
    }
    // 7. a misaligned superpage
    let ppn = pte >> 10 & ((1 << 44) - 1);
    if ppn & ((1 << (9 * i)) - 1) != 0 {
        return Verdict::PageFault;
    }
    // 9. Svade
    if !accessed || (access == Access::Store && !dirty) {
        return Verdict::PageFault;
    }
    // 10.
    let inside = va.get() & ((1 << (12 + 9 * i)) - 1);
    Verdict::Translated(Gpa::new(ppn * PAGESIZE + inside))
}
