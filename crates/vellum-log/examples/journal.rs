//! A journal of lines: each argument is appended durably; all that is there is printed.
//!
//! `cargo run -p vellum-log --example journal -- DIRECTORY [LINE…]`

use std::sync::Arc;
use vellum_log::{DirStorage, Found, Log, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().filter(|path| !path.starts_with('-'));
    let path = path.ok_or("usage: journal DIRECTORY [LINE…]")?;
    let mut lines = Vec::new();
    let storage = Arc::new(DirStorage::new(path)?);
    let (mut log, report) = Log::open(storage, Options::default(), &mut |found| {
        if let Found::Frame { segment, offset, .. } = found {
            lines.push((segment.clone(), offset));
        }
    })?;
    for (segment, offset) in lines {
        segment.read_frame(offset, |_, body| println!("{}", String::from_utf8_lossy(body)))?;
    }
    eprintln!("{} frames in {} segments, tail {:?}", report.frames, report.segments, report.tail);
    for line in args {
        log.append(b"", &[line.as_bytes()], false)?;
    }
    log.flush()?;
    Ok(())
}
