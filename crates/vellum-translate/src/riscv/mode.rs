//! The paging modes and `satp`.

use crate::{Gfn, Gva};

/// A paging mode: the `MODE` field of `satp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// No translation: a virtual address is a physical one.
    Bare,
    /// Three levels, 39 bits.
    Sv39,
    /// Four levels, 48 bits.
    Sv48,
    /// Five levels, 57 bits.
    Sv57,
}

impl Mode {
    /// Levels of tables; 0 for [`Mode::Bare`].
    #[inline]
    pub const fn levels(self) -> u8 {
        match self {
            Mode::Bare => 0,
            Mode::Sv39 => 3,
            Mode::Sv48 => 4,
            Mode::Sv57 => 5,
        }
    }

    /// Whether the bits above the mode's address bits equal the topmost of them.
    #[inline]
    pub const fn is_canonical(self, va: Gva) -> bool {
        match self {
            Mode::Bare => true,
            _ => {
                let unused = 64 - (12 + 9 * self.levels() as u32);
                ((va.get() as i64) << unused >> unused) as u64 == va.get()
            }
        }
    }

    /// The `MODE` field's value.
    pub const fn field(self) -> u64 {
        match self {
            Mode::Bare => 0,
            Mode::Sv39 => 8,
            Mode::Sv48 => 9,
            Mode::Sv57 => 10,
        }
    }

    /// The mode with this `MODE` field.
    pub const fn from_field(field: u64) -> Option<Mode> {
        match field {
            0 => Some(Mode::Bare),
            8 => Some(Mode::Sv39),
            9 => Some(Mode::Sv48),
            10 => Some(Mode::Sv57),
            _ => None,
        }
    }
}

/// The register `satp`, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Satp {
    /// The paging mode.
    pub mode: Mode,
    /// Address space identifier, 16 bits.
    pub asid: u16,
    /// The root table.
    pub root: Gfn,
}

impl Satp {
    /// No translation.
    pub const BARE: Satp = Satp { mode: Mode::Bare, asid: 0, root: Gfn::new(0) };

    /// Takes a register value apart; `None` for a mode that does not exist.
    pub const fn from_bits(bits: u64) -> Option<Satp> {
        match Mode::from_field(bits >> 60) {
            Some(mode) => Some(Satp {
                mode,
                asid: (bits >> 44) as u16,
                root: Gfn::new(bits & ((1 << 44) - 1)),
            }),
            None => None,
        }
    }

    /// The register's value.
    pub const fn bits(self) -> u64 {
        self.mode.field() << 60 | (self.asid as u64) << 44 | self.root.get()
    }
}
