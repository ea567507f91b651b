//! `cargo xtask policies`: one guest under every policy, and what each of them cost: stores to guest
//! tables that trapped, hidden faults, and apart from them the fences that the guest made.

use crate::boot::{ModeKind, PagingKind};
use crate::table::Table;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::{Command, ExitCode, Stdio};

/// Three hundred forks, and tools that make and move data.
const FORKS: &str = "i=0; while [ $i -lt 300 ]; do /bin/busybox true; i=$((i+1)); done; \
    dd if=/dev/zero of=/tmp/z bs=64k count=256; md5sum /tmp/z; seq 1 20000 | sort -r | md5sum; \
    gzip -c /tmp/z | gunzip | cmp - /tmp/z";
/// Policies in the order of the table: flat is none, it has no host table.
const ORDER: [PagingKind; 8] = [
    PagingKind::Naive,
    PagingKind::TrapUpdate,
    PagingKind::Shadow,
    PagingKind::UnsyncPlain,
    PagingKind::Unsync,
    PagingKind::Hybrid,
    PagingKind::VirtualTlb,
    PagingKind::Nested,
];
const HEAD: [&str; 13] = [
    "policy",
    "table stores",
    "hidden faults",
    "exits",
    "exits a fence",
    "fills",
    "refills",
    "fences",
    "TLB misses",
    "entries a miss",
    "peak pages",
    "% of memory",
    "digest",
];

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these policies; all of them if not said
    #[arg(long, value_enum, value_delimiter = ',')]
    policy: Vec<PagingKind>,
    /// The largest paging mode that the guest may choose
    #[arg(long, value_enum, default_value_t = ModeKind::Sv57)]
    mode: ModeKind,
    /// The small guest's self-test in place of Debian's boots
    #[arg(long)]
    small: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let work: &[(&str, &[&str])] = match args.small {
        true => &[("boot and self-test", &["--exec", "selftest"])],
        false => &[
            ("boot to init", &["--linux", "--exec", "true"]),
            ("boot, 300 forks and tools", &["--linux", "--exec", FORKS]),
        ],
    };
    let policies = if args.policy.is_empty() { &ORDER[..] } else { &args.policy[..] };
    let mut tables = Vec::new();
    for (name, words) in work {
        let mut table: Option<Table> = None;
        for &policy in policies {
            let report = once(policy, args.mode, words)?;
            let say = |key: &str| report[key].as_str().unwrap_or("?").to_owned();
            let title = || {
                let (guest, cmdline) = (say("guest"), say("cmdline"));
                let instructions = report["counters"]["instructions"].clone();
                format!(
                    "{name} · {guest} · {cmdline} · {}, {instructions} instructions under {policy:?}",
                    say("mode")
                )
            };
            let table = table.get_or_insert_with(|| Table::new(&title(), &HEAD));
            table.row(row(policy, &report));
        }
        tables.extend(table);
    }
    match args.json {
        true => {
            let all = tables.iter().map(Table::json).collect();
            println!("{}", serde_json::to_string_pretty(&Value::Array(all))?);
        }
        false => tables.iter().for_each(|table| println!("{}", table.text())),
    }
    Ok(ExitCode::SUCCESS)
}

fn once(policy: PagingKind, mode: ModeKind, words: &[&str]) -> Result<Value> {
    let output = Command::new(std::env::current_exe()?)
        .args(["boot", "--json", "--no-host", "--digest", "--paging", policy.name()])
        .args(["--mode", mode.name()])
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the guest ended with {} under {} paging", output.status, policy.name());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let at = text.rfind("\n{\n").context("the guest's run printed no report")?;
    Ok(serde_json::from_str(&text[at..])?)
}

fn row(policy: PagingKind, report: &Value) -> Vec<Value> {
    let count = |name: &str| report["counters"][name].as_u64().unwrap_or(0);
    let sum = |names: &[&str]| names.iter().map(|name| count(name)).sum::<u64>();
    let fences = sum(&[
        "fences_of_everything",
        "fences_of_an_address",
        "fences_of_an_asid",
        "fences_of_both",
    ]);
    let misses = sum(&["tlb_misses_loads", "tlb_misses_stores", "tlb_misses_fetches"]);
    let entries =
        sum(&["shadow_entries_read", "guest_table_entries_read", "host_table_entries_read"]);
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    let ratio = |a: u64, b: u64, unit: f64| (a as f64 / b.max(1) as f64 * unit).round() / unit;
    let hundredths = |a: u64, b: u64| ratio(a, b, 100.0);
    let digest = report["content"].as_str().or(report["digest"].as_str()).unwrap_or("");
    vec![
        policy.name().into(),
        count("table_stores").into(),
        count("hidden_faults").into(),
        count("shadow_exits").into(),
        hundredths(count("shadow_exits"), fences).into(),
        count("shadow_fills").into(),
        count("entries_filled_at_fences").into(),
        fences.into(),
        misses.into(),
        hundredths(entries, misses).into(),
        count("shadow_pages_peak").into(),
        hundredths(count("shadow_bytes_peak") * 100, count("guest_bytes")).into(),
        digest.get(..12).unwrap_or(digest).into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_policy_has_a_row() {
        for kind in PagingKind::value_variants() {
            assert!(ORDER.contains(kind) || *kind == PagingKind::Flat, "{kind:?}");
        }
    }
}
