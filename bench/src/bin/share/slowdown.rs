//! What the scavenger costs a Linux guest that works and sleeps by turns: CPU time of whole runs with it
//! and without, which take turns.
//!
//! On a thread of its own its work is known apart, by that thread's clock; what is more than that and the run
//! without it is what the guest lost: faults on pages that were shared, watched or packed, batches handed
//! over, caches that another uses as well.

use anyhow::Result;
use serde_json::Value;
use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use vellum_bench::{Contestant, Series, Table, interleave, number, root, run, xtask};

const CMDLINE: &str = "console=ttyS0 quiet cryptomgr.notests=1";
/// Three hundred programs, and five minutes of sleep among them.
const WORK: &str = "i=0; while [ $i -lt 300 ]; do /bin/busybox true; i=$((i+1)); \
                    [ $((i%10)) = 0 ] && sleep 10; done; true";
/// Per cent of a CPU, or of the guest's time, that the scavenger may work.
const BUDGET: &str = "5";
/// Per cent of the working set that may be wanted back in a minute.
const REFAULTS: &str = "0.2";

const REACHED: &str = "refaults_reached_millionths_of_the_working_set_a_minute";
const LATELY: &str =
    "refaults_in_the_last_minute_at_one_age_millionths_of_the_working_set_a_minute";

/// Runs a guest `rounds` times each way, on the program `with` or on one built now; rows for the table.
pub fn slowdown(rounds: u32, with: Option<&Path>, table: &mut Table) -> Result<()> {
    let xtask = with.map_or_else(xtask, |path| Ok(path.to_owned()))?;
    let folder = root().join("target/bench/share");
    fs::create_dir_all(&folder)?;
    let made = run(Command::new(&xtask).args(["linux", "--exec", WORK, "--out"]).arg(&folder))?;
    if !made.output.status.success() || made.text().starts_with("skipped") {
        eprintln!("the slowdown is skipped: no kernel to boot: {}", made.text().trim_end());
        return Ok(());
    }
    let guest = Guest { xtask, folder };
    let budget = ["--scavenge", "--scavenge-budget", BUDGET, "--refaults", REFAULTS];
    let beside = [&budget[..], &["--scavenge-thread"]].concat();
    // Of each round: all CPU time of the three ways, the thread's, and the last reports.
    let (plain, thread) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    let reports = RefCell::new([Value::Null, Value::Null]);
    let mut contestants: Vec<Contestant<'_>> = vec![
        (
            "without",
            Box::new(|| {
                let (cpu, _) = guest.run(&[])?;
                plain.borrow_mut().push(cpu);
                Ok(cpu)
            }),
        ),
        (
            "on a thread",
            Box::new(|| {
                let (cpu, report) = guest.run(&beside)?;
                let its = number(&report, "thread_cpu_time_us")? / 1e6;
                thread.borrow_mut().push((cpu, its));
                reports.borrow_mut()[0] = report;
                Ok(cpu)
            }),
        ),
        (
            "in guest time",
            Box::new(|| {
                let (cpu, report) = guest.run(&budget)?;
                reports.borrow_mut()[1] = report;
                Ok(cpu)
            }),
        ),
    ];
    let series = interleave(rounds, &mut contestants)?;
    drop(contestants);
    let (plain, thread) = (plain.into_inner(), thread.into_inner());
    let per_cent = |share: &dyn Fn(f64, f64, f64) -> f64| {
        let mut all = Series::default();
        for (&without, &(with, its)) in plain.iter().zip(&thread) {
            all.add(100.0 * share(without, with, its));
        }
        all
    };
    let own = per_cent(&|without, _, its| its / without);
    let lost = per_cent(&|without, with, its| (with - its - without) / without);
    let mut row = |name: &str, ours: String, beside: String, reach: &str, reached| {
        super::row(table, [name.into(), ours, beside, String::new(), reach.into()], reached);
    };
    row(
        "a Linux guest without the scavenger, CPU s",
        series[0].to_string(),
        String::new(),
        "",
        None,
    );
    row(
        "with its thread at 5 % of a CPU, CPU s",
        series[1].to_string(),
        format!("its own work: {own} % of the run without"),
        "",
        None,
    );
    row(
        "what the guest lost beside it, % of the run without",
        lost.to_string(),
        "Difference Engine < 7".into(),
        "≤ 2",
        Some(lost.median() <= 2.0),
    );
    let all = 100.0 * (series[2].median() / series[0].median() - 1.0);
    row(
        "with 5 % of the guest's time, CPU s",
        series[2].to_string(),
        format!("work and loss: {all:.1} % of the run without"),
        "",
        None,
    );
    for (way, report) in ["on its thread", "in guest time"].iter().zip(&*reports.borrow()) {
        let [reached, lately] = [REACHED, LATELY].map(|name| number(report, name));
        let (reached, lately) = (reached? / 1e4, lately? / 1e4);
        let packed = number(report, "pages_compressed")? + number(report, "pages_told_as_deltas")?;
        let back = number(report, "pages_brought_back")?;
        row(
            &format!("refaults {way}, last minute at one age, %/min"),
            format!("{lately:.3}, from the boot on {reached:.3} ({back} of {packed} pages packed)"),
            "Google: 0.2".into(),
            "≤ 0.2",
            Some(lately <= 0.2),
        );
    }
    Ok(())
}

struct Guest {
    xtask: PathBuf,
    folder: PathBuf,
}

impl Guest {
    /// One run to poweroff: its CPU seconds and its report.
    fn run(&self, options: &[&str]) -> Result<(f64, Value)> {
        let file = |name: &str| -> PathBuf { Path::join(&self.folder, name) };
        let done = run(Command::new(&self.xtask)
            .args(["boot", "--json", "--memory", "256M", "--append", CMDLINE])
            .args(options)
            .arg("--kernel")
            .arg(file("Image"))
            .arg("--initrd")
            .arg(file("initrd.cpio")))?;
        done.succeeded("the guest")?;
        Ok((done.cpu, done.report()?))
    }
}
