//! Two stages of RISC-V's tables: beside each entry of the first, the second stage's walk to it.

use super::picture::{Explanation, Look, Step, Verdict, kind};
use super::riscv::{name, names, page, refuse, step, who};
use crate::riscv::{Mode, TwoStage, walk_two_stage};
use crate::{Access, Environment, Gpa, Gva, Privilege, Stage, TableMemory};
use alloc::format;
use alloc::vec::Vec;

/// Explains the walk of both stages for one access, as [`walk_two_stage`] makes it: in each row the
/// second stage's entries on the way to the first stage's. Costs that walk, and changes nothing.
pub fn two_stage_walk<M: TableMemory + ?Sized>(
    memory: &M,
    state: &TwoStage,
    va: Gva,
    access: Access,
) -> Explanation {
    let (vsatp, hgatp) = (state.vsatp, state.hgatp);
    let mut environment = state.environment;
    environment.mxr |= state.mxr;
    let title = format!("{} of {va} by V{}", kind(access), who(environment));
    let mut shown = Explanation::new(title, va, access, (vsatp.mode.levels(), 9), names);
    let about = |mode, root, four, number| match mode {
        Mode::Bare => "no translation".into(),
        mode => format!("{}{four}, root {root}, {number}", name(mode)),
    };
    let first_about = about(vsatp.mode, vsatp.root, "", format!("ASID {}", vsatp.asid));
    let first = shown.column("first stage", first_about);
    let second_about = about(hgatp.mode, hgatp.root, "x4", format!("VMID {}", hgatp.vmid));
    let second = shown.column("second stage", second_about);

    let mut seen = Vec::new();
    let walked = walk_two_stage(&Look(memory), state, va, access, |entry| seen.push(entry));
    // "as though accessed in U-mode"
    let user = Environment { privilege: Privilege::User, sum: false, mxr: state.mxr };
    // The second stage's entries come before the first stage's that they lead to, or the page.
    let top = shown.row_of(vsatp.mode.levels().saturating_sub(1));
    let mut row = if vsatp.mode == Mode::Bare { shown.rows.len() - 1 } else { top };
    // The row of a leaf whose accessed or dirty bit the walk sets: a store to the entry, for which the
    // second stage is walked again before it is for the page.
    let mut update = None;
    let mut reference = (row, access);
    for (stage, level, at, pte) in seen {
        match stage {
            Stage::Second => {
                if level + 1 == hgatp.mode.levels() {
                    let last = row + 1 == shown.rows.len();
                    let reads = (row, if last { access } else { Access::Load });
                    reference = update.take().map_or(reads, |leaf| (leaf, Access::Store));
                }
                let (row, kind) = reference;
                let mut step = step(pte, level, at, state.second, user, kind);
                step.place = format!("level {level}, {at}");
                shown.columns[second].cells[row].push(step);
            }
            Stage::First => {
                row = shown.row_of(level);
                let mut step = step(pte, level, at, state.first, environment, access);
                if step.verdict == Verdict::Leads {
                    row += 1;
                } else {
                    row = shown.rows.len() - 1;
                }
                step.place = format!("guest physical {:#x}", at.get());
                let own = shown.row_of(level);
                if step.verdict == Verdict::Ends && pte.lacks(access) != 0 {
                    update = Some(own);
                }
                shown.columns[first].cells[own].push(step);
            }
        }
    }
    let last = shown.rows.len() - 1;
    match &walked {
        Ok(leaf) => {
            shown.columns[first].cells[last].push(page(&leaf.first));
            let mut physical = page(&leaf.second);
            physical.place = format!("physical {}", leaf.second.gfn);
            physical.says = "what both stages allow".into();
            physical.flags = super::picture::rwx(leaf.rights);
            shown.columns[second].cells[last].push(physical);
            let at = leaf.second.gfn.base().get() + va.page_offset() as u64;
            shown.outcome = format!("leads to physical {:#x}", at);
        }
        Err(fault) if fault.stage == Stage::Second => {
            if fault.entry.is_none() {
                let at = fault.gpa.unwrap_or(Gpa::new(0));
                let says = "the guest physical address has bits above the second stage's reach";
                let step = Step::bare(format!("{at}"), says, Verdict::Refuses);
                shown.columns[second].cells[row.min(last)].push(step);
            }
            shown.refused = true;
            shown.outcome = format!("cause {}: {fault}", fault.cause());
        }
        Err(fault) => refuse(&mut shown, first, fault),
    }
    shown
}
