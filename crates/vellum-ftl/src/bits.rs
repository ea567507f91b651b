//! Packing numbers of any width into bytes, lowest bit first; and sets of numbers, a bit each.

/// Whether a set has a number.
pub(crate) fn has(set: &[u8], number: u32) -> bool {
    set[number as usize / 8] >> (number % 8) & 1 != 0
}

/// Puts a number into a set.
pub(crate) fn insert(set: &mut [u8], number: u32) {
    set[number as usize / 8] |= 1 << (number % 8);
}

/// Writes numbers of `width` bits one after the other into bytes that are zero.
#[derive(Debug)]
pub(crate) struct BitWriter<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> BitWriter<'a> {
    pub fn new(out: &'a mut [u8]) -> Self {
        BitWriter { out, at: 0 }
    }

    /// Appends `bits` bits out of `words`, lowest first: for numbers that are packed already.
    pub fn put_words(&mut self, mut words: impl Iterator<Item = u64>, bits: usize) {
        let (byte, shift) = (self.at / 8, self.at % 8);
        let out = self.out.get_mut(byte..).unwrap_or_default();
        // Eight bytes at once; the bits of the first of them that were put before come along.
        let mut carry = out.first().map_or(0, |b| u64::from(*b));
        let mut left = bits;
        for (slot, word) in out.chunks_exact_mut(8).take(bits / 64).zip(words.by_ref()) {
            slot.copy_from_slice(&(carry | word << shift).to_le_bytes());
            carry = word >> 1 >> (63 - shift);
            left -= 64;
        }
        self.at += bits - left;
        if let Some(byte) = self.out.get_mut(self.at / 8) {
            *byte |= carry as u8;
        }
        for word in words {
            let take = left.min(64);
            self.put(word, take.min(32) as u32);
            self.put(word >> 32, take.saturating_sub(32) as u32);
            left -= take;
            if left == 0 {
                return;
            }
        }
    }

    /// Appends `count` numbers of `width` bits each, at most 32.
    pub fn put_all(&mut self, mut values: impl Iterator<Item = u32>, count: usize, width: u32) {
        let (mut gathered, mut have) = (0u64, 0);
        let words = core::iter::from_fn(move || {
            loop {
                let Some(value) = values.next() else {
                    return Some(core::mem::take(&mut gathered));
                };
                let value = u64::from(value);
                let word = gathered | value << have;
                have += width;
                if have >= 64 {
                    have -= 64;
                    // What did not fit; nothing where the number ended with the word.
                    gathered = value >> (width - have);
                    return Some(word);
                }
                gathered = word;
            }
        });
        self.put_words(words, count * width as usize);
    }

    /// Passes over so many zero bits.
    pub fn skip(&mut self, bits: usize) {
        self.at += bits;
    }

    /// Appends the low `width` bits of `value`; what does not fit is dropped.
    pub fn put(&mut self, value: u64, width: u32) {
        // Eight bytes at once where they are there: a width of up to 57 bits fits any shift.
        let (byte, shift) = (self.at / 8, self.at % 8);
        if width <= 57
            && let Some(slot) = self.out.get_mut(byte..).and_then(|b| b.first_chunk_mut::<8>())
        {
            let bits = (value & ((1 << width) - 1)) << shift;
            *slot = (u64::from_le_bytes(*slot) | bits).to_le_bytes();
            self.at += width as usize;
            return;
        }
        let mut left = width;
        let mut value = value;
        while left > 0 {
            let (byte, shift) = (self.at / 8, (self.at % 8) as u32);
            let take = (8 - shift).min(left);
            if let Some(slot) = self.out.get_mut(byte) {
                *slot |= ((value & ((1 << take) - 1)) as u8) << shift;
            }
            value >>= take;
            left -= take;
            self.at += take as usize;
        }
    }
}

/// Reads what [`BitWriter`] wrote; zeros past the end.
#[derive(Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, at: 0 }
    }

    /// Continues at bit `at`.
    pub fn at(bytes: &'a [u8], at: usize) -> Self {
        BitReader { bytes, at }
    }

    pub fn take(&mut self, width: u32) -> u64 {
        let (byte, shift) = (self.at / 8, self.at % 8);
        if width <= 57
            && let Some(slot) = self.bytes.get(byte..).and_then(|b| b.first_chunk::<8>())
        {
            self.at += width as usize;
            return u64::from_le_bytes(*slot) >> shift & ((1 << width) - 1);
        }
        let (mut value, mut got) = (0u64, 0);
        while got < width {
            let (byte, shift) = (self.at / 8, (self.at % 8) as u32);
            let take = (8 - shift).min(width - got);
            let bits = self.bytes.get(byte).map_or(0, |b| u64::from(*b) >> shift);
            value |= (bits & ((1 << take) - 1)) << got;
            got += take;
            self.at += take as usize;
        }
        value
    }
}

/// Bits that the numbers below `count` need; at least 1.
pub(crate) const fn width_of(count: u64) -> u32 {
    if count <= 2 { 1 } else { 64 - (count - 1).leading_zeros() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_put_is_taken(values in proptest::collection::vec((any::<u64>(), 1u32..40), 1..60)) {
            let mut bytes = [0; 400];
            let mut w = BitWriter::new(&mut bytes);
            values.iter().for_each(|&(v, n)| w.put(v, n));
            let mut r = BitReader::new(&bytes);
            for (v, n) in values {
                prop_assert_eq!(r.take(n), v & ((1 << n) - 1));
            }
        }
    }

    proptest! {
        #[test]
        fn many_are_put_like_one_after_the_other(
            values in proptest::collection::vec(any::<u32>(), 0..80),
            width in 1u32..33,
            before in 0u32..20,
        ) {
            let (mut one, mut all) = ([0; 400], [0; 400]);
            let values: Vec<u32> = values.iter().map(|v| (u64::from(*v) & ((1 << width) - 1)) as u32).collect();
            let mut w = BitWriter::new(&mut one);
            w.put(0x5_5555, before);
            values.iter().for_each(|&v| w.put(v.into(), width));
            w.put(3, 2);
            let mut w = BitWriter::new(&mut all);
            w.put(0x5_5555, before);
            w.put_all(values.iter().copied(), values.len(), width);
            w.put(3, 2);
            prop_assert_eq!(one, all);
        }
    }

    proptest! {
        #[test]
        fn words_are_put_like_their_bits(
            words in proptest::collection::vec(any::<u64>(), 1..6),
            before in 0u32..20,
            short in 0usize..64,
        ) {
            let (mut one, mut all) = ([0; 64], [0; 64]);
            let bits = words.len() * 64 - short;
            let mut w = BitWriter::new(&mut all);
            w.put(0x5_5555, before);
            w.put_words(words.iter().copied(), bits);
            w.put(3, 2);
            let mut w = BitWriter::new(&mut one);
            w.put(0x5_5555, before);
            (0..bits).for_each(|i| w.put(words[i / 64] >> (i % 64), 1));
            w.put(3, 2);
            prop_assert_eq!(one, all);
        }
    }

    #[test]
    fn widths() {
        assert_eq!([1, 2, 3, 4, 5, 65_536, 65_537].map(width_of), [1, 1, 2, 2, 3, 16, 17]);
    }
}
