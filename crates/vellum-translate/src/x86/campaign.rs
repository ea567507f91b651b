//! Every legal combination of the flags that the architecture defines for a two-level tail: PDE,
//! PTE, the entry above them, control registers, keys and access; each against the reference.
//!
//! `cargo xtask x86-access` goes through all of them, the crate's tests through a sample.

use super::reference::{Verdict, translate};
use super::{Access, Entry, Fault, FaultKind, Paging, walk};
use crate::{Access as Kind, Gfn, Gpa, Gva, Privilege, TableMemory};
use alloc::boxed::Box;
use core::cell::Cell;

/// How many combinations there are.
pub const COUNT: u64 = TAILS * ENVIRONMENTS;

/// PDE without PS (P W U A NX 51) and PTE (P W U A D NX 51 36), or PDE with PS (P W U A D NX 51
/// 36 13).
const TAILS: u64 = SMALL + (1 << 9);
const SMALL: u64 = 1 << (6 + 8);
/// WP, SMEP, NX; SMAP with and without AC; PDPTE's W; physical bits 36 or 40; PKE off or on with no,
/// AD, WD or both; PKS off or on with AD or WD; and eight kinds of access.
const ENVIRONMENTS: u64 = (1 << 3) * 3 * 2 * 2 * 5 * 3 * 8;

/// The protection key of every page here.
const KEY: u32 = 5;
const VA: u64 = 0x1ff;

/// One combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Combination {
    /// PML4E, PDPTE, PDE and PTE.
    pub entries: [u64; 4],
    /// The registers.
    pub paging: Paging,
    /// The access.
    pub access: Access,
}

/// What the walk and the reference said, where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disagreement {
    /// The combination.
    pub combination: Combination,
    /// What the manual says, and the entries after it.
    pub reference: (Verdict, [u64; 4]),
    /// What the walk did, and the entries after it.
    pub walk: (Verdict, [u64; 4]),
}

/// Takes a number apart, digit by digit.
struct Digits(u64);

impl Digits {
    fn next(&mut self, radix: u64) -> u64 {
        let digit = self.0 % radix;
        self.0 /= radix;
        digit
    }

    fn flag(&mut self) -> bool {
        self.next(2) == 1
    }

    /// Those of `flags` that are chosen, one digit each.
    fn flags(&mut self, flags: &[u64]) -> u64 {
        flags.iter().fold(0, |chosen, flag| if self.flag() { chosen | flag } else { chosen })
    }
}

/// Combination `number`, below [`COUNT`].
pub fn combination(number: u64) -> Combination {
    const { assert!(KEY < 16) };
    let mut digits = Digits(number);
    let (kind, privilege, implicit) = match digits.next(8) {
        0 => (Kind::Load, Privilege::User, false),
        1 => (Kind::Store, Privilege::User, false),
        2 => (Kind::Fetch, Privilege::User, false),
        3 => (Kind::Load, Privilege::Supervisor, false),
        4 => (Kind::Store, Privilege::Supervisor, false),
        5 => (Kind::Fetch, Privilege::Supervisor, false),
        6 => (Kind::Load, Privilege::Supervisor, true),
        _ => (Kind::Store, Privilege::Supervisor, true),
    };
    let [wp, smep, nx, pdpte_writable] = [(); 4].map(|()| digits.flag());
    let (smap, ac) = [(false, false), (true, false), (true, true)][digits.next(3) as usize];
    let physical_bits = if digits.flag() { 36 } else { 40 };
    let pkru = digits.next(5).checked_sub(1).map(|rights| (rights as u32) << (2 * KEY));
    let pkrs = digits.next(3).checked_sub(1).map(|right| (right as u32 + 1) << (2 * KEY));
    let paging = Paging {
        wp,
        nx,
        smep,
        smap,
        ac,
        pkru,
        pkrs,
        physical_bits,
        ..Paging::four_level(Gfn::new(1))
    };
    let table = |page, flags| Entry::new(Gfn::new(page), flags).0;
    let (p, w, u, a, d, rsvd) = (Entry::P, Entry::W, Entry::U, Entry::A, Entry::D, 1 << 51);
    let key = u64::from(KEY) << Entry::KEY_SHIFT;
    let tail = digits.next(TAILS);
    let mut digits = Digits(tail);
    let (pde, pte) = if tail < SMALL {
        let pde = digits.flags(&[p, w, u, a, Entry::NX, rsvd]);
        let pte = digits.flags(&[p, w, u, a, d, Entry::NX, rsvd, 1 << 36]);
        (table(4, pde), table(7, pte) | key)
    } else {
        let pde = digits.flags(&[p, w, u, a, d, Entry::NX, rsvd, 1 << 36, 1 << 13]);
        (table(0, pde) | key | Entry::PS, 0)
    };
    let upper = p | u | a | if pdpte_writable { w } else { 0 };
    let entries = [table(2, p | w | u), table(3, upper), pde, pte];
    Combination { entries, paging, access: Access { kind, privilege, implicit } }
}

/// The four entries as memory: the tables are pages 1 to 4, and each entry is its table's first.
struct Four([Cell<u64>; 4]);

impl Four {
    fn cell(&self, at: Gpa) -> Option<&Cell<u64>> {
        (at.page_offset() == 0).then(|| self.0.get((at.gfn().get() as usize).wrapping_sub(1)))?
    }
}

impl TableMemory for Four {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.cell(at).map(Cell::get)
    }

    fn exchange_entry(&self, at: Gpa, current: u64, new: u64) -> Option<bool> {
        let cell = self.cell(at)?;
        let same = cell.get() == current;
        if same {
            cell.set(new);
        }
        Some(same)
    }
}

/// Walks `combination` and asks the reference.
///
/// # Errors
/// They differ, in what they say or in what they leave in memory.
pub fn check(combination: &Combination) -> Result<(), Box<Disagreement>> {
    let Combination { entries, paging, access } = combination;
    let va = Gva::new(VA);
    let (one, other) = (Four(entries.map(Cell::new)), Four(entries.map(Cell::new)));
    let said = translate(&one, paging, va, *access);
    let walked = match walk(&other, paging, va, *access, |_, _, _| {}) {
        Ok(leaf) => Verdict::Translated(Gpa::new(leaf.gfn.base().get() | VA)),
        Err(Fault { kind: FaultKind::Page(code), .. }) => Verdict::PageFault(code.bits()),
        Err(Fault { kind: FaultKind::NotCanonical, .. }) => Verdict::NotCanonical,
        Err(Fault { kind: FaultKind::Bus, .. }) => Verdict::Bus,
    };
    let content = |memory: Four| memory.0.map(Cell::into_inner);
    let (reference, walk) = ((said, content(one)), (walked, content(other)));
    if reference == walk {
        Ok(())
    } else {
        Err(Disagreement { combination: *combination, reference, walk }.into())
    }
}
