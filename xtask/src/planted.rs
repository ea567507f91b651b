//! `cargo xtask planted [AREA]`: bugs that are planted on purpose, and the check that notices each.
//!
//! An area's table is `crates/vellum-AREA/planted.txt`. The workspace is copied under `target/`, each
//! bug in turn is put into the copy, and the check that is named must fail; first all checks must
//! pass on the copy as it is. So a test that has stopped to notice anything is found.

use crate::shell::{cargo, root};
use crate::table::Table;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The area: a crate without `vellum-` that has a table; without it, all
    area: Option<String>,
    /// Print the tables without running anything
    #[arg(long)]
    list: bool,
    /// Only bugs whose description contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A bug.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Planted {
    what: String,
    /// The file in the crate, what stands there, and what is put in its place.
    file: String,
    old: String,
    new: String,
    /// The test program (`lib` for unit tests, `loom` for models) and the check in it.
    program: String,
    check: String,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut failed = 0;
    for area in areas(args)? {
        let package = format!("vellum-{area}");
        let folder = root().join("crates").join(&package);
        let text = fs::read_to_string(folder.join("planted.txt"))
            .with_context(|| format!("{package} has no table of planted bugs"))?;
        let all = parse(&text)?;
        for bug in &all {
            let source = fs::read_to_string(folder.join(&bug.file)).context(bug.file.clone())?;
            let times = source.matches(&bug.old).count();
            if times != 1 {
                bail!("{}: `{}` stands there {times} times, once is expected", bug.file, bug.old);
            }
        }
        let mut table = Table::new(&package, &["planted bug", "file", "check", "result"]);
        let copy = if args.list { None } else { Some(Copy::new(&package, &all)?) };
        for bug in all.iter().filter(|b| b.what.contains(&args.only)) {
            let result = match &copy {
                None => "",
                Some(copy) if copy.notices(bug)? => "noticed",
                Some(_) => {
                    failed += 1;
                    "MISSED"
                }
            };
            let check = format!("{}::{}", bug.program, bug.check);
            table.row([json!(bug.what), json!(bug.file), json!(check), json!(result)]);
            eprintln!("{}: {result}", bug.what);
        }
        if args.json {
            println!("{}", serde_json::to_string_pretty(&table.json())?);
        } else {
            println!("{}", table.text());
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn areas(args: &Args) -> Result<Vec<String>> {
    if let Some(area) = &args.area {
        return Ok(vec![area.clone()]);
    }
    let mut all = Vec::new();
    for entry in fs::read_dir(root().join("crates"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.join("planted.txt").exists() {
            all.extend(name.strip_prefix("vellum-").map(str::to_string));
        }
    }
    all.sort();
    Ok(all)
}

/// A table: for each bug a line `# what`, then `file`, `- old`, `+ new`, `check PROGRAM NAME`; several
/// `-` or `+` lines are lines of one text.
fn parse(text: &str) -> Result<Vec<Planted>> {
    let mut all: Vec<Planted> = Vec::new();
    for (line, at) in text.lines().zip(1..) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "#" {
            let empty = String::new;
            let (file, old, new, program, check) = (empty(), empty(), empty(), empty(), empty());
            all.push(Planted { what: rest.to_string(), file, old, new, program, check });
            continue;
        }
        if line.trim().is_empty() || word == "//" {
            continue;
        }
        let Some(bug) = all.last_mut() else { bail!("line {at}: a bug begins with `# `") };
        let add = |text: &mut String| {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(rest);
        };
        match word {
            "file" => bug.file = rest.to_string(),
            "-" => add(&mut bug.old),
            "+" => add(&mut bug.new),
            "check" => {
                let (program, check) = rest.split_once(' ').context("`check PROGRAM NAME`")?;
                (bug.program, bug.check) = (program.to_string(), check.to_string());
            }
            other => bail!("line {at}: `{other}` is not known"),
        }
    }
    Ok(all)
}

/// A copy of the workspace to plant bugs in.
struct Copy {
    root: PathBuf,
    package: String,
}

impl Copy {
    /// Copies the workspace and sees that all checks pass in it.
    fn new(package: &str, all: &[Planted]) -> Result<Copy> {
        let to = root().join("target/planted/source");
        if to.exists() {
            fs::remove_dir_all(&to)?;
        }
        copy(&root(), &to)?;
        let copy = Copy { root: to, package: package.to_string() };
        let mut programs: Vec<&str> = all.iter().map(|b| b.program.as_str()).collect();
        programs.sort_unstable();
        programs.dedup();
        for program in programs {
            if !copy.passes(program, "")? {
                bail!("{package}: the checks of `{program}` fail without any bug");
            }
        }
        Ok(copy)
    }

    /// Whether a program's checks pass whose names contain `check`.
    fn passes(&self, program: &str, check: &str) -> Result<bool> {
        let check = if program == "loom" && check.is_empty() { "loom_" } else { check };
        let status = self
            .test(program)
            .args(["--", check])
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("could not start cargo")?;
        Ok(status.success())
    }

    /// Builds a program; an error if what is there was taken for new enough: a check would say nothing
    /// of a bug that is not in it.
    fn renew(&self, bug: &Planted) -> Result<()> {
        let out = self
            .test(&bug.program)
            .args(["--no-run", "--message-format=json"])
            .stderr(Stdio::null())
            .output()
            .context("could not start cargo")?;
        let built = String::from_utf8_lossy(&out.stdout);
        if !out.status.success() {
            bail!("{}: with the bug `{}` it does not compile", bug.file, bug.what);
        }
        if !renewed(&built, &self.package) {
            bail!("{}: the bug `{}` was not built in", bug.file, bug.what);
        }
        Ok(())
    }

    /// The command that tests a program of the copy.
    fn test(&self, program: &str) -> Command {
        let build = root().join("target/planted");
        let mut command = cargo(&["test", "--quiet", "-p", &self.package]);
        match program {
            "lib" => command.arg("--lib").env("CARGO_TARGET_DIR", build.join("build")),
            "loom" => crate::loom::models(&mut command, 3, &build.join("loom")),
            _ => command.args(["--test", program]).env("CARGO_TARGET_DIR", build.join("build")),
        };
        command.current_dir(&self.root);
        command
    }

    /// Whether a bug's check fails once it is planted. A bug that does not compile is no bug.
    fn notices(&self, bug: &Planted) -> Result<bool> {
        let path = self.root.join("crates").join(&self.package).join(&bug.file);
        let good = fs::read_to_string(&path)?;
        write_later(&path, &good.replacen(&bug.old, &bug.new, 1))?;
        self.renew(bug)?;
        let noticed = !self.passes(&bug.program, &bug.check)?;
        write_later(&path, &good)?;
        Ok(noticed)
    }
}

/// Writes a file, dated ahead: cargo builds again what is younger than its last result, and a clock that
/// was set back, or ticks in whole seconds, must not make a bug look older than that.
#[expect(clippy::disallowed_methods, reason = "a file's date, for cargo")]
fn write_later(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    let ahead = SystemTime::now() + Duration::from_secs(3600);
    fs::File::options().write(true).open(path)?.set_modified(ahead)?;
    Ok(())
}

/// Whether cargo's messages tell that the package's library was built, and not found as it was.
fn renewed(messages: &str, package: &str) -> bool {
    let library = package.replace('-', "_");
    messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).any(|m| {
        m["reason"] == "compiler-artifact" && m["target"]["name"] == *library && m["fresh"] == false
    })
}

/// What is built or kept elsewhere is left out.
const NOT_COPIED: [&str; 4] = ["target", ".git", "corpus", "artifacts"];

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, name) = entry.map(|e| (e.path(), e.file_name()))?;
        if NOT_COPIED.iter().any(|n| name == *n) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_found_as_it_was_is_not_taken_for_new() {
        let message = |name: &str, fresh: bool| {
            json!({"reason": "compiler-artifact", "target": {"name": name}, "fresh": fresh})
                .to_string()
        };
        let other = message("thiserror", false);
        assert!(renewed(&format!("{other}\n{}", message("vellum_disk", false)), "vellum-disk"));
        assert!(!renewed(&format!("{other}\n{}", message("vellum_disk", true)), "vellum-disk"));
        assert!(!renewed(&other, "vellum-disk"));
    }

    #[test]
    fn every_planted_bug_still_has_its_place_and_its_check() {
        let none = Args { area: None, list: true, only: String::new(), json: false };
        let areas = areas(&none).unwrap();
        assert!(areas.contains(&"disk".to_string()));
        for area in areas {
            let folder = root().join(format!("crates/vellum-{area}"));
            let all = parse(&fs::read_to_string(folder.join("planted.txt")).unwrap()).unwrap();
            assert!(!all.is_empty());
            for bug in all {
                let source = fs::read_to_string(folder.join(&bug.file)).unwrap();
                assert_eq!(source.matches(&bug.old).count(), 1, "{}: {}", bug.file, bug.old);
                assert_ne!(bug.old, bug.new);
                let tests = if bug.program == "lib" || bug.program == "loom" {
                    continue;
                } else {
                    folder.join(format!("tests/{}.rs", bug.program))
                };
                let tests = fs::read_to_string(tests).unwrap();
                assert!(tests.contains(&format!("fn {}", bug.check)), "{}", bug.check);
            }
        }
    }
}
