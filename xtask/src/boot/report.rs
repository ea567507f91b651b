//! What happened in a run: rows for people, JSON for programs, and the last report of each kind of
//! paging, so that two can stand side by side.

use super::faults::Faults;
use super::options::{Args, PagingKind};
use super::session::End;
use super::size;
use crate::shell::target_dir;
use crate::table::{Table, grouped};
use anyhow::Result;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::PathBuf;
use vellum_machine::{Costs, Machine, WORKS, trap_name};

/// Kinds of traps that a report tells apart.
const TRAP_KINDS: usize = 32;

/// A run's counts, in the order in which they are shown: section, name, count.
pub type Counts = Vec<(&'static str, String, u64)>;

/// What a run gives to be told.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub guest: String,
    pub key: String,
    pub cmdline: String,
    pub end: End,
    pub counts: Counts,
    /// What the pager's faults were like, if there is one.
    pub faults: Option<Faults>,
    /// The run in one line.
    pub short: String,
    pub digest: Option<String>,
    /// The same without the translations that a policy keeps: equal under every paging.
    pub content: Option<String>,
}

pub fn counts(machine: &Machine) -> Counts {
    let (report, host) = (&machine.report(), machine.memory().host());
    let mut rows = Counts::new();
    let mut add = |section, name: &str, count| rows.push((section, name.to_owned(), count));
    let (monitor, memory, shadow) = (&report.monitor, &report.memory, &report.shadow);

    add("run", "instructions", report.instructions());
    add("run", "loads and stores", report.accesses());
    add("run", "virtual time, us", report.nanos / 1000);
    add("run", "of it idle, us", monitor.idle_nanos / 1000);

    add("translation", "TLB hits", report.accesses().saturating_sub(report.data_misses()));
    for (name, count) in ["loads", "stores", "fetches"].into_iter().zip(memory.misses) {
        add("translation", &format!("TLB misses, {name}"), count);
    }
    add("translation", "misses found in the shadow", memory.shadow_hits);
    add("translation", "shadow entries read", memory.shadow_references);
    add("translation", "misses in a switched table", memory.switched_walks);
    add("translation", "guest faults", memory.guest_faults);
    add("translation", "guest table entries read", memory.guest_references);
    add("translation", "host table entries read", memory.host_references);

    add("shadow", "shadow exits", report.shadow_exits());
    add("shadow", "table stores", shadow.table_stores);
    add("shadow", "hidden faults", memory.hidden_faults);
    add("shadow", "shadow fills", shadow.fills);
    add("shadow", "entries updated in place", shadow.updates);
    add("shadow", "neighbours filled", shadow.prefetched);
    add("shadow", "entries filled at fences", shadow.refills);
    add("shadow", "tables gone out of step", shadow.loosened);
    add("shadow", "tables followed again", shadow.followed_again);
    add("shadow", "tables compared at fences", shadow.resyncs);
    add("shadow", "entries compared at fences", shadow.compared);
    add("shadow", "of them changed", shadow.changed);
    add("shadow", "large leaves installed", shadow.large_fills);
    add("shadow", "large leaves refused", shadow.large_refused);
    add("shadow", "large leaves split", shadow.large_split);
    add("shadow", "pieces merged to large leaves", shadow.large_merged);
    add("shadow", "large leaves now", shadow.large_pages);
    add("shadow", "shadow pages unshadowed", shadow.unshadowed);
    add("shadow", "shadow pages flooded", shadow.flooded);
    add("shadow", "shadow pages reclaimed", shadow.reclaimed);
    add("shadow", "tables switched to walks", shadow.switched);
    add("shadow", "tables switched back", shadow.switched_back);
    add("shadow", "everything thrown away", shadow.cleared);
    add("shadow", "host invalidations", shadow.host_invalidations);
    add("shadow", "roots found", shadow.roots_found);
    add("shadow", "roots missed", shadow.roots_missed);
    add("shadow", "virtual TLB evictions", shadow.evicted);
    add("shadow", "shadow pages, peak", shadow.peak_pages);
    add("shadow", "shadow pages made", shadow.pages_made);
    add("shadow", "shadow bytes, peak", shadow.peak_bytes());

    add("monitor", "CSR instructions", monitor.csr);
    add("monitor", "sret", monitor.sret);
    add("monitor", "wfi", monitor.wfi);
    for (name, count) in
        ["everything", "an address", "an ASID", "both"].into_iter().zip(memory.fences)
    {
        add("monitor", &format!("fences of {name}"), count);
    }
    add("monitor", "loads of satp", memory.root_loads);
    add("monitor", "SBI calls", monitor.sbi);
    add("monitor", "device accesses", monitor.mmio);

    for kind in 0..TRAP_KINDS {
        if report.traps(kind) > 0 {
            add("traps to the guest", trap_name(kind), report.traps(kind));
        }
    }

    add("memory", "guest bytes", report.guest_bytes);
    add("memory", "pages used", host.touched().count() as u64);
    add("memory", "pages written", host.written_since(host.epoch()).count() as u64);
    add("memory", "frames used", report.frames.used);
    add("memory", "frames used, peak", report.frames.peak);
    add("memory", "zero pages filled", memory.zero_pages_filled);
    add("memory", "frames copied", memory.copies_on_write);
    add("memory", "guard faults", memory.guard_faults);
    add("memory", "host bytes beyond frames", report.overhead_bytes);
    if let Some(pager) = &report.pager {
        add("pager", "pages missing", pager.missing);
        add("pager", "pages evicted", pager.evicted);
        add("pager", "of them as stored", pager.evicted_clean);
        add("pager", "pages written to the store", pager.pages_written);
        add("pager", "first writes to stored pages", pager.write_faults);
        add("pager", "store errors", pager.store_errors);
    }
    rows
}

/// What the memory subsystem cost, by cause.
pub fn costs(costs: &Costs) -> Counts {
    let rows = WORKS.iter().flat_map(|&(work, name)| {
        let spent = costs.of(work);
        [("calls", spent.calls), ("us", spent.nanos() / 1000)]
            .map(|(unit, count)| ("cost", format!("cost of {name}, {unit}"), count))
    });
    rows.collect()
}

/// One line: how the guest is doing.
pub fn short(machine: &Machine) -> String {
    let report = machine.report();
    format!(
        "{} instructions, {} ms of virtual time, {} shadow exits, {} in frames, {} beside them",
        grouped(report.instructions()),
        grouped(report.nanos / 1_000_000),
        grouped(report.shadow_exits()),
        size::show(report.frames.used << 12),
        size::show(report.overhead_bytes),
    )
}

impl Outcome {
    /// Keeps the counts for the next run of the same guest under another kind of paging.
    pub fn keep(&self, paging: PagingKind) -> Result<()> {
        let path = kept(&self.key, paging.name());
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        let rows: Vec<_> = self.counts.iter().map(|(_, name, count)| (name, count)).collect();
        Ok(fs::write(
            path,
            serde_json::to_string(&json!({ "cmdline": self.cmdline, "counts": rows }))?,
        )?)
    }

    /// The counts of the last run of this guest, with this command line, under `paging`.
    fn last(&self, paging: &str) -> Option<Vec<(String, u64)>> {
        let text = fs::read_to_string(kept(&self.key, paging)).ok()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        if value["cmdline"] != self.cmdline.as_str() {
            return None;
        }
        serde_json::from_value(value["counts"].clone()).ok()
    }

    /// All rows; beside them those of the last run under the other kind of paging, if there was one.
    pub fn table(&self, args: &Args) -> Table {
        let own = args.paging.name();
        let other = if own == "shadow" { "nested" } else { "shadow" };
        let last = self.last(other);
        let (mode, memory) = (args.mode.name(), size::show(args.memory));
        let ran = format!("{own} paging, {mode} · {memory} · {}", self.end);
        let title = [&self.guest, self.cmdline.as_str(), &ran]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" · ");
        let mut head = vec!["", "", own];
        head.extend(last.is_some().then_some(other));
        let mut table = Table::new(&title, &head);
        let mut section = "";
        let faults = self.faults.as_ref().map(Faults::rows);
        for (of, name, count) in self.counts.iter().chain(faults.iter().flatten()) {
            let first = if *of == section { "" } else { of };
            section = of;
            let beside = last.iter().flatten().find(|(other, _)| other == name);
            let mut row = vec![first.into(), name.as_str().into(), (*count).into()];
            row.extend(beside.map(|(_, count)| Value::from(*count)));
            table.row(row);
        }
        table
    }

    /// Everything, for programs.
    pub fn json(&self, args: &Args) -> Value {
        let counters: Map<String, Value> =
            self.counts.iter().map(|(_, name, count)| (key(name), (*count).into())).collect();
        let mut value = json!({
            "guest": self.guest, "cmdline": self.cmdline, "paging": args.paging.name(),
            "mode": args.mode.name(), "memory": args.memory, "harts": args.harts,
            "seed": args.seed, "end": self.end.to_string(), "code": self.end.code(),
            "counters": counters,
        });
        if let Some(digest) = &self.digest {
            value["digest"] = digest.as_str().into();
        }
        if let Some(content) = &self.content {
            value["content"] = content.as_str().into();
        }
        if let Some(faults) = &self.faults {
            value["pager_faults"] = faults.json();
        }
        if !args.no_host {
            value["host"] =
                json!({ "cpu_seconds": cpu_seconds(), "peak_resident_bytes": peak_resident() });
        }
        value
    }
}

/// A row's name as a key: `TLB misses, loads` is `tlb_misses_loads`.
fn key(name: &str) -> String {
    let words = name.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

fn kept(key: &str, paging: &str) -> PathBuf {
    target_dir().join("reports").join(format!("{key}.{paging}.json"))
}

/// CPU time of this process.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "a process does not run for 2^53 s")]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}

/// The most host memory that this process had in use, in bytes; 0 where the host does not tell.
fn peak_resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_keys() {
        for (name, want) in [
            ("instructions", "instructions"),
            ("TLB misses, loads", "tlb_misses_loads"),
            ("virtual time, us", "virtual_time_us"),
        ] {
            assert_eq!(key(name), want);
        }
    }
}
