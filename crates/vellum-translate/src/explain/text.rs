//! An explanation as text: the address taken apart, then a table of levels against tables.

use super::picture::{Explanation, Step, Verdict};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Characters of a column at most; longer lines are broken between words.
const WIDEST: usize = 40;
/// Between two columns.
const GAP: &str = "   ";

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        self.write_fields(f)?;
        let labels: Vec<Vec<String>> =
            self.rows.iter().map(|row| alloc::vec![row.name.clone(), row.field.clone()]).collect();
        let cells: Vec<Vec<Vec<String>>> = self
            .columns
            .iter()
            .map(|column| column.cells.iter().map(|cell| lines(cell)).collect())
            .collect();
        let heads: Vec<Vec<String>> = self
            .columns
            .iter()
            .map(|column| {
                let mut head = alloc::vec![column.name.to_uppercase()];
                head.extend(broken(&column.about));
                head
            })
            .collect();
        let mut widths = alloc::vec![widest(labels.iter().flatten())];
        for (column, head) in cells.iter().zip(&heads) {
            widths.push(widest(column.iter().flatten().chain(head)));
        }
        let rule: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
        let rule = rule.join("─┼─");
        let above: Vec<&[String]> = heads.iter().map(Vec::as_slice).collect();
        write_row(f, &widths, &[], &above)?;
        for row in self.shown() {
            writeln!(f, "{}", rule)?;
            let row_cells: Vec<&[String]> =
                cells.iter().map(|column| column[row].as_slice()).collect();
            write_row(f, &widths, &labels[row], &row_cells)?;
        }
        writeln!(f, "\n{} {}", if self.refused { "✗" } else { "→" }, self.outcome)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "  {note}"))
    }
}

impl Explanation {
    /// Bits, names and values of the address's parts, each in a box.
    fn write_fields(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = [const { Vec::new() }; 3];
        for field in &self.fields {
            let ends = format!("{}", field.low);
            let start = format!("{}", field.high);
            let value = format!("{:#x}", field.value);
            let width = field.name.len().max(value.len()).max(start.len() + 1 + ends.len());
            let bits = format!("{start}{ends:>rest$}", rest = width - start.len());
            for (line, text) in parts.iter_mut().zip([bits, field.name.clone(), value]) {
                line.push(format!("{text:^width$}"));
            }
        }
        for (line, edge) in parts.iter().zip([' ', '│', '│']) {
            let inner = line.join(&format!(" {edge} "));
            writeln!(f, "{}", format!("{edge} {inner} {edge}").trim_end())?;
        }
        writeln!(f)
    }
}

fn write_row(
    f: &mut fmt::Formatter<'_>,
    widths: &[usize],
    label: &[String],
    cells: &[&[String]],
) -> fmt::Result {
    let height = cells.iter().map(|cell| cell.len()).max().unwrap_or(0).max(label.len());
    let none = String::new();
    for line in 0..height {
        let texts = core::iter::once(label).chain(cells.iter().copied());
        let padded: Vec<String> = texts
            .zip(widths)
            .map(|(cell, &width)| {
                let text = cell.get(line).unwrap_or(&none);
                format!("{text}{}", " ".repeat(width - text.chars().count()))
            })
            .collect();
        writeln!(f, "{}", padded.join(" │ ").trim_end())?;
    }
    Ok(())
}

fn widest<'a>(lines: impl Iterator<Item = &'a String>) -> usize {
    lines.map(|line| line.chars().count()).max().unwrap_or(0)
}

/// A cell: for each step where, what bits, and what they say, under a mark of what follows.
fn lines(cell: &[Step]) -> Vec<String> {
    let mut all = Vec::new();
    for step in cell {
        if !step.place.is_empty() {
            all.extend(broken(&step.place));
        }
        match step.entry {
            Some(entry) => all.extend(broken(&format!("{entry:#018x}{GAP}{}", step.flags))),
            None if !step.flags.is_empty() => all.push(step.flags.clone()),
            None => {}
        }
        let mark = match step.verdict {
            Verdict::Leads => "↓",
            Verdict::Ends => "■",
            Verdict::Refuses => "✗",
            Verdict::Nothing => "·",
        };
        all.extend(broken(&format!("{mark} {}", step.says)));
    }
    all
}

/// A text in lines of at most [`WIDEST`] characters.
pub(super) fn broken(text: &str) -> Vec<String> {
    broken_at(text, WIDEST)
}

/// A text in lines of at most `most` characters, a longer word standing alone.
pub(super) fn broken_at(text: &str, most: usize) -> Vec<String> {
    if text.chars().count() <= most {
        return alloc::vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
