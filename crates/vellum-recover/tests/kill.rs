//! `kill -9` at random points of a process that uses a region: what it said is there, is there.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use vellum_recover::{Options, Store};

/// The process that is killed: this test program, asked to run its child.
const CHILD: &str = "VELLUM_KILL_CHILD";

#[test]
fn what_was_said_to_be_committed_survives_the_process() {
    if let Ok(path) = std::env::var(CHILD) {
        count(&path);
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let mut last = 0;
    for round in 0..6_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "what_was_said_to_be_committed_survives_the_process", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = (round * 37 + 11) % 90 + 1;
        for line in lines
            .map_while(Result::ok)
            .filter_map(|l| l.strip_prefix("count ")?.parse().ok())
            .take(wanted as usize)
        {
            last = line;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Store::open(&path, Options::default()).unwrap();
        let region = store.region("counter", 70_000).unwrap();
        let word = |at: u64| {
            let bytes = region.read(at..at + 8).unwrap();
            u64::from_le_bytes(bytes[..].try_into().unwrap())
        };
        assert!(word(0) >= last, "{} is back, {last} had been said", word(0));
        assert_eq!(word(0), word(65_540), "half a transaction");
        last = word(0);
    }
    assert!(last >= 6);
}

fn count(path: &str) {
    let options = Options { truncate_at: 4096, ..Options::default() };
    let store = Store::open(path, options).unwrap();
    let region = store.region("counter", 70_000).unwrap();
    loop {
        let value = store
            .transact(|transaction| {
                let bytes = transaction.set_range(&region, 0..8)?;
                let value = bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)) + 1;
                bytes.copy_from_slice(&value.to_le_bytes());
                transaction
                    .set_range(&region, 65_540..65_548)?
                    .copy_from_slice(&value.to_le_bytes());
                Ok(value)
            })
            .unwrap();
        println!("count {value}");
    }
}
