//! A memory that is written all the time moves to another process, whose owner goes on writing.
//!
//! `cargo run -p vellum-recover --example migrate -- receive 127.0.0.1:7000`, and then
//! `… -- send 127.0.0.1:7000 [pre-copy|post-copy|hybrid] [MEBIBYTES]`

mod support;

#[path = "../tests/common/moving.rs"]
mod moving;

use std::net::{TcpListener, TcpStream};
use vellum_recover::migrate::{Report, SendOptions, Strategy};

const USAGE: &str =
    "usage: migrate receive ADDRESS | send ADDRESS [pre-copy|post-copy|hybrid] [MEBIBYTES]";

fn main() -> std::process::ExitCode {
    support::say(run())
}

fn run() -> support::Outcome {
    let args = support::arguments(USAGE)?;
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["receive", address] => receive(address),
        ["send", address] => send(address, Strategy::Hybrid, 64),
        ["send", address, strategy] => send(address, named(strategy)?, 64),
        ["send", address, strategy, size] => send(address, named(strategy)?, size.parse()?),
        _ => Err(USAGE.into()),
    }
}

fn named(strategy: &str) -> Result<Strategy, String> {
    match strategy {
        "pre-copy" => Ok(Strategy::PreCopy),
        "post-copy" => Ok(Strategy::PostCopy),
        "hybrid" => Ok(Strategy::Hybrid),
        other => Err(format!("`{other}` is not pre-copy, post-copy or hybrid")),
    }
}

fn receive(address: &str) -> support::Outcome {
    let listener = TcpListener::bind(address)?;
    println!("waiting on {}", listener.local_addr()?);
    let landed = moving::land(listener.accept()?.0)?;
    println!(
        "{} pages are here; the owner goes on after {} turns; it touched {} pages that had not come; \
         every byte is right: {}",
        landed.pages, landed.turns, landed.touched, landed.whole
    );
    if landed.whole { Ok(()) } else { Err("the memory is not what it was".into()) }
}

fn send(address: &str, strategy: Strategy, mebibytes: usize) -> support::Outcome {
    let mut source = moving::Source::start((mebibytes << 20) / vellum_recover::PAGE)?;
    while source.turns() < 10_000 {
        std::thread::yield_now();
    }
    let link = TcpStream::connect(address)?;
    match source.send(link, SendOptions { strategy, ..SendOptions::default() }) {
        Ok(report) => print(&report),
        Err(error) => {
            let before = source.turns();
            while source.turns() == before {
                std::thread::yield_now();
            }
            return Err(format!("{error}; the owner runs on here").into());
        }
    }
    Ok(())
}

fn print(report: &Report) {
    println!(
        "{:>5} {:>8} {:>8} {:>10} {:>10} {:>8} {:>12}",
        "round", "pages", "zeros", "bytes", "µs", "dirty", "predicted µs"
    );
    for (number, round) in report.rounds.iter().enumerate() {
        println!(
            "{:>5} {:>8} {:>8} {:>10} {:>10} {:>8} {:>12}",
            number + 1,
            round.pages,
            round.zeros,
            round.bytes,
            round.time_us,
            round.dirty,
            round.predicted_us
        );
    }
    println!(
        "stopped for {} µs with {} pages to send; {} were pulled afterwards; {} bytes in all",
        report.downtime_us, report.last_pages, report.pulled, report.bytes
    );
}
