//! `cargo xtask drive DEVICE`: what a drive is like, what an access costs, and the drive as a file.

use crate::table::Table;
use anyhow::{Context, Result};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use vellum_block::{Completion, Device, Flags, Instant, Lba, Phase, Request, Tag, drain};
use vellum_disk::profile::Profile;
use vellum_disk::{Disk, Policy, describe};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A drive: hp97560, enterprise15k, desktop7200, a .drive file, or a DiskSim .parv/.diskspecs file
    #[arg(default_value = "desktop7200")]
    device: String,
    /// Read these LBNs one after the other and print where the time went
    #[arg(long, value_name = "LBN", num_args = 1.., value_delimiter = ',')]
    access: Vec<u64>,
    /// Sectors of each access
    #[arg(long, default_value_t = 8)]
    sectors: u32,
    /// Write where the reads would be
    #[arg(long)]
    write: bool,
    /// Past the cache (FUA): reads from the medium, writes to it, with the turn that a write of part of
    /// a physical sector takes
    #[arg(long)]
    through: bool,
    /// Write the drive to a file of our own format
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let profile = crate::trace::device(&args.device)?;
    let mut disk = Disk::new(&profile, Policy::Fcfs)?;
    let mut tables = vec![facts(&profile, &disk), rates(&profile, &disk)];
    if !args.access.is_empty() {
        tables.push(accesses(args, &mut disk)?);
    }
    if args.json {
        let all: Vec<_> = tables.iter().map(Table::json).collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        tables.iter().for_each(|t| println!("{}", t.text()));
    }
    if let Some(path) = &args.export {
        let text = describe::print(&profile)?;
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
        eprintln!("wrote {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn facts(profile: &Profile, disk: &Disk) -> Table {
    let (g, shape, seek) = (disk.geometry(), disk.shape(), disk.seek_table().summary());
    let mut table = Table::new(&profile.name, &["measure", "value"]);
    let mut row = |name: &str, value: String| table.row([json!(name), json!(value)]);
    row("from", profile.source.clone());
    row("capacity", format!("{:.3} GB", shape.bytes() as f64 / 1e9));
    row("sectors", format!("{} of {} bytes", shape.sectors, shape.sector_bytes));
    row("written as one", format!("{} bytes", shape.physical_bytes));
    row("cylinders, surfaces", format!("{}, {}", g.cylinders(), g.surfaces()));
    let turn = profile.mechanics.turn;
    row("turn", format!("{turn} ({:.1} rpm)", 60e12 / turn.as_ps() as f64));
    row("mean rotational latency", vellum_block::Duration::from_ps(turn.as_ps() / 2).to_string());
    row("shortest, longest seek", format!("{}, {}", seek.minimum, seek.maximum));
    row("mean seek over all pairs", seek.average.to_string());
    let third = f64::from(seek.average_distance) / f64::from(g.cylinders().max(1));
    row("mean distance", format!("{} cylinders, {third:.3} of the stroke", seek.average_distance));
    row("volatile write cache", if shape.volatile_cache { "yes" } else { "no" }.into());
    table
}

/// The rate of the surface at ten places from the first LBN to the last.
fn rates(profile: &Profile, disk: &Disk) -> Table {
    let g = disk.geometry();
    let head = ["LBN", "cylinder", "sectors a turn", "MB/s under the head"];
    let mut table = Table::new("surface rate from the outer to the inner tracks", &head);
    for i in 0..=9 {
        let lbn = (g.sectors() - 1) / 9 * i;
        let Some(spot) = g.locate(lbn) else { continue };
        let per_turn = g.per_turn(spot.track);
        let bytes = f64::from(per_turn) * f64::from(profile.sector_bytes);
        let rate = bytes / 1e6 / (profile.mechanics.turn.as_ms_f64() / 1e3);
        let cylinder = g.place(spot).cylinder;
        table.row([json!(lbn), json!(cylinder), json!(per_turn), json!(format!("{rate:.1}"))]);
    }
    table
}

/// Access = seek + rotation + transfer, and what else there is, for each LBN in turn.
fn accesses(args: &Args, disk: &mut Disk) -> Result<Table> {
    let mut head = vec!["LBN", "place"];
    head.extend(Phase::ALL.iter().map(|p| p.name()));
    head.push("= response, ms");
    let mut table = Table::new("access = seek + rotation + transfer, in ms", &head);
    let mut now = Instant::ZERO;
    for (i, &lbn) in args.access.iter().enumerate() {
        let tag = Tag(i as u64);
        let request = if args.write {
            Request::write(tag, Lba::new(lbn), args.sectors)
        } else {
            Request::read(tag, Lba::new(lbn), args.sectors)
        };
        let flags = if args.through { Flags::FUA } else { Flags::empty() };
        let request = request.with_flags(flags);
        disk.submit(now, request)?;
        let mut done = None;
        now = drain(disk, &mut |c: Completion| done = Some(c));
        let done = done.context("the drive did not end the request")?;
        let place = disk.geometry().locate(lbn).map(|s| disk.geometry().place(s));
        let place = place.map_or(String::new(), |p| {
            format!("cylinder {} head {} sector {}", p.cylinder, p.head, p.sector)
        });
        let ms = |d: vellum_block::Duration| json!(format!("{:.4}", d.as_ms_f64()));
        let mut row = vec![json!(lbn), json!(place)];
        row.extend(Phase::ALL.iter().map(|&p| ms(done.breakdown.get(p))));
        row.push(ms(done.response()));
        table.row(row);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_of_part_of_a_physical_sector_tells_of_the_turn_it_takes() {
        let modify = |sectors, through| {
            let args = Args {
                device: "desktop7200".to_string(),
                access: vec![8_000_000],
                sectors,
                write: true,
                through,
                export: None,
                json: false,
            };
            let profile = crate::trace::device(&args.device).unwrap();
            let table = accesses(&args, &mut Disk::new(&profile, Policy::Fcfs).unwrap()).unwrap();
            let ms = table.json()["rows"][0]["modify"].as_str().unwrap().to_string();
            ms.parse::<f64>().unwrap()
        };
        // 4 KiB are written as they are; less is read first, and written a turn of 8.3 ms later.
        assert_eq!(modify(8, true), 0.0);
        assert!((modify(1, true) - 8.33).abs() < 0.1, "{}", modify(1, true));
        assert_eq!(modify(1, false), 0.0, "the cache takes it");
    }
}
