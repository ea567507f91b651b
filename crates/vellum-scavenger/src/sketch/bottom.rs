//! Samples that are the least of something, and what those of two sets say of both.

use super::{ALIKE, SAMPLE};

/// The union of two ascending lists, ascending.
fn union(a: &[u64], b: &[u64]) -> Vec<u64> {
    let mut all = [a, b].concat();
    all.sort_unstable();
    all.dedup();
    all
}

/// The least `count` of both.
pub(super) fn least(a: &[u64], b: &[u64], count: usize) -> Vec<u64> {
    let mut all = union(a, b);
    all.truncate(count);
    all
}

/// How many of the least `count` of both there are, and how many of them both have.
pub(super) fn intersection(a: &[u64], b: &[u64], count: usize) -> (usize, usize) {
    let all = least(a, b, count);
    let has = |list: &[u64], hash| list.binary_search(hash).is_ok();
    (all.len(), all.iter().filter(|hash| has(a, hash) && has(b, hash)).count())
}

fn feature(entry: u64) -> u32 {
    (entry >> 32) as u32
}

/// The entries that have one feature, feature by feature.
fn groups(entries: &[u64]) -> impl Iterator<Item = &[u64]> {
    entries.chunk_by(|a, b| feature(*a) == feature(*b))
}

/// At most so many pages of each feature.
pub(super) fn capped(entries: &[u64]) -> Vec<u64> {
    groups(entries).flat_map(|group| &group[..group.len().min(ALIKE)]).copied().collect()
}

/// The first of both.
pub(super) fn grouped(a: &[u64], b: &[u64]) -> Vec<u64> {
    let mut all = capped(&union(a, b));
    all.truncate(SAMPLE);
    all
}

/// Pages of a capped list that have the feature of one before.
pub(super) fn alike(entries: &[u64]) -> u64 {
    (entries.len() - groups(entries).count()) as u64
}

/// What putting two capped lists together makes of the pages that have the feature of another: how many more
/// there are because one of the one list has it and one of the other, and how many of each list's own are
/// the same page. Of all of both, as far as a sample tells.
pub(super) fn more_alike(a: &[u64], b: &[u64]) -> (f64, f64) {
    // A list that is full may lack pages of its last feature.
    let full = [a, b].into_iter().filter(|list| list.len() == SAMPLE);
    let end = full.filter_map(|list| list.last()).map(|&entry| u64::from(feature(entry))).min();
    let end = end.unwrap_or(1 << 32);
    let within = |list: &[u64]| list.partition_point(|&entry| u64::from(feature(entry)) < end);
    let (a, b) = (&a[..within(a)], &b[..within(b)]);
    let both: Vec<u64> = a.iter().filter(|entry| b.binary_search(entry).is_ok()).copied().collect();
    let same = alike(&both);
    let more = (alike(&capped(&union(a, b))) + same).saturating_sub(alike(a) + alike(b));
    // The share of all features that the sample has.
    let whole = (1_u64 << 32) as f64 / end.max(1) as f64;
    (more as f64 * whole, same as f64 * whole)
}
