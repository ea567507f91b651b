//! `cargo xtask walk`: how an address of a guest is translated, entry by entry, through the guest's
//! tables, the host's and the shadow's. The guest is booted and stopped after so many instructions, or
//! taken from a file that `boot --save` kept.

use crate::boot;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use vellum_hart::Hart;
use vellum_machine::Machine;
use vellum_translate::explain::{Explanation, Step};
use vellum_translate::{Access, Environment, Gva, Privilege};

/// Instructions after which the small guest has its tables and runs its shell.
const SMALL_GUEST: u64 = 20_000_000;

// A group of its own name: boot's options are flattened in, and every `Args` would be called the same.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "walk")]
pub struct Args {
    /// The address: a number, or a register that holds it: pc, ra, sp, gp, tp, or x0 to x31
    #[arg(default_value = "pc")]
    address: String,
    /// What is tried there; a fetch of pc, a load elsewhere, if not said
    #[arg(long, value_enum)]
    access: Option<AccessKind>,
    /// By whom, if not by whoever was running
    #[arg(long, value_enum, value_name = "MODE")]
    by: Option<PrivilegeKind>,
    /// Whose registers and tables
    #[arg(long, value_name = "N", default_value_t = 0)]
    hart: usize,
    /// Then have the hart touch the address, show each step of that, and the tables as they are after
    #[arg(long)]
    touch: bool,
    /// Also draw it
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten, next_help_heading = "The guest, as for boot")]
    boot: boot::Args,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AccessKind {
    Load,
    Store,
    Fetch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PrivilegeKind {
    User,
    Supervisor,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut guest = args.boot.clone();
    if guest.stop_after.is_none() && guest.restore.is_none() {
        if guest.linux || guest.kernel.is_some() {
            bail!("say with --stop-after at which instruction to look, or --restore a kept guest");
        }
        guest.stop_after = Some(SMALL_GUEST);
    }
    let mut machine = boot::machine(&guest)?;
    let va = address(hart(&machine, args.hart)?, &args.address)?;
    let access = match args.access {
        Some(AccessKind::Load) => Access::Load,
        Some(AccessKind::Store) => Access::Store,
        Some(AccessKind::Fetch) => Access::Fetch,
        None if args.address == "pc" => Access::Fetch,
        None => Access::Load,
    };
    let before = explain(&machine, args, va, access)?;
    let touched = match args.touch {
        true => machine.touch(args.hart, va, access),
        false => None,
    };
    let after = match touched {
        Some(_) => Some(explain(&machine, args, va, access)?),
        None => None,
    };
    if let Some(path) = &args.svg {
        let svg = after.as_ref().unwrap_or(&before).svg();
        std::fs::write(path, svg)
            .with_context(|| format!("{} can't be written", path.display()))?;
    }
    let trace = touched.map(|(trace, _)| trace);
    if args.boot.json {
        let mut all = json!({ "instructions": machine.instructions(), "walk": shown(&before) });
        if let (Some(trace), Some(after)) = (&trace, &after) {
            all["steps"] = trace.events.iter().map(|event| event.to_string()).collect();
            all["after"] = shown(after);
        }
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("after {} instructions, hart {}:", machine.instructions(), args.hart);
    print!("{before}");
    if let (Some(trace), Some(after)) = (trace, after) {
        print!("\nThe hart touches it:\n{trace}\nand then:\n{after}");
    }
    Ok(ExitCode::SUCCESS)
}

fn hart(machine: &Machine, number: usize) -> Result<&Hart> {
    machine.hart(number).with_context(|| format!("there is no hart {number}"))
}

fn explain(machine: &Machine, args: &Args, va: Gva, access: Access) -> Result<Explanation> {
    let tlb = &hart(machine, args.hart)?.tlb;
    let now = tlb.environment();
    let environment = match args.by {
        None => now,
        Some(PrivilegeKind::User) => Environment { privilege: Privilege::User, sum: false, ..now },
        Some(PrivilegeKind::Supervisor) => Environment { privilege: Privilege::Supervisor, ..now },
    };
    Ok(machine.memory().explain(args.hart, tlb, environment, va, access))
}

/// A number, or what a register holds.
fn address(hart: &Hart, text: &str) -> Result<Gva> {
    let register = match text {
        "pc" => return Ok(Gva::new(hart.pc)),
        "ra" => Some(1),
        "sp" => Some(2),
        "gp" => Some(3),
        "tp" => Some(4),
        _ => text.strip_prefix('x').and_then(|number| number.parse().ok()).filter(|&n| n < 32),
    };
    if let Some(register) = register {
        return Ok(Gva::new(hart.x(register)));
    }
    let digits = text.replace('_', "");
    let number = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    let number = number.with_context(|| format!("{text} is neither a number nor a register"))?;
    Ok(Gva::new(number))
}

fn shown(walk: &Explanation) -> Value {
    let step = |step: &Step| {
        json!({
            "place": step.place,
            "entry": step.entry.map(|entry| format!("{entry:#018x}")),
            "flags": step.flags,
            "says": step.says,
            "verdict": step.verdict.name(),
        })
    };
    let columns = walk.columns.iter().map(|column| {
        let rows = walk.rows.iter().zip(&column.cells).filter(|(_, cell)| !cell.is_empty());
        let rows = rows.map(|(row, cell)| {
            let steps: Vec<Value> = cell.iter().map(step).collect();
            json!({ "row": row.name, "field": row.field, "steps": steps })
        });
        json!({ "name": column.name, "about": column.about, "rows": rows.collect::<Vec<_>>() })
    });
    let fields = walk.fields.iter().map(|field| {
        json!({ "name": field.name, "high": field.high, "low": field.low, "value": field.value })
    });
    json!({
        "title": walk.title,
        "address": format!("{:#x}", walk.va.get()),
        "fields": fields.collect::<Vec<_>>(),
        "columns": columns.collect::<Vec<_>>(),
        "outcome": walk.outcome,
        "refused": walk.refused,
        "notes": walk.notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Args {
        use clap::Parser;
        let cli = crate::Cli::parse_from([&["xtask", "walk"], words].concat());
        match cli.command {
            crate::Command::Walk(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    /// The small guest's stack, before and after the hart touches it, and as a user would see it.
    #[test]
    fn an_address_of_the_small_guest_is_shown_through_all_tables() {
        let mut args = parsed(&["sp", "--access", "store", "--touch", "--stop-after", "20000000"]);
        let mut machine = boot::machine(&args.boot).unwrap();
        let va = address(hart(&machine, 0).unwrap(), &args.address).unwrap();
        machine.touch(0, va, Access::Store).unwrap();
        let after = explain(&machine, &args, va, Access::Store).unwrap();
        let names: Vec<&str> = after.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["guest", "host", "shadow"]);
        assert!(!after.refused && after.outcome.contains("frame"), "{after}");
        let last = after.rows.len() - 1;
        assert!(after.columns.iter().all(|column| !column.cells[last].is_empty()), "{after}");
        assert!(after.notes.iter().any(|note| note.contains("has a tag")), "{after}");
        let json = shown(&after);
        assert_eq!(json["columns"][2]["rows"][last]["row"], "page");
        args.by = Some(PrivilegeKind::User);
        let user = explain(&machine, &args, va, Access::Store).unwrap();
        assert!(user.refused && user.outcome.starts_with("cause 15"), "{user}");
    }

    #[test]
    fn an_address_is_a_number_or_a_register() {
        let mut hart = Hart::new(0);
        hart.pc = 0x8000_0000;
        hart.set_x(2, 77);
        let of = |text| address(&hart, text).map(Gva::get);
        assert_eq!(of("pc").unwrap(), 0x8000_0000);
        assert_eq!((of("sp").unwrap(), of("x2").unwrap()), (77, 77));
        assert_eq!((of("0xffff_0000").unwrap(), of("12").unwrap()), (0xffff_0000, 12));
        assert!(of("x32").is_err() && of("main").is_err());
    }
}
