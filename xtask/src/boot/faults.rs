//! What the pager's faults were like, for people and programs.

use super::report::Counts;
use serde_json::{Value, json};
use std::ops::RangeInclusive;
use vellum::vellum_pager::History;
use vellum_block::Values;

/// Pages that are told of those that came back most often.
const MOST: usize = 8;
/// The section of a report.
const SECTION: &str = "pager's faults";

/// Of how many: 50, 90, 99 and 100 in 100 are not more than these.
#[derive(Debug, Clone, Copy)]
struct Spread([u64; 4]);

/// What is told of a history.
#[derive(Debug, Clone)]
pub struct Faults {
    /// Nanoseconds a fault, if the store counts time.
    store_ns: Option<Spread>,
    got: Spread,
    put: Spread,
    distances: Vec<(RangeInclusive<u64>, u64)>,
    most: Vec<(u32, u64)>,
}

impl Spread {
    const NAMES: [&str; 4] = ["p50", "p90", "p99", "max"];

    fn of(values: &Values) -> Self {
        Spread([50, 90, 99, 100].map(|part| values.percentile(part, 100)))
    }

    fn rows(self, name: &str) -> impl Iterator<Item = (&'static str, String, u64)> {
        let named = Self::NAMES.into_iter().zip(self.0);
        named.map(move |(which, value)| (SECTION, format!("{name}, {which}"), value))
    }

    fn json(self) -> Value {
        Self::NAMES
            .into_iter()
            .zip(self.0)
            .map(|(which, value)| (which.to_owned(), Value::from(value)))
            .collect()
    }
}

impl Faults {
    pub fn of(history: &History) -> Self {
        let time = history.store_time();
        let part = |part| time.percentile(part, 100).as_ps() / 1000;
        let most = history.most_returned(MOST);
        Faults {
            store_ns: (time.max().as_ps() > 0).then(|| Spread([50, 90, 99, 100].map(part))),
            got: Spread::of(history.pages_got()),
            put: Spread::of(history.pages_put()),
            distances: history.distances().powers().collect(),
            most: most.into_iter().map(|(page, returns)| (page.get(), returns)).collect(),
        }
    }

    /// Rows of a report; distances are in faults.
    pub fn rows(&self) -> Counts {
        let mut rows = Counts::new();
        rows.extend(self.store_ns.into_iter().flat_map(|ns| ns.rows("store's time, ns")));
        rows.extend(self.got.rows("pages read at once"));
        rows.extend(self.put.rows("pages written at once"));
        for (range, count) in &self.distances {
            let (low, high) = (range.start(), range.end());
            let far = if low == high { low.to_string() } else { format!("{low} to {high}") };
            rows.push((SECTION, format!("refaults at distance {far}"), *count));
        }
        for (page, returns) in &self.most {
            rows.push((SECTION, format!("returns of page {page}"), *returns));
        }
        rows
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let distances = self.distances.iter().map(
            |(range, count)| json!({ "from": range.start(), "to": range.end(), "count": count }),
        );
        let most =
            self.most.iter().map(|(page, returns)| json!({ "page": page, "returns": returns }));
        json!({
            "store_ns": self.store_ns.map(Spread::json),
            "pages_read_at_once": self.got.json(),
            "pages_written_at_once": self.put.json(),
            "refault_distances": distances.collect::<Vec<_>>(),
            "most_returned": most.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vellum::vellum_pager::space::PlainSpace;
    use vellum::vellum_pager::store::RamStore;
    use vellum::vellum_pager::{Access, Options, PageNo, Pager};

    #[test]
    fn what_is_told_to_people_is_told_to_programs() {
        let options = Options { history: true, ..Options::new(3, 1) };
        let mut pager = Pager::new(options, Box::new(RamStore::new(3))).unwrap();
        let mut space = PlainSpace::new(3);
        for page in [0, 2, 0, 2, 1, 2].map(PageNo::new) {
            pager.fault(&mut space, page, Access::Store).unwrap();
        }
        let faults = Faults::of(pager.history().unwrap());
        let told = [
            ("pages read at once, p50", 1),
            ("pages read at once, p90", 1),
            ("pages read at once, p99", 1),
            ("pages read at once, max", 1),
            ("pages written at once, p50", 1),
            ("pages written at once, p90", 1),
            ("pages written at once, p99", 1),
            ("pages written at once, max", 1),
            ("refaults at distance 1", 3),
            ("returns of page 2", 2),
            ("returns of page 0", 1),
        ];
        assert_eq!(faults.rows(), told.map(|(name, count)| (SECTION, name.to_owned(), count)));
        let once = json!({ "p50": 1, "p90": 1, "p99": 1, "max": 1 });
        let told = json!({
            "store_ns": null, "pages_read_at_once": once, "pages_written_at_once": once,
            "refault_distances": [{ "from": 1, "to": 1, "count": 3 }],
            "most_returned": [{ "page": 2, "returns": 2 }, { "page": 0, "returns": 1 }],
        });
        assert_eq!(faults.json(), told);
    }
}
