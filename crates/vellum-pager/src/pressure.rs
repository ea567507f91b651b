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
    /// Not yet among the above: an exponential for each fault would cost more than the rest of it.
    recent_refaults: u32,
    recent: u64,
}

/// References that are added to the decaying sums together.
const FOLD: u64 = 64;

impl Pressure {
    /// `hits` references found their page since the last call, and this one had to wait; for a page
    /// that was here before, or not.
    pub(crate) fn fault(&mut self, hits: u64, before: bool) {
        self.recent_refaults += u32::from(before);
        self.recent = self.recent.saturating_add(hits).saturating_add(1);
        if self.recent >= FOLD {
            (self.refaults, self.references) = self.folded();
            (self.recent_refaults, self.recent) = (0, 0);
        }
    }

    /// Refaults and references, the recent ones among them.
    fn folded(self) -> (f64, f64) {
        let passed = self.recent as f64;
        let decay = (-passed / WINDOW).exp();
        let refaults = self.refaults * decay + f64::from(self.recent_refaults);
        (refaults, self.references * decay + passed.min(WINDOW))
    }

    /// The share, 0 to 1.
    pub fn some(&self) -> f64 {
        let (refaults, references) = self.folded();
        if references == 0.0 { 0.0 } else { (refaults / references).min(1.0) }
    }
}
