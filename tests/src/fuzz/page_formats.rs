//! Packs of pages from an object store, and page traces: any bytes are one, or an error.

use vellum_pager::PageNo;
use vellum_pager::policy::by_name;
use vellum_pager::simulate::simulate;
use vellum_pager::store::Pack;
use vellum_pager::trace::Trace;

/// Reads the bytes as both.
///
/// # Panics
/// When a pack that was read is not written as it was, or a policy loses count of a trace.
pub fn run(data: &[u8]) {
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

/// A pack of two pages, and a trace.
pub fn seeds() -> Vec<Vec<u8>> {
    let content = [7; 4096];
    let pack = Pack::build(3, &[(PageNo::new(1), &content), (PageNo::new(9), &content)]);
    let trace = (0..200_u32).flat_map(|at| (at * at % 37).to_le_bytes()).collect();
    vec![pack, trace]
}
