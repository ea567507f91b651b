//! What the arithmetic is held against: a well-kept soft float in every mode, the host's own
//! arithmetic to nearest, rules of the standard written out, and rows worked by hand.

mod apfloat;
mod directed;
mod host;
mod operands;
mod registers;
