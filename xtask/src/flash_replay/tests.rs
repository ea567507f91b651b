//! A log run again does what it says.

use super::*;
use clap::Parser;
use vellum_block::trace::Recorder;
use vellum_block::{Lba, Media, Rng};

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

pub fn parse(words: &[&str]) -> Args {
    Cli::parse_from(["flash-replay"].iter().chain(words)).args
}

pub fn outcome(args: &Args) -> Outcome {
    let records = read(args).unwrap();
    match args.layer {
        Kind::Tables => play::<Ftl<Model>>(args, &records),
        Kind::Small => play::<Small<Model>>(args, &records),
    }
    .unwrap()
}

const SHAPE: [&str; 9] =
    ["--blocks", "64", "--block-pages", "16", "--page-bytes", "512", "--fill", "60", "--empty"];

/// A life of a device, recorded: its counters, and its log.
fn recorded<L: Layer<Chip = Model> + Media>(path: &Path, layer: &str) -> Stats {
    let args = parse(&[&[&path.display().to_string(), "--layer", layer], &SHAPE[..]].concat());
    let (chip, config) = device(&args).unwrap();
    let ftl = L::format(Model::new(chip).unwrap(), config).unwrap();
    let before = ftl.stats();
    let mut recorder = Recorder::new(ftl, File::create(path).unwrap());
    let (mut rng, pages) = (Rng::new(4), u64::from(config.logical_pages));
    let mut page = [0; 1024];
    for i in 0..6000u32 {
        let lba = Lba::new(rng.below(pages - 2));
        page[..4].copy_from_slice(&i.to_le_bytes());
        match i % 40 {
            0 => recorder.flush().unwrap(),
            1 => recorder.discard(lba, 2).unwrap(),
            2..12 => recorder.read(lba, &mut page[..512]).unwrap(),
            12 => recorder.write(lba, &page).unwrap(),
            _ => recorder.write(lba, &page[..512]).unwrap(),
        }
    }
    recorder.flush().unwrap();
    since(recorder.finish().unwrap().0.stats(), before)
}

fn same<L: Layer<Chip = Model> + Media>(layer: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let live = recorded::<L>(&path, layer);
    let log = path.display().to_string();
    let words = [&[&log[..], "--layer", layer], &SHAPE[..]].concat();
    let again = outcome(&parse(&words));
    // The run ends with a flush of its own.
    let mut expected = live;
    expected.flushes += 1;
    assert_eq!(again.stats, expected);
    assert_eq!(again, outcome(&parse(&words)), "one log, one run");
    let moves = &tables(&again)[2].text();
    let all: u64 = again.stats.moves.iter().sum();
    assert!(all >= again.stats.host_writes, "each write is counted");
    let share = format!("{:.3} %", again.stats.moves[0] as f64 * 100.0 / all as f64);
    assert!(moves.contains(&share), "{moves}");
    let worse = parse(&[&words[..], &["--times", "2", "--cache", "16"]].concat());
    let other = outcome(&worse);
    assert_eq!(other.stats.host_writes, 2 * live.host_writes);
    assert!(other.stats.programs_host < 2 * live.programs_host, "the cache saved some");
}

#[test]
fn a_log_does_to_a_fresh_device_what_the_host_did_to_the_first_and_another_device_may_be_tried() {
    same::<Ftl<Model>>("tables");
    same::<Small<Model>>("small");
}

#[test]
fn what_lies_beyond_the_device_is_wrapped_and_parts_of_pages_are_read_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log =
        "fio version 2 iolog\nx add\nx open\nx write 512 512\nx write 9999998976 1024\nx sync\n";
    std::fs::write(&path, log).unwrap();
    let log = path.display().to_string();
    let all = ["--blocks", "64", "--block-pages", "16", "--page-bytes", "1024", "--fill", "60"];
    let o = outcome(&parse(&[&[&log[..]], &all[..]].concat()));
    assert_eq!((o.stats.host_writes, o.modified, o.wrapped), (2, 1, 1));
    assert_eq!(o.times.each_ref().map(|t| t.samples().len()), [0, 2, 0, 1]);
    let written = &o.times[1];
    assert!(written.samples()[0] > Duration::ZERO);
}

#[test]
fn a_device_that_can_not_be_and_an_empty_trace_are_refused() {
    let args = parse(&["x", "--fill", "99"]);
    let record = Record {
        at: vellum_block::Instant::ZERO,
        device: 0,
        op: Op::Write,
        lba: Lba::new(0),
        sectors: 1,
        service: None,
        gap: None,
    };
    let error = play::<Ftl<Model>>(&args, &[record]).unwrap_err().to_string();
    assert!(error.contains("do not fit"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    std::fs::write(&path, "fio version 2 iolog\n").unwrap();
    let error = read(&parse(&[&path.display().to_string()])).unwrap_err().to_string();
    assert!(error.contains("no requests"), "{error}");
}

/// The same requests by each kind of chip: the layer does the same, in less time the less it waits for; and where reads
/// may suspend what the chip is at, the longest of them is shorter.
#[test]
fn a_chip_that_waits_for_less_is_done_sooner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = String::from("fio version 2 iolog\nx add\nx open\n");
    let mut rng = Rng::new(8);
    for _ in 0..3000 {
        let op = if rng.one_in(4) { "read" } else { "write" };
        log += &format!("x {op} {} 512\n", rng.below(500) * 512);
    }
    std::fs::write(&path, log).unwrap();
    let log = path.display().to_string();
    let shape = &SHAPE[..8];
    let with = |more: &[&str]| outcome(&parse(&[&[&log[..]], shape, more].concat()));
    let waits = with(&[]);
    let overlapped = with(&["--wait-for", "bus"]);
    let cached = with(&["--wait-for", "register"]);
    let suspended = with(&["--wait-for", "register", "--suspend", "20"]);
    for other in [&overlapped, &cached, &suspended] {
        assert_eq!(other.stats, waits.stats);
    }
    // With one unit and one register nothing is done sooner, but writes are told so before the array is done.
    assert_eq!(overlapped.took, waits.took);
    assert!(overlapped.times[1].mean() < waits.times[1].mean());
    assert!(cached.took < waits.took, "{:?} of {:?}", cached.took, waits.took);
    let longest = |o: &Outcome| *o.times[0].samples().last().unwrap();
    // A read of the former finds the chip at a program; one of the latter waits for a suspension at most.
    assert!(longest(&cached) > Duration::from_us(250), "{:?}", longest(&cached));
    assert!(longest(&suspended) < Duration::from_us(25 + 20 + 40), "{:?}", longest(&suspended));
}
