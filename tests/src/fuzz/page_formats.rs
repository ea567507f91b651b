//! Packs of pages from an object store, page traces, and sketches of guests: any bytes are one, or an error.

use vellum::scavenger::{Domain, Sketch, Sketcher};
use vellum_pager::PageNo;
use vellum_pager::policy::by_name;
use vellum_pager::simulate::simulate;
use vellum_pager::store::Pack;
use vellum_pager::trace::Trace;

/// Reads the bytes as each.
///
/// # Panics
/// When a pack or a sketch that was read is not written as it was, or a policy loses count of a trace.
pub fn run(data: &[u8]) {
    sketches(data);
    if let Ok(pack) = Pack::parse(data) {
        assert!(!pack.pages.is_empty());
        let content = [0; 4096];
        let pages: Vec<(PageNo, &[u8; 4096])> = pack.pages.iter().map(|&p| (p, &content)).collect();
        let again = Pack::build(pack.sequence, &pages);
        assert_eq!(Pack::parse(&again).as_ref(), Ok(&pack));
        assert_eq!(pack.bytes(pack.pages.len()).start, again.len() as u64);
    }
    if let Ok(trace) = Trace::read(data) {
        let size = (trace.pages() / 2).max(1);
        for name in ["selector", "arc", "clock2q+"] {
            let Some(mut policy) = by_name(name, trace.pages(), size) else { continue };
            let score = simulate(&mut *policy, trace.references());
            assert!(score.misses <= score.references && score.misses >= u64::from(trace.pages()));
            assert!(policy.len() <= size);
        }
    }
}

/// Reads a sketch under a checksum that fits, and puts it beside itself.
fn sketches(data: &[u8]) {
    let Some((body, _)) = data.split_last_chunk::<4>() else { return };
    let bytes = [body, &crc32fast::hash(body).to_le_bytes()].concat();
    let Ok(sketch) = Sketch::from_bytes(&bytes) else { return };
    assert_eq!(sketch.to_bytes(), bytes);
    let shared = sketch.shared(&sketch).map(|estimate| estimate.value);
    assert!(shared.is_ok_and(|value| (0.0..=sketch.distinct() as f64).contains(&value)));
    let both = sketch.merge(&sketch).unwrap();
    assert!(both.deltas() <= both.distinct() && both.duplicates() <= both.pages());
}

/// A pack of two pages, a trace, and a sketch of three pages.
pub fn seeds() -> Vec<Vec<u8>> {
    let content = [7; 4096];
    let pack = Pack::build(3, &[(PageNo::new(1), &content), (PageNo::new(9), &content)]);
    let trace = (0..200_u32).flat_map(|at| (at * at % 37).to_le_bytes()).collect();
    let mut sketcher = Sketcher::new(7, Domain(1));
    [[0; 4096], content, std::array::from_fn(|at| (at * at / 5) as u8)]
        .iter()
        .for_each(|page| sketcher.add(page));
    vec![pack, trace, sketcher.finish().to_bytes()]
}
