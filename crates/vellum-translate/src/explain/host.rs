//! Beside a guest's tables: the host table's entry for each page that they lie in, and for the page
//! that they lead to.

use super::picture::{Explanation, Step, Verdict, rwx};
use crate::host::{Guard, HostEntry, HostTable, Resolved};
use crate::{Gfn, Rights};
use alloc::format;
use alloc::string::String;

impl Explanation {
    /// Adds a column: what the host table has for each page on the way, and why it withholds what it
    /// withholds. `guard` names a reason.
    pub fn add_host(&mut self, host: &HostTable, guard: impl Fn(Guard) -> String) {
        let about = format!("guest page to frame, {} pages", host.pages());
        let column = self.column("host", about);
        for row in 0..self.rows.len() {
            if let Some(page) = self.pages[row] {
                let last = row + 1 == self.rows.len();
                let needed = if last { self.access.right() } else { Rights::READ };
                let step = step(host, page, needed, &guard);
                self.columns[column].cells[row].push(step);
            }
        }
    }
}

fn step(host: &HostTable, page: Gfn, needed: Rights, guard: &dyn Fn(Guard) -> String) -> Step {
    let path = host.path(page);
    let place: String = path.indices.iter().map(|index| format!("[{index:#x}]")).collect();
    let shared = if path.shared { ", by a node that is shared" } else { "" };
    let place = format!("{page} {place}");
    match host.resolve(page) {
        Resolved::Frame { frame, rights, .. } => {
            let HostEntry::Frame { rights: entry, .. } = host.get(page) else {
                return Step::bare(place, "", Verdict::Nothing);
            };
            let mut says = format!("{frame}{shared}");
            if frame.is_zero_frame() {
                says = format!("never written: the zero frame{shared}");
            }
            let guards = host.guards(page);
            for reason in guards.iter() {
                says.push_str(&format!("; guard {}: {}", reason.bit(), guard(reason)));
            }
            if entry.contains(Rights::WRITE) && !rights.contains(Rights::WRITE) && guards.is_empty()
            {
                says.push_str("; a copy is due before it is written");
            }
            let granted = rights.contains(needed);
            let verdict = if granted { Verdict::Ends } else { Verdict::Refuses };
            Step { place, entry: None, flags: rwx(rights), says, verdict }
        }
        Resolved::Absent { owner, token } => {
            let says = format!("absent: owner {} has it as {:#x}", owner.0, token.get());
            Step::bare(place, says, Verdict::Nothing)
        }
        Resolved::Hole => Step::bare(place, "no memory", Verdict::Refuses),
    }
}
