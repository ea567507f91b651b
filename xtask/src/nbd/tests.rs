//! Served to a client over the protocol.

use super::*;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use vellum_block::Lba;

/// A client, as `EXPORT_NAME` and simple replies have it.
struct Client(TcpStream);

const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;
const TRIM: u16 = 4;

impl Client {
    fn new(address: SocketAddr) -> Client {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut hello = [0; 18];
        stream.read_exact(&mut hello).unwrap();
        // Fixed newstyle, no zeros after the export; then option 1 with the empty name.
        let option = [&3u32.to_be_bytes()[..], b"IHAVEOPT", &[0, 0, 0, 1, 0, 0, 0, 0]].concat();
        stream.write_all(&option).unwrap();
        let mut export = [0; 10];
        stream.read_exact(&mut export).unwrap();
        Client(stream)
    }

    fn send(&mut self, kind: u16, at: u64, len: u32, data: &[u8]) {
        let (magic, flags) = (0x2560_9513u32.to_be_bytes(), [0; 2]);
        let (handle, at, len) = (7u64.to_be_bytes(), at.to_be_bytes(), len.to_be_bytes());
        let head = [&magic[..], &flags, &kind.to_be_bytes(), &handle, &at, &len].concat();
        self.0.write_all(&head).unwrap();
        self.0.write_all(data).unwrap();
    }

    /// A request of `len` bytes at `at`, and what comes back of data.
    fn ask(&mut self, kind: u16, at: u64, len: u32, data: &[u8]) -> Vec<u8> {
        self.send(kind, at, len, data);
        let mut reply = [0; 16];
        self.0.read_exact(&mut reply).unwrap();
        assert_eq!(reply[4..8], [0; 4], "an error came back");
        let mut back = vec![0; if kind == READ { len as usize } else { 0 }];
        self.0.read_exact(&mut back).unwrap();
        back
    }

    fn close(mut self) {
        self.send(DISCONNECT, 0, 0, &[]);
    }
}

fn write_sector(address: SocketAddr, lba: u64, data: &[u8; 512]) {
    let mut client = Client::new(address);
    client.ask(WRITE, lba * 512, 512, data);
    client.close();
}

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// What a session does: writes, one of them over another, a discard, a flush; and what is there then.
fn session(address: SocketAddr, seed: u8) {
    let mut client = Client::new(address);
    let bytes: Vec<u8> = (0..16_384u32).map(|i| (i / 7) as u8 ^ seed).collect();
    client.ask(WRITE, 1 << 20, 16_384, &bytes);
    client.ask(WRITE, (1 << 20) + 2048, 2048, &[seed; 2048]);
    client.ask(TRIM, (1 << 20) + 8192, 4096, &[]);
    client.ask(FLUSH, 0, 0, &[]);
    client.close();
    expect(address, seed);
}

fn expect(address: SocketAddr, seed: u8) {
    let mut expected: Vec<u8> = (0..16_384u32).map(|i| (i / 7) as u8 ^ seed).collect();
    expected[2048..4096].fill(seed);
    expected[8192..12_288].fill(0);
    let mut client = Client::new(address);
    assert!(client.ask(READ, 1 << 20, 16_384, &[]) == expected);
    assert!(client.ask(READ, 0, 6144, &[]) == [0; 6144]);
    client.close();
}

/// Both layers, each with a cache and without, over the protocol: what a client wrote is in the image that the
/// next run serves, and its requests are in a log that does the same to another device.
#[test]
fn flash_is_served_kept_in_its_image_and_its_log_runs_again() {
    use clap::Parser;
    for (layer, cache) in [("tables", "0"), ("small", "0"), ("tables", "32"), ("small", "32")] {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let serve = |connections: &str, log: &str, client: Box<dyn Fn(SocketAddr) + Send>| {
            // A port that was free a moment ago.
            let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let client = std::thread::spawn(move || {
                while TcpStream::connect(address).is_err() {
                    std::thread::yield_now();
                }
                client(address);
            });
            let (at, file, log) = (address.to_string(), path("chip"), path(log));
            let line = ["nbd", "--device", "flash", "--layer", layer, "--cache", cache, "--file"];
            let rest = [&file, "--log", &log, "--address", &at, "--connections", connections];
            let args = Cli::parse_from(line.into_iter().chain(rest)).args;
            run(&args).unwrap();
            client.join().unwrap();
        };
        // Each client begins with a connection that only looks whether anybody is there.
        serve("3", "first", Box::new(|address| session(address, 0x5a)));
        serve("2", "second", Box::new(|address| expect(address, 0x5a)));
        let log = fs::read_to_string(path("first")).unwrap();
        assert!(
            log.starts_with("fio version 2 iolog\n") && log.contains(" trim 1056768 "),
            "{log}"
        );
        let replayed = crate::flash_replay::counts(&path("first"), layer);
        // Eight pages, one of them again; two discarded.
        assert_eq!(replayed, (9, 2));
    }
}

/// What clients changed, one after the other, is in the difference; the image is as it was.
#[test]
fn each_connection_s_changes_are_in_the_difference_and_come_back_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let (image, diff) = (folder.path().join("image"), folder.path().join("d.diff"));
    let disk = || Disk::new(&crate::trace::device("hp97560").unwrap(), Policy::Sptf).unwrap();
    let shape = disk().shape();
    drop(SparseFile::create(&image, shape.sectors, shape.sector_bytes).unwrap());
    // The second run takes up what the first one left.
    for lba in [7u64, 900] {
        let media = image_and_difference(&image, &diff, shape.sector_bytes).unwrap();
        let mut serial = Serial::new(Volume::new(disk(), media).unwrap());
        let server = NbdServer::bind(NbdConfig::default()).unwrap();
        let address = server.address().unwrap();
        let client = std::thread::spawn(move || write_sector(address, lba, &[lba as u8; 512]));
        serve_and_keep(&server, &mut serial, &diff, 1).unwrap();
        client.join().unwrap();
    }
    let mut overlay = image_and_difference(&image, &diff, shape.sector_bytes).unwrap();
    let mut plain = SparseFile::open(&image, shape.sector_bytes, false).unwrap();
    assert_eq!(overlay.changed_sectors(), 2);
    for lba in [7u64, 900] {
        let mut sector = [0; 512];
        overlay.read(Lba::new(lba), &mut sector).unwrap();
        assert_eq!(sector, [lba as u8; 512]);
        plain.read(Lba::new(lba), &mut sector).unwrap();
        assert_eq!(sector, [0; 512], "the image has changed");
    }
}
