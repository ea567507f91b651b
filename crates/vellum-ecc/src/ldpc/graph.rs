//! The quasi-cyclic parity-check matrix: a grid of Z×Z circulants, each zero or a rotated identity.
//!
//! # Construction
//! The data columns have a fixed weight; their rows are dealt out so that rows stay balanced. The
//! parity columns form a staircase (column *i* joins rows *i−1* and *i*, unrotated) behind one column
//! of weight three (rows first, middle, last, rotated by 1, 0, 1), so that parity follows from the
//! data by sums alone. This is the shape of the codes in IEEE 802.11n.
//!
//! The rotations of the data columns are searched, one column after the other: of many random
//! candidates the one is kept that closes no cycle of length 4 and the fewest of length 6. A cycle
//! exists where differences of rotations sum up to zero modulo Z (Fossorier, *Quasi-cyclic
//! low-density parity-check codes from circulant permutation matrices*, 2004), so both are counted
//! from tables of the differences between each pair of rows. Same parameters, same code.

use crate::codec::EccError;
use alloc::vec;
use alloc::vec::Vec;

/// Candidates tried a column.
const CANDIDATES: usize = 400;

/// One circulant: check *z* of the row takes part with bit (*z* + `shift`) mod Z of `column`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) column: u16,
    pub(crate) shift: u16,
}

/// The matrix, row by row.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    /// Circulant size Z.
    pub(crate) z: usize,
    /// Block columns, data first, then one of parity a row.
    pub(crate) columns: usize,
    /// Circulants of each block row, by column.
    pub(crate) rows: Vec<Vec<Edge>>,
}

/// SplitMix64 (Steele, Lea and Flood, 2014): what decides between candidates.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ x >> 31) % n as u64) as usize
    }
}

/// The differences of rotations that occur between rows.
struct Differences {
    z: usize,
    rows: usize,
    /// Whether some column has rotation(a) − rotation(b) = d, at `[(a·rows + b)·z + d]`.
    direct: Vec<bool>,
    /// Number of paths from b to a over a third row whose differences sum up to d.
    indirect: Vec<u32>,
    /// The columns so far: (row, rotation) each.
    columns: Vec<Vec<(usize, usize)>>,
}

impl Differences {
    fn new(z: usize, rows: usize) -> Self {
        let size = rows * rows * z;
        Self { z, rows, direct: vec![false; size], indirect: vec![0; size], columns: Vec::new() }
    }

    fn at(&self, a: (usize, usize), b: (usize, usize)) -> usize {
        (a.0 * self.rows + b.0) * self.z + (a.1 + self.z - b.1) % self.z
    }

    /// Cycles of length 6 that `column` would close, or `None` if it closes one of length 4.
    fn cost(&self, column: &[(usize, usize)]) -> Option<u32> {
        let mut cycles = 0;
        for (i, a) in column.iter().enumerate() {
            for b in &column[..i] {
                let at = self.at(*a, *b);
                if self.direct[at] {
                    return None;
                }
                cycles += self.indirect[at];
            }
        }
        Some(cycles)
    }

    fn add(&mut self, column: Vec<(usize, usize)>) {
        // New paths of two steps: one step through the new column, one through an older.
        for a in &column {
            for b in column.iter().filter(|b| b.0 != a.0) {
                for old in 0..self.columns.len() {
                    let Some(through) = self.columns[old].iter().find(|e| e.0 == b.0).copied()
                    else {
                        continue;
                    };
                    for i in 0..self.columns[old].len() {
                        let c = self.columns[old][i];
                        if c.0 != b.0 && c.0 != a.0 {
                            // a − b + (b's rotation in the older column) − c there.
                            let shift = (a.1 + 2 * self.z - b.1 + through.1 - c.1) % self.z;
                            let there = (a.0 * self.rows + c.0) * self.z + shift;
                            let back = (c.0 * self.rows + a.0) * self.z + (self.z - shift) % self.z;
                            self.indirect[there] += 1;
                            self.indirect[back] += 1;
                        }
                    }
                }
            }
        }
        for a in &column {
            for b in column.iter().filter(|b| b.0 != a.0) {
                let at = self.at(*a, *b);
                self.direct[at] = true;
            }
        }
        self.columns.push(column);
    }
}

impl Graph {
    /// Searches the matrix of `rows` × `columns` circulants of size `z`, data columns of `weight`.
    pub(crate) fn new(
        z: usize,
        rows: usize,
        columns: usize,
        weight: usize,
    ) -> Result<Self, EccError> {
        let refuse = |why| EccError::Construction { rows, columns, circulant: z, why };
        if !z.is_multiple_of(64) || z == 0 || z > 1 << 14 {
            return Err(refuse("circulants are of 64, 128 … 16384 bits"));
        }
        if !(4..=32).contains(&rows) || columns <= rows || columns > 512 {
            return Err(refuse("rows are 4 to 32, columns more than rows and at most 512"));
        }
        if !(3..=rows).contains(&weight) {
            return Err(refuse("data columns have 3 circulants to one a row"));
        }
        let mut differences = Differences::new(z, rows);
        for column in parity_columns(rows) {
            differences.add(column);
        }
        let mut random = Random(0x5645_4C4C_554D ^ (z * 1_000_003 + rows * 1009 + columns) as u64);
        let mut used = vec![0usize; rows];
        for _ in rows..columns {
            let chosen = choose_rows(&mut random, &mut used, weight);
            let best = (0..CANDIDATES)
                .filter_map(|_| {
                    let column: Vec<_> = chosen.iter().map(|r| (*r, random.below(z))).collect();
                    Some((differences.cost(&column)?, column))
                })
                .min_by_key(|(cost, _)| *cost);
            let (_, column) = best.ok_or_else(|| refuse("no rotations without short cycles"))?;
            differences.add(column);
        }
        let mut graph = Self { z, columns, rows: vec![Vec::new(); rows] };
        // Data columns were added after the parity columns and come before them.
        let parity = differences.columns.drain(..rows).collect::<Vec<_>>();
        for (column, entries) in differences.columns.iter().chain(&parity).enumerate() {
            for (row, shift) in entries {
                graph.rows[*row].push(Edge { column: column as u16, shift: *shift as u16 });
            }
        }
        Ok(graph)
    }

    /// Block columns of data.
    pub(crate) fn data_columns(&self) -> usize {
        self.columns - self.rows.len()
    }

    /// The row that the column of weight three meets in the middle.
    pub(crate) fn middle(&self) -> usize {
        self.rows.len() / 2
    }
}

/// The staircase and the column in front of it.
fn parity_columns(rows: usize) -> Vec<Vec<(usize, usize)>> {
    let mut columns = vec![vec![(0, 1), (rows / 2, 0), (rows - 1, 1)]];
    columns.extend((1..rows).map(|i| vec![(i - 1, 0), (i, 0)]));
    columns
}

/// `weight` rows, the least used first, ties at random.
fn choose_rows(random: &mut Random, used: &mut [usize], weight: usize) -> Vec<usize> {
    let mut order: Vec<(usize, usize, usize)> =
        used.iter().enumerate().map(|(row, n)| (*n, random.below(1 << 30), row)).collect();
    order.sort_unstable();
    let mut chosen: Vec<usize> = order[..weight].iter().map(|(_, _, row)| *row).collect();
    chosen.sort_unstable();
    for row in &chosen {
        used[*row] += 1;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Girth by looking at every pair of columns in every pair of rows.
    fn has_four_cycle(graph: &Graph) -> bool {
        let shift = |row: usize, column: u16| {
            graph.rows[row].iter().find(|e| e.column == column).map(|e| usize::from(e.shift))
        };
        let columns = graph.columns as u16;
        for a in 0..graph.rows.len() {
            for b in 0..a {
                let mut seen = vec![false; graph.z];
                for column in 0..columns {
                    if let (Some(x), Some(y)) = (shift(a, column), shift(b, column)) {
                        let d = (x + graph.z - y) % graph.z;
                        if core::mem::replace(&mut seen[d], true) {
                            return true;
                        }
                    }
                }
            }
        }
        false
    }

    #[test]
    fn no_two_columns_meet_twice() {
        for (z, rows, columns, weight) in [(128, 8, 72, 4), (512, 8, 72, 4), (256, 6, 40, 3)] {
            let graph = Graph::new(z, rows, columns, weight).unwrap();
            assert!(!has_four_cycle(&graph), "z {z}");
            let weights: Vec<usize> = graph.rows.iter().map(Vec::len).collect();
            let (least, most) = (weights.iter().min().unwrap(), weights.iter().max().unwrap());
            assert!(most - least <= 3, "{weights:?}");
        }
    }

    /// Pages written with a code must stay readable: what the search finds may never change. The
    /// numbers are FNV-1a hashes of the matrices that this construction found when it was fixed.
    #[test]
    fn the_presets_stay_the_same_codes() {
        for (z, expected) in [(128, HASHES[0]), (256, HASHES[1]), (512, HASHES[2])] {
            let graph = Graph::new(z, 8, 72, 4).unwrap();
            let mut hash = 0xCBF2_9CE4_8422_2325u64;
            for edge in graph.rows.iter().flatten() {
                for value in [edge.column, edge.shift] {
                    hash = (hash ^ u64::from(value)).wrapping_mul(0x0100_0000_01B3);
                }
            }
            assert_eq!(hash, expected, "z {z}: {hash:#x}");
        }
    }

    const HASHES: [u64; 3] = [0x9AE0_03A0_B3D4_5509, 0xEEF2_BB13_38C3_4015, 0x2F08_7B8E_A124_C5C2];

    #[test]
    fn refuses_what_cannot_be() {
        for (z, rows, columns, weight) in
            [(0, 8, 72, 4), (100, 8, 72, 4), (512, 2, 8, 3), (512, 8, 8, 4), (64, 4, 512, 4)]
        {
            assert!(Graph::new(z, rows, columns, weight).is_err(), "{z} {rows} {columns} {weight}");
        }
    }
}
