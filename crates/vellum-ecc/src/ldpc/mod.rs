//! Quasi-cyclic LDPC codes for TLC-class error rates: past what a BCH code of the same parity
//! carries, at the price of no guarantee for any number of errors.
//!
//! A decode takes either the bits as read (hard decision) or a belief a bit (soft decision, from
//! re-reads at shifted voltages: [`beliefs_from_reads`]). Bit *i* of a codeword is bit *i* mod 8 of
//! byte *i*/8, data first.

mod bits;
mod graph;
mod minsum;
mod params;
mod reads;
mod workspace;

use crate::blank;
use crate::codec::{Codec, EccError, Outcome, check_batch, check_lengths};
use crate::kernels::Kernels;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
use crate::simd::MinSum;
use alloc::vec;
pub(crate) use bits::is_codeword;
use core::ops::Range;
pub(crate) use graph::Graph;
pub(crate) use minsum::Beliefs;
pub use params::LdpcParams;
pub use reads::beliefs_from_reads;
pub use workspace::LdpcWorkspace;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub(crate) use {graph::Edge, minsum::HARD_BELIEF, minsum::LANES, minsum::place};

/// How often an iteration looks whether it has come to a codeword.
const LOOKS: usize = 4;

/// A quasi-cyclic LDPC code.
///
/// ```
/// use vellum_ecc::{Codec, Ldpc, LdpcParams, Outcome};
///
/// let code = Ldpc::new(LdpcParams::KIB_4)?;
/// let mut data = vec![0x3C; 4096];
/// let mut parity = vec![0; code.parity_len()];
/// code.encode(&data, &mut parity)?;
/// for i in 0..150 {
///     data[i * 27] ^= 1 << (i % 8);
/// }
/// assert_eq!(code.decode(&mut data, &mut parity)?, Outcome::Corrected { bits: 150 });
/// assert!(data.iter().all(|byte| *byte == 0x3C));
/// # Ok::<(), vellum_ecc::EccError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Ldpc {
    params: LdpcParams,
    kernels: Kernels,
    graph: Graph,
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    wide: Option<MinSum>,
}

impl Ldpc {
    /// Searches the code. The cost is some hundred rotations tried a column, with tables of
    /// 5·rows²·circulant bytes while it lasts.
    ///
    /// # Errors
    /// [`EccError::Construction`] if there is no such code.
    pub fn new(params: LdpcParams) -> Result<Self, EccError> {
        Self::with_kernels(params, Kernels::detect())
    }

    /// The same with a choice of kernels; what the processor lacks is not used.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_kernels(params: LdpcParams, kernels: Kernels) -> Result<Self, EccError> {
        let graph = Graph::new(params.circulant, params.rows, params.columns, params.weight)?;
        let kernels = kernels.min(Kernels::detect());
        Ok(Self {
            params,
            kernels,
            graph,
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            wide: MinSum::new(kernels),
        })
    }

    /// What the code was built from.
    #[must_use]
    pub fn params(&self) -> LdpcParams {
        self.params
    }

    /// The kernels in use.
    #[must_use]
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Bits of a codeword: how many beliefs [`decode_soft`](Self::decode_soft) takes.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.graph.z * self.graph.columns
    }

    /// Room to decode in, for any number of codewords one after the other.
    #[must_use]
    pub fn workspace(&self) -> LdpcWorkspace {
        LdpcWorkspace::new(self)
    }

    /// Decodes from one belief a bit: positive for a zero, negative for a one, the larger the surer;
    /// sizes of 4 to 31 leave room to be overruled. `data` and `parity` hold the bits as read, which
    /// the outcome counts from; they are changed only if a codeword is found.
    ///
    /// # Errors
    /// [`EccError::DataLength`] or [`EccError::ParityLength`] if a buffer does not fit, and
    /// `DataLength` if `beliefs` are not [`bits`](Self::bits) many.
    pub fn decode_soft(
        &self,
        workspace: &mut LdpcWorkspace,
        beliefs: &[i8],
        data: &mut [u8],
        parity: &mut [u8],
    ) -> Result<Outcome, EccError> {
        check_lengths(self, data.len(), parity.len())?;
        if beliefs.len() != self.bits() {
            return Err(EccError::DataLength { found: beliefs.len(), expected: self.bits() });
        }
        workspace.fit(self);
        workspace.beliefs.start(&self.graph, beliefs);
        Ok(self.run(workspace, data, parity))
    }

    /// [`decode`](Codec::decode) without allocating.
    ///
    /// # Errors
    /// [`EccError::DataLength`] or [`EccError::ParityLength`] if a buffer does not fit.
    pub fn decode_hard(
        &self,
        workspace: &mut LdpcWorkspace,
        data: &mut [u8],
        parity: &mut [u8],
    ) -> Result<Outcome, EccError> {
        check_lengths(self, data.len(), parity.len())?;
        workspace.fit(self);
        workspace.iterations = 0;
        if let Some(outcome) = self.without_iterating(&mut workspace.bits, data, parity) {
            return Ok(outcome);
        }
        self.start_hard(&mut workspace.beliefs, &workspace.bits);
        Ok(self.run(workspace, data, parity))
    }

    /// Loads the bits; an outcome if the codeword is erased or clean.
    fn without_iterating(
        &self,
        bits: &mut [u64],
        data: &mut [u8],
        parity: &mut [u8],
    ) -> Option<Outcome> {
        if let Some(erased) = blank::restore(data, parity, self.blank_threshold()) {
            return Some(erased);
        }
        load(data, parity, bits);
        self.is_codeword(bits).then_some(Outcome::Corrected { bits: 0 })
    }

    /// Iterates until the bits are a codeword, and stores it. Few rows of an iteration may be enough,
    /// so the bits are looked at [`LOOKS`] times in each: where they are no codeword yet, the first
    /// row that is odd tells.
    fn run(&self, workspace: &mut LdpcWorkspace, data: &mut [u8], parity: &mut [u8]) -> Outcome {
        let LdpcWorkspace { beliefs, bits, iterations } = workspace;
        let rows = self.graph.rows.len();
        let part = rows.div_ceil(LOOKS);
        for iteration in 1..=self.params.iterations {
            *iterations = iteration;
            for start in (0..rows).step_by(part) {
                self.iterate(beliefs, bits, start..rows.min(start + part));
                if self.is_codeword(bits) {
                    return Outcome::Corrected { bits: store(bits, data, parity) };
                }
            }
        }
        Outcome::Uncorrectable
    }

    /// Whether `bits` are a codeword.
    fn is_codeword(&self, bits: &[u64]) -> bool {
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        if let Some(wide) = &self.wide {
            return wide.is_codeword(&self.graph, bits);
        }
        is_codeword(&self.graph, bits)
    }

    /// Starts from the bits as read.
    fn start_hard(&self, beliefs: &mut Beliefs, bits: &[u64]) {
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        if let Some(wide) = &self.wide {
            return wide.start_hard(&self.graph, beliefs, bits);
        }
        beliefs.start_hard(&self.graph, bits);
    }

    /// Some rows of an iteration; `bits` become the signs.
    fn iterate(&self, beliefs: &mut Beliefs, bits: &mut [u64], rows: Range<usize>) {
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        if let Some(wide) = &self.wide {
            wide.iterate(&self.graph, beliefs, bits, rows);
            return;
        }
        beliefs.iterate(&self.graph, rows);
        beliefs.signs(&self.graph, bits);
    }
}

impl Codec for Ldpc {
    fn data_len(&self) -> usize {
        self.graph.data_columns() * self.graph.z / 8
    }

    fn parity_len(&self) -> usize {
        self.graph.rows.len() * self.graph.z / 8
    }

    fn strength(&self) -> usize {
        0
    }

    /// One bit in 64: well above the error rates that the code carries, well below the zeros in the
    /// parity of all-ones data.
    fn blank_threshold(&self) -> usize {
        self.bits() / 64
    }

    fn encode(&self, data: &[u8], parity: &mut [u8]) -> Result<(), EccError> {
        check_lengths(self, data.len(), parity.len())?;
        let mut words = vec![0; data.len() / 8];
        load(data, &[], &mut words);
        let words = bits::parity(&self.graph, &words);
        for (to, word) in parity.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        Ok(())
    }

    fn decode(&self, data: &mut [u8], parity: &mut [u8]) -> Result<Outcome, EccError> {
        check_lengths(self, data.len(), parity.len())?;
        let mut bits = vec![0; self.bits() / 64];
        if let Some(outcome) = self.without_iterating(&mut bits, data, parity) {
            return Ok(outcome);
        }
        let mut workspace = LdpcWorkspace { bits, ..self.workspace() };
        self.start_hard(&mut workspace.beliefs, &workspace.bits);
        Ok(self.run(&mut workspace, data, parity))
    }

    fn decode_reads(
        &self,
        reads: &[&[u8]],
        data: &mut [u8],
        parity: &mut [u8],
    ) -> Result<Outcome, EccError> {
        let mut beliefs = vec![0; self.bits()];
        beliefs_from_reads(reads, &mut beliefs)?;
        self.decode_soft(&mut self.workspace(), &beliefs, data, parity)
    }

    fn decode_batch(
        &self,
        data: &mut [u8],
        parity: &mut [u8],
        each: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), EccError> {
        check_batch(self, data.len(), parity.len())?;
        let mut workspace = self.workspace();
        let words = data.chunks_exact_mut(self.data_len());
        for (i, (data, parity)) in words.zip(parity.chunks_exact_mut(self.parity_len())).enumerate()
        {
            each(i, self.decode_hard(&mut workspace, data, parity)?);
        }
        Ok(())
    }
}

/// Both buffers as words.
fn load(data: &[u8], parity: &[u8], words: &mut [u64]) {
    let bytes = data.as_chunks::<8>().0.iter().chain(parity.as_chunks::<8>().0);
    for (word, bytes) in words.iter_mut().zip(bytes) {
        *word = u64::from_le_bytes(*bytes);
    }
}

/// Stores the words and counts the bits that changed.
fn store(bits: &[u64], data: &mut [u8], parity: &mut [u8]) -> u32 {
    let words = data.as_chunks_mut::<8>().0.iter_mut().chain(parity.as_chunks_mut::<8>().0);
    words.zip(bits).fold(0, |changed, (bytes, word)| {
        let before = u64::from_le_bytes(core::mem::replace(bytes, word.to_le_bytes()));
        changed + (before ^ word).count_ones()
    })
}
