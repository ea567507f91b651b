//! Lines and sections, as `Fields` for reading and for writing.

use super::{HEAD, value};
use crate::Error;
use crate::config::After;
use std::collections::VecDeque;
use std::fmt::Write as _;
use vellum_block::Duration;

/// A place for a field's value.
pub(super) enum Slot<'a> {
    Text(&'a mut String),
    Time(&'a mut Duration),
    /// Picoseconds that may be negative.
    Signed(&'a mut i64),
    After(&'a mut After),
    Number(&'a mut u64, u64),
    Yes(&'a mut bool),
    /// One of these names, by its place.
    One(&'a mut usize, &'a [&'static str]),
    Numbers(&'a mut Vec<u64>),
    Pairs(&'a mut Vec<(u64, u64)>),
    Times(&'a mut Vec<Duration>),
    Points(&'a mut Vec<(u32, Duration)>),
    Angle(&'a mut u32, u32),
}

/// A section whose fields are visited, to be read or written.
pub(super) trait Fields {
    /// Visits a field; a missing one keeps its value, unless it is needed.
    fn field(&mut self, key: &'static str, needed: bool, slot: Slot<'_>) -> Result<(), Error>;
}

struct Line {
    number: u32,
    key: String,
    value: String,
}

/// A section of a file that is read.
pub(super) struct Section {
    file: String,
    /// Its name and what stands behind it in the brackets.
    pub name: String,
    pub kind: String,
    number: u32,
    lines: Vec<Line>,
}

/// A file that is read: its sections in order, the first without a name.
pub(super) struct Reader {
    pub file: String,
    pub sections: VecDeque<Section>,
}

impl Reader {
    pub fn new(file: &str, text: &str) -> Result<Reader, Error> {
        let mut lines = text.lines().zip(1u32..).map(|(l, n)| (l.trim(), n));
        let error = |line, what: String| Error::Syntax { file: file.into(), line, what };
        if lines.next().map(|l| l.0) != Some(HEAD) {
            return Err(error(
                1,
                format!("`{HEAD}` is expected: no drive file of a known version"),
            ));
        }
        let section = |name: &str, kind: &str, number| Section {
            file: file.into(),
            name: name.into(),
            kind: kind.into(),
            number,
            lines: Vec::new(),
        };
        let mut sections = VecDeque::from([section("", "", 1)]);
        for (line, number) in lines.filter(|(l, _)| !l.is_empty() && !l.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[') {
                let name = name.strip_suffix(']');
                let name =
                    name.ok_or_else(|| error(number, "a section's name ends with `]`".into()))?;
                let (name, kind) = name.split_once(' ').unwrap_or((name, ""));
                sections.push_back(section(name, kind, number));
                continue;
            }
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            let Some(last) = sections.back_mut() else { continue };
            if last.lines.iter().any(|l| l.key == key) {
                return Err(error(number, format!("`{key}` is there twice")));
            }
            last.lines.push(Line { number, key: key.into(), value: value.trim().into() });
        }
        Ok(Reader { file: file.into(), sections })
    }

    /// The next section, if it is called `name`.
    pub fn next_if(&mut self, name: &str) -> Option<Section> {
        if self.sections.front()?.name == name { self.sections.pop_front() } else { None }
    }

    /// The next section, which must be called `name`.
    pub fn expect(&mut self, name: &'static str) -> Result<Section, Error> {
        let block = self.file.clone();
        self.next_if(name).ok_or(Error::Missing { block, field: name })
    }

    /// That no section is left.
    pub fn done(&self) -> Result<(), Error> {
        match self.sections.front() {
            None => Ok(()),
            Some(s) => Err(Error::Syntax {
                file: self.file.clone(),
                line: s.number,
                what: format!("no section `{}` here", s.name),
            }),
        }
    }
}

impl Section {
    fn title(&self) -> String {
        format!("{}:{}: [{}]", self.file, self.number, self.name)
    }

    /// The error for a field that holds what it can't.
    pub fn bad(&self, field: &str, value: &str, why: &'static str) -> Error {
        let (field, value) = (field.to_string(), value.to_string());
        Error::Field { block: self.title(), field, value, why }
    }

    /// The error for what stands behind the section's name.
    pub fn bad_kind(&self, why: &'static str) -> Error {
        self.bad(&self.name, &self.kind, why)
    }

    /// That every line was one of the section's fields.
    pub fn done(self) -> Result<(), Error> {
        match self.lines.first() {
            None => Ok(()),
            Some(l) => Err(Error::Syntax {
                what: format!("no field `{}` in [{}]", l.key, self.name),
                file: self.file,
                line: l.number,
            }),
        }
    }
}

fn list<T>(text: &str, item: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let items = text.split(',').map(str::trim).filter(|s| !s.is_empty());
    items.map(item).collect()
}

fn number_to<T: TryFrom<u64>>(text: &str) -> Option<T> {
    text.parse::<u64>().ok()?.try_into().ok()
}

impl Fields for Section {
    fn field(&mut self, key: &'static str, needed: bool, slot: Slot<'_>) -> Result<(), Error> {
        let Some(i) = self.lines.iter().position(|l| l.key == key) else {
            let block = self.title();
            return if needed { Err(Error::Missing { block, field: key }) } else { Ok(()) };
        };
        let text = self.lines.remove(i).value;
        let why = set(slot, &text);
        why.map_or(Ok(()), |why| Err(self.bad(key, &text, why)))
    }
}

/// Sets a place from text; what was expected, if that is not to be.
fn set(slot: Slot<'_>, text: &str) -> Option<&'static str> {
    fn put<T>(place: &mut T, value: Option<T>, why: &'static str) -> Option<&'static str> {
        match value {
            Some(v) => {
                *place = v;
                None
            }
            None => Some(why),
        }
    }
    let pair = |s: &str| s.split_once(' ').map(|(a, b)| (a.to_string(), b.trim().to_string()));
    match slot {
        Slot::Text(t) => {
            let plain = !text.contains(char::is_control);
            put(t, plain.then(|| text.to_string()), "text without control characters is expected")
        }
        Slot::Time(t) => put(t, value::time(text), "a time with its unit is expected"),
        Slot::Signed(t) => {
            let (minus, rest) = text.strip_prefix('-').map_or((1, text), |r| (-1, r));
            let ps = value::time(rest).and_then(|d| i64::try_from(d.as_ps()).ok());
            put(t, ps.map(|ps| minus * ps), "a time with its unit is expected")
        }
        Slot::After(a) => {
            let (read, write) = text.split_once(',').unwrap_or((text, text));
            let both = value::time(read.trim()).zip(value::time(write.trim()));
            let both = both.map(|(read, write)| After { read, write });
            put(a, both, "one time, or one after a read and one after a write, is expected")
        }
        Slot::Number(n, limit) => {
            let found = text.parse().ok().filter(|&v: &u64| v <= limit);
            put(n, found, "a whole number, not too large, is expected")
        }
        Slot::Yes(b) => {
            let found = [("yes", true), ("no", false)].iter().find(|w| w.0 == text).map(|w| w.1);
            put(b, found, "`yes` or `no` is expected")
        }
        Slot::One(i, names) => {
            put(i, names.iter().position(|n| *n == text), "not one of the possible words")
        }
        Slot::Numbers(v) => put(v, list(text, number_to), "whole numbers are expected"),
        Slot::Pairs(v) => {
            let of = |s: &str| pair(s).and_then(|(a, b)| number_to(&a).zip(number_to(&b)));
            put(v, list(text, of), "pairs of whole numbers are expected")
        }
        Slot::Times(v) => put(v, list(text, value::time), "times with their units are expected"),
        Slot::Points(v) => {
            let of = |s: &str| pair(s).and_then(|(a, b)| number_to(&a).zip(value::time(&b)));
            put(v, list(text, of), "pairs of distance and time are expected")
        }
        Slot::Angle(a, per_track) => {
            let why = "a number of sectors, or of parts `of 2^32`, is expected";
            put(a, value::angle(text, per_track), why)
        }
    }
}

/// A file that is written.
pub(super) struct Writer {
    pub text: String,
}

impl Default for Writer {
    fn default() -> Self {
        Writer { text: format!("{HEAD}\n") }
    }
}

impl Writer {
    pub fn section(&mut self, name: &str, kind: &str) {
        let space = if kind.is_empty() { "" } else { " " };
        let _ = write!(self.text, "\n[{name}{space}{kind}]\n");
    }
}

fn join<T>(all: &[T], item: impl Fn(&T) -> String) -> String {
    all.iter().map(item).collect::<Vec<_>>().join(", ")
}

impl Fields for Writer {
    fn field(&mut self, key: &'static str, _: bool, slot: Slot<'_>) -> Result<(), Error> {
        let time = |d: &Duration| value::print_time(*d);
        let text = match slot {
            Slot::Text(t) => t.replace(char::is_control, " ").trim().to_string(),
            Slot::Time(t) => time(t),
            Slot::Signed(ps) => {
                let sign = if *ps < 0 { "-" } else { "" };
                format!("{sign}{}", time(&Duration::from_ps(ps.unsigned_abs())))
            }
            Slot::After(a) if a.read == a.write => time(&a.read),
            Slot::After(a) => format!("{}, {}", time(&a.read), time(&a.write)),
            Slot::Number(n, _) => n.to_string(),
            Slot::Yes(b) => if *b { "yes" } else { "no" }.to_string(),
            Slot::One(i, names) => names.get(*i).copied().unwrap_or("").to_string(),
            Slot::Numbers(v) => join(v, u64::to_string),
            Slot::Pairs(v) => join(v, |p| format!("{} {}", p.0, p.1)),
            Slot::Times(v) => join(v, time),
            Slot::Points(v) => join(v, |p| format!("{} {}", p.0, time(&p.1))),
            Slot::Angle(a, per_track) => value::print_angle(*a, per_track),
        };
        if !text.is_empty() {
            let _ = writeln!(self.text, "{key} {text}");
        }
        Ok(())
    }
}
