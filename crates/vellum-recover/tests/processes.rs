//! Two processes on loopback: a memory that is written all the time moves from one to the other.

#[path = "common/moving.rs"]
mod moving;

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use vellum_recover::migrate::{SendOptions, Strategy};

const CHILD: &str = "VELLUM_MOVE_CHILD";
const PAGES: usize = 1500;

/// The other process: this test program, asked to run `name` as a child.
fn other(name: &str, listener: &TcpListener) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, listener.local_addr().unwrap().to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn moves(name: &str, strategy: Strategy) {
    if let Ok(address) = std::env::var(CHILD) {
        match moving::land(TcpStream::connect(address).unwrap()) {
            Ok(landed) => {
                assert!(landed.whole, "not the memory that was sent");
                println!("landed {} {} {}", landed.pages, landed.turns, landed.touched);
            }
            // Without userfaultfd there is nothing to show.
            Err(error) => println!("skipped: {error}"),
        }
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let child = other(name, &listener);
    let mut source = moving::Source::start(PAGES).unwrap();
    while source.turns() < 2000 {
        std::thread::yield_now();
    }
    let options = SendOptions { strategy, downtime_us: 2_000, rounds: 6 };
    let report = source.send(listener.accept().unwrap().0, options);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    if text.contains("skipped: ") {
        return;
    }
    let report = report.unwrap();
    let landed = text.lines().find_map(|line| line.strip_prefix("landed ")).expect("a landing");
    let numbers: Vec<u64> = landed.split(' ').map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers[..2], [PAGES as u64, source.turns()], "it goes on where it stopped");
    match strategy {
        Strategy::PreCopy => {
            let first = report.rounds[0];
            assert_eq!((first.pages, report.pulled, numbers[2]), (PAGES as u64, 0, 0));
            assert!(first.dirty > 0, "the owner wrote during the first round");
            assert!(first.zeros > 0 && first.zeros < first.pages);
        }
        Strategy::PostCopy => assert_eq!(report.pulled, PAGES as u64),
        Strategy::Hybrid => {
            assert_eq!((report.rounds.len(), report.last_pages), (1, 0));
            assert!(report.pulled >= report.rounds[0].dirty && report.pulled < PAGES as u64);
        }
    }
}

#[test]
fn pre_copy_between_two_processes() {
    moves("pre_copy_between_two_processes", Strategy::PreCopy);
}

#[test]
fn post_copy_between_two_processes() {
    moves("post_copy_between_two_processes", Strategy::PostCopy);
}

#[test]
fn the_hybrid_between_two_processes() {
    moves("the_hybrid_between_two_processes", Strategy::Hybrid);
}

#[test]
fn a_receiver_that_dies_leaves_the_source_running() {
    if let Ok(address) = std::env::var(CHILD) {
        let mut link = TcpStream::connect(address).unwrap();
        link.read_exact(&mut [0; 3000]).unwrap();
        std::process::exit(0);
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = other("a_receiver_that_dies_leaves_the_source_running", &listener);
    let mut source = moving::Source::start(PAGES).unwrap();
    let link = listener.accept().unwrap().0;
    let options = SendOptions { strategy: Strategy::PreCopy, downtime_us: 0, rounds: 1000 };
    let error = source.send(link, options).unwrap_err();
    assert!(error.to_string().contains("link"), "{error}");
    child.wait().unwrap();
    let before = source.turns();
    while source.turns() < before + 100 {
        std::thread::yield_now();
    }
}
