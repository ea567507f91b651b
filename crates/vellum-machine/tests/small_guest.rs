//! The small guest on the devices: its disk, its console, and a machine that is saved in the midst.

use std::cell::RefCell;
use std::rc::Rc;

use vellum_disk::{Policy, profiles};
use vellum_machine::disk::{CopyOnWrite, Disk, ModelDisk, Zeros};
use vellum_machine::{Config, Machine, Stop, disk};
use vellum_replay::{Error, Expect, Outside, Script, Seeded, Stamp, WallClock, When};
use vellum_state::{from_bytes, to_bytes};

/// Bytes of the disk.
const DISK: u64 = 4 << 20;
const KERNEL: &[u8] = include_bytes!("../../../guests/small.img");

/// An outside that the test can still reach when the machine has it.
#[derive(Clone)]
struct Door(Rc<RefCell<Seeded>>);

impl Outside for Door {
    fn console(&mut self, at: Stamp, out: &mut [u8]) -> usize {
        self.0.borrow_mut().console(at, out)
    }
    fn entropy(&mut self, at: Stamp, out: &mut [u8]) -> Result<(), Error> {
        self.0.borrow_mut().entropy(at, out)
    }
    fn boot_clock(&mut self, at: Stamp) -> WallClock {
        self.0.borrow_mut().boot_clock(at)
    }
    fn shown(&mut self, at: Stamp, bytes: &[u8]) {
        self.0.borrow_mut().shown(at, bytes);
    }
    fn idle(&mut self, at: Stamp) -> Expect {
        self.0.borrow_mut().idle(at)
    }
}

/// A machine with an empty disk that types `lines` at the prompt.
fn machine(harts: u32, lines: &[&str]) -> (Machine, Door) {
    machine_on(Box::new(disk::in_memory(DISK).unwrap()), harts, lines)
}

fn machine_on(disk: Box<dyn Disk>, harts: u32, lines: &[&str]) -> (Machine, Door) {
    let mut config = Config::new(KERNEL.to_vec());
    config.memory = 32 << 20;
    config.harts = harts;
    config.disks.push(disk);
    let script = lines.iter().fold(Script::new(), |script, line| {
        script.then(When::Shown(b"folio$ ".to_vec()), format!("{line}\n")).unwrap()
    });
    let door = Door(Rc::new(RefCell::new(Seeded::new(3, script))));
    (Machine::new(config, Box::new(door.clone())).unwrap(), door)
}

/// Runs to the end in steps of `step` instructions; how it ended, and what was printed.
fn run(machine: &mut Machine, step: u64) -> (Stop, String) {
    let mut printed = Vec::new();
    for _ in 0..2_000_000_000 / step {
        let stop = machine.run(step);
        printed.extend(machine.take_console_output());
        if stop != Stop::Slice {
            return (stop, String::from_utf8_lossy(&printed).into_owned());
        }
    }
    panic!("no end: {}", String::from_utf8_lossy(&printed));
}

const LINES: [&str; 5] = ["blktest", "write note kept on disk", "sync", "cat note", "shutdown 9"];

#[test]
fn the_guests_own_test_of_its_disk_passes() {
    for harts in [1, 2] {
        let (stop, printed) = run(&mut machine(harts, &LINES).0, 10_000_000);
        assert_eq!(stop, Stop::PowerOff { code: 9 }, "{printed}");
        assert!(printed.contains("kept on disk\nfolio$") || printed.contains("kept on disk\r\n"));
        assert!(
            printed.contains("blktest") && !printed.to_lowercase().contains("fail"),
            "{printed}"
        );
    }
}

/// The same work on a magnetic disk of 1991: the guest does the same and feels the arm.
#[test]
fn a_model_of_a_drive_is_a_disk_like_another() {
    let drive = || {
        let model = vellum_disk::Disk::new(&profiles::find("hp97560").unwrap(), Policy::Sptf);
        let content = CopyOnWrite::new(Zeros::new(DISK).unwrap());
        Box::new(ModelDisk::new(model.unwrap(), content).unwrap())
    };
    let (mut quick, _) = machine(1, &LINES);
    let fast = run(&mut quick, 10_000_000);
    let (mut slow, _) = machine_on(drive(), 1, &LINES);
    let (stop, _) = run(&mut slow, 10_000_000);
    assert_eq!((&stop, &fast.0), (&Stop::PowerOff { code: 9 }, &stop));
    assert!(slow.nanos() > 10 * quick.nanos(), "{} and {} ns", slow.nanos(), quick.nanos());
    // Saved while the arm moves.
    let (mut first, door) = machine_on(drive(), 1, &LINES);
    assert_eq!(first.run(slow.instructions() / 2), Stop::Slice);
    let (mut second, other) = machine_on(drive(), 1, &LINES);
    second.restore_from(&first.save()).unwrap();
    from_bytes(&mut *other.0.borrow_mut(), &to_bytes(&*door.0.borrow())).unwrap();
    run(&mut second, 1_000_000);
    assert_eq!(second.state_hash(), slow.state_hash());
}

/// How far a call of `run` goes makes no difference, and neither does a stop in between: the machine
/// that was saved and restored ends as the one that was never stopped.
#[test]
fn a_machine_saved_in_the_midst_ends_as_the_other() {
    let (mut whole, _) = machine(1, &LINES);
    let (stop, printed) = run(&mut whole, 50_000_000);
    let end = (stop, whole.instructions(), whole.state_hash());
    for part in 1..4 {
        let (mut first, door) = machine(1, &LINES);
        assert_eq!(first.run(end.1 * part / 4), Stop::Slice);
        let mut text = first.take_console_output();
        let (mut second, other) = machine(1, &LINES);
        second.restore_from(&first.save()).unwrap();
        from_bytes(&mut *other.0.borrow_mut(), &to_bytes(&*door.0.borrow())).unwrap();
        assert_eq!(second.state_hash(), first.state_hash());
        let (stop, rest) = run(&mut second, 123_456);
        text.extend(rest.into_bytes());
        assert_eq!((stop, second.instructions(), second.state_hash()), end);
        assert_eq!(String::from_utf8_lossy(&text), printed);
    }
}
