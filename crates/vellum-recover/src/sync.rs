//! The primitives of concurrency that the group commit is made of, in one place so that a model
//! checker's can stand in for them (`tests/group.rs` includes `group.rs` with shuttle's).

pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
pub(crate) use std::thread::yield_now;
