//! Side-by-side runs against peers; one binary an area, started by `cargo xtask bench-compare AREA`.
