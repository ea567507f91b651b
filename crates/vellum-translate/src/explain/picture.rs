//! What an explanation consists of: rows from the root's level down to the page, and a column for
//! each set of tables.

use crate::{Access, Gfn, Gpa, Gva, TableMemory};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// What an entry means for the access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It leads on to a table.
    Leads,
    /// The walk ends here, well.
    Ends,
    /// The access is refused here.
    Refuses,
    /// There is nothing here.
    Nothing,
}

impl Verdict {
    /// One word, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Leads => "leads",
            Verdict::Ends => "ends",
            Verdict::Refuses => "refuses",
            Verdict::Nothing => "nothing",
        }
    }
}

/// One entry that was read, or what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where it is.
    pub place: String,
    /// Its bits, where there is an entry.
    pub entry: Option<u64>,
    /// Its flags, in the order of the bits, a dash for each that is clear.
    pub flags: String,
    /// What it says, in words.
    pub says: String,
    /// What it means for the access.
    pub verdict: Verdict,
}

impl Step {
    /// A step without an entry.
    pub fn bare(place: impl Into<String>, says: impl Into<String>, verdict: Verdict) -> Step {
        Step { place: place.into(), entry: None, flags: String::new(), says: says.into(), verdict }
    }
}

/// A part of the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name in the specification.
    pub name: String,
    /// Its highest bit.
    pub high: u32,
    /// Its lowest bit.
    pub low: u32,
    /// Its value.
    pub value: u64,
    /// The row whose entry it chooses; none for the bits above all of them.
    pub row: Option<usize>,
}

/// A level of tables, or at the end the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// The part of the address that counts here.
    pub field: String,
}

/// A set of tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Whose tables.
    pub name: String,
    /// What kind, and where their root is.
    pub about: String,
    /// For each row, what was found: none, one or several steps.
    pub cells: Vec<Vec<Step>>,
}

/// A walk, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The access, by whom.
    pub title: String,
    /// The address.
    pub va: Gva,
    /// The kind of access.
    pub access: Access,
    /// How the address is taken apart, its highest bits first.
    pub fields: Vec<Field>,
    /// From the root's level down; the last is the page.
    pub rows: Vec<Row>,
    /// The tables.
    pub columns: Vec<Column>,
    /// How it ends, in one sentence.
    pub outcome: String,
    /// Whether the tables refuse.
    pub refused: bool,
    /// What else there is to say.
    pub notes: Vec<String>,
    /// For each row, the guest's page that the table (or in the last row the data) lies in.
    pub(super) pages: Vec<Option<Gfn>>,
}

impl Explanation {
    /// Rows for `levels` tables of 9 bits an index, `root_bits` in the root's, and the page. The
    /// names of levels and fields are by number, the lowest being 0.
    pub(super) fn new(
        title: String,
        va: Gva,
        access: Access,
        (levels, root_bits): (u8, u32),
        names: impl Fn(u8) -> (String, String),
    ) -> Explanation {
        let mut fields = Vec::new();
        let mut rows = Vec::new();
        let mut pages = Vec::new();
        let top = if levels == 0 { 12 } else { 12 + 9 * u32::from(levels - 1) + root_bits };
        let part = |high: u32, low: u32| va.get() << (63 - high) >> (63 - high + low);
        if top < 64 && levels > 0 {
            let name = "above".to_owned();
            fields.push(Field { name, high: 63, low: top, value: part(63, top), row: None });
        }
        for level in (0..levels).rev() {
            let low = 12 + 9 * u32::from(level);
            let high = if level + 1 == levels { top - 1 } else { low + 8 };
            let (row, name) = names(level);
            let value = part(high, low);
            rows.push(Row { name: row, field: format!("{name} = {value:#x}") });
            fields.push(Field { name, high, low, value, row: Some(rows.len() - 1) });
            pages.push(None);
        }
        if levels == 0 {
            let value = va.page();
            fields.push(Field { name: "page".to_owned(), high: 63, low: 12, value, row: None });
        }
        let value = va.page_offset() as u64;
        rows.push(Row { name: "page".to_owned(), field: format!("offset = {value:#x}") });
        let row = Some(rows.len() - 1);
        fields.push(Field { name: "offset".to_owned(), high: 11, low: 0, value, row });
        pages.push(None);
        Explanation {
            title,
            va,
            access,
            fields,
            rows,
            columns: Vec::new(),
            outcome: String::new(),
            refused: false,
            notes: Vec::new(),
            pages,
        }
    }

    /// The row of a level of tables.
    pub(super) fn row_of(&self, level: u8) -> usize {
        self.rows.len().saturating_sub(2 + usize::from(level))
    }

    /// An empty column, and its number.
    pub(super) fn column(&mut self, name: &str, about: String) -> usize {
        let cells = vec![Vec::new(); self.rows.len()];
        self.columns.push(Column { name: name.to_owned(), about, cells });
        self.columns.len() - 1
    }

    /// The rows that show anything, by number.
    pub(super) fn shown(&self) -> impl Iterator<Item = usize> {
        (0..self.rows.len())
            .filter(|&row| self.columns.iter().any(|column| !column.cells[row].is_empty()))
    }

    /// The guest physical page that the tables lead to, if they do.
    pub fn page(&self) -> Option<Gfn> {
        self.pages.last().copied().flatten()
    }
}

/// Memory that is looked at: an exchange finds what it expects and changes nothing.
pub(super) struct Look<'a, M: ?Sized>(pub &'a M);

impl<M: TableMemory + ?Sized> TableMemory for Look<'_, M> {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.0.load_entry(at)
    }

    fn exchange_entry(&self, at: Gpa, _: u64, _: u64) -> Option<bool> {
        self.0.load_entry(at).map(|_| true)
    }
}

/// The size of a page at a level.
pub(super) const fn size(level: u8) -> &'static str {
    match level {
        0 => "4 KiB",
        1 => "2 MiB",
        2 => "1 GiB",
        3 => "512 GiB",
        _ => "256 TiB",
    }
}

/// `table` shown as flags: the letter of each bit that is set, from the highest.
pub(super) fn letters(entry: u64, flags: &[(u64, char)]) -> String {
    flags.iter().map(|&(bit, letter)| if entry & bit == 0 { '-' } else { letter }).collect()
}

/// Rights as `rwx`.
pub(super) fn rwx(rights: crate::Rights) -> String {
    letters(u64::from(rights.bits()), &[(1, 'r'), (2, 'w'), (4, 'x')])
}

/// What an access is called.
pub(super) const fn kind(access: Access) -> &'static str {
    match access {
        Access::Load => "load",
        Access::Store => "store",
        Access::Fetch => "fetch",
    }
}
