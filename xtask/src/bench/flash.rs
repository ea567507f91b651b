//! Write amplification of the flash layer under uniform traffic, beside theory.

use crate::table::Table;
use anyhow::Result;
use serde_json::Value;
use vellum_ftl::campaign::steady;

/// Blocks of 64 pages. `cargo xtask bench-compare flash ftl` measures larger chips and other traffic.
const BLOCKS: u32 = 512;

pub fn run() -> Result<Vec<Table>> {
    let head = ["over-provisioning %", "programs a write", "exact mean field", "blocks reserved"];
    let mut table =
        Table::new("greedy collection, writes at random, 512 blocks of 64 pages", &head);
    for op_percent in [7, 10, 20, 28] {
        let steady = steady(BLOCKS, op_percent)?;
        table.row([
            op_percent.into(),
            Value::from(format!("{:.3}", steady.waf)),
            Value::from(format!("{:.3}", steady.theory)),
            Value::from(format!("{:.1}", steady.reserved)),
        ]);
    }
    Ok(vec![table])
}
