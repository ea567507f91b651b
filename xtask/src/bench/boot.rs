//! The small guest's boot and self-test under each kind of paging: what each of them costs.

use crate::table::Table;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

const KINDS: [&str; 3] = ["shadow", "nested", "flat"];

/// Runs the guest once under each kind; its counters become the rows.
pub fn run() -> Result<Vec<Table>> {
    let mut rows: BTreeMap<String, [Value; 3]> = BTreeMap::new();
    for (at, paging) in KINDS.into_iter().enumerate() {
        for (name, value) in counters(paging)? {
            rows.entry(name).or_default()[at] = value;
        }
    }
    let mut table =
        Table::new("the small guest's boot and self-test", &["count", "shadow", "nested", "flat"]);
    for (name, values) in rows {
        if values.iter().any(|value| value.as_u64() != Some(0)) {
            table.row(std::iter::once(Value::from(name.replace('_', " "))).chain(values));
        }
    }
    Ok(vec![table])
}

fn counters(paging: &str) -> Result<Vec<(String, Value)>> {
    let output = Command::new(std::env::current_exe()?)
        .args(["boot", "--exec", "selftest", "--json", "--no-host", "--paging", paging])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the guest ended with {} under {paging} paging", output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let at = text.rfind("\n{\n").context("the guest's run printed no report")?;
    let report: Value = serde_json::from_str(&text[at..])?;
    let counters = report["counters"].as_object().context("the report has no counters")?;
    Ok(counters.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}
