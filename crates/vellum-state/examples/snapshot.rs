//! A small machine is saved in the midst of its work; the copy that goes on from the file and the one
//! that was never stopped end in the same state.

use vellum_state::{Error, Reader, State, Writer, from_bytes, state_hash, to_bytes};

/// Conway's game of life on a torus of 64 by 64 cells: a row is a word.
struct Life {
    rows: [u64; 64],
    generation: u64,
}

impl Life {
    /// A glider.
    fn new() -> Self {
        let mut rows = [0; 64];
        (rows[10], rows[11], rows[12]) = (0b010, 0b001, 0b111);
        Life { rows, generation: 0 }
    }

    fn step(&mut self) {
        let old = self.rows;
        let cell = |row: usize, column: u32| old[row % 64].rotate_right(column) & 1;
        for (y, row) in self.rows.iter_mut().enumerate() {
            *row = (0..64).fold(0, |word, x| {
                let neighbours: u64 = [63, 0, 1]
                    .iter()
                    .flat_map(|dy| [63, 0, 1].map(|dx| cell(y + dy, (x + dx) % 64)))
                    .sum::<u64>()
                    - cell(y, x);
                let alive = neighbours == 3 || neighbours == 2 && cell(y, x) == 1;
                word | u64::from(alive) << x
            });
        }
        self.generation += 1;
    }
}

impl State for Life {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"LIFE", 1, |w| {
            w.u64(self.generation);
            self.rows.iter().for_each(|&row| w.u64(row));
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"LIFE", 1, |r| {
            self.generation = r.u64()?;
            self.rows.iter_mut().try_for_each(|row| r.u64().map(|v| *row = v))
        })
    }
}

fn main() -> Result<(), Error> {
    let mut life = Life::new();
    (0..100).for_each(|_| life.step());
    let file = to_bytes(&life);
    println!("generation {}: {} ({} bytes)", life.generation, state_hash(&life), file.len());

    let mut copy = Life::new();
    from_bytes(&mut copy, &file)?;
    (0..100).for_each(|_| life.step());
    (0..100).for_each(|_| copy.step());
    println!("generation {}: {} never stopped", life.generation, state_hash(&life));
    println!("generation {}: {} restored", copy.generation, state_hash(&copy));

    let mut damaged = file;
    damaged[100] ^= 4;
    if let Err(error) = from_bytes(&mut copy, &damaged) {
        println!("one bit changed in the file: {error}");
    }
    Ok(())
}
