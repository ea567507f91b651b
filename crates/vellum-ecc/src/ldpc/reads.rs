//! Beliefs from several reads of the same cells.

use crate::codec::EccError;

/// Beliefs from reading one codeword several times: `reads` are data and parity in one piece, read
/// at different voltages, the usual one first. A bit that every read agrees on is believed most; one
/// that only just keeps a majority, least. Ties follow the first read.
///
/// # Errors
/// [`EccError::DataLength`] if the reads are not as long as the first, or not of `beliefs` bits.
pub fn beliefs_from_reads(reads: &[&[u8]], beliefs: &mut [i8]) -> Result<(), EccError> {
    let expected = beliefs.len() / 8;
    for read in reads {
        if read.len() != expected || !beliefs.len().is_multiple_of(8) {
            return Err(EccError::DataLength { found: read.len(), expected });
        }
    }
    let Some(first) = reads.first() else { return Ok(()) };
    for (i, belief) in beliefs.iter_mut().enumerate() {
        let bit = |read: &[u8]| read[i / 8] >> (i % 8) & 1 == 1;
        let ones = reads.iter().filter(|read| bit(read)).count();
        let lead = 2 * ones as isize - reads.len() as isize;
        let one = if lead == 0 { bit(first) } else { lead > 0 };
        // From 3 for a tie to 12 for agreement.
        let size = 3 + 9 * lead.unsigned_abs() / reads.len();
        *belief = if one { -(size as i8) } else { size as i8 };
    }
    Ok(())
}
