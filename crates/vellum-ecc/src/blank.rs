//! Telling an erased codeword: all ones, but for a few bits that leaked.

use crate::codec::Outcome;

/// Counts the zero bits of both buffers, giving up past `limit`.
///
/// Programmed data is far from all ones, so this ends within the first few words of it.
fn zero_bits(data: &[u8], parity: &[u8], limit: usize) -> Option<usize> {
    let mut zeros = 0;
    for bytes in [data, parity] {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let word = u64::from_le_bytes(word.try_into().unwrap_or([0xFF; 8]));
            zeros += word.count_zeros() as usize;
            if zeros > limit {
                return None;
            }
        }
        zeros += words.remainder().iter().map(|b| b.count_zeros() as usize).sum::<usize>();
    }
    (zeros <= limit).then_some(zeros)
}

/// Sets both buffers to all ones and says so, if no more than `limit` of their bits are zero.
pub(crate) fn restore(data: &mut [u8], parity: &mut [u8], limit: usize) -> Option<Outcome> {
    let zeros = zero_bits(data, parity, limit)?;
    if zeros > 0 {
        data.fill(0xFF);
        parity.fill(0xFF);
    }
    Some(Outcome::Erased { bits: u32::try_from(zeros).unwrap_or(u32::MAX) })
}
