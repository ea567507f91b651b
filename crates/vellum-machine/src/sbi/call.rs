//! From registers to calls.

use super::extension::{ALL, BASE, DBCN, HSM, IPI, RFENCE, SRST, TIME};
use super::{
    CONSOLE_LIMIT, HartMask, IMPLEMENTATION, IMPLEMENTATION_VERSION, SPEC_VERSION, SbiError,
    Suspend,
};
use vellum_translate::{Gpa, Gva};

/// What a remote fence covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every address.
    All,
    /// `bytes` from `start` on; at least one, and not past the end of the address space.
    Range {
        /// First address.
        start: Gva,
        /// Length.
        bytes: u64,
    },
}

/// A fence to be done on other harts (chapter 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// `fence.i`.
    Instructions,
    /// `sfence.vma` over a range, for one address space or for all.
    Translations {
        /// Which addresses.
        scope: Scope,
        /// Which address space; `None` for all.
        asid: Option<u16>,
    },
}

/// What a reset call asks for (section 10.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// Power off.
    Shutdown {
        /// Because something went wrong, says the guest.
        failure: bool,
    },
    /// Start anew, cold or warm.
    Reboot,
}

/// A call of the debug console (chapter 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// Print bytes from guest memory; answer how many.
    Write {
        /// First byte.
        from: Gpa,
        /// How many; at most [`CONSOLE_LIMIT`].
        bytes: u64,
    },
    /// Put input into guest memory, without waiting; answer how many bytes.
    Read {
        /// First byte.
        to: Gpa,
        /// How many fit; at most [`CONSOLE_LIMIT`].
        bytes: u64,
    },
    /// Print one byte; answer 0.
    WriteByte(u8),
}

/// A call that the guest made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Answered already (chapter 4): this is the value.
    Known(u64),
    /// Interrupt the calling hart when `time` reaches this; clear a pending timer interrupt now
    /// (section 6.1). All ones is "never".
    SetTimer(u64),
    /// Raise the software interrupt of these harts (section 7.1).
    SendIpi(HartMask),
    /// A fence on these harts.
    RemoteFence(HartMask, Fence),
    /// Start a stopped hart in supervisor mode at `entry` with `a0` its number, `a1` = `opaque`,
    /// translation off and interrupts disabled (section 9.1).
    HartStart {
        /// Which one, as the guest numbers it; may not exist.
        hart: u64,
        /// Its first instruction.
        entry: Gpa,
        /// What it finds in `a1`.
        opaque: u64,
    },
    /// Stop the calling hart; does not return (section 9.2).
    HartStop,
    /// The state of a hart (section 9.3).
    HartStatus {
        /// Which one, as the guest numbers it; may not exist.
        hart: u64,
    },
    /// Let the calling hart wait for an interrupt (section 9.4).
    HartSuspend(Suspend),
    /// Power off or reboot; does not return (chapter 10).
    Reset(Reset),
    /// The debug console.
    Console(Console),
}

/// Decodes a call: `a7` is the extension, `a6` the function, `a` the values of `a0` to `a5`.
///
/// # Errors
/// [`SbiError::NotSupported`] for a call that is not offered, other codes where the specification
/// names them. The monitor hands the code to the guest by [`super::answer`].
pub fn decode(a7: u64, a6: u64, a: [u64; 6]) -> Result<Call, SbiError> {
    match (a7, a6) {
        (BASE, function) => base(function, a[0]).map(Call::Known),
        (TIME, 0) => Ok(Call::SetTimer(a[0])),
        (IPI, 0) => Ok(Call::SendIpi(HartMask::new(a[0], a[1]))),
        (RFENCE, function) => {
            fence(function, a).map(|f| Call::RemoteFence(HartMask::new(a[0], a[1]), f))
        }
        (HSM, 0) => Ok(Call::HartStart { hart: a[0], entry: Gpa::new(a[1]), opaque: a[2] }),
        (HSM, 1) => Ok(Call::HartStop),
        (HSM, 2) => Ok(Call::HartStatus { hart: a[0] }),
        (HSM, 3) => Suspend::decode(a[0], a[1], a[2]).map(Call::HartSuspend),
        // Types and reasons are 32 bits wide (section 10.1).
        (SRST, 0) => reset(a[0] as u32, a[1] as u32).map(Call::Reset),
        (DBCN, function) => console(function, a).map(Call::Console),
        _ => Err(SbiError::NotSupported),
    }
}

fn base(function: u64, a0: u64) -> Result<u64, SbiError> {
    Ok(match function {
        0 => SPEC_VERSION,
        1 => IMPLEMENTATION,
        2 => IMPLEMENTATION_VERSION,
        3 => u64::from(ALL.contains(&a0)),
        // mvendorid, marchid, mimpid: not implemented (Privileged Architecture, 3.1.2 to 3.1.4).
        4..=6 => 0,
        _ => return Err(SbiError::NotSupported),
    })
}

fn fence(function: u64, a: [u64; 6]) -> Result<Fence, SbiError> {
    let asid = match function {
        0 => return Ok(Fence::Instructions),
        1 => None,
        // An ASID has 16 bits at most; the rest is reserved (Supervisor ISA, 10.1.11).
        2 => Some(u16::try_from(a[4]).map_err(|_| SbiError::InvalidParam)?),
        // 3 to 6 are the hypervisor's.
        _ => return Err(SbiError::NotSupported),
    };
    Ok(Fence::Translations { scope: scope(a[2], a[3])?, asid })
}

/// "If start and size are both 0, or size is all ones, then the whole address space" (chapter 8).
/// A size of 0 elsewhere names nothing; the byte at `start` is the least that a fence covers.
fn scope(start: u64, bytes: u64) -> Result<Scope, SbiError> {
    if bytes == u64::MAX || (start, bytes) == (0, 0) {
        return Ok(Scope::All);
    }
    let bytes = bytes.max(1);
    start.checked_add(bytes - 1).ok_or(SbiError::InvalidAddress)?;
    Ok(Scope::Range { start: Gva::new(start), bytes })
}

fn reset(kind: u32, reason: u32) -> Result<Reset, SbiError> {
    let failure = match reason {
        0 => false,
        1 => true,
        // Reasons of the implementation or the vendor: there are none.
        0xe000_0000.. => return Err(SbiError::NotSupported),
        _ => return Err(SbiError::InvalidParam),
    };
    match kind {
        0 => Ok(Reset::Shutdown { failure }),
        1 | 2 => Ok(Reset::Reboot),
        0xf000_0000.. => Err(SbiError::NotSupported),
        _ => Err(SbiError::InvalidParam),
    }
}

fn console(function: u64, a: [u64; 6]) -> Result<Console, SbiError> {
    let place = || match a[2] {
        // The high half of the address: there is no memory up there.
        0 if a[1].checked_add(a[0]).is_some() => Ok((Gpa::new(a[1]), a[0].min(CONSOLE_LIMIT))),
        _ => Err(SbiError::InvalidParam),
    };
    match function {
        0 => place().map(|(from, bytes)| Console::Write { from, bytes }),
        1 => place().map(|(to, bytes)| Console::Read { to, bytes }),
        2 => Ok(Console::WriteByte(a[0] as u8)),
        _ => Err(SbiError::NotSupported),
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer;
    use super::*;
    use proptest::prelude::*;

    fn decoded(a7: u64, a6: u64, args: &[u64]) -> Result<Call, SbiError> {
        let mut a = [0; 6];
        a[..args.len()].copy_from_slice(args);
        decode(a7, a6, a)
    }

    #[test]
    fn what_linux_asks_first() {
        assert_eq!(decoded(BASE, 0, &[]), Ok(Call::Known(0x0200_0000)));
        for (extension, there) in [
            (TIME, 1),
            (IPI, 1),
            (RFENCE, 1),
            (HSM, 1),
            (SRST, 1),
            (DBCN, 1),
            (0x50_4d55, 0),
            (0, 0),
        ] {
            assert_eq!(decoded(BASE, 3, &[extension]), Ok(Call::Known(there)), "{extension:#x}");
        }
        // Legacy set_timer and PMU's first call.
        assert_eq!(decoded(0, 0, &[5]), Err(SbiError::NotSupported));
        assert_eq!(decoded(0x50_4d55, 0, &[]), Err(SbiError::NotSupported));
    }

    #[test]
    fn fences_and_their_ranges() {
        let all = Fence::Translations { scope: Scope::All, asid: None };
        let mask = HartMask::new(1, 0);
        for (start, size) in [(0, 0), (0x1000, u64::MAX), (0, u64::MAX)] {
            let call = decoded(RFENCE, 1, &[1, 0, start, size]);
            assert_eq!(call, Ok(Call::RemoteFence(mask, all)));
        }
        let scope = Scope::Range { start: Gva::new(0x1000), bytes: 0x2000 };
        assert_eq!(
            decoded(RFENCE, 2, &[1, 0, 0x1000, 0x2000, 7]),
            Ok(Call::RemoteFence(mask, Fence::Translations { scope, asid: Some(7) }))
        );
        // Up to the very last address is allowed, one more is not.
        assert!(decoded(RFENCE, 1, &[1, 0, u64::MAX - 1, 2]).is_ok());
        assert_eq!(decoded(RFENCE, 1, &[1, 0, u64::MAX, 2]), Err(SbiError::InvalidAddress));
        assert_eq!(decoded(RFENCE, 2, &[1, 0, 0, 0, 1 << 16]), Err(SbiError::InvalidParam));
        assert_eq!(decoded(RFENCE, 3, &[1]), Err(SbiError::NotSupported));
    }

    #[test]
    fn resets() {
        let off = Call::Reset(Reset::Shutdown { failure: true });
        assert_eq!(decoded(SRST, 0, &[0, 1]), Ok(off));
        assert_eq!(decoded(SRST, 0, &[2, 0]), Ok(Call::Reset(Reset::Reboot)));
        assert_eq!(decoded(SRST, 0, &[3, 0]), Err(SbiError::InvalidParam));
        assert_eq!(decoded(SRST, 0, &[0, 2]), Err(SbiError::InvalidParam));
        assert_eq!(decoded(SRST, 0, &[0xf000_0000, 0]), Err(SbiError::NotSupported));
    }

    #[test]
    fn the_console_moves_a_bounded_piece() {
        let from = Gpa::new(0x8000_0000);
        assert_eq!(
            decoded(DBCN, 0, &[1 << 40, from.get(), 0]),
            Ok(Call::Console(Console::Write { from, bytes: CONSOLE_LIMIT }))
        );
        assert_eq!(decoded(DBCN, 0, &[1, 0, 1]), Err(SbiError::InvalidParam));
        assert_eq!(decoded(DBCN, 1, &[2, u64::MAX, 0]), Err(SbiError::InvalidParam));
        assert_eq!(decoded(DBCN, 2, &[0x141]), Ok(Call::Console(Console::WriteByte(0x41))));
    }

    #[test]
    fn answers_are_two_registers() {
        assert_eq!(answer(Ok(9)), [0, 9]);
        assert_eq!(answer(Err(SbiError::InvalidParam)), [(-3i64) as u64, 0]);
    }

    proptest! {
        /// Whatever the registers hold, a call is decoded or refused with a code of the table.
        #[test]
        fn any_registers_are_decoded_or_refused(
            a7 in prop_oneof![any::<u64>(), proptest::sample::select(ALL.to_vec())],
            a6 in prop_oneof![any::<u64>(), 0u64..8],
            a: [u64; 6],
        ) {
            match decode(a7, a6, a) {
                Ok(_) => prop_assert!(ALL.contains(&a7)),
                Err(e) => prop_assert!((-8..0).contains(&e.code())),
            }
        }
    }
}
