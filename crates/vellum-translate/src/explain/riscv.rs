//! RISC-V's tables, entry by entry, with the rule that decides at each.

use super::picture::{Explanation, Look, Step, Verdict, kind, letters, rwx, size};
use crate::riscv::{Extensions, Leaf, Mode, Pte, Satp, walk_with};
use crate::{Access, Environment, Fault, FaultKind, Gfn, Gpa, Gva, Privilege, Rights, TableMemory};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Explains the walk of a RISC-V guest's tables for one access, as [`walk_with`] makes it. Costs that
/// walk, and changes nothing.
pub fn riscv_walk<M: TableMemory + ?Sized>(
    memory: &M,
    extensions: Extensions,
    satp: Satp,
    environment: Environment,
    va: Gva,
    access: Access,
) -> Explanation {
    let title = format!("{} of {va} by {}", kind(access), who(environment));
    let mut shown = Explanation::new(title, va, access, (satp.mode.levels(), 9), names);
    let about = match satp.mode {
        Mode::Bare => "no translation".into(),
        mode => format!("{}, root {}, ASID {}", name(mode), satp.root, satp.asid),
    };
    let guest = shown.column("guest", about);
    let mut seen = Vec::new();
    let walked =
        walk_with(&Look(memory), extensions, satp, environment, va, access, |l, at, pte| {
            seen.push((l, at, pte));
        });
    for (level, at, pte) in seen {
        let row = shown.row_of(level);
        shown.pages[row] = Some(at.gfn());
        shown.columns[guest].cells[row].push(step(pte, level, at, extensions, environment, access));
    }
    finish(&mut shown, guest, &walked);
    shown
}

/// The end of a walk through the guest's own tables: the last row, and the sentence.
fn finish(shown: &mut Explanation, guest: usize, walked: &Result<Leaf, Fault>) {
    match walked {
        Ok(leaf) => {
            let last = shown.rows.len() - 1;
            shown.pages[last] = Some(leaf.gfn);
            shown.columns[guest].cells[last].push(page(leaf));
            let at = leaf.gfn.base().get() + shown.va.page_offset() as u64;
            shown.outcome = format!("leads to {}", Gpa::new(at));
        }
        Err(fault) => refuse(shown, guest, fault),
    }
}

/// A fault: the entry that could not be read gets a step of its own.
pub(super) fn refuse(shown: &mut Explanation, column: usize, fault: &Fault) {
    if let (FaultKind::Access, Some(at)) = (fault.kind, fault.entry) {
        let row = shown.row_of(fault.level);
        shown.pages[row] = Some(at.gfn());
        let step = Step::bare(format!("{at}"), "no memory is there", Verdict::Refuses);
        shown.columns[column].cells[row].push(step);
    } else if fault.entry.is_none() {
        let says = "the bits above the address's highest do not all equal it";
        let step = Step::bare("", says, Verdict::Refuses);
        shown.columns[column].cells[0].push(step);
    }
    shown.refused = true;
    shown.outcome = format!("cause {}: {fault}", fault.cause());
}

/// The page, as the guest's tables give it.
pub(super) fn page(leaf: &Leaf) -> Step {
    let mut says = match leaf.level {
        0 => String::from("the page"),
        level => format!("a part of the page of {}", size(level)),
    };
    if leaf.napot {
        says = "a part of a page of 64 KiB".into();
    }
    says.push_str(if leaf.user { ", a user's" } else { ", the supervisor's" });
    if leaf.global {
        says.push_str(", global");
    }
    Step {
        place: format!("{}", leaf.gfn),
        entry: None,
        flags: rwx(leaf.rights),
        says,
        verdict: Verdict::Ends,
    }
}

/// An entry, and what it means for the access.
pub(super) fn step(
    pte: Pte,
    level: u8,
    at: Gpa,
    extensions: Extensions,
    environment: Environment,
    access: Access,
) -> Step {
    let (verdict, says) = match refusal(pte, level, extensions, environment, access) {
        Some(why) => (Verdict::Refuses, why),
        None if !pte.is_leaf() => (Verdict::Leads, format!("the table in {}", pte.gfn())),
        None => {
            let mut says = format!("a page of {}, from {}", size(level), pte.gfn());
            if pte.has(Pte::N) {
                let first = Gfn::new(pte.gfn().get() & !0xf);
                says = format!("one of 16 entries of a page of 64 KiB, from {first}");
            }
            match pte.lacks(access) {
                0 => {}
                Pte::D => says.push_str("; the walk sets D"),
                Pte::A => says.push_str("; the walk sets A"),
                _ => says.push_str("; the walk sets A and D"),
            }
            (Verdict::Ends, says)
        }
    };
    Step { place: format!("{at}"), entry: Some(pte.0), flags: flags(pte), says, verdict }
}

/// Why an entry refuses an access: the rules of the privileged specification's "Virtual Address
/// Translation Process", in its order.
pub(super) fn refusal(
    pte: Pte,
    level: u8,
    extensions: Extensions,
    environment: Environment,
    access: Access,
) -> Option<String> {
    if !pte.has(Pte::V) {
        return Some("not valid".into());
    }
    if pte.0 & (Pte::R | Pte::W) == Pte::W {
        return Some("reserved: W without R".into());
    }
    let reserved = pte.0 & extensions.reserved();
    if reserved != 0 {
        return Some(format!("reserved: bit {} is set", reserved.trailing_zeros()));
    }
    if pte.0 & Pte::PBMT == Pte::PBMT {
        return Some("reserved: memory type 3".into());
    }
    if !pte.is_leaf() {
        if pte.0 & (Pte::N | Pte::PBMT) != 0 {
            return Some("reserved: N or a memory type where a table is named".into());
        }
        if level == 0 {
            return Some("names a table at the lowest level".into());
        }
        return pte.is_bad_pointer().then(|| "reserved: D, A or U where a table is named".into());
    }
    if pte.is_misaligned(level) {
        return Some(format!(
            "misaligned: {} is not the first of a {} page",
            pte.gfn(),
            size(level)
        ));
    }
    if pte.is_bad_napot(level) {
        return Some("reserved: N with another size than 64 KiB".into());
    }
    match environment.privilege {
        Privilege::User if !pte.has(Pte::U) => {
            return Some("the supervisor's page: U is clear".into());
        }
        Privilege::Supervisor if pte.has(Pte::U) && access == Access::Fetch => {
            return Some("a user's page, from which S-mode never fetches".into());
        }
        Privilege::Supervisor if pte.has(Pte::U) && !environment.sum => {
            return Some("a user's page, and SUM is clear".into());
        }
        _ => {}
    }
    let rights = environment.allows(pte.rights(), pte.has(Pte::U));
    if !rights.contains(access.right()) {
        let mxr = access == Access::Load && pte.rights().contains(Rights::EXECUTE);
        let hint = if mxr { ", and MXR is clear" } else { "" };
        return Some(format!("no right to {}{hint}", kind(access)));
    }
    match pte.lacks(access) {
        _ if extensions.svadu => None,
        0 => None,
        Pte::D => Some("D is clear, and the guest sets it itself (Svade)".into()),
        _ => Some("A is clear, and the guest sets it itself (Svade)".into()),
    }
}

/// Bits 7 to 0 as the specification's figure has them, and what is set above bit 53.
fn flags(pte: Pte) -> String {
    const LOW: [(u64, char); 8] = [
        (Pte::D, 'D'),
        (Pte::A, 'A'),
        (Pte::G, 'G'),
        (Pte::U, 'U'),
        (Pte::X, 'X'),
        (Pte::W, 'W'),
        (Pte::R, 'R'),
        (Pte::V, 'V'),
    ];
    let mut text = letters(pte.0, &LOW);
    if pte.has(Pte::N) {
        text.push_str(" N");
    }
    if pte.0 & Pte::PBMT != 0 {
        text.push_str(&format!(" PBMT {}", pte.0 >> 61 & 3));
    }
    if pte.0 >> 8 & 3 != 0 {
        text.push_str(&format!(" RSW {}", pte.0 >> 8 & 3));
    }
    text
}

/// Level and field, as the specification names them.
pub(super) fn names(level: u8) -> (String, String) {
    (format!("level {level}"), format!("VPN[{level}]"))
}

pub(super) const fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Bare => "Bare",
        Mode::Sv39 => "Sv39",
        Mode::Sv48 => "Sv48",
        Mode::Sv57 => "Sv57",
    }
}

pub(super) fn who(environment: Environment) -> String {
    let mut text = String::from(match environment.privilege {
        Privilege::User => "U-mode",
        Privilege::Supervisor => "S-mode",
    });
    if environment.sum && environment.privilege == Privilege::Supervisor {
        text.push_str(", SUM set");
    }
    if environment.mxr {
        text.push_str(", MXR set");
    }
    text
}
