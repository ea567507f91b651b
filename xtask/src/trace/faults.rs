//! What goes wrong during a trace: `cargo xtask trace … --latent 20 --crash-head 1 --power-loss 1500`.

use super::Outcome;
use crate::table::Table;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vellum_block::trace::Record;
use vellum_block::{Completion, Device, Duration, Fate, Instant, Landed, Loss, Request, Sink, Tag};
use vellum_disk::Disk;
use vellum_disk::crash::{crash_states, flush_holds};
use vellum_disk::faults::FaultCounters;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Faults")]
pub struct Options {
    /// Clusters of latent sector errors, anywhere on the drive
    #[arg(long, value_name = "CLUSTERS", default_value_t = 0)]
    latent: u32,
    /// Most sectors of a cluster
    #[arg(long, value_name = "SECTORS", default_value_t = 8)]
    cluster: u32,
    /// Latent errors at these LBNs; after a colon the turns that reading one takes, from 21 on it
    /// never succeeds (and 21 is what is taken without)
    #[arg(long, value_name = "LBN[:TURNS]", value_delimiter = ',')]
    bad: Vec<String>,
    /// Sectors that were moved to spares at the drive's end: grown defects
    #[arg(long, value_name = "LBN", value_delimiter = ',')]
    grown: Vec<u64>,
    /// Heads that have crashed: nothing on their surfaces can be read or written
    #[arg(long, value_name = "HEAD", value_delimiter = ',')]
    crash_head: Vec<u32>,
    /// Recalibrate the arm every so many milliseconds, for so many
    #[arg(long, value_name = "EVERY:FOR")]
    recalibrate: Option<String>,
    /// Cut the power after so many milliseconds of the trace, and tell what is on the medium then
    #[arg(long, value_name = "MS")]
    power_loss: Option<u64>,
    /// Enumerate every state that a loss of power can leave during the trace (at most 2,000 requests)
    #[arg(long, conflicts_with = "power_loss")]
    crash_states: bool,
    /// Seed of everything that is left to chance
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Most requests whose crash states are enumerated: each state is compared with all of them.
const ENUMERATED: usize = 2_000;

impl Options {
    /// When the power goes.
    pub fn power_loss(&self) -> Option<Instant> {
        self.power_loss.map(|ms| Instant::ZERO + Duration::from_ms(ms))
    }

    /// Whether crash states are asked for.
    pub fn enumerates(&self) -> bool {
        self.crash_states
    }

    /// Plants the faults that are asked for.
    pub fn plant(&self, disk: &mut Disk) -> Result<()> {
        let (sectors, surfaces) = (disk.geometry().sectors(), disk.geometry().surfaces());
        let inside = |option: &str, lbn: u64| {
            if lbn >= sectors {
                bail!("--{option} {lbn}: the drive has {sectors} sectors");
            }
            Ok(lbn)
        };
        let faults = disk.faults_mut();
        faults.plant(sectors, self.latent, self.cluster, self.seed);
        for text in &self.bad {
            let (lbn, turns) = text.split_once(':').unwrap_or((text, "21"));
            let wrong = || format!("--bad {text}: an LBN, or an LBN and turns like 1000:3");
            let lbn = inside("bad", lbn.parse().with_context(wrong)?)?;
            faults.plant_at(lbn, turns.parse().with_context(wrong)?);
        }
        for &lbn in &self.grown {
            faults.grow_at(inside("grown", lbn)?);
        }
        for &head in &self.crash_head {
            if head >= surfaces {
                bail!("--crash-head {head}: the drive has heads 0 to {}", surfaces - 1);
            }
            faults.crash_head(head);
        }
        if let Some(text) = &self.recalibrate {
            let wrong = || format!("--recalibrate {text}: two numbers of ms like 60000:300");
            let (every, takes) = text.split_once(':').with_context(wrong)?;
            let ms = |t: &str| t.parse().map(Duration::from_ms).with_context(wrong);
            faults.recalibrate(ms(every)?, ms(takes)?);
        }
        Ok(())
    }
}

/// What a loss of power left.
#[derive(Debug, Default)]
pub struct Cut {
    at: Instant,
    /// Requests that the drive had taken.
    taken: usize,
    /// Sectors that reached the medium before.
    durable: u64,
    losses: Vec<Loss>,
    /// Sectors that are not on the medium although the host was told that their write had ended.
    promised: u64,
}

#[derive(Default)]
struct Log {
    done: Vec<Completion>,
    durable: u64,
}

impl Sink for Log {
    fn completed(&mut self, c: Completion) {
        self.done.push(c);
    }
    fn landed(&mut self, l: Landed) {
        self.durable += u64::from(l.sectors);
    }
}

/// Runs records until the power goes at `at`.
pub fn until_cut(
    disk: &mut dyn Device,
    records: &[Record],
    closed: bool,
    at: Instant,
) -> Result<(Vec<Completion>, Cut)> {
    let (mut log, mut taken, mut now) = (Log::default(), 0, Instant::ZERO);
    'requests: for (i, r) in records.iter().enumerate() {
        let start = if closed { now } else { r.at };
        if start > at {
            break;
        }
        disk.advance(start, &mut log);
        disk.submit(start, Request::new(Tag(i as u64), r.op, r.lba, r.sectors))
            .with_context(|| format!("request {i}"))?;
        taken += 1;
        while closed && log.done.len() < taken {
            match disk.next_event() {
                Some(next) if next <= at => disk.advance(next, &mut log),
                _ => break 'requests,
            }
        }
        if let (true, Some(last)) = (closed, log.done.last()) {
            now = last.at + r.gap.unwrap_or(Duration::ZERO);
        }
    }
    let mut losses = Vec::new();
    disk.power_loss(at, &mut log, &mut |l| losses.push(l));
    let ended: BTreeSet<Tag> =
        log.done.iter().filter(|c| c.status.is_ok()).map(Completion::tag).collect();
    let of_ended = losses.iter().filter(|l| ended.contains(&l.tag) && l.fate != Fate::Kept);
    let promised = of_ended.map(|l| u64::from(l.sectors)).sum();
    Ok((log.done, Cut { at, taken, durable: log.durable, losses, promised }))
}

impl Cut {
    fn sectors(&self, fate: Fate) -> u64 {
        let all = self.losses.iter().filter(|l| l.fate == fate);
        all.map(|l| u64::from(l.sectors)).sum()
    }

    pub fn table(&self) -> Table {
        let mut table = Table::new("the power cut", &["measure", "value"]);
        let mut row = |name: &str, value: String| table.row([json!(name), json!(value)]);
        row("at", self.at.to_string());
        row("requests taken before", self.taken.to_string());
        row("sectors written to the medium", self.durable.to_string());
        row("sectors lost", self.sectors(Fate::Lost).to_string());
        row("sectors torn", self.sectors(Fate::Torn).to_string());
        row("of these, told to the host as written", self.promised.to_string());
        table
    }

    pub fn json(&self) -> Value {
        let losses: Vec<Value> = self
            .losses
            .iter()
            .map(|l| {
                let fate = match l.fate {
                    Fate::Torn => "torn",
                    Fate::Kept => "kept",
                    _ => "lost",
                };
                json!({ "request": l.tag.0, "lbn": l.lba.get(), "sectors": l.sectors, "fate": fate })
            })
            .collect();
        json!({
            "at_ms": self.at.since(Instant::ZERO).as_ms_f64(),
            "requests": self.taken,
            "durable_sectors": self.durable,
            "promised_and_lost_sectors": self.promised,
            "losses": losses,
        })
    }
}

/// What the drive's own counters say, if anything went wrong.
pub fn counters(o: &Outcome) -> Option<Table> {
    let c = &o.counters;
    if *c == FaultCounters::default() && o.failed == 0 {
        return None;
    }
    let mut table = Table::new("faults", &["counter", "value"]);
    let mut row = |name: &str, value: u64| table.row([json!(name), json!(value)]);
    row("reads that took more turns", c.recovered);
    row("reads that failed", c.unreadable);
    row("sectors moved to spares", c.reallocated);
    row("recalibrations", c.recalibrations);
    row("requests refused or failed", o.failed as u64);
    Some(table)
}

pub fn counters_json(c: &FaultCounters) -> Value {
    json!({
        "recovered": c.recovered,
        "unreadable": c.unreadable,
        "reallocated": c.reallocated,
        "recalibrations": c.recalibrations,
    })
}

/// Every state that a loss of power can leave behind the records.
pub fn states(disk: &mut Disk, records: &[Record]) -> Result<Table> {
    if records.len() > ENUMERATED {
        bail!("{} requests; --limit {ENUMERATED} is the most for --crash-states", records.len());
    }
    let request =
        |(i, r): (usize, &Record)| (r.at, Request::new(Tag(i as u64), r.op, r.lba, r.sectors));
    let workload: Vec<_> = records.iter().enumerate().map(request).collect();
    let idle = workload.last().map_or(Instant::ZERO, |w| w.0) + Duration::from_secs(60);
    let (mut torn, mut broken, mut most, mut ended) = (0u64, 0u64, 0, 0);
    let states = crash_states(disk, &workload, idle, |s| {
        torn += u64::from(s.torn.is_some());
        broken += u64::from(!flush_holds(&workload, s));
        (most, ended) = (most.max(s.durable.len()), ended.max(s.ended.len()));
        true
    })?;
    let mut table = Table::new("states that a power cut can leave", &["measure", "value"]);
    let mut row = |name: &str, value: u64| table.row([json!(name), json!(value)]);
    row("states", states);
    row("with a torn sector", torn);
    row("that break what a flush promised", broken);
    row("sectors on the medium at the end", most as u64);
    row("requests ended", ended as u64);
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use vellum_block::{Lba, Op};
    use vellum_disk::{Policy, profiles};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        faults: Options,
    }

    fn disk(line: &str) -> Result<Disk> {
        let args = Line::try_parse_from(format!("trace {line}").split_whitespace())?;
        let mut disk = Disk::new(&profiles::find("desktop7200").unwrap(), Policy::Fcfs)?;
        args.faults.plant(&mut disk)?;
        Ok(disk)
    }

    fn records(n: u64) -> Vec<Record> {
        let record = |i: u64| Record {
            at: Instant::ZERO + Duration::from_us(i * 200),
            device: 0,
            op: Op::Write,
            lba: Lba::new(i * 7_000_000),
            sectors: 8,
            service: None,
            gap: None,
        };
        (0..n).map(record).collect()
    }

    #[test]
    fn every_written_sector_is_durable_lost_or_torn_after_a_cut() {
        let mut disk = disk("").unwrap();
        let at = Instant::ZERO + Duration::from_ms(40);
        let (done, cut) = until_cut(&mut disk, &records(100), false, at).unwrap();
        assert_eq!(cut.taken, 100);
        // A torn physical sector is whole here: eight sectors each, aligned.
        assert_eq!(cut.durable + cut.sectors(Fate::Lost) + cut.sectors(Fate::Torn), 800);
        // The write cache ends a write long before the arm gets to it.
        assert!(done.len() > 50 && cut.promised > 0, "{} ended: {cut:?}", done.len());
        assert_eq!(cut.json()["promised_and_lost_sectors"], cut.promised);
    }

    #[test]
    fn faults_are_those_that_were_asked_for_and_wrong_ones_are_named() {
        let planted = disk("--bad 5:3,9 --grown 70 --crash-head 1 --latent 4 --seed 2").unwrap();
        assert_eq!(
            planted.faults(),
            disk("--latent 4 --seed 2 --bad 9:21,5:3 --grown 70 --crash-head 1").unwrap().faults()
        );
        assert_ne!(
            planted.faults(),
            disk("--bad 5:3,9 --grown 70 --crash-head 1 --latent 4 --seed 3").unwrap().faults()
        );
        for (line, part) in [
            ("--bad x", "--bad x"),
            ("--bad 99999999999", "sectors"),
            ("--grown 99999999999", "--grown 99999999999"),
            ("--crash-head 60", "heads 0 to"),
            ("--recalibrate 7", "60000:300"),
        ] {
            let error = format!("{:#}", disk(line).unwrap_err());
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
