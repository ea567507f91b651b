//! The monitor: the privileged half of each hart. It holds the state of S-mode, carries out every
//! privileged instruction that the unprivileged hart traps on, and delivers traps to the guest.

mod csr;
mod privileged;
mod supervisor;

pub use supervisor::{Cause, Supervisor};

pub(crate) use privileged::{After, Moment};
