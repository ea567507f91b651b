//! Which code: [`BchParams`].

/// The primitive polynomials that the Linux kernel's BCH library takes for m = 5…15 when none is
/// given: the first of each degree in the usual tables (Lin and Costello, *Error Control Coding*,
/// appendix A) but for m = 14, where the kernel takes *x¹⁴ + x⁵ + x³ + x + 1*.
pub(crate) const PRIMITIVE: [u32; 11] =
    [0x25, 0x43, 0x83, 0x11d, 0x211, 0x409, 0x805, 0x1053, 0x201b, 0x402b, 0x8003];

/// What the parity of an erased page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Blank {
    /// Parity is stored as computed. An all-ones page is not a codeword; it is recognised by
    /// counting.
    #[default]
    Plain,
    /// Parity is stored inverted by a mask that makes the all-ones page a codeword, as Linux' NAND
    /// layer does. Take this for NAND: a leak in an erased page is then an ordinary bit error, and
    /// nothing is ambiguous.
    Codeword,
}

/// Which BCH code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BchParams {
    /// Order of the field, 5…15: a codeword has at most 2^m − 1 bits.
    pub m: u32,
    /// Bit errors to correct.
    pub t: usize,
    /// Data bytes of a codeword.
    pub data_len: usize,
    /// The primitive polynomial, bit *i* the coefficient of *x^i*; `None` takes the kernel's.
    pub polynomial: Option<u32>,
    /// What the parity of an erased page is.
    pub blank: Blank,
}

impl BchParams {
    /// The code over GF(2^m) that corrects `t` errors in `data_len` bytes, with the kernel's
    /// polynomial and plain parity.
    #[must_use]
    pub fn new(m: u32, t: usize, data_len: usize) -> Self {
        Self { m, t, data_len, polynomial: None, blank: Blank::Plain }
    }

    /// The same with [`Blank::Codeword`]: what to take for NAND pages.
    #[must_use]
    pub fn nand(m: u32, t: usize, data_len: usize) -> Self {
        Self { blank: Blank::Codeword, ..Self::new(m, t, data_len) }
    }
}
