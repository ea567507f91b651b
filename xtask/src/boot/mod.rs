//! `cargo xtask boot`: a machine, a guest, a console, and what happened.

mod keys;
mod script;
mod size;
mod terminal;
