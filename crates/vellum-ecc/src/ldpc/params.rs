//! What an LDPC code is built from.

/// Which LDPC code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LdpcParams {
    /// Bits of a circulant, a multiple of 64.
    pub circulant: usize,
    /// Block rows: parity is that many circulants.
    pub rows: usize,
    /// Block columns, data and parity together.
    pub columns: usize,
    /// Circulants in a data column.
    pub weight: usize,
    /// Iterations after which a decode gives up.
    pub iterations: u32,
}

impl LdpcParams {
    /// 1024 bytes of data and 128 of parity, rate 8/9.
    pub const KIB_1: Self = Self { circulant: 128, ..Self::KIB_4 };
    /// 2048 bytes of data and 256 of parity, rate 8/9.
    pub const KIB_2: Self = Self { circulant: 256, ..Self::KIB_4 };
    /// 4096 bytes of data and 512 of parity, rate 8/9.
    pub const KIB_4: Self =
        Self { circulant: 512, rows: 8, columns: 72, weight: 4, iterations: 30 };
}
