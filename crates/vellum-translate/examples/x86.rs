//! Walks x86-64 tables as a supervisor and as a user, under WP, SMEP and SMAP, and prints what each
//! access would get; the last refusal is shown entry by entry.
//!
//! `cargo run -p vellum-translate --example x86`

use std::sync::atomic::{AtomicU64, Ordering};
use vellum_translate::x86::{Access, Entry, Paging, walk};
use vellum_translate::{Access as Kind, Gfn, Gpa, Gva, Privilege, Words, explain};

fn main() {
    let words: Vec<AtomicU64> = (0..4 * 512).map(|_| AtomicU64::new(0)).collect();
    let set = |page: usize, index: usize, entry: Entry| {
        words[page * 512 + index].store(entry.0, Ordering::Relaxed);
    };
    let all = Entry::P | Entry::W | Entry::U;
    for page in 0..3 {
        set(page, 0, Entry::new(Gfn::new(page as u64 + 1), all));
    }
    set(3, 0, Entry::new(Gfn::new(0x100), Entry::P | Entry::NX));
    set(3, 1, Entry::new(Gfn::new(0x101), all | Entry::NX));
    set(3, 2, Entry::new(Gfn::new(0x102), Entry::P));
    let memory = Words::new(Gpa::new(0), &words);

    let paging = Paging { smep: true, smap: true, ..Paging::four_level(Gfn::new(0)) };
    for (name, va) in [("kernel data", 0x10), ("user data", 0x1010), ("kernel code", 0x2010)] {
        for privilege in [Privilege::Supervisor, Privilege::User] {
            for kind in [Kind::Load, Kind::Store, Kind::Fetch] {
                let access = Access::new(kind, privilege);
                match walk(&memory, &paging, Gva::new(va), access, |_, _, _| {}) {
                    Ok(leaf) => println!("{name}: {kind:?} by {privilege:?}: {}", leaf.gfn),
                    Err(fault) => println!("{name}: vector {}: {fault}", fault.vector()),
                }
            }
        }
    }
    let access = Access::new(Kind::Load, Privilege::Supervisor);
    println!("\n{}", explain::x86_walk(&memory, &paging, Gva::new(0x1010), access));
}
