//! Beside a guest's tables: what a policy keeps of them and of the host table together.

use super::picture::{Explanation, Step, Verdict, rwx};
use crate::shadow::{Kept, Key, Trail};
use alloc::format;
use alloc::string::String;

impl Explanation {
    /// Adds a column: what is kept for the address ([`Policy::trail`](crate::shadow::Policy::trail)),
    /// under a policy called `name`.
    pub fn add_shadow(&mut self, name: &str, trail: &[Trail]) {
        let column = self.column("shadow", format!("kept by the policy: {name}"));
        let last = self.rows.len() - 1;
        for entry in trail {
            let row = if entry.page.is_some() { self.row_of(entry.level) } else { last };
            self.columns[column].cells[row].push(step(entry));
            if let Kept::Leaf(known) = entry.kept
                && row != last
            {
                let says = match known.rights.is_empty() {
                    true => "the host is to be asked".into(),
                    false => format!("{} of the host", known.frame),
                };
                let step = Step {
                    place: format!("{}", known.gfn),
                    entry: None,
                    flags: rwx(known.rights),
                    says,
                    verdict: Verdict::Ends,
                };
                self.columns[column].cells[last].push(step);
            }
        }
        if trail.is_empty() {
            let step = Step::bare("", "nothing is kept for this address", Verdict::Nothing);
            self.columns[column].cells[0].push(step);
        }
    }
}

fn step(entry: &Trail) -> Step {
    let place = match entry.page {
        Some(page) => format!("{}, slot {:#x}", key(page), entry.slot),
        None => format!("set {:#x}", entry.slot),
    };
    match entry.kept {
        Kept::Nothing => {
            Step::bare(place, "empty: the guest's tables are walked", Verdict::Nothing)
        }
        Kept::Link(to) => Step::bare(place, format!("on to the {}", key(to)), Verdict::Leads),
        Kept::Walk(table) => {
            let says = format!("the table in {table} is walked itself");
            Step::bare(place, says, Verdict::Leads)
        }
        Kept::Leaf(known) => {
            let global = if known.global { ", global" } else { "" };
            let user = if known.user { "a user's" } else { "the supervisor's" };
            let large = match known.run {
                0 => "",
                1 => ", 2 MiB in one entry",
                _ => ", 1 GiB in one entry",
            };
            let says = format!("guest allows {}, {user}{global}{large}", rwx(known.guest));
            Step { place, entry: None, flags: rwx(known.rights), says, verdict: Verdict::Ends }
        }
    }
}

fn key(key: Key) -> String {
    match key {
        Key::Table { gfn, .. } => format!("shadow of {gfn}"),
        Key::Piece { base, .. } => format!("piece from {base}"),
    }
}
