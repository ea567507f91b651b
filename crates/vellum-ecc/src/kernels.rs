//! Which instructions the hot loops use: a choice made once, when a code is built.

/// A set of kernels, from the plainest to the fastest. Every choice gives the same bits.
///
/// ```
/// use vellum_ecc::{Bch, BchParams, Kernels};
///
/// let fast = Bch::new(BchParams::new(13, 8, 512))?;
/// assert_eq!(fast.kernels(), Kernels::detect());
/// let plain = Bch::with_kernels(BchParams::new(13, 8, 512), Kernels::Portable)?;
/// assert_eq!(plain.kernels(), Kernels::Portable);
/// # Ok::<(), vellum_ecc::EccError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Kernels {
    /// Safe Rust with small tables: 2 KiB of them a 64 bits of BCH parity. For microcontrollers;
    /// never chosen by itself.
    Compact,
    /// Safe Rust: 16 KiB of tables a 64 bits of BCH parity.
    #[default]
    Portable,
    /// x86-64 with PCLMULQDQ and SSSE3: division, and the factoring of error locators, by carry-less
    /// multiplication.
    Clmul,
    /// The same with AVX2: the LDPC decoder with 64 checks side by side, and error locators by byte
    /// shuffles.
    Avx2,
    /// The same with VPCLMULQDQ (2021 and later): division 32 bytes at a time.
    Vpclmul,
    /// x86-64 with AVX-512 F and BW, VPCLMULQDQ and GFNI: division 64 bytes at a time, and a search
    /// for the errors' places 128 at a time.
    Avx512,
}

impl Kernels {
    /// The best that this processor runs. Without the `std` feature, or on another architecture,
    /// [`Portable`](Self::Portable).
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        {
            use std::arch::is_x86_feature_detected as has;
            let clmul = has!("pclmulqdq") && has!("ssse3");
            let wide = has!("avx512f") && has!("avx512bw") && has!("vpclmulqdq") && has!("gfni");
            if clmul && has!("avx2") {
                return match (wide, has!("vpclmulqdq")) {
                    (true, _) => Self::Avx512,
                    (false, true) => Self::Vpclmul,
                    (false, false) => Self::Avx2,
                };
            }
            if clmul {
                return Self::Clmul;
            }
        }
        Self::Portable
    }

    /// Every set that this processor runs, the smallest first.
    pub fn available() -> impl Iterator<Item = Self> {
        let best = Self::detect();
        [Self::Compact, Self::Portable, Self::Clmul, Self::Avx2, Self::Vpclmul, Self::Avx512]
            .into_iter()
            .filter(move |k| *k <= best)
    }
}
