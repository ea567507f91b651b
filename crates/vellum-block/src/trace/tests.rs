//! Every format is recognised and read, and what is malformed is named.

use super::*;

fn all(bytes: &[u8], format: Option<Format>) -> Result<Vec<Record>, TraceError> {
    Reader::new(bytes, "t", format)?.collect()
}

/// Digits beyond the eighteenth add nothing, and what is no digit is refused there too, also where
/// a character of two bytes lies across the eighteenth (fuzzing found that).
#[test]
fn a_time_is_digits_to_its_end() {
    let line = |time: &str| format!("0,77,4096,W,{time}\n");
    let read = |time: &str| all(line(time).as_bytes(), Some(Format::Spc));
    assert_eq!(read("0.00000150000000000099").unwrap()[0].at.as_ps(), 1_500_000);
    for time in ["0.07777777777777777\u{b7}\u{b7}7", "0.123456789012345678x", "0.+5", "0.5.5"] {
        let error = read(time).unwrap_err().to_string();
        assert!(error.contains("is no time") && error.contains('1'), "{error}");
    }
}

#[test]
fn each_text_format_is_recognised_and_read() {
    let rows: [(&str, Format, u64, Op, u64, u32); 8] = [
        ("1.5 0 77 8 1\n", Format::DiskSim, 1_500_000_000, Op::Read, 77, 8),
        ("W Hit 77 8 1200.0 10.5\n", Format::Validate, 0, Op::Write, 77, 8),
        ("128166372003061629,usr,1,Read,39424,4096,100\n", Format::Msr, 0, Op::Read, 77, 8),
        ("0,77,4096,W,0.0000015\n", Format::Spc, 1_500_000, Op::Write, 77, 8),
        (
            "8,16 5 2 0.000001500 18615 Q R 77 + 8 [java]\n",
            Format::Blkparse,
            1_500_000,
            Op::Read,
            77,
            8,
        ),
        ("1500 0 77 8 1\n", Format::Mqsim, 1_500_000, Op::Read, 77, 8),
        (
            "fio version 2 iolog\n/dev/a add\n/dev/a open\n/dev/a write 39424 4096\n",
            Format::Fio,
            0,
            Op::Write,
            77,
            8,
        ),
        (
            "fio version 3 iolog\n3 /dev/a read 39424 4096\n",
            Format::Fio,
            3_000_000,
            Op::Read,
            77,
            8,
        ),
    ];
    for (text, format, at, op, lba, sectors) in rows {
        assert_eq!(Format::detect(text.as_bytes()), Some(format), "{text}");
        let got = all(text.as_bytes(), None).unwrap();
        assert_eq!(got.len(), 1, "{text}");
        let r = got[0];
        assert_eq!((r.at.as_ps(), r.op, r.lba.get(), r.sectors), (at, op, lba, sectors), "{text}");
    }
}

#[test]
fn a_malformed_line_is_named() {
    let text = "1.0 0 5 8 1\n2.0 0 five 8 1\n3.0 0 5 8 1\n";
    let mut reader = Reader::new(text.as_bytes(), "a.trace", Some(Format::DiskSim)).unwrap();
    assert!(reader.next().unwrap().is_ok());
    let error = reader.next().unwrap().unwrap_err().to_string();
    assert!(error.starts_with("a.trace:2: "), "{error}");
    assert!(reader.next().is_none(), "nothing follows an error");
}

#[test]
fn vscsi_records_are_read_in_both_versions() {
    let mut v1 = Vec::new();
    for (lbn, cmd, us) in [(77u64, 0x28u16, 10u64), (500, 0x2a, 12)] {
        v1.extend_from_slice(&[0, 0, 0, 0]);
        v1.extend_from_slice(&4096u32.to_le_bytes());
        v1.extend_from_slice(&1u32.to_le_bytes());
        v1.extend_from_slice(&cmd.to_le_bytes());
        v1.extend_from_slice(&0x0100u16.to_le_bytes());
        v1.extend_from_slice(&lbn.to_le_bytes());
        v1.extend_from_slice(&us.to_le_bytes());
    }
    let got = all(&v1, None).unwrap();
    assert_eq!((got[0].op, got[0].lba.get(), got[0].at), (Op::Read, 77, Instant::ZERO));
    assert_eq!((got[1].op, got[1].sectors, got[1].at), (Op::Write, 8, Instant::from_ns(2000)));
    v1.truncate(50);
    assert!(all(&v1, None).is_err(), "a cut-off record is an error");
}

#[test]
fn srt_records_are_read() {
    let mut bytes = b"tracedate\t= \"x\";\n\x0c".to_vec();
    let words: [u32; 13] = [52, 0x0001_0001, 1, 500, 0, 900, 4096, 154, 0x100, 0, 0, 1, 0];
    words.iter().for_each(|w| bytes.extend_from_slice(&w.to_be_bytes()));
    let got = all(&bytes, None).unwrap();
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].device, got[0].sectors), (1, 8));
    assert_eq!(got[0].service, Some(Duration::from_us(900)));
}

#[test]
fn a_damaged_record_is_named_by_its_number_and_place() {
    let mut bytes = b"tracedate\t= \"x\";\n\x0c".to_vec();
    let header = bytes.len();
    let good: [u32; 13] = [52, 0x0001_0001, 1, 500, 0, 900, 4096, 154, 0x100, 0, 0, 1, 0];
    let odd: [u32; 13] = [52, 0x0001_0001, 1, 500, 0, 900, 4097, 154, 0x100, 0, 0, 1, 0];
    good.iter().chain(&odd).for_each(|w| bytes.extend_from_slice(&w.to_be_bytes()));
    let error = all(&bytes, None).unwrap_err().to_string();
    let place = format!("t: record 2 (after byte {}): 4097 bytes", header + 104);
    assert!(error.starts_with(&place), "{error}");
    let error = all(&bytes[..header + 60], None).unwrap_err().to_string();
    assert!(error.contains("record 2") && error.contains("8 of 52 bytes"), "{error}");
    let error = all(&bytes[..header - 1], Some(Format::Srt)).unwrap_err().to_string();
    assert_eq!(error, format!("t: header: no form feed ends it within {} bytes", header - 1));
}

/// A line that is none must not make a trace of no requests.
#[test]
fn a_line_that_is_no_request_is_an_error_and_not_passed_over() {
    let rows: [(Format, &str, u64, &str); 7] = [
        (Format::Fio, "fio version 4 iolog\n", 1, "version 4, 2 or 3"),
        (Format::Fio, "/dev/a read 0 4096\n", 1, "`fio version 2 iolog`"),
        (Format::Fio, "fio version 3 iolog\nfio read 0 4096\n", 2, "`fio` is no time"),
        (Format::Fio, "fio version 3 iolog\n7 /dev/a read 0\n", 2, "offset and length"),
        (Format::Fio, "fio version 2 iolog\n\n/dev/a reed 0 4096\n", 3, "`reed` is no action"),
        (Format::Blkparse, "8,0 1 1 0.1 9 Q R 77 8 [x]\n", 1, "a R without `sector + sectors`"),
        (Format::Blkparse, "8,0 1 1 0.1 9 Q WS\n", 1, "a WS without"),
    ];
    for (format, text, line, what) in rows {
        let error = all(text.as_bytes(), Some(format)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("t:{line}: ")) && error.contains(what), "{error}");
    }
    // What names no sectors by right is passed over; a file may have any name.
    let flush = "8,0 1 1 0.1 9 Q FN [x]\n8,0 1 2 0.2 9 C R 77 + 8 [0]\nCPU0 (sda):\n";
    assert!(all(flush.as_bytes(), Some(Format::Blkparse)).unwrap().is_empty());
    let named = "fio version 2 iolog\n123 add\n123 read 0 4096\nfio write 0 512\n";
    assert_eq!(all(named.as_bytes(), None).unwrap().len(), 2);
}

#[test]
fn random_bytes_never_panic() {
    let mut rng = crate::Rng::new(11);
    for _ in 0..400 {
        let n = rng.below(200);
        let bytes: Vec<u8> = (0..n)
            .map(|_| *b"0123456789 ,.RWQ+\n\x0c\0fiov".get(rng.below(25) as usize).unwrap_or(&b' '))
            .collect();
        for (_, format) in Format::ALL {
            let _ = all(&bytes, Some(format));
        }
        let _ = all(&bytes, None);
    }
}
