//! Misses on the reference traces, by policy and size.

use vellum_bench::Table;
use vellum_pager::policy::{Belady, NAMES, by_name};
use vellum_pager::simulate::simulate;
use vellum_pager::trace::Trace;

const SIZES: [f64; 3] = [5.0, 10.0, 25.0];

/// All policies in each of the nine cells; the selector against the best of the others, Belady left
/// out, and against LRU.
pub fn table(traces: &[(String, Trace)]) -> Table {
    let rest: Vec<&str> = NAMES.iter().copied().filter(|&name| name != "selector").collect();
    let mut head = vec!["trace", "pages", "selector"];
    head.extend(&rest);
    head.extend(["belady", "selector / best", "selector / lru"]);
    let mut table = Table::new(&head);
    let (mut logs, mut worst, mut cells) = (0.0, 0.0_f64, 0.0);
    for (name, trace) in traces {
        for percent in SIZES {
            let (pages, size) = (trace.pages(), trace.share(percent));
            let misses = |name: &str| match by_name(name, pages, size) {
                Some(mut policy) => simulate(&mut *policy, trace.references()).misses as f64,
                None => f64::NAN,
            };
            let selector = misses("selector");
            let others: Vec<f64> = rest.iter().map(|name| misses(name)).collect();
            let best = others.iter().copied().fold(f64::INFINITY, f64::min);
            let lru = rest.iter().position(|&name| name == "lru").map_or(f64::NAN, |at| others[at]);
            let mut belady = Belady::new(trace.references(), pages, size);
            let bound = simulate(&mut belady, trace.references()).misses;
            let mut row =
                vec![format!("{name} {percent} %"), size.to_string(), selector.to_string()];
            row.extend(others.iter().map(f64::to_string));
            row.push(bound.to_string());
            row.push(format!("{:.4}", selector / best));
            row.push(format!("{:.4}", selector / lru));
            table.row(&row);
            logs += (selector / lru).ln();
            worst = worst.max(selector / best);
            cells += 1.0;
        }
    }
    let mut row = vec![String::new(); rest.len() + 4];
    row[0] = "worst cell, geometric mean".into();
    row.push(format!("{worst:.4} (reach 1.05)"));
    row.push(format!("{:.4} (reach 0.96)", (logs / f64::max(cells, 1.0)).exp()));
    table.row(&row);
    table
}
