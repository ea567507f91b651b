//! The plain walker that the fast one is held against: the manual's sections in their order, each
//! rule on its own line. Not meant to be fast.

use super::{Access, Paging};
use crate::{Access as Kind, Gpa, Gva, Privilege, TableMemory};

/// What the manual says about one access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The physical address.
    Translated(Gpa),
    /// #GP or #SS.
    NotCanonical,
    /// #PF with this error code.
    PageFault(u32),
    /// A table is where no memory is.
    Bus,
}

fn bit(entry: u64, n: u32) -> bool {
    entry >> n & 1 == 1
}

/// Translates as the chapter "Paging" says, accessed and dirty bits included, which are set in
/// `memory` if the access is allowed.
pub fn translate<M: TableMemory + ?Sized>(
    memory: &M,
    paging: &Paging,
    va: Gva,
    access: Access,
) -> Verdict {
    let address = va.get();
    let user_mode = access.privilege == Privilege::User;
    let (write, fetch) = (access.kind == Kind::Store, access.kind == Kind::Fetch);
    // "Page-Fault Exceptions": the flags that describe the access.
    let page_fault = |p: bool, rsvd: bool, pk: bool| {
        let id = fetch && (paging.nx || paging.smep);
        let flags = [p, write, user_mode, rsvd, id, pk];
        Verdict::PageFault(flags.iter().rev().fold(0, |code, &flag| code << 1 | u32::from(flag)))
    };
    // "Canonical addressing"
    let width = if paging.levels == 5 { 57 } else { 48 };
    let sign = bit(address, width - 1);
    if (width..64).any(|n| bit(address, n) != sign) {
        return Verdict::NotCanonical;
    }
    // "Use of CR3 with 4-level and 5-level paging", then the structures from the top
    let mut table = paging.root.get() * 4096;
    let mut used = [None; 5];
    let mut level = u32::from(paging.levels);
    let (leaf, page_bits) = loop {
        level -= 1;
        let at = Gpa::new(table + 8 * (address >> (12 + 9 * level) & 511));
        let Some(entry) = memory.load_entry(at) else { return Verdict::Bus };
        if !bit(entry, 0) {
            return page_fault(false, false, false);
        }
        // "Reserved bits": the address's beyond MAXPHYADDR, XD without NXE, PS where there is no
        // such page, and the address's low bits in a large page.
        let mut reserved = (u32::from(paging.physical_bits)..52).any(|n| bit(entry, n));
        reserved |= bit(entry, 63) && !paging.nx;
        let ps = bit(entry, 7);
        match level {
            4 | 3 => reserved |= ps,
            2 if ps => reserved |= !paging.giant_pages || (13..30).any(|n| bit(entry, n)),
            1 if ps => reserved |= (13..21).any(|n| bit(entry, n)),
            _ => {}
        }
        if reserved {
            return page_fault(true, true, false);
        }
        used[level as usize] = Some((at, entry));
        if level == 0 || ps {
            break (entry, 12 + 9 * level);
        }
        table = entry >> 12 << 24 >> 12;
    };
    // "Determination of Access Rights"
    let entries = || used.iter().flatten().map(|&(_, entry)| entry);
    let user_address = entries().all(|entry| bit(entry, 2));
    let writable = entries().all(|entry| bit(entry, 1));
    let execute_disabled = entries().any(|entry| bit(entry, 63));
    let allowed = if user_mode {
        match access.kind {
            Kind::Load => user_address,
            Kind::Store => user_address && writable,
            Kind::Fetch => user_address && !execute_disabled,
        }
    } else if user_address {
        let smap_allows = !paging.smap || (paging.ac && !access.implicit);
        match access.kind {
            Kind::Load => smap_allows,
            Kind::Store => smap_allows && (!paging.wp || writable),
            Kind::Fetch => !paging.smep && !execute_disabled,
        }
    } else {
        match access.kind {
            Kind::Load => true,
            Kind::Store => !paging.wp || writable,
            Kind::Fetch => !execute_disabled,
        }
    };
    // "Protection Keys": ADi at bit 2i, WDi at bit 2i + 1
    let rights_register = if user_address { paging.pkru } else { paging.pkrs };
    let key_refuses = match rights_register {
        Some(register) if !fetch => {
            let key = (leaf >> 59 & 15) as u32;
            let (ad, wd) = (register >> (2 * key) & 1 == 1, register >> (2 * key + 1) & 1 == 1);
            ad || (wd && write && (user_mode || paging.wp))
        }
        _ => false,
    };
    if !allowed || key_refuses {
        return page_fault(true, false, key_refuses);
    }
    // "Accessed and Dirty Flags"
    for (depth, slot) in used.iter().enumerate().rev() {
        let Some((at, _)) = *slot else { continue };
        // Read again: a table that names itself uses one entry at several levels.
        let Some(entry) = memory.load_entry(at) else { return Verdict::Bus };
        let dirty = if write && depth as u32 == level { 1 << 6 } else { 0 };
        let new = entry | 1 << 5 | dirty;
        if new != entry && memory.exchange_entry(at, entry, new) != Some(true) {
            return Verdict::Bus;
        }
    }
    let inside = address & ((1 << page_bits) - 1);
    let frame = (leaf & ((1 << 52) - 1)) >> page_bits << page_bits;
    Verdict::Translated(Gpa::new(frame | inside))
}
