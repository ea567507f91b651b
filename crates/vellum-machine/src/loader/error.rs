//! Why a guest can't be loaded, and what to do about it.

use thiserror::Error as ThisError;
use vellum_translate::Gpa;

const MIB: u64 = 1 << 20;

/// A size in the largest unit that it is a whole number of.
fn show(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fits = |&&(_, shift): &&(&str, u32)| bytes != 0 && bytes.trailing_zeros() >= shift;
    match units.iter().find(fits) {
        Some((unit, shift)) => format!("{} {unit}", bytes >> shift),
        None => format!("{bytes} bytes"),
    }
}

/// Why a guest can't be loaded.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum LoadError {
    /// No bytes.
    #[error("the kernel file is empty")]
    Empty,
    /// A kernel of another processor.
    #[error("this is {found}; the machine runs 64-bit RISC-V: use a riscv64 kernel")]
    Architecture {
        /// What it is.
        found: String,
    },
    /// Nothing that is known.
    #[error(
        "the file starts with {start:02x?}, which is neither a RISC-V Linux Image nor an ELF file; \
         load it as flat bytes if that is what it is"
    )]
    Unknown {
        /// Its first bytes.
        start: Vec<u8>,
    },
    /// A compression that is not unpacked here.
    #[error("the kernel is packed with {method}: unpack it first")]
    Packed {
        /// Which.
        method: String,
    },
    /// Damaged gzip.
    #[error("the packed kernel is damaged or cut off after {unpacked} unpacked bytes: {why}")]
    Unpack {
        /// How far it went.
        unpacked: u64,
        /// What the unpacker says.
        why: String,
    },
    /// A file that ends too early.
    #[error("{what} is cut off: it needs {needed} bytes, the file has {found}; fetch it again")]
    Truncated {
        /// Which.
        what: &'static str,
        /// Bytes that there should be.
        needed: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// A header that makes no sense.
    #[error("the kernel's header is damaged: {field} is {value:#x}: {why}")]
    Header {
        /// Which field.
        field: &'static str,
        /// What it holds.
        value: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A kernel for memory that starts elsewhere.
    #[error("the kernel wants to be at {at}, memory starts at {base}: link it for this machine")]
    BelowMemory {
        /// Where.
        at: Gpa,
        /// Where memory starts.
        base: Gpa,
    },
    /// An entry outside memory.
    #[error("the kernel starts at {entry}, where no memory is")]
    Entry {
        /// Where.
        entry: Gpa,
    },
    /// Not enough memory.
    #[error(
        "{what} needs {} MiB of memory, the machine has {}: give it more with --memory",
        .needed.div_ceil(MIB), show(*.memory)
    )]
    MemoryTooSmall {
        /// Which.
        what: &'static str,
        /// Bytes from the start of memory to its end.
        needed: u64,
        /// Bytes of memory.
        memory: u64,
    },
    /// An archive that is damaged.
    #[error("the initrd is damaged at byte {at}: {why}; make it or fetch it again")]
    Initrd {
        /// Where.
        at: u64,
        /// What is wrong.
        why: String,
    },
}
