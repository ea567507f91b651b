//! Walks to look at: every entry on the way of one access, what it says and why the walk goes on or
//! ends there, with the guest's tables, the host's and the shadow's side by side.
//!
//! [`riscv_walk`], [`two_stage_walk`] and [`x86_walk`] make an [`Explanation`] of the tables alone;
//! [`Explanation::add_host`] and [`Explanation::add_shadow`] put a virtual machine's other tables
//! beside them. It prints as text ([`core::fmt::Display`]) or as a drawing ([`Explanation::svg`]), and
//! its fields are there for whoever draws it in another way. Nothing is changed: where the walk would
//! set an accessed or dirty bit, the explanation says so and leaves it.
//!
//! ```
//! use std::sync::atomic::AtomicU64;
//! use vellum_translate::riscv::{Extensions, Mode, Pte, Satp};
//! use vellum_translate::{Access, Environment, Gfn, Gpa, Gva, Words, explain};
//!
//! let words: Vec<AtomicU64> = (0..3 * 512).map(|_| AtomicU64::new(0)).collect();
//! let tables = Words::new(Gpa::new(0), &words);
//! words[0].store(Pte::table(Gfn::new(1)).0, std::sync::atomic::Ordering::Relaxed);
//! let satp = Satp { mode: Mode::Sv39, asid: 0, root: Gfn::new(0) };
//! let (s, va) = (Environment::SUPERVISOR, Gva::new(0x5123));
//! let walk = explain::riscv_walk(&tables, Extensions::NONE, satp, s, va, Access::Load);
//! assert!(walk.to_string().contains("not valid"));
//! assert!(walk.svg().starts_with("<svg"));
//! ```

mod host;
mod picture;
mod riscv;
mod shadow;
mod svg;
mod text;
mod two_stage;
mod x86;

pub use picture::{Column, Explanation, Field, Row, Step, Verdict};
pub use riscv::riscv_walk;
pub use two_stage::two_stage_walk;
pub use x86::x86_walk;
