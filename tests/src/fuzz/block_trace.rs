//! Any bytes as a trace of block requests, in every format and with the format guessed.
//!
//! Input: the format (one byte), and the file.

use super::Input;
use vellum_block::trace::{Format, Reader, Record};

/// Runs one.
///
/// # Panics
/// When a reader gives a request of no sectors, or goes on after an error.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = usize::from(input.byte());
    let format = Format::ALL.get(kind % (Format::ALL.len() + 1)).map(|f| f.1);
    let Ok(reader) = Reader::new(input.rest(), "fuzz", format) else { return };
    let mut failed = false;
    for record in reader.take(1 << 16) {
        assert!(!failed, "a record after an error");
        match record {
            Ok(Record { sectors, .. }) => assert!(sectors > 0, "a request of no sectors"),
            Err(_) => failed = true,
        }
    }
}

/// A line or a record of each format.
pub fn seeds() -> Vec<Vec<u8>> {
    let lines: [(u8, &str); 9] = [
        (0, "1.5 0 77 8 1\n"),
        (1, "W Hit 77 8 1200.0 10.5\n"),
        (3, "128166372003061629,usr,1,Read,39424,4096,100\n"),
        (4, "0,77,4096,W,0.0000015\n"),
        (6, "8,16 5 2 0.000001500 18615 Q R 77 + 8 [java]\n"),
        (7, "fio version 2 iolog\n/dev/a add\n/dev/a write 39424 4096\n/dev/a wait 5\n"),
        (7, "fio version 3 iolog\n3 /dev/a read 39424 4096\n"),
        (8, "1500 0 77 8 1\n"),
        (9, "1.5 0 77 8 1\n2.5 0 99 8 0\n"),
    ];
    let mut all: Vec<Vec<u8>> =
        lines.iter().map(|(kind, line)| [&[*kind], line.as_bytes()].concat()).collect();
    let mut srt = b"\x02tracedate\t= \"x\";\n\x0c".to_vec();
    let words: [u32; 13] = [52, 0x0001_0001, 1, 500, 0, 900, 4096, 154, 0x100, 0, 0, 1, 0];
    words.iter().for_each(|w| srt.extend_from_slice(&w.to_be_bytes()));
    let mut vscsi = vec![5, 0, 0, 0, 0];
    vscsi.extend_from_slice(&4096u32.to_le_bytes());
    vscsi.extend_from_slice(&[1, 0, 0, 0, 0x28, 0, 0, 1]);
    vscsi.extend_from_slice(&77u64.to_le_bytes());
    vscsi.extend_from_slice(&10u64.to_le_bytes());
    all.extend([srt, vscsi]);
    all
}
