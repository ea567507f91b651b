//! The one door for the outside.
//!
//! A machine whose time is a function of retired instructions and whose devices are models has few
//! places left where chance can enter: what a person types, random numbers, and the date at boot.
//! All of them enter through [`Outside`], and every call carries a [`Stamp`]: which hart asked, and
//! after how many instructions. Whoever stands behind the door decides what kind of run it is:
//!
//! * [`Live`]: real keys, the operating system's entropy, the real date;
//! * [`Seeded`]: a script of input, a generator and a date, all given beforehand. Two runs with one
//!   seed and one script are the same run.
//!
//! A recording is an `Outside` that asks another one and writes down the answers; a replay is one
//! that reads them back. Nothing about time is ever asked for, so nothing about time is recorded.
//! What the guest prints is shown to the outside too ([`Outside::shown`]): it never changes the
//! guest, but a script may wait for a prompt.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod generator;
mod live;
mod outside;
mod script;
mod seeded;
mod stamp;

pub use error::Error;
pub use generator::Generator;
pub use live::{CONSOLE_QUEUE, Live};
pub use outside::{Expect, Outside, WallClock};
pub use script::{PATTERN_LIMIT, Script, ScriptError, When};
pub use seeded::Seeded;
pub use stamp::Stamp;
