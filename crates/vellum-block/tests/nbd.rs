//! The NBD server against real clients, where they are installed, and against broken ones.

use std::io::Read;
use std::process::Command;
use std::thread;
use vellum_block::nbd::{NbdConfig, NbdServer, serve};
use vellum_block::trace::Reader;
use vellum_block::{Duration, Lba, Media, MediaError, Page, Ram, Rng};

fn installed(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|o| o.status.success())
}

/// Serves `connections` connections while `client` runs with the address.
fn with_server(media: &mut Ram, connections: u64, client: impl FnOnce(String) + Send + 'static) {
    let server = NbdServer::bind(NbdConfig::default()).unwrap();
    let uri = format!("nbd://{}/vellum", server.address().unwrap());
    let client = thread::spawn(move || client(uri));
    // A client may hang up without saying so: the server takes the next one.
    server.serve(media, |served| served >= connections).unwrap();
    client.join().unwrap();
}

#[test]
fn nbdinfo_sees_the_size_and_the_flags() {
    if !installed("nbdinfo") {
        eprintln!("skipped: nbdinfo is not installed");
        return;
    }
    let mut ram = Ram::new(2048, 512).unwrap();
    with_server(&mut ram, 1, |uri| {
        let out = Command::new("nbdinfo").args(["--size", &uri]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), "1048576", "{out:?}");
    });
    for rotational in [false, true] {
        let config = NbdConfig { rotational, ..NbdConfig::default() };
        let server = NbdServer::bind(config).unwrap();
        let uri = format!("nbd://{}/vellum", server.address().unwrap());
        let client = thread::spawn(move || {
            let out = Command::new("nbdinfo").arg(&uri).output().unwrap();
            String::from_utf8_lossy(&out.stdout).contains("is_rotational: true")
        });
        server.serve(&mut ram, |served| served >= 1).unwrap();
        assert_eq!(client.join().unwrap(), rotational);
    }
}

#[test]
fn nbdcopy_brings_a_file_there_and_back() {
    if !installed("nbdcopy") {
        eprintln!("skipped: nbdcopy is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let mut rng = Rng::new(1);
    let bytes: Vec<u8> = (0..1 << 20).map(|_| rng.next_u64() as u8).collect();
    std::fs::write(&from, &bytes).unwrap();
    let mut ram = Ram::new(2048, 512).unwrap();
    let copy = |from: String, to: String| {
        let one = ["--connections=1", "--requests=4", &from, &to];
        assert!(Command::new("nbdcopy").args(one).status().unwrap().success());
    };
    let source = from.display().to_string();
    with_server(&mut ram, 1, move |uri| copy(source, uri));
    let mut held = vec![0; 1 << 20];
    ram.read(Lba::new(0), &mut held).unwrap();
    assert!(held == bytes, "what was copied in is there");
    let target = to.display().to_string();
    with_server(&mut ram, 1, move |uri| copy(uri, target));
    assert!(std::fs::read(to).unwrap() == bytes, "what was copied out is the same");
}

#[test]
fn qemu_img_converts_into_it_and_compares() {
    if !installed("qemu-img") {
        eprintln!("skipped: qemu-img is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw").display().to_string();
    let mut rng = Rng::new(2);
    let bytes: Vec<u8> = (0..1 << 20).map(|_| rng.next_u64() as u8).collect();
    std::fs::write(&raw, &bytes).unwrap();
    let run = |args: &[&str]| {
        let out = Command::new("qemu-img").args(args).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    };
    let mut ram = Ram::new(2048, 512).unwrap();
    let source = raw.clone();
    with_server(&mut ram, 1, move |uri| {
        run(&["convert", "-n", "-f", "raw", "-O", "raw", &source, &uri]);
    });
    with_server(&mut ram, 1, move |uri| run(&["compare", "-f", "raw", "-F", "raw", &raw, &uri]));
    let mut held = vec![0; 1 << 20];
    ram.read(Lba::new(0), &mut held).unwrap();
    assert!(held == bytes);
}

#[test]
fn fio_writes_and_verifies_through_it() {
    let has_nbd = Command::new("fio").arg("--enghelp").output();
    if !has_nbd.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains("nbd")) {
        eprintln!("skipped: fio with its nbd engine is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_path_buf();
    let mut ram = Ram::new(2048, 512).unwrap();
    // fio connects once to ask for the size and once to work.
    with_server(&mut ram, 2, move |uri| {
        let job = ["--name=x", "--ioengine=nbd", "--rw=randwrite", "--bs=4k", "--size=1m"];
        let verify = ["--verify=crc32c", "--do_verify=1", "--iodepth=8", "--fsync=16"];
        let out = Command::new("fio")
            .current_dir(folder)
            .args(job)
            .args(verify)
            .arg(format!("--uri={uri}"))
            .output()
            .unwrap();
        assert!(out.status.success(), "{out:?}");
    });
}

#[test]
fn what_fio_logs_is_read_as_it_ran() {
    if !installed("fio") {
        eprintln!("skipped: fio is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let job = ["--name=x", "--filename=f", "--size=1m", "--rw=randrw", "--bs=4k", "--io_size=64k"];
    let paced = ["--thinktime=1000", "--write_iolog=log"];
    let out = Command::new("fio").current_dir(&dir).args(job).args(paced).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    let log = std::fs::read(dir.path().join("log")).unwrap();
    let records: Result<Vec<_>, _> = Reader::new(&log[..], "log", None).unwrap().collect();
    let records = records.unwrap();
    assert_eq!(records.len(), 16, "64 KiB in pieces of 4 KiB");
    assert!(records.iter().all(|r| r.sectors == 8 && r.lba.get() < 2048));
    // Fifteen pauses of a millisecond: the unit of the log's times is seen.
    let span = records[15].at.since(records[0].at);
    assert!(span >= Duration::from_ms(15), "{span}");
    assert!(span < Duration::from_secs(60), "{span}");
}

#[test]
fn broken_clients_end_the_connection_and_nothing_else() {
    let mut ram = Ram::new(64, 512).unwrap();
    let mut rng = Rng::new(3);
    let option = 0x4948_4156_454f_5054u64.to_be_bytes();
    for round in 0..2000 {
        // Flags, an option header and then noise, so that the noise gets to the inner states.
        let mut bytes = vec![0, 0, 0, 3];
        bytes.extend_from_slice(&option);
        bytes.extend_from_slice(&[0, 0, 0, 1 + (round % 8) as u8]);
        if round % 3 == 0 {
            bytes.extend_from_slice(&[0, 0, 0, 0]);
            bytes.extend_from_slice(&0x2560_9513u32.to_be_bytes());
        }
        let n = rng.below(80);
        bytes.extend((0..n).map(|_| rng.next_u64() as u8 & if round % 2 == 0 { 0xff } else { 7 }));
        let mut input: Box<dyn Read> = Box::new(&bytes[..]);
        let end = serve(&mut input, &mut std::io::sink(), &mut ram, &NbdConfig::default());
        assert!(end.is_err() || round % 8 == 1 || bytes.len() > 20);
    }
}

/// A medium whose sectors change hands, with what it was asked for counted.
struct Paged(Ram, [u32; 4]);

impl Media for Paged {
    fn sector_bytes(&self) -> u32 {
        self.0.sector_bytes()
    }
    fn sectors(&self) -> u64 {
        self.0.sectors()
    }
    fn takes_pages(&self) -> bool {
        true
    }
    fn read_page(&mut self, lba: Lba) -> Result<Page, MediaError> {
        self.1[0] += 1;
        let mut page = Page::zeroed(512);
        self.0.read(lba, page.bytes_mut())?;
        Ok(page)
    }
    fn write_page(&mut self, lba: Lba, page: &Page) -> Result<(), MediaError> {
        self.1[1] += 1;
        self.0.write(lba, page)
    }
    fn read(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
        self.1[2] += 1;
        self.0.read(lba, out)
    }
    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediaError> {
        self.1[3] += 1;
        self.0.write(lba, data)
    }
    fn discard(&mut self, lba: Lba, sectors: u64) -> Result<(), MediaError> {
        self.0.discard(lba, sectors)
    }
}

#[test]
fn a_medium_that_takes_pages_answers_as_any_other() {
    let mut session = vec![0, 0, 0, 3];
    // The export by the empty name, then requests.
    session.extend_from_slice(&0x4948_4156_454f_5054u64.to_be_bytes());
    session.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0]);
    let mut request = |kind: u16, offset: u64, length: u32, data: &[u8]| {
        session.extend_from_slice(&0x2560_9513u32.to_be_bytes());
        session.extend_from_slice(&[0, 0]);
        session.extend_from_slice(&kind.to_be_bytes());
        session.extend_from_slice(&offset.to_be_bytes());
        session.extend_from_slice(&offset.to_be_bytes());
        session.extend_from_slice(&length.to_be_bytes());
        session.extend_from_slice(data);
    };
    let content: Vec<u8> = (0..4 * 512u32).map(|i| (i / 3) as u8).collect();
    request(1, 1024, 2048, &content);
    request(0, 512, 4096, &[]);
    // Not whole sectors, past the end, partly past it.
    request(1, 0, 100, &content[..100]);
    request(0, 0, 100, &[]);
    request(1, 63 * 512, 1024, &content[..1024]);
    request(0, 63 * 512, 1024, &[]);
    request(0, 63 * 512, 512, &[]);
    request(2, 0, 0, &[]);
    let mut answers = Vec::new();
    let mut paged = Paged(Ram::new(64, 512).unwrap(), [0; 4]);
    let mut plain = Ram::new(64, 512).unwrap();
    let media: [&mut dyn Media; 2] = [&mut paged, &mut plain];
    for media in media {
        let mut out = Vec::new();
        serve(&mut &session[..], &mut out, media, &NbdConfig::default()).unwrap();
        answers.push(out);
    }
    assert!(answers[0] == answers[1]);
    assert!(answers[0].windows(2048).any(|part| part == content));
    assert_eq!(paged.1, [9, 4, 0, 0], "pages alone, and none of a request that is refused");
}
