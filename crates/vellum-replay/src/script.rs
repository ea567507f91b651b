//! Console input given beforehand: pieces, each with the moment at which it is typed.

use thiserror::Error as ThisError;

/// Bytes that a pattern of [`When::Shown`] may have.
pub const PATTERN_LIMIT: usize = 256;

/// When a piece of a script is typed, counted from the end of the piece before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// As soon as the guest takes input.
    Asked,
    /// Not before the asking hart has retired this many instructions since it was switched on; or
    /// when the machine is idle for good, since it would then never get there.
    Instret(u64),
    /// Once the guest has printed these bytes after the piece before was taken; or when the machine
    /// is idle for good.
    Shown(Vec<u8>),
}

/// Why a script can't be used.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum ScriptError {
    /// A pattern that is empty or too long.
    #[error(
        "piece {piece} waits for a pattern of {length} bytes; 1 to {PATTERN_LIMIT} are possible"
    )]
    Pattern {
        /// Which piece, from 0.
        piece: usize,
        /// How long its pattern is.
        length: usize,
    },
}

/// Console input and its moments, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    pieces: Vec<(When, Vec<u8>)>,
}

impl Script {
    /// A script that types nothing.
    pub fn new() -> Self {
        Script::default()
    }

    /// A script that types `bytes` as fast as the guest takes them.
    pub fn typed(bytes: impl Into<Vec<u8>>) -> Self {
        Script { pieces: vec![(When::Asked, bytes.into())] }
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// When it waits for a pattern that is empty or longer than [`PATTERN_LIMIT`].
    pub fn then(mut self, when: When, bytes: impl Into<Vec<u8>>) -> Result<Self, ScriptError> {
        if let When::Shown(pattern) = &when
            && !(1..=PATTERN_LIMIT).contains(&pattern.len())
        {
            return Err(ScriptError::Pattern { piece: self.pieces.len(), length: pattern.len() });
        }
        self.pieces.push((when, bytes.into()));
        Ok(self)
    }

    /// The pieces.
    pub fn pieces(&self) -> &[(When, Vec<u8>)] {
        &self.pieces
    }
}
