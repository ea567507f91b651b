//! Guest addresses. Three spaces, three types; none converts to another by itself.

use vellum_frames::{PAGE_SHIFT, PAGE_SIZE};

macro_rules! address {
    ($(#[$doc:meta])* $name:ident, $short:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The address with this value.
            #[inline]
            pub const fn new(address: u64) -> Self {
                $name(address)
            }

            /// Its value.
            #[inline]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// Bytes from the start of its page.
            #[inline]
            pub const fn page_offset(self) -> usize {
                (self.0 & (PAGE_SIZE as u64 - 1)) as usize
            }

            /// The address `bytes` further on, if there is one.
            #[inline]
            pub const fn checked_add(self, bytes: u64) -> Option<Self> {
                match self.0.checked_add(bytes) {
                    Some(sum) => Some($name(sum)),
                    None => None,
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!($short, " {:#x}"), self.0)
            }
        }
    };
}

address!(
    /// A guest virtual address.
    Gva,
    "gva"
);
address!(
    /// A guest physical address.
    Gpa,
    "gpa"
);

impl Gva {
    /// The page's number: the address without its offset.
    #[inline]
    pub const fn page(self) -> u64 {
        self.0 >> PAGE_SHIFT
    }
}

impl Gpa {
    /// The page it lies in.
    #[inline]
    pub const fn gfn(self) -> Gfn {
        Gfn(self.0 >> PAGE_SHIFT)
    }
}

/// The number of a guest physical page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Gfn(u64);

impl Gfn {
    /// The page with this number.
    #[inline]
    pub const fn new(number: u64) -> Self {
        Gfn(number)
    }

    /// Its number.
    #[inline]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Its first byte.
    #[inline]
    pub const fn base(self) -> Gpa {
        Gpa(self.0 << PAGE_SHIFT)
    }

    /// The page `pages` further on.
    #[inline]
    pub const fn plus(self, pages: u64) -> Gfn {
        Gfn(self.0.wrapping_add(pages))
    }
}

impl core::fmt::Display for Gfn {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "gfn {:#x}", self.0)
    }
}
