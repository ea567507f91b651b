//! Registers by the names of the calling convention.

use core::fmt;

/// An integer register, 0–31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct X(pub u8);

/// A floating-point register, 0–31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct F(pub u8);

macro_rules! registers {
    ($kind:ident, $names:ident: $($constant:ident $number:literal $name:literal,)*) => {
        $(#[doc = concat!("`", $name, "`")] pub const $constant: $kind = $kind($number);)*

        /// The names, by number.
        pub(crate) const $names: [&str; 32] = [$($name),*];

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($names[usize::from(self.0 & 31)])
            }
        }
    };
}

registers! { X, X_NAMES:
    ZERO 0 "zero", RA 1 "ra", SP 2 "sp", GP 3 "gp", TP 4 "tp", T0 5 "t0", T1 6 "t1", T2 7 "t2",
    S0 8 "s0", S1 9 "s1", A0 10 "a0", A1 11 "a1", A2 12 "a2", A3 13 "a3", A4 14 "a4", A5 15 "a5",
    A6 16 "a6", A7 17 "a7", S2 18 "s2", S3 19 "s3", S4 20 "s4", S5 21 "s5", S6 22 "s6", S7 23 "s7",
    S8 24 "s8", S9 25 "s9", S10 26 "s10", S11 27 "s11", T3 28 "t3", T4 29 "t4", T5 30 "t5",
    T6 31 "t6",
}

registers! { F, F_NAMES:
    FT0 0 "ft0", FT1 1 "ft1", FT2 2 "ft2", FT3 3 "ft3", FT4 4 "ft4", FT5 5 "ft5", FT6 6 "ft6",
    FT7 7 "ft7", FS0 8 "fs0", FS1 9 "fs1", FA0 10 "fa0", FA1 11 "fa1", FA2 12 "fa2", FA3 13 "fa3",
    FA4 14 "fa4", FA5 15 "fa5", FA6 16 "fa6", FA7 17 "fa7", FS2 18 "fs2", FS3 19 "fs3",
    FS4 20 "fs4", FS5 21 "fs5", FS6 22 "fs6", FS7 23 "fs7", FS8 24 "fs8", FS9 25 "fs9",
    FS10 26 "fs10", FS11 27 "fs11", FT8 28 "ft8", FT9 29 "ft9", FT10 30 "ft10", FT11 31 "ft11",
}
