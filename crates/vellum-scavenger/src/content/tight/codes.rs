//! Prefix codes that are known beforehand: from lengths to codes, and the tables that read them.

use super::bits::Code;

/// The longest code: a table has so many bits.
pub(super) const LONGEST: u32 = 10;
/// Entries of a table.
const ENTRIES: usize = 1 << LONGEST;
/// Entries of a cache line.
const LINE: usize = 64 / size_of::<Entry>();

/// What the next bits of a stream are: a code's length, and above it the symbol. The length comes first
/// since a processor shifts by the lowest bits of a register: what takes longest is from one symbol to the
/// next, and nothing stands between the table and the shift.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Entry(u16);

impl Entry {
    #[inline]
    pub(super) fn symbol(self) -> u8 {
        (self.0 >> 8) as u8
    }

    #[inline]
    pub(super) fn len(self) -> u32 {
        u32::from(self.0) % u64::BITS
    }
}

/// A canonical prefix code of up to 256 symbols (Huffman, 1952).
#[derive(Debug, Clone)]
pub(super) struct Codes {
    codes: Box<[Code; 256]>,
    /// By the next bits.
    table: Box<[Entry; ENTRIES]>,
}

impl Codes {
    /// The code with these lengths; 0: no such symbol. `None` when the lengths are those of no code that
    /// uses all bits.
    pub(super) fn new(lengths: &[u8; 256]) -> Option<Self> {
        let mut codes = Box::new([Code::default(); 256]);
        let mut table = Box::new([Entry::default(); ENTRIES]);
        let mut next = 0_u32;
        for len in 1..=LONGEST {
            for symbol in (0..256).filter(|&symbol| u32::from(lengths[symbol]) == len) {
                if next >= 1 << len {
                    return None;
                }
                let bits = next.reverse_bits() >> (32 - len);
                codes[symbol] = Code { bits: bits as u16, len: len as u8 };
                for entry in (bits as usize..ENTRIES).step_by(1 << len) {
                    table[entry] = Entry(len as u16 | (symbol as u16) << 8);
                }
                next += 1;
            }
            next <<= 1;
        }
        let whole = next == 1 << (LONGEST + 1);
        let fine = whole && lengths.iter().all(|&len| u32::from(len) <= LONGEST);
        fine.then_some(Codes { codes, table })
    }

    pub(super) fn code(&self, symbol: usize) -> Code {
        self.codes[symbol]
    }

    /// What it costs to say a symbol, in bits.
    #[inline]
    pub(super) fn cost(&self, symbol: usize) -> u32 {
        self.codes[symbol].len.into()
    }

    /// What it costs to say all of these, in bits.
    pub(super) fn total(&self, counts: &[u32; 256]) -> u64 {
        let each = self.codes.iter().zip(counts);
        each.map(|(code, &count)| u64::from(count) * u64::from(code.len)).sum()
    }

    /// Has the table come near, all of it at once: a look is from where the one before it ended, so that
    /// what is far would be waited for line by line.
    #[inline]
    pub(super) fn fetch(&self) {
        let lines = self.table.as_chunks::<LINE>().0.iter();
        core::hint::black_box(lines.fold(0, |all, line| all | line[0].0));
    }

    /// What these bits begin with.
    #[inline]
    pub(super) fn read(&self, bits: u64) -> Entry {
        self.table[bits as usize % ENTRIES]
    }
}

/// Code lengths of at most [`LONGEST`] bits that say so many of each symbol in fewest, by package-merge
/// (Larmore & Hirschberg, 1990). Every symbol has one, also those that were not seen.
pub(super) fn lengths(counts: &[u32]) -> [u8; 256] {
    const SEEN: u64 = 64;
    let mut single: Vec<(u64, Vec<u8>)> = (0..counts.len())
        .map(|symbol| (u64::from(counts[symbol]) * SEEN + 1, vec![symbol as u8]))
        .collect();
    single.sort();
    let mut packages: Vec<(u64, Vec<u8>)> = Vec::new();
    for _ in 0..LONGEST {
        let pairs = packages.as_chunks::<2>().0.iter();
        let paired = pairs.map(|[(a, one), (b, other)]| (a + b, [&one[..], other].concat()));
        let mut all: Vec<_> = single.iter().cloned().chain(paired).collect();
        all.sort_by_key(|(weight, _)| *weight);
        packages = all;
    }
    let mut lengths = [0; 256];
    for &symbol in packages.iter().take(2 * counts.len() - 2).flat_map(|(_, symbols)| symbols) {
        lengths[usize::from(symbol)] += 1;
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside entropy, which no code goes below, and Kraft's sum, which is 1 for a whole one.
    #[test]
    fn lengths_are_those_of_a_whole_code_near_the_entropy() {
        for counts in [
            vec![1_u32; 256],
            (0..256).map(|at| 1 << (at / 11)).collect(),
            (0..33).map(|at| 1000 / (at + 1)).collect(),
            vec![0, 0],
        ] {
            let lengths = lengths(&counts);
            let kraft: u64 =
                lengths.iter().filter(|&&l| l > 0).map(|&l| 1 << (LONGEST - u32::from(l))).sum();
            assert_eq!(kraft, 1 << LONGEST, "{counts:?}");
            assert!(Codes::new(&lengths).is_some());
            let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
            let entropy: f64 = counts
                .iter()
                .filter(|&&count| count > 0)
                .map(|&count| -f64::from(count) * (f64::from(count) / total).log2())
                .sum();
            let coded: f64 =
                counts.iter().zip(lengths).map(|(&c, l)| f64::from(c) * f64::from(l)).sum();
            assert!(coded >= entropy - 1e-6 && coded <= entropy + total, "{coded} {entropy}");
        }
    }

    #[test]
    fn lengths_of_no_code_are_refused() {
        for lengths in [[0; 256], [9; 256], [7; 256], [11; 256]] {
            assert!(Codes::new(&lengths).is_none(), "{}", lengths[0]);
        }
        assert!(Codes::new(&[8; 256]).is_some());
    }
}
