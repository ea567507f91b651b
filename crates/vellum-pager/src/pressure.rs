//! How much too small memory is: what a balloon or a scheduler needs to hear.

/// References after which an old one counts 1/e.
const WINDOW: f64 = 4096.0;

/// The share of recent references that had to wait for a page that was here before, as pressure
/// stall information has it for time: 0 is no pressure, 1 is that nothing is found. First uses are
/// not pressure: more memory would not help them.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Pressure {
    refaults: f64,
    references: f64,
}

impl Pressure {
    /// `hits` references found their page since the last call, and this one had to wait; for a page
    /// that was here before, or not.
    pub(crate) fn fault(&mut self, hits: u64, before: bool) {
        let passed = hits as f64 + 1.0;
        let decay = (-passed / WINDOW).exp();
        self.refaults = self.refaults * decay + f64::from(u8::from(before));
        self.references = self.references * decay + passed.min(WINDOW);
    }

    /// The share, 0 to 1.
    pub fn some(&self) -> f64 {
        if self.references == 0.0 { 0.0 } else { (self.refaults / self.references).min(1.0) }
    }
}
