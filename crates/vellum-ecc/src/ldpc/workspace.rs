//! Room to decode in, kept from one codeword to the next.

use super::{Beliefs, Ldpc};
use alloc::vec;
use alloc::vec::Vec;

/// Room for [`Ldpc`] to decode in: some 7 bytes a bit of the codeword.
#[derive(Debug, Clone)]
pub struct LdpcWorkspace {
    pub(super) beliefs: Beliefs,
    pub(super) bits: Vec<u64>,
    pub(super) iterations: u32,
}

impl LdpcWorkspace {
    pub(super) fn new(code: &Ldpc) -> Self {
        let beliefs = Beliefs::new(&code.graph);
        Self { beliefs, bits: vec![0; code.bits() / 64], iterations: 0 }
    }

    /// Iterations that the last decode took, one begun counted as one; zero if the bits were a codeword or erased.
    #[must_use]
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Becomes one for `code` if it was for another.
    pub(super) fn fit(&mut self, code: &Ldpc) {
        if !self.beliefs.fits(&code.graph) {
            *self = Self::new(code);
        }
    }
}
