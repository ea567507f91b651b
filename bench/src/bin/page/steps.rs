//! A policy's step, beside a general cache crate's.

use super::cpu_ns;
use anyhow::Result;
use quick_cache::unsync::Cache;
use std::hint::black_box;
use vellum_bench::{Contestant, Series, Table, interleave};
use vellum_pager::policy::{Clock, Policy, S3Fifo, Selector};
use vellum_pager::simulate::simulate;
use vellum_pager::trace::Trace;

fn ours<'a, P: Policy>(
    trace: &'a Trace,
    make: impl Fn(u32, u32) -> P + 'a,
) -> Box<dyn FnMut() -> Result<f64> + 'a> {
    Box::new(move || {
        let mut policy = make(trace.pages(), trace.share(10.0));
        let start = cpu_ns();
        black_box(simulate(&mut policy, trace.references()));
        Ok((cpu_ns() - start) / trace.references().len() as f64)
    })
}

fn peer(trace: &Trace) -> Result<f64> {
    let mut cache: Cache<u32, ()> = Cache::new(trace.share(10.0) as usize);
    let start = cpu_ns();
    let mut misses = 0_u64;
    for &page in trace.references() {
        if cache.get(&page).is_none() {
            cache.insert(page, ());
            misses += 1;
        }
    }
    black_box(misses);
    Ok((cpu_ns() - start) / trace.references().len() as f64)
}

/// Nanoseconds of CPU time a reference, with memory of a tenth of the footprint.
pub fn measure(traces: &[(String, Trace)], rounds: u32, table: &mut Table) -> Result<()> {
    for (name, trace) in traces {
        let mut contestants: [Contestant<'_>; 4] = [
            ("clock", ours(trace, Clock::new)),
            ("s3-fifo", ours(trace, S3Fifo::new)),
            ("selector", ours(trace, Selector::new)),
            ("quick_cache", Box::new(|| peer(trace))),
        ];
        let series = interleave(rounds, &mut contestants)?;
        let (ours, peer): (&[Series], &Series) = (&series[..3], &series[3]);
        for (policy, series) in ["clock", "s3-fifo", "selector"].iter().zip(ours) {
            table.row(&[
                format!("step, {policy}, {name}, CPU ns"),
                series.to_string(),
                format!("quick_cache: {peer}"),
                format!("{:.2}", series.median() / peer.median()),
                if *policy == "selector" { String::new() } else { "≤ 2 ns".into() },
            ]);
        }
    }
    Ok(())
}
