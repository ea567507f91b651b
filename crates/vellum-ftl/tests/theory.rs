//! Greedy collection under uniform traffic against the exact mean field.

use vellum_ftl::campaign::steady;

#[test]
fn greedy_collection_meets_the_mean_field() {
    for op_percent in [7, 10, 20, 28] {
        let s = steady(1024, op_percent).unwrap();
        assert!((s.waf / s.theory - 1.0).abs() < 0.01, "{op_percent} %: {s:?}");
    }
}
