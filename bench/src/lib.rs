//! Side-by-side runs against peers; one binary an area, started by `cargo xtask bench-compare AREA`.
//!
//! The machine is shared with others, so what is compared is CPU time of runs that take turns, as
//! median and spread; never the wall clock of two runs apart.

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The workspace's root folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// The `xtask` program, built in release.
///
/// # Errors
/// When it can't be built.
pub fn xtask() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "-p", "xtask", "--message-format", "json"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .context("could not start cargo")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let paths = lines.filter(|line| line["target"]["name"] == "xtask");
    let path = paths.filter_map(|line| line["executable"].as_str().map(PathBuf::from)).next_back();
    path.filter(|_| output.status.success()).context("xtask was not built")
}

/// One run of a program: what it printed, and the CPU seconds (user and system) that it and its
/// children took.
#[derive(Debug)]
pub struct Run {
    /// Exit code and output.
    pub output: Output,
    /// CPU seconds.
    pub cpu: f64,
}

impl Run {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// Whether it ended well.
    ///
    /// # Errors
    /// When it did not: what `name` ended with, and what it said.
    pub fn succeeded(&self, name: &str) -> Result<()> {
        if self.output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&self.output.stderr);
        bail!("{name} ended with {}: {}{said}", self.output.status, self.text())
    }

    /// The JSON that a run of `xtask boot` prints behind the guest's own output.
    ///
    /// # Errors
    /// When there is none.
    pub fn report(&self) -> Result<Value> {
        let text = self.text();
        let at = text.rfind("\n{\n").map_or(0, |at| at + 1);
        serde_json::from_str(text[at..].trim()).context("the report is no JSON")
    }
}

/// Runs `command` to its end without input.
///
/// # Errors
/// When it can't be started.
pub fn run(command: &mut Command) -> Result<Run> {
    let before = children()?;
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("could not start {:?}", command.get_program()))?;
    Ok(Run { output, cpu: children()? - before })
}

/// CPU seconds of all children that have ended and were waited for.
fn children() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(micros as f64 / 1e6)
}

/// Figures of one contestant over all rounds.
#[derive(Debug, Default, Clone)]
pub struct Series(Vec<f64>);

impl Series {
    /// Adds a round's figure.
    pub fn add(&mut self, figure: f64) {
        self.0.push(figure);
        self.0.sort_by(f64::total_cmp);
    }

    /// The middle figure; of an even number, the mean of the two in the middle. NaN of none.
    pub fn median(&self) -> f64 {
        let (count, half) = (self.0.len(), self.0.len() / 2);
        match count {
            0 => f64::NAN,
            _ if count % 2 == 1 => self.0[half],
            _ => (self.0[half - 1] + self.0[half]) / 2.0,
        }
    }

    /// Smallest and largest figure.
    pub fn spread(&self) -> (f64, f64) {
        let ends = (self.0.first().copied(), self.0.last().copied());
        (ends.0.unwrap_or(f64::NAN), ends.1.unwrap_or(f64::NAN))
    }
}

impl core::fmt::Display for Series {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (low, high) = self.spread();
        write!(f, "{:.3} ({low:.3}–{high:.3})", self.median())
    }
}

/// One contestant of a comparison: a name and what one round of it gives.
pub type Contestant<'a> = (&'a str, Box<dyn FnMut() -> Result<f64> + 'a>);

/// Runs all contestants in turn, `rounds` times, so that the machine's other load hits all alike.
/// The order turns round in every other round.
///
/// # Errors
/// The first contestant's that fails.
pub fn interleave(rounds: u32, contestants: &mut [Contestant<'_>]) -> Result<Vec<Series>> {
    let mut series = vec![Series::default(); contestants.len()];
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..contestants.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let (name, once) = &mut contestants[at];
            let figure = once().with_context(|| format!("{name}, round {}", round + 1))?;
            series[at].add(figure);
        }
    }
    Ok(series)
}

/// A table with a head, printed for people or as JSON.
#[derive(Debug, Default)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|&name| name.into()).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells stay empty.
    pub fn row(&mut self, cells: &[String]) {
        let mut cells = cells.to_vec();
        cells.resize(self.head.len(), String::new());
        self.rows.push(cells);
    }

    /// Prints as Markdown, or with `json` as an array of objects.
    ///
    /// # Errors
    /// When it can't be written as JSON.
    pub fn print(&self, json: bool) -> Result<()> {
        if json {
            let rows = self.rows.iter().map(|row| {
                let pairs = self.head.iter().cloned().zip(row.iter().cloned().map(Value::from));
                Value::Object(pairs.collect::<Map<_, _>>())
            });
            println!("{}", serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?);
            return Ok(());
        }
        let width = |at: usize| {
            let cells = std::iter::once(&self.head).chain(&self.rows);
            cells.map(|row| row[at].chars().count()).max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let line = |row: &[String]| {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
            println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
        };
        line(&self.head);
        line(&widths.iter().map(|&width| "-".repeat(width)).collect::<Vec<_>>());
        self.rows.iter().for_each(|row| line(row));
        Ok(())
    }
}

/// The first number behind `"name":` in a JSON object that may nest.
///
/// # Errors
/// When there is none.
pub fn number(value: &Value, name: &str) -> Result<f64> {
    fn find(value: &Value, name: &str) -> Option<f64> {
        match value {
            Value::Object(map) => map
                .get(name)
                .and_then(Value::as_f64)
                .or_else(|| map.values().find_map(|inner| find(inner, name))),
            Value::Array(items) => items.iter().find_map(|inner| find(inner, name)),
            _ => None,
        }
    }
    match find(value, name) {
        Some(number) => Ok(number),
        None => bail!("the report has no `{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_spread() {
        let mut series = Series::default();
        [3.0, 1.0, 2.0].into_iter().for_each(|figure| series.add(figure));
        assert_eq!((series.median(), series.spread()), (2.0, (1.0, 3.0)));
        series.add(4.0);
        assert!((series.median() - 2.5).abs() < 1e-12);
    }

    #[test]
    fn a_number_is_found_inside() {
        let value: Value = serde_json::json!({"a": {"b": [{"c": 4}]}});
        assert!((number(&value, "c").unwrap() - 4.0).abs() < 1e-12);
        assert!(number(&value, "d").is_err());
    }
}
