//! `cargo xtask ci`: what must hold before a change lands. Needs cargo, rustfmt and clippy; what
//! else is not at hand is named as skipped.

use crate::shell::{cargo, root, run_within};
use crate::{bad_input, console, linux, no_std, tidy};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also run a check that takes more than Rust, or longer: `bench` (the comparisons build),
    /// `features` (tests of what is off by default), `fuzz` (the fuzz targets build), `mdbook` (the
    /// book builds)
    #[arg(long, value_name = "CHECK")]
    with: Vec<String>,
    /// Only the steps whose names contain this
    #[arg(long, value_name = "STEP")]
    only: Option<String>,
    /// Minutes after which whatever runs is stopped and the rest fails
    #[arg(long, default_value_t = 80)]
    minutes: u64,
}

/// How a step ended, where it did not fail.
enum Outcome {
    Passed,
    Skipped(String),
}

type Step = (&'static str, fn(&Ci) -> Result<Outcome>);

/// In this order: what fails fast comes first.
const STEPS: [Step; 13] = [
    ("format", |ci| ci.cargo(&["fmt", "--all", "--check"])),
    ("house rules", |_| tidy::run(&tidy::Args::default()).map(|_| Outcome::Passed)),
    ("lints", |ci| {
        let strict = ["--all-targets", "--exclude", "vellum-bench", "--", "-D", "warnings"];
        ci.cargo(&[&["clippy", "--workspace"], &strict[..]].concat())
    }),
    ("tests", |ci| ci.cargo(&["test", "--workspace", "--exclude", "vellum-bench"])),
    ("rust-vmm", |ci| {
        ci.cargo(&[
            "test",
            "-p",
            "vellum-translate",
            "--features",
            "vm-memory",
            "--test",
            "vm_memory",
        ])
    }),
    ("without std", |ci| ci.run(&mut no_std::check(&ci.temporary.path().join("no-std"))?)),
    ("without alloc", |ci| ci.run(&mut no_std::without_alloc())),
    ("docs", Ci::docs),
    ("small guest", Ci::small_guest),
    ("one seed, one run", Ci::same_twice),
    ("bad input", |_| bad_input::check().map(|_| Outcome::Passed)),
    ("console", |_| {
        Ok(match console::check()? {
            Some(_) => Outcome::Passed,
            None => Outcome::Skipped("tmux is not installed".into()),
        })
    }),
    ("Debian", Ci::debian),
];

pub fn run(args: &Args) -> Result<ExitCode> {
    let ci = Ci::new(args)?;
    let mut steps = STEPS.to_vec();
    for name in &args.with {
        steps.push(match name.as_str() {
            "bench" => ("bench", |ci| ci.cargo(&["check", "-p", "vellum-bench", "--all-features"])),
            "fuzz" => ("fuzz", Ci::fuzz),
            "features" => ("features", |ci| {
                ci.cargo(&["test", "-p", "vellum-recover", "--features", "object-store,zstd"])?;
                ci.cargo(&["test", "-p", "vellum-pager", "--features", "object-store,redis"])?;
                ci.cargo(&["test", "-p", "xtask", "--features", "object-store,redis", "remote"])
            }),
            "mdbook" => ("mdbook", Ci::mdbook),
            other => bail!("no check is named {other}; bench, features, fuzz and mdbook are"),
        });
    }
    if let Some(only) = &args.only {
        steps.retain(|(name, _)| name.contains(only.as_str()));
    }
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, step) in steps {
        println!("== {name}");
        match step(&ci) {
            Ok(Outcome::Passed) => passed += 1,
            Ok(Outcome::Skipped(why)) => {
                println!("skipped: {why}");
                skipped += 1;
            }
            Err(error) => {
                println!("failed: {name}: {error:#}");
                failed += 1;
            }
        }
    }
    println!("== ci, {} s", ci.started.elapsed().as_secs());
    println!("ci: {passed} passed, {failed} failed, {skipped} skipped");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Ci {
    /// A fresh folder for whatever the steps leave behind; gone at the end.
    temporary: tempfile::TempDir,
    started: Instant,
    limit: Duration,
}

impl Ci {
    #[expect(clippy::disallowed_methods, reason = "a limit on the run itself, not on a guest")]
    fn new(args: &Args) -> Result<Self> {
        Ok(Self {
            temporary: tempfile::tempdir()?,
            started: Instant::now(),
            limit: Duration::from_secs(args.minutes * 60),
        })
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.started.elapsed())
    }

    fn run(&self, command: &mut Command) -> Result<Outcome> {
        command.stdin(Stdio::null()).env("TMPDIR", self.temporary.path());
        run_within(command, self.left())?;
        Ok(Outcome::Passed)
    }

    fn cargo(&self, args: &[&str]) -> Result<Outcome> {
        self.run(&mut cargo(args))
    }

    fn docs(&self) -> Result<Outcome> {
        let args = ["doc", "--workspace", "--exclude", "vellum-bench", "--no-deps"];
        self.run(cargo(&args).env("RUSTDOCFLAGS", "-D warnings"))
    }

    /// The fuzz targets, which are a workspace of their own.
    fn fuzz(&self) -> Result<Outcome> {
        let manifest = root().join("fuzz/Cargo.toml");
        self.run(cargo(&["check", "--manifest-path"]).arg(manifest))
    }

    fn mdbook(&self) -> Result<Outcome> {
        if Command::new("mdbook").arg("--version").output().is_err() {
            return Ok(Outcome::Skipped("mdbook is not installed".into()));
        }
        let book = self.temporary.path().join("book");
        self.run(Command::new("mdbook").arg("build").arg(root().join("docs")).arg("-d").arg(book))
    }

    /// This program again, to boot a guest.
    fn boot(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("where am I?")?);
        command.arg("boot").args(args);
        Ok(command)
    }

    /// The guest that ships tests itself, under both kinds of translation.
    fn small_guest(&self) -> Result<Outcome> {
        for paging in ["shadow", "nested"] {
            let args = ["--paging", paging, "--exec", "selftest", "--report", "short"];
            self.run(&mut self.boot(&args)?)?;
        }
        Ok(Outcome::Passed)
    }

    /// Two runs with one seed are one run: console, counters, digest of the end state.
    fn same_twice(&self) -> Result<Outcome> {
        let once = |name: &str| -> Result<Vec<u8>> {
            let path = self.temporary.path().join(name);
            let file = std::fs::File::create(&path)?;
            let args = ["--exec", "selftest", "--seed", "7", "--json", "--no-host", "--digest"];
            self.run(self.boot(&args)?.stdout(file))?;
            Ok(std::fs::read(path)?)
        };
        let (first, second) = (once("first")?, once("second")?);
        if first != second {
            bail!(
                "two runs with seed 7 differ: {} and {} bytes of output",
                first.len(),
                second.len()
            );
        }
        println!("{} bytes of console, counters and digest, twice the same", first.len());
        Ok(Outcome::Passed)
    }

    /// Debian's kernel runs a command and powers off; a failing command's code comes through.
    fn debian(&self) -> Result<Outcome> {
        match linux::ensure(&linux::Options::default()) {
            Ok(linux) => println!("{}", linux.describe()),
            Err(error) => return Ok(Outcome::Skipped(format!("{error:#}"))),
        }
        let command = "uname -a && seq 1 2000 | sort -r | md5sum && gzip -c /bin/busybox | gunzip \
                       | cmp - /bin/busybox";
        for (exec, code) in [(command, 0), ("exit 42", 42)] {
            let mut boot = self.boot(&["--linux", "--exec", exec, "--report", "short"])?;
            boot.stdin(Stdio::null()).env("TMPDIR", self.temporary.path());
            let status = crate::shell::wait_within(&mut boot, self.left())?;
            if status.code() != Some(code) {
                bail!("`{exec}` should have ended with {code}, and ended with {status}");
            }
        }
        self.ext4_root()
    }

    /// A root on a virtio disk, where the tool to make one is at hand.
    fn ext4_root(&self) -> Result<Outcome> {
        let disk = self.temporary.path().join("root.img");
        let Some(made) = make_ext4(&disk)? else {
            println!("without an ext4 root: mke2fs is not installed");
            return Ok(Outcome::Passed);
        };
        let exec = "grep -q 'vda / ext4' /proc/mounts && echo kept > /kept && sync";
        let disk = format!("{}", made.display());
        let append = "root=/dev/vda rw";
        let args = ["--linux", "--disk", &disk, "--append", append, "--exec", exec];
        self.run(self.boot(&args)?.args(["--report", "none"]))?;
        let look = "grep -q kept /kept";
        let args = ["--linux", "--disk", &disk, "--append", append, "--exec", look];
        self.run(self.boot(&args)?.args(["--report", "none"]))
    }
}

/// An empty ext4 file system of 16 MiB; `None` where there is no `mke2fs`.
fn make_ext4(path: &Path) -> Result<Option<&Path>> {
    let tool = ["mke2fs", "/sbin/mke2fs", "/usr/sbin/mke2fs"];
    let tool = tool.iter().find(|name| Command::new(name).arg("-V").output().is_ok());
    let Some(tool) = tool else { return Ok(None) };
    crate::shell::run(Command::new(tool).args(["-q", "-F", "-t", "ext4"]).arg(path).arg("16M"))?;
    Ok(Some(path))
}
