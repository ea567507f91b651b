//! `cargo xtask flash-calc`: flash by formula. The time of a write with and without remapping, which
//! the chip model confirms; what garbage collection makes of it; what a code carries.

mod carry;
mod collect;
mod write;

use crate::table::Table;
use anyhow::Result;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Bytes of a page
    #[arg(long, default_value_t = 4096)]
    page_bytes: u32,
    /// Pages of an erase block
    #[arg(long, default_value_t = 128)]
    pages: u32,
    /// Microseconds to read a page
    #[arg(long, default_value_t = 50)]
    read_us: u64,
    /// Microseconds to program a page
    #[arg(long, default_value_t = 50)]
    program_us: u64,
    /// Microseconds to erase a block
    #[arg(long, default_value_t = 3000)]
    erase_us: u64,
    /// Take the times of a class of chips instead, its bus included
    #[arg(long, value_enum)]
    class: Option<write::Class>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the tables; fails if the model contradicts a formula.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (times, agrees) = write::table(args)?;
    let tables: [Table; 3] = [times, collect::table(args), carry::table()];
    if args.json {
        let all = tables.iter().map(Table::json).collect();
        println!("{}", serde_json::to_string_pretty(&Value::Array(all))?);
    } else {
        tables.iter().for_each(|table| println!("{}", table.text()));
    }
    if !agrees {
        eprintln!("error: the model and the formula differ by more than a millionth");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// `value` to four significant digits, as a cell.
fn significant(value: f64) -> Value {
    let text = format!("{value:.3e}");
    text.parse::<f64>().map_or(Value::Null, Value::from)
}
