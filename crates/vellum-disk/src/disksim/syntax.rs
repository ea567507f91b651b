//! The syntax: blocks, fields, lists, and files that include files.

use super::words::{Token, tokens};
pub use super::words::{decimal, ms};
use crate::Error;
use std::path::{Path, PathBuf};

/// Where `source FILE` finds its file.
pub trait Source {
    /// The text of the file that is called `name`.
    ///
    /// # Errors
    /// When there is none.
    fn text(&self, name: &str) -> Result<String, Error>;
}

/// Files of a folder. A file ending in `.zst` next to the one asked for is not unpacked here.
#[derive(Debug, Clone)]
pub struct Folder(pub PathBuf);

/// Longest file that is read: a drive's layout has about a megabyte.
const FILE_LIMIT: u64 = 64 << 20;

impl Source for Folder {
    fn text(&self, name: &str) -> Result<String, Error> {
        let path = self.0.join(Path::new(name).file_name().unwrap_or(name.as_ref()));
        let io = |source| Error::Io { path: path.clone(), source };
        if std::fs::metadata(&path).map_err(io)?.len() > FILE_LIMIT {
            let too_long = std::io::Error::other("longer than 64 MiB");
            return Err(Error::Io { path, source: too_long });
        }
        std::fs::read_to_string(&path).map_err(io)
    }
}

/// A value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number or a word, as written.
    Word(String),
    /// A list.
    List(Vec<Value>),
    /// A block.
    Block(Block),
}

impl Value {
    /// The word, if it is one.
    pub fn word(&self) -> Option<&str> {
        match self {
            Value::Word(w) => Some(w),
            _ => None,
        }
    }
}

/// A block with its fields, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Block {
    /// Its type, e.g. `disksim_disk`.
    pub kind: String,
    /// Its name; may be empty.
    pub name: String,
    /// Its fields.
    pub fields: Vec<(String, Value)>,
    /// The file that it stands in.
    pub file: String,
}

impl Block {
    /// The value of `field`; names are compared without case.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.iter().find(|(f, _)| f.eq_ignore_ascii_case(field)).map(|(_, v)| v)
    }

    /// What errors call this block.
    pub fn title(&self) -> String {
        format!("{} {}", self.kind, self.name).trim().to_string()
    }

    /// The word in `field`.
    ///
    /// # Errors
    /// When it is missing or no word.
    pub fn need(&self, field: &'static str) -> Result<&str, Error> {
        let value = self.get(field).ok_or_else(|| Error::Missing { block: self.title(), field })?;
        value.word().ok_or_else(|| self.bad(field, "a list or block", "a word is expected"))
    }

    /// An error about `field`.
    pub fn bad(&self, field: &str, value: &str, why: &'static str) -> Error {
        let (block, field, value) = (self.title(), field.to_string(), value.to_string());
        Error::Field { block, field, value, why }
    }

    /// A whole number in `field`.
    ///
    /// # Errors
    /// When it is missing or not one.
    pub fn int(&self, field: &'static str) -> Result<i64, Error> {
        let word = self.need(field)?;
        word.parse().map_err(|_| self.bad(field, word, "a whole number is expected"))
    }

    /// A whole number in `field`, or `default` if the field is missing.
    ///
    /// # Errors
    /// When it is not a number.
    pub fn int_or(&self, field: &'static str, default: i64) -> Result<i64, Error> {
        if self.get(field).is_none() { Ok(default) } else { self.int(field) }
    }

    /// A number from `low` to `high`.
    ///
    /// # Errors
    /// When it is missing, no number or outside.
    pub fn within(&self, field: &'static str, low: i64, high: i64) -> Result<i64, Error> {
        let n = self.int(field)?;
        if n < low || n > high {
            return Err(self.bad(field, &n.to_string(), "out of range"));
        }
        Ok(n)
    }

    /// Milliseconds in `field`, as picoseconds.
    ///
    /// # Errors
    /// When it is missing or no time that fits.
    pub fn ms(&self, field: &'static str) -> Result<u64, Error> {
        let word = self.need(field)?;
        ms(word).ok_or_else(|| self.bad(field, word, "milliseconds are expected"))
    }

    /// Milliseconds in `field`, or none if it is missing.
    ///
    /// # Errors
    /// When it is no time that fits.
    pub fn ms_or_zero(&self, field: &'static str) -> Result<u64, Error> {
        if self.get(field).is_none() { Ok(0) } else { self.ms(field) }
    }

    /// The list in `field`; empty if it is missing.
    ///
    /// # Errors
    /// When it is no list.
    pub fn list(&self, field: &'static str) -> Result<&[Value], Error> {
        match self.get(field) {
            None => Ok(&[]),
            Some(Value::List(l)) => Ok(l),
            Some(_) => Err(self.bad(field, "no list", "a list is expected")),
        }
    }
}

/// How deep lists, blocks and files may lie in each other.
const DEPTH_LIMIT: usize = 16;

struct Parser<'a> {
    file: String,
    tokens: Vec<(u32, Token)>,
    at: usize,
    depth: usize,
    source: &'a dyn Source,
}

/// All blocks of a file and of the files that it includes at the top level.
///
/// # Errors
/// When the syntax is wrong or a file is missing.
pub fn read(name: &str, source: &dyn Source) -> Result<Vec<Block>, Error> {
    read_at(name, source, 0)
}

fn read_at(name: &str, source: &dyn Source, depth: usize) -> Result<Vec<Block>, Error> {
    let text = source.text(name)?;
    let mut p = Parser { file: name.to_string(), tokens: tokens(&text), at: 0, depth, source };
    p.limit()?;
    p.file()
}

impl Parser<'_> {
    fn error(&self, what: impl Into<String>) -> Error {
        let line = self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |t| t.0);
        Error::Syntax { file: self.file.clone(), line, what: what.into() }
    }

    fn limit(&self) -> Result<(), Error> {
        if self.depth > DEPTH_LIMIT { Err(self.error("nested too deep")) } else { Ok(()) }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|t| &t.1)
    }

    fn is(&self, mark: char) -> bool {
        self.peek() == Some(&Token::Mark(mark))
    }

    fn take(&mut self, mark: char) -> bool {
        let yes = self.is(mark);
        self.at += usize::from(yes);
        yes
    }

    fn words(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(Token::Word(w)) = self.peek() {
            out.push(w.clone());
            self.at += 1;
        }
        out
    }

    fn file(&mut self) -> Result<Vec<Block>, Error> {
        let mut out = Vec::new();
        while self.at < self.tokens.len() {
            let words = self.words();
            match words.first().map(String::as_str) {
                _ if self.is('{') => out.push(self.named(&words)?),
                Some("source") if words.len() >= 2 => {
                    out.extend(read_at(&words[1], self.source, self.depth + 1)?);
                    // What follows on the same run of words starts the next statement.
                    self.at -= words.len() - 2;
                }
                _ if self.is('[') => drop(self.list()?),
                None => return Err(self.error("a block is expected")),
                Some("as") => {}
                Some(_) if self.at == self.tokens.len() => {}
                Some(_) => return Err(self.error("`{` or `[` is expected")),
            }
        }
        Ok(out)
    }

    /// Type and name of a block at the top level: the last two words before its brace.
    fn top(&self, words: &[String]) -> Result<(String, String), Error> {
        match words {
            [.., kind, name] => Ok((kind.clone(), name.clone())),
            [kind] => Ok((kind.clone(), String::new())),
            [] => Err(self.error("a block without a type")),
        }
    }

    fn named(&mut self, words: &[String]) -> Result<Block, Error> {
        let head = self.top(words)?;
        self.block(head)
    }

    fn block(&mut self, head: (String, String)) -> Result<Block, Error> {
        self.depth += 1;
        self.limit()?;
        self.take('{');
        let mut block =
            Block { kind: head.0, name: head.1, file: self.file.clone(), ..Block::default() };
        while !self.take('}') {
            let field = self.words().join(" ");
            if field.is_empty() || !self.take('=') {
                return Err(self.error("`field = value` or `}` is expected"));
            }
            let value = self.value()?;
            block.fields.push((field, value));
            while self.take(',') {}
        }
        self.depth -= 1;
        Ok(block)
    }

    fn list(&mut self) -> Result<Vec<Value>, Error> {
        self.depth += 1;
        self.limit()?;
        self.take('[');
        let mut out = Vec::new();
        while !self.take(']') {
            if self.at >= self.tokens.len() {
                return Err(self.error("a list without an end"));
            }
            if !self.take(',') {
                out.push(self.value()?);
            }
        }
        self.depth -= 1;
        Ok(out)
    }

    fn value(&mut self) -> Result<Value, Error> {
        if self.is('[') {
            return Ok(Value::List(self.list()?));
        }
        let words = self.words();
        match (words.as_slice(), self.is('{')) {
            (_, true) => Ok(Value::Block(self.named(&words)?)),
            ([source, file], _) if source == "source" => {
                let blocks = read_at(file, self.source, self.depth + 1)?;
                let block = blocks.into_iter().next();
                Ok(Value::Block(block.ok_or_else(|| self.error("a file without a block"))?))
            }
            ([word], _) => Ok(Value::Word(word.clone())),
            // Lists of lists in a topology: `disksim_bus bus0 [ … ]`.
            ([_, ..], _) if self.is('[') => Ok(Value::List(self.list()?)),
            _ => Err(self.error("a value is expected")),
        }
    }
}
