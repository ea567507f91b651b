//! `cargo xtask boot`: a machine, a guest, a console, and what happened.

mod disks;
mod door;
mod faults;
mod guest;
mod kept;
mod keys;
mod options;
mod pager;
mod remap;
mod remote;
mod report;
mod scavenge;
mod script;
mod session;
mod size;
mod terminal;

pub use options::{Args, ModeKind, PagingKind};

use anyhow::{Context, Result};
use door::Door;
use faults::Faults;
use guest::Guest;
use options::ReportKind;
use report::Outcome;
use session::{Limits, Session};
use std::fs;
use std::process::ExitCode;
use terminal::Terminal;
use vellum_machine::{Config, Machine, Stop};
use vellum_replay::Script;
use vellum_translate::riscv::Mode;

pub fn run(args: &Args) -> Result<ExitCode> {
    let guest = Guest::new(args)?;
    let kinds = match args.compare {
        true => vec![PagingKind::Nested, PagingKind::Shadow],
        false => vec![args.paging],
    };
    let mut code = 0;
    for paging in kinds {
        let args = Args { paging, ..args.clone() };
        let outcome = once(&args, &guest)?;
        outcome.keep(paging)?;
        // With --compare the second report has both columns.
        if !args.compare || paging == PagingKind::Shadow {
            tell(&args, &outcome)?;
        }
        code = outcome.end.code();
    }
    Ok(ExitCode::from(code))
}

/// The machine of a run without a person, from power-on or from a kept state, as it is at the end.
pub fn machine(args: &Args) -> Result<Machine> {
    let guest = Guest::new(args)?;
    let door = Door::new(args.seed, false, typed(args)?);
    let mut machine = Machine::new(config(args, &guest)?, Box::new(door.clone()))
        .with_context(|| format!("{} can't be loaded", guest.name))?;
    if let Some(path) = &args.restore {
        kept::restore(path, &mut machine, &door)?;
    }
    let mut left = args.stop_after.unwrap_or(0);
    while left > 0 {
        let before = machine.instructions();
        match machine.run(left) {
            Stop::Slice => {}
            Stop::Host(why) => anyhow::bail!("the host can't go on with the guest: {why}"),
            Stop::PowerOff { .. } | Stop::Reset | Stop::Idle(_) => break,
        }
        left = left.saturating_sub(machine.instructions() - before);
    }
    machine.take_console_output();
    Ok(machine)
}

/// One run from power-on, or from a kept state, to its end.
fn once(args: &Args, guest: &Guest) -> Result<Outcome> {
    let door = Door::new(args.seed, args.live, typed(args)?);
    let mut config = config(args, guest)?;
    let scavenger = scavenge::plan(args, &mut config)?;
    let mut machine = Machine::new(config, Box::new(door.clone()))
        .with_context(|| format!("{} can't be loaded", guest.name))?;
    if let Some(scavenger) = &scavenger {
        scavenger.attach(&mut machine)?;
    }
    if let Some(path) = &args.restore {
        kept::restore(path, &mut machine, &door)?;
    }
    if let Some(path) = &args.save {
        kept::check(path)?;
    }
    let limits = Limits { instructions: args.stop_after };
    if args.costs {
        machine.watch_costs(clock);
    }
    pager::record(args, &mut machine)?;
    let terminal = Terminal::open()?;
    let end = session(args, &mut machine, &door, terminal.is_some(), limits);
    let typed_at = terminal.is_some();
    drop(terminal);
    let end = end?;
    pager::finish(args, &mut machine)?;
    if typed_at && end == session::End::Left {
        // The guest's line is not ended.
        eprintln!();
    }
    if let Some(path) = &args.save {
        kept::save(path, &mut machine, &door)?;
    }
    if let Some(path) = &args.sketch {
        let sketch = machine.memory_mut().sketch()?.to_bytes();
        fs::write(path, sketch)
            .with_context(|| format!("--sketch {} can't be written", path.display()))?;
    }
    let mut counts = report::counts(&machine);
    counts.extend(machine.costs().map(report::costs).into_iter().flatten());
    if let Some(scavenger) = &scavenger {
        counts.extend(scavenger.counts(&mut machine)?);
    }
    Ok(Outcome {
        guest: guest.name.clone(),
        key: guest.key.clone(),
        cmdline: guest.cmdline.clone(),
        end,
        counts,
        faults: machine.memory().pager_history(Faults::of),
        short: report::short(&machine),
        digest: args.digest.then(|| machine.state_hash().to_string()),
        content: args.digest.then(|| machine.content_hash().to_string()),
    })
}

/// What is typed at the guest.
fn typed(args: &Args) -> Result<Script> {
    let Some(path) = &args.script else { return Ok(Script::new()) };
    let text = fs::read_to_string(path)
        .with_context(|| format!("the script {} can't be read", path.display()))?;
    script::parse(&text)
}

/// Nanoseconds of real time, for `--costs`.
fn clock() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or(0)
}

/// The run, in one piece or in the pieces between which the paging changes.
fn session(
    args: &Args,
    machine: &mut Machine,
    door: &Door,
    terminal: bool,
    limits: Limits,
) -> Result<session::End> {
    let begin = machine.instructions();
    for switch in &args.switch {
        let until = limits.instructions.map_or(switch.after, |all| all.min(switch.after));
        let left = until.saturating_sub(machine.instructions() - begin);
        let limits = Limits { instructions: Some(left) };
        let end = Session::new(machine, door.clone(), terminal).run(limits)?;
        if end != session::End::Enough {
            return Ok(end);
        }
        machine.memory_mut().set_paging(switch.paging)?;
    }
    let done = machine.instructions() - begin;
    let instructions = limits.instructions.map(|all| all.saturating_sub(done));
    Session::new(machine, door.clone(), terminal).run(Limits { instructions })
}

fn config(args: &Args, guest: &Guest) -> Result<Config> {
    let mut config = Config::new(guest.kernel.clone());
    config.memory = args.memory;
    config.harts = args.harts;
    config.paging = args.paging.paging();
    config.max_mode = match args.mode {
        ModeKind::Sv39 => Mode::Sv39,
        ModeKind::Sv48 => Mode::Sv48,
        ModeKind::Sv57 => Mode::Sv57,
    };
    config.frame_quota = args.quota.map(|bytes| bytes >> 12);
    config.pager = pager::make(args)?;
    config.initrd.clone_from(&guest.initrd);
    config.cmdline.clone_from(&guest.cmdline);
    config.disks = args.disk.iter().map(|text| disks::open(text)).collect::<Result<_>>()?;
    config.remap_from = remap::threshold(args)?;
    Ok(config)
}

/// The report. It goes to standard error, so that standard output holds what the guest printed and
/// nothing else; as JSON it is for a program and goes to standard output.
fn tell(args: &Args, outcome: &Outcome) -> Result<()> {
    if args.json {
        println!("\n{}", serde_json::to_string_pretty(&outcome.json(args))?);
        return Ok(());
    }
    match args.report {
        ReportKind::None => {}
        ReportKind::Short => eprintln!("\n{}: {}", outcome.end, outcome.short),
        ReportKind::Full => eprint!("\n{}", outcome.table(args).text()),
    }
    if let (Some(digest), true) = (&outcome.digest, args.report != ReportKind::None) {
        eprintln!("digest {digest}");
    }
    Ok(())
}
