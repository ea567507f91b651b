//! How a call can be wrong.

use thiserror::Error;

/// A call that no reading of the medium explains: a buffer of the wrong length, or a code that
/// cannot exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EccError {
    /// The data buffer does not fit the code.
    #[error("data of {found} bytes, the code takes {expected}")]
    DataLength {
        /// The length given.
        found: usize,
        /// The length the code takes.
        expected: usize,
    },
    /// The parity buffer does not fit the code.
    #[error("parity of {found} bytes, the code has {expected}")]
    ParityLength {
        /// The length given.
        found: usize,
        /// The length of the code's parity.
        expected: usize,
    },
    /// A batch whose data and parity hold different numbers of codewords.
    #[error(
        "batch of {data} data bytes and {parity} parity bytes is not whole codewords of {data_len} + {parity_len}"
    )]
    BatchLength {
        /// Length of the data given.
        data: usize,
        /// Length of the parity given.
        parity: usize,
        /// Data bytes of a codeword.
        data_len: usize,
        /// Parity bytes of a codeword.
        parity_len: usize,
    },
    /// The Galois field's order is outside 5..=15.
    #[error("field order {m} is outside 5..=15")]
    FieldOrder {
        /// The order asked for.
        m: u32,
    },
    /// The polynomial does not generate all of the field's non-zero elements.
    #[error("polynomial {polynomial:#x} is not primitive of degree {m}")]
    NotPrimitive {
        /// The polynomial asked for, bit *i* the coefficient of *x^i*.
        polynomial: u32,
        /// The degree it should have.
        m: u32,
    },
    /// A code that corrects `t` errors does not fit the field.
    #[error("{t} errors need {parity_bits} parity bits, the field of order {m} has {field_bits}")]
    Strength {
        /// Errors to correct.
        t: usize,
        /// Field order.
        m: u32,
        /// Parity bits that `t` asks for: *m·t*.
        parity_bits: usize,
        /// Bits of the longest codeword: *2^m − 1*.
        field_bits: usize,
    },
    /// Data and parity together are longer than the code allows.
    #[error(
        "codeword of {data_len} data bytes and {parity_bits} parity bits exceeds {max_bits} bits"
    )]
    TooLong {
        /// Data bytes asked for.
        data_len: usize,
        /// Parity bits of the code.
        parity_bits: usize,
        /// The longest codeword in bits.
        max_bits: usize,
    },
    /// A [`FixedBch`](crate::FixedBch) whose sizes do not fit its code.
    #[error("{found} {what}, the code takes {expected}")]
    Fixed {
        /// Which size.
        what: &'static str,
        /// The size given.
        found: usize,
        /// The size that the code takes.
        expected: usize,
    },
    /// More pages than a stripe can have.
    #[error("stripe of {pages} pages, at most 255 are possible")]
    Stripe {
        /// Pages given.
        pages: usize,
    },
    /// More pages of a stripe are lost than its parity can bring back.
    #[error("{pages} pages lost with {parity} pages of parity at hand")]
    Lost {
        /// Pages lost.
        pages: usize,
        /// Pages of parity at hand.
        parity: usize,
    },
    /// A quasi-cyclic code with these dimensions cannot be built.
    #[error("no quasi-cyclic code of {rows} x {columns} circulants of {circulant} bits: {why}")]
    Construction {
        /// Block rows asked for.
        rows: usize,
        /// Block columns asked for.
        columns: usize,
        /// Circulant size asked for.
        circulant: usize,
        /// What is wrong with them.
        why: &'static str,
    },
}
