//! Syndromes and parity of hard bits: sums of rotated words.

use super::graph::Graph;
use alloc::vec;
use alloc::vec::Vec;

/// Adds column `bits` (Z bits in words), rotated by `shift`, to `sum`: bit *z* of the sum takes bit
/// (*z* + `shift`) mod Z.
#[inline(always)]
fn add_rotated(sum: &mut [u64], bits: &[u64], shift: usize) {
    let (word, bit) = (shift / 64, shift % 64);
    let (wrapped, straight) = bits.split_at(word);
    let (first, second) = sum.split_at_mut(straight.len());
    let around = straight.first().copied().unwrap_or(0);
    add_shifted(first, straight, wrapped.first().copied().unwrap_or(around), bit);
    add_shifted(second, wrapped, around, bit);
}

/// Adds `from` shifted down by `bit`, the bits of `after` coming in behind its last word.
#[inline(always)]
fn add_shifted(to: &mut [u64], from: &[u64], after: u64, bit: usize) {
    if bit == 0 {
        to.iter_mut().zip(from).for_each(|(to, word)| *to ^= word);
        return;
    }
    let Some((last, _)) = from.split_last() else { return };
    for ((to, low), high) in to.iter_mut().zip(from).zip(&from[1..]) {
        *to ^= low >> bit | high << (64 - bit);
    }
    if let Some(to) = to.last_mut() {
        *to ^= last >> bit | after << (64 - bit);
    }
}

/// Adds the columns of `row` that are below `limit` to `sum`.
#[inline(always)]
fn add_row(graph: &Graph, row: usize, limit: usize, bits: &[u64], sum: &mut [u64]) {
    let words = graph.z / 64;
    for edge in &graph.rows[row] {
        let column = usize::from(edge.column);
        if column < limit {
            let bits = &bits[column * words..][..words];
            add_rotated(sum, bits, usize::from(edge.shift));
        }
    }
}

/// Whether `bits` (all columns, words of little-endian bytes) are a codeword. Inlined, so that a caller
/// compiled for wider vectors gets them.
#[inline(always)]
pub(crate) fn is_codeword(graph: &Graph, bits: &[u64]) -> bool {
    let mut sum = vec![0; graph.z / 64];
    for row in 0..graph.rows.len() {
        sum.fill(0);
        add_row(graph, row, graph.columns, bits, &mut sum);
        if sum.iter().any(|word| *word != 0) {
            return false;
        }
    }
    true
}

/// The parity columns of `data`, which is all data columns.
pub(crate) fn parity(graph: &Graph, data: &[u64]) -> Vec<u64> {
    let (words, rows) = (graph.z / 64, graph.rows.len());
    let mut sums = vec![0u64; rows * words];
    for (row, sum) in sums.chunks_exact_mut(words).enumerate() {
        add_row(graph, row, graph.data_columns(), data, sum);
    }
    // The staircase cancels in the sum of all rows, and of the first column only the middle stays.
    let mut parity = vec![0u64; rows * words];
    let (first, stairs) = parity.split_at_mut(words);
    for sum in sums.chunks_exact(words) {
        first.iter_mut().zip(sum).for_each(|(to, word)| *to ^= word);
    }
    // Each row then gives the next step from the one before.
    let mut carry = vec![0u64; words];
    for (row, (sum, stair)) in
        sums.chunks_exact(words).zip(stairs.chunks_exact_mut(words)).enumerate()
    {
        if row == 0 {
            add_rotated(&mut carry, first, 1);
        }
        if row == graph.middle() {
            add_rotated(&mut carry, first, 0);
        }
        for ((carry, word), to) in carry.iter_mut().zip(sum).zip(stair) {
            *carry ^= word;
            *to = *carry;
        }
    }
    parity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_is_bit_by_bit() {
        let bits = [0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210, 0xDEAD_BEEF_0BAD_F00D];
        let bit = |words: &[u64], i: usize| words[i / 64] >> (i % 64) & 1;
        for shift in 0..192 {
            let mut sum = [0; 3];
            add_rotated(&mut sum, &bits, shift);
            for z in 0..192 {
                assert_eq!(bit(&sum, z), bit(&bits, (z + shift) % 192), "shift {shift} bit {z}");
            }
        }
    }

    #[test]
    fn every_row_of_an_encoded_word_is_even() {
        let graph = Graph::new(128, 8, 72, 4).unwrap();
        let words = graph.z / 64;
        let mut x = 1u64;
        let mut bits: Vec<u64> = (0..graph.data_columns() * words)
            .map(|_| {
                x = x.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                x ^ x >> 29
            })
            .collect();
        bits.extend(parity(&graph, &bits));
        // The definition: every check, bit by bit.
        for row in &graph.rows {
            for z in 0..graph.z {
                let odd = row.iter().fold(0, |sum, edge| {
                    let at = (z + usize::from(edge.shift)) % graph.z;
                    sum ^ bits[usize::from(edge.column) * words + at / 64] >> (at % 64) & 1
                });
                assert_eq!(odd, 0);
            }
        }
        assert!(is_codeword(&graph, &bits));
        for at in [0, 1000, bits.len() * 64 - 1] {
            bits[at / 64] ^= 1 << (at % 64);
            assert!(!is_codeword(&graph, &bits));
            bits[at / 64] ^= 1 << (at % 64);
        }
    }
}
