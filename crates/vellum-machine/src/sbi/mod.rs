//! What the guest may ask of its machine: the *RISC-V Supervisor Binary Interface* 2.0.
//!
//! This module decodes and answers for itself what needs no machine; the monitor carries out the
//! rest. Offered: BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN. Not offered: the legacy calls and PMU (a
//! kernel that finds PMU spends most of its calls on it), SUSP, CPPC.

mod call;
mod hsm;
mod mask;

pub use call::{Call, Console, Fence, Reset, Scope, decode};
pub use hsm::{Hart, HartState, Hsm, Suspend};
pub use mask::{HartMask, Harts};

use thiserror::Error as ThisError;

/// Extension numbers (the chapter of the specification beside each).
pub mod extension {
    /// Chapter 4: what there is.
    pub const BASE: u64 = 0x10;
    /// Chapter 6: the timer.
    pub const TIME: u64 = 0x5449_4d45;
    /// Chapter 7: interrupts between harts.
    pub const IPI: u64 = 0x73_5049;
    /// Chapter 8: fences on other harts.
    pub const RFENCE: u64 = 0x5246_4e43;
    /// Chapter 9: starting and stopping harts.
    pub const HSM: u64 = 0x48_534d;
    /// Chapter 10: reset and power-off.
    pub const SRST: u64 = 0x5352_5354;
    /// Chapter 12: a console for the first messages.
    pub const DBCN: u64 = 0x4442_434e;

    /// Everything that is offered.
    pub const ALL: [u64; 7] = [BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN];
}

/// Version 2.0, in the encoding of section 4.1.
pub const SPEC_VERSION: u64 = 2 << 24;
/// Which implementation this is (section 4.2): not one of those assigned; ASCII `VELL`.
pub const IMPLEMENTATION: u64 = 0x5645_4c4c;
/// Version of the implementation (section 4.3).
pub const IMPLEMENTATION_VERSION: u64 = 1;
/// Bytes that one DBCN call moves at most. A caller is told how many were moved (section 12.1) and
/// asks again.
pub const CONSOLE_LIMIT: u64 = 4096;

/// Error codes (chapter 3, table 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum SbiError {
    /// It did not work.
    #[error("failed")]
    Failed,
    /// There is no such call.
    #[error("not supported")]
    NotSupported,
    /// An argument makes no sense.
    #[error("invalid parameter")]
    InvalidParam,
    /// It is not allowed.
    #[error("denied")]
    Denied,
    /// An address is not there, or not usable.
    #[error("invalid address")]
    InvalidAddress,
    /// It is so already.
    #[error("already available")]
    AlreadyAvailable,
    /// It has been started already.
    #[error("already started")]
    AlreadyStarted,
    /// It has been stopped already.
    #[error("already stopped")]
    AlreadyStopped,
}

impl SbiError {
    /// The number that the guest sees in `a0`.
    pub const fn code(self) -> i64 {
        match self {
            SbiError::Failed => -1,
            SbiError::NotSupported => -2,
            SbiError::InvalidParam => -3,
            SbiError::Denied => -4,
            SbiError::InvalidAddress => -5,
            SbiError::AlreadyAvailable => -6,
            SbiError::AlreadyStarted => -7,
            SbiError::AlreadyStopped => -8,
        }
    }
}

/// The values of `a0` and `a1` that answer a call (chapter 3).
pub fn answer(result: Result<u64, SbiError>) -> [u64; 2] {
    match result {
        Ok(value) => [0, value],
        Err(e) => [e.code() as u64, 0],
    }
}
