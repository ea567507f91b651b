//! Tables for people and for programs: columns that line up, or JSON.

use serde_json::{Map, Value};

/// A table under a title. Cells that are numbers stand to the right.
#[derive(Debug, Clone, Default)]
pub struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    pub fn new(title: &str, head: &[&str]) -> Self {
        let head = head.iter().map(|&name| name.into()).collect();
        Self { title: title.into(), head, rows: Vec::new() }
    }

    /// Adds a row of as many cells as the head has.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Value>) {
        let mut cells: Vec<Value> = cells.into_iter().collect();
        cells.resize(self.head.len(), Value::Null);
        self.rows.push(cells);
    }

    /// Title and rows; a row is an object by the head's names.
    pub fn json(&self) -> Value {
        let row = |cells: &Vec<Value>| {
            let pairs = self.head.iter().cloned().zip(cells.iter().cloned());
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        let rows = self.rows.iter().map(row).collect();
        Value::Object(
            [("title".into(), self.title.clone().into()), ("rows".into(), Value::Array(rows))]
                .into_iter()
                .collect(),
        )
    }

    /// Lines with aligned columns.
    pub fn text(&self) -> String {
        let cells: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(show).collect()).collect();
        let width = |at: usize| {
            let all = std::iter::once(&self.head).chain(&cells);
            all.map(|row| row[at].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let right =
            |at: usize| self.rows.iter().all(|row| row[at].is_number() || row[at].is_null());
        let line = |row: &[String]| {
            let cells = row.iter().enumerate().map(|(at, cell)| match right(at) {
                true => format!("{cell:>width$}", width = widths[at]),
                false => format!("{cell:<width$}", width = widths[at]),
            });
            format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
        };
        let title = if self.title.is_empty() { String::new() } else { format!("{}\n", self.title) };
        let body: String = cells.iter().map(|row| line(row)).collect();
        format!("{title}{}{body}", line(&self.head))
    }
}

/// A cell for people: digits in groups of three.
fn show(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_u64() => grouped(number.as_u64().unwrap_or(0)),
        other => other.to_string(),
    }
}

/// `1 234 567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_in_groups() {
        let mut table = Table::new("t", &["name", "count"]);
        table.row(["a".into(), 1_234_567.into()]);
        table.row(["long name".into(), 7.into()]);
        assert_eq!(
            table.text(),
            "t\nname           count\na          1 234 567\nlong name          7\n"
        );
        assert_eq!(table.json()["rows"][1]["count"], 7);
    }

    #[test]
    fn groups_of_three() {
        assert_eq!([0, 999, 1000, 100_000].map(grouped), ["0", "999", "1 000", "100 000"]);
    }
}
