//! x86-64's tables, entry by entry, and the rights of the whole path.

use super::picture::{Explanation, Look, Step, Verdict, kind, letters, rwx, size};
use crate::x86::{Access, Entry, ErrorCode, Fault, FaultKind, Leaf, Paging, walk};
use crate::{Access as Kind, Gpa, Gva, Privilege, TableMemory};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Explains the walk of an x86-64 guest's tables for one access, as [`walk`] makes it. Costs that
/// walk, and changes nothing.
pub fn x86_walk<M: TableMemory + ?Sized>(
    memory: &M,
    paging: &Paging,
    va: Gva,
    access: Access,
) -> Explanation {
    let who = match (access.privilege, access.implicit) {
        (Privilege::User, _) => "user mode",
        (Privilege::Supervisor, false) => "supervisor mode",
        (Privilege::Supervisor, true) => "the processor itself",
    };
    let title = format!("{} of {va} by {who}", kind(access.kind));
    let mut shown = Explanation::new(title, va, access.kind, (paging.levels, 9), names);
    let about = format!("{} levels, root {}, {}", paging.levels, paging.root, registers(paging));
    let guest = shown.column("guest", about);
    let mut seen = Vec::new();
    let walked = walk(&Look(memory), paging, va, access, |level, at, entry| {
        seen.push((level, at, entry));
    });
    let reserved = paging.reserved();
    for (level, at, entry) in seen {
        let row = shown.row_of(level);
        shown.pages[row] = Some(at.gfn());
        let (verdict, says) = if !entry.has(Entry::P) {
            (Verdict::Refuses, "not present".into())
        } else if paging.is_reserved(entry, level, reserved) {
            (Verdict::Refuses, "a reserved bit is set".into())
        } else if entry.is_leaf(level) {
            let says = format!("a page of {}, from {}", size(level), entry.page(level));
            (Verdict::Ends, says)
        } else {
            (Verdict::Leads, format!("the table in {}", entry.table()))
        };
        let step = Step {
            place: format!("{at}"),
            entry: Some(entry.0),
            flags: flags(entry, level),
            says,
            verdict,
        };
        shown.columns[guest].cells[row].push(step);
    }
    match walked {
        Ok(leaf) => {
            let last = shown.rows.len() - 1;
            shown.pages[last] = Some(leaf.gfn);
            shown.columns[guest].cells[last].push(page(&leaf, paging, access));
            let at = leaf.gfn.base().get() + va.page_offset() as u64;
            shown.outcome = format!("leads to {}", Gpa::new(at));
        }
        Err(fault) => refuse(&mut shown, guest, paging, &fault),
    }
    shown
}

fn refuse(shown: &mut Explanation, guest: usize, paging: &Paging, fault: &Fault) {
    let last = shown.rows.len() - 1;
    let (row, step) = match (fault.kind, fault.entry) {
        (FaultKind::NotCanonical, _) => {
            let says = "not canonical: the bits above the address's highest do not all equal it";
            (Some(0), Step::bare("", says, Verdict::Refuses))
        }
        (FaultKind::Bus, at) => {
            let place = at.map_or(String::new(), |at| format!("{at}"));
            let row = shown.row_of(fault.level);
            shown.pages[row] = at.map(Gpa::gfn);
            (Some(row), Step::bare(place, "no memory is there", Verdict::Refuses))
        }
        // Every entry is fine; what they allow together is too little.
        (FaultKind::Page(code), _)
            if code.contains(ErrorCode::PRESENT) && !code.contains(ErrorCode::RESERVED) =>
        {
            let says = why(paging, fault, code);
            (Some(last), Step::bare("rights of the path", says, Verdict::Refuses))
        }
        (FaultKind::Page(_), _) => (None, Step::bare("", "", Verdict::Refuses)),
    };
    if let Some(row) = row {
        shown.columns[guest].cells[row].push(step);
    }
    shown.refused = true;
    shown.outcome = format!("vector {}: {fault}", fault.vector());
}

/// Which of the rules of "Determination of Access Rights" and "Protection Keys" refuses.
fn why(paging: &Paging, fault: &Fault, code: ErrorCode) -> String {
    let user = fault.access.privilege == Privilege::User;
    if code.contains(ErrorCode::KEY) {
        return "the page's protection key refuses".into();
    }
    match (user, fault.access.kind) {
        (true, _) => "U/S, R/W or NX of some entry refuses user mode".into(),
        (false, Kind::Fetch) => "NX of some entry, or SMEP on a user page, refuses".into(),
        (false, Kind::Load) => "a user page, and SMAP is set without AC".into(),
        (false, Kind::Store) if paging.smap => {
            "R/W is clear in some entry with WP set, or SMAP refuses a user page".into()
        }
        (false, Kind::Store) => "R/W is clear in some entry, and WP is set".into(),
    }
}

/// The page, with the rights of the whole path.
fn page(leaf: &Leaf, paging: &Paging, access: Access) -> Step {
    let rights = leaf.allows(paging, access.privilege, access.implicit);
    let user = if leaf.user { "a user's" } else { "the supervisor's" };
    let global = if leaf.global { ", global" } else { "" };
    Step {
        place: format!("{}", leaf.gfn),
        entry: None,
        flags: rwx(rights),
        says: format!("{user} by the whole path{global}"),
        verdict: Verdict::Ends,
    }
}

/// The flags as the manual's figures order them, from bit 63 down.
fn flags(entry: Entry, level: u8) -> String {
    const ALL: [(u64, char); 10] = [
        (Entry::NX, 'X'),
        (Entry::G, 'G'),
        (Entry::PS, 'S'),
        (Entry::D, 'D'),
        (Entry::A, 'A'),
        (Entry::PCD, 'C'),
        (Entry::PWT, 'T'),
        (Entry::U, 'U'),
        (Entry::W, 'W'),
        (Entry::P, 'P'),
    ];
    let mut text = letters(entry.0, &ALL);
    if entry.is_leaf(level) && entry.key() != 0 {
        text.push_str(&format!(" key {}", entry.key()));
    }
    text
}

/// The control bits that are set.
fn registers(paging: &Paging) -> String {
    let bits = [
        (paging.wp, "WP"),
        (paging.nx, "NXE"),
        (paging.smep, "SMEP"),
        (paging.smap, "SMAP"),
        (paging.ac, "AC"),
        (paging.pkru.is_some(), "PKE"),
        (paging.pkrs.is_some(), "PKS"),
    ];
    let set: Vec<&str> = bits.iter().filter(|(set, _)| *set).map(|&(_, name)| name).collect();
    set.join(" ")
}

/// Level and field, as the manual names them.
fn names(level: u8) -> (String, String) {
    let name = ["PT", "PD", "PDPT", "PML4", "PML5"][usize::from(level.min(4))];
    (name.into(), format!("{name} index"))
}
