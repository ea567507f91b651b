//! `cargo xtask bench [AREA]`: our own figures, counted and never timed by a clock on the wall, so
//! that they are the same on every machine.
//!
//! An area is a file here and a line in [`AREAS`].

mod boot;
mod disk;
mod ecc;
mod flash;
mod page;
mod recover;
mod share;

use crate::table::Table;
use anyhow::{Result, bail};
use serde_json::Value;
use std::process::ExitCode;

/// An area: its name, what it counts, and how.
struct Area {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result<Vec<Table>>,
}

const AREAS: &[Area] = &[
    Area {
        name: "boot",
        about: "the small guest's boot and self-test under each kind of paging",
        run: boot::run,
    },
    Area {
        name: "disk",
        about: "random reads of the drives that ship, by depth and order of the queue, in virtual time",
        run: disk::run,
    },
    Area {
        name: "ecc",
        about: "LDPC frames lost and iterations by error rate; what is miscorrected beyond t",
        run: ecc::run,
    },
    Area {
        name: "flash",
        about: "write amplification under uniform traffic beside theory",
        run: flash::run,
    },
    Area {
        name: "page",
        about: "misses of each eviction policy on skewed, scanned, looping and moving references",
        run: page::run,
    },
    Area {
        name: "recover",
        about: "log bytes and flushes of a transaction of recoverable memory",
        run: recover::run,
    },
    Area {
        name: "share",
        about: "what pages of known content come to when they are shared and compressed",
        run: share::run,
    },
];

#[derive(Debug, clap::Args)]
pub struct Args {
    /// One area; without it, all
    area: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Say which areas there are
    #[arg(long)]
    list: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if args.list {
        AREAS.iter().for_each(|area| println!("{:10} {}", area.name, area.about));
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = |area: &&Area| args.area.as_deref().is_none_or(|name| name == area.name);
    let areas: Vec<&Area> = AREAS.iter().filter(wanted).collect();
    if areas.is_empty() {
        let names: Vec<&str> = AREAS.iter().map(|area| area.name).collect();
        bail!(
            "no area is named {}; there are {}",
            args.area.as_deref().unwrap_or(""),
            names.join(", ")
        );
    }
    let mut all = Vec::new();
    for area in areas {
        for table in (area.run)()? {
            match args.json {
                true => all.push(table.json()),
                false => println!("{}", table.text()),
            }
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&Value::Array(all))?);
    }
    Ok(ExitCode::SUCCESS)
}
