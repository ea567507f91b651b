//! `cargo xtask bench-compare boot`: the same kernel, initramfs and command line here and under
//! QEMU's translator, the same computing loop, and what shadow tables cost against the same
//! processor walking the guest's tables straight to a flat memory.

use anyhow::Result;
use clap::Parser;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use vellum_bench::{Contestant, Series, Table, interleave, number, root, run, xtask};

const QEMU: &str = "qemu-system-riscv64";
const CMDLINE: &str = "console=ttyS0 quiet cryptomgr.notests=1";
const MEMORY_MIB: u64 = 256;
/// Three hundred forks, each with a small tool behind it.
const FORKS: &str = "i=0; while [ $i -lt 300 ]; do /bin/busybox true; i=$((i+1)); done";

/// Booting side by side with QEMU, in CPU seconds
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench-compare boot")]
struct Args {
    /// Rounds; all contestants run once in each
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let bench = Bench { xtask: xtask()?, folder: root().join("target/bench/boot"), peer: peer() };
    let mut table = Table::new(&["measure", "Vellum", "peer", "ratio", "reach"]);
    match bench.linux("true", "boot")? {
        Some(kernel) => {
            eprintln!(
                "{kernel}; `{CMDLINE}`, {MEMORY_MIB} MiB, 1 hart; median (spread) of {} rounds",
                args.rounds
            );
            bench.boots(&args, &mut table)?;
            bench.linux(FORKS, "forks")?;
            bench.shadow_cost(&args, &mut table)?;
            bench.report(&mut table)?;
        }
        None => eprintln!("skipped: no kernel to boot"),
    }
    bench.compute(&args, &mut table)?;
    if !bench.peer {
        eprintln!("skipped: {QEMU} is not installed, so its column is empty");
    }
    table.print(args.json)
}

fn peer() -> bool {
    Command::new(QEMU).arg("--version").output().is_ok_and(|output| output.status.success())
}

struct Bench {
    xtask: PathBuf,
    folder: PathBuf,
    peer: bool,
}

impl Bench {
    /// Makes kernel and initramfs for one command; says which kernel it is.
    fn linux(&self, exec: &str, name: &str) -> Result<Option<String>> {
        let out = self.folder.join(name);
        fs::create_dir_all(&out)?;
        let made =
            run(Command::new(&self.xtask).args(["linux", "--exec", exec, "--out"]).arg(&out))?;
        let text = made.text();
        if !made.output.status.success() || text.starts_with("skipped") {
            eprint!("{text}");
            return Ok(None);
        }
        Ok(text.lines().find(|line| line.starts_with("Debian")).map(Into::into))
    }

    /// Our machine on the files of `name`; returns CPU seconds and the report.
    fn ours(&self, name: &str, paging: &str) -> Result<(f64, Value)> {
        self.ours_with(name, paging, &[])
    }

    fn ours_with(&self, name: &str, paging: &str, options: &[&str]) -> Result<(f64, Value)> {
        let files = self.folder.join(name);
        let done = run(Command::new(&self.xtask)
            .args(["boot", "--json", "--paging", paging, "--append", CMDLINE])
            .args(options)
            .arg("--memory")
            .arg(format!("{MEMORY_MIB}M"))
            .arg("--kernel")
            .arg(files.join("Image"))
            .arg("--initrd")
            .arg(files.join("initrd.cpio")))?;
        done.succeeded("vellum")?;
        Ok((done.cpu, done.report()?))
    }

    fn qemu(&self, kernel: &Path, initrd: Option<&Path>) -> Result<f64> {
        let mut command = Command::new(QEMU);
        command.args(["-M", "virt", "-nographic", "-no-reboot", "-accel", "tcg", "-m"]);
        command.arg(MEMORY_MIB.to_string()).arg("-kernel").arg(kernel);
        if let Some(initrd) = initrd {
            command.arg("-initrd").arg(initrd).args(["-append", CMDLINE]);
        }
        let done = run(&mut command)?;
        done.succeeded(QEMU)?;
        Ok(done.cpu)
    }

    fn boots(&self, args: &Args, table: &mut Table) -> Result<()> {
        let files = self.folder.join("boot");
        let (kernel, initrd) = (files.join("Image"), files.join("initrd.cpio"));
        let mut contestants: Vec<Contestant<'_>> =
            vec![("vellum", Box::new(|| Ok(self.ours("boot", "shadow")?.0)))];
        if self.peer {
            contestants.push((QEMU, Box::new(|| self.qemu(&kernel, Some(&initrd)))));
        }
        let series = interleave(args.rounds, &mut contestants)?;
        compare(table, "boot to poweroff, CPU s", &series, "≤ 1.0 × QEMU TCG");
        Ok(())
    }

    fn shadow_cost(&self, args: &Args, table: &mut Table) -> Result<()> {
        let mut contestants: Vec<Contestant<'_>> = ["shadow", "flat", "nested"]
            .iter()
            .map(|&paging| {
                let once: Box<dyn FnMut() -> Result<f64>> =
                    Box::new(move || Ok(self.ours("forks", paging)?.0));
                (paging, once)
            })
            .collect();
        let series = interleave(args.rounds, &mut contestants)?;
        let mode = |at: usize| [series[at].clone(), series[1].clone()];
        compare(table, "boot + 300 forks, shadow : flat, CPU s", &mode(0), "≤ 1.10");
        compare(table, "boot + 300 forks, nested : flat, CPU s", &mode(2), "");
        self.split(args, series[1].median(), table)
    }

    /// What shadow tables cost, by cause, beside what the same cause costs where memory is flat; the
    /// ratio is the difference against the whole of the flat run.
    fn split(&self, args: &Args, flat: f64, table: &mut Table) -> Result<()> {
        const CAUSES: [&str; 7] = [
            "table stores",
            "hidden faults",
            "host faults",
            "guest faults",
            "misses found",
            "stores to code",
            "fences",
        ];
        let mut spent = vec![[Series::default(), Series::default()]; CAUSES.len()];
        let mut calls = [[0.0; 2]; CAUSES.len()];
        for _ in 0..args.rounds {
            for (column, paging) in ["shadow", "flat"].into_iter().enumerate() {
                let (_, report) = self.ours_with("forks", paging, &["--costs"])?;
                for (row, cause) in CAUSES.iter().enumerate() {
                    let key = format!("cost_of_{}", cause.replace(' ', "_"));
                    calls[row][column] = number(&report, &format!("{key}_calls"))?;
                    spent[row][column].add(number(&report, &format!("{key}_us"))? / 1e3);
                }
            }
        }
        for (row, cause) in CAUSES.iter().enumerate() {
            let [shadow, beside] = &spent[row];
            let cell = |column: usize, series: &Series| {
                format!("{:.1} ms, {:.0} calls", series.median(), calls[row][column])
            };
            table.row(&[
                format!("  of it {cause}"),
                cell(0, shadow),
                cell(1, beside),
                format!("{:+.1} %", (shadow.median() - beside.median()) / flat / 10.0),
            ]);
        }
        Ok(())
    }

    /// Counts of one boot; they are the same in every run.
    fn report(&self, table: &mut Table) -> Result<()> {
        let (_, report) = self.ours("boot", "shadow")?;
        let mut count = |name: &str, what: &str, reach: &str| -> Result<()> {
            let value = number(&report, name)?;
            table.row(&[
                what.into(),
                format!("{value:.0}"),
                String::new(),
                String::new(),
                reach.into(),
            ]);
            Ok(())
        };
        count("instructions", "instructions, boot to poweroff", "")?;
        count("shadow_exits", "shadow exits (table stores + hidden faults)", "≤ 106282")?;
        count("shadow_fills", "shadow fills", "≤ 30000")?;
        count("host_bytes_beyond_frames", "host memory beyond frames, bytes", "≤ 5 % + 32 MiB")
    }

    /// The computing loop: its instructions are counted here, the peer runs the same number.
    fn compute(&self, args: &Args, table: &mut Table) -> Result<()> {
        let image = root().join("guests/loop/loop.img");
        let count = std::cell::Cell::new(0.0);
        let mut contestants: Vec<Contestant<'_>> = vec![(
            "vellum",
            Box::new(|| {
                let done = run(Command::new(&self.xtask)
                    .args(["boot", "--json", "--kernel"])
                    .arg(&image))?;
                done.succeeded("vellum")?;
                count.set(number(&done.report()?, "instructions")?);
                Ok(count.get() / done.cpu / 1e6)
            }),
        )];
        if self.peer {
            contestants.push((QEMU, Box::new(|| Ok(count.get() / self.qemu(&image, None)? / 1e6))));
        }
        let series = interleave(args.rounds, &mut contestants)?;
        compare(
            table,
            "computing loop, M instructions per CPU s",
            &series,
            "≥ 600, ≥ 0.3 × QEMU TCG",
        );
        Ok(())
    }
}

fn compare(table: &mut Table, what: &str, series: &[Series], reach: &str) {
    let peer = series.get(1);
    let ratio = peer.map(|peer| format!("{:.2}", series[0].median() / peer.median()));
    table.row(&[
        what.into(),
        series[0].to_string(),
        peer.map(ToString::to_string).unwrap_or_default(),
        ratio.unwrap_or_default(),
        reach.into(),
    ]);
}
