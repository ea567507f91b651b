//! Remote memory: on a double of the protocol, and on real servers where `redis-server` is installed,
//! one and a cluster of three.

#![cfg(feature = "redis")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use vellum_pager::space::PlainSpace;
use vellum_pager::store::{Answer, Get, PageStore, Put, RedisStore};
use vellum_pager::{Access, Lines, Options, PAGE, PageNo, Pager, StoreError};

const PATIENCE: Duration = Duration::from_secs(2);
/// Tries of a hundredth of a second.
const TRIES: u32 = 1500;

struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server on a port of its own; `None` where none is installed.
fn server(folder: &Path, cluster: bool) -> Option<Server> {
    // A cluster's servers also listen at their port and 10,000 more.
    let port = loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port < 50_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            break port;
        }
        if port >= 50_000 {
            // The system hands out high ports only: any low one that is free does.
            let low = 20_000 + port % 20_000;
            let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
            if free(low) && free(low + 10_000) {
                break low;
            }
        }
    };
    let home = folder.join(port.to_string());
    std::fs::create_dir(&home).unwrap();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    command.args(["--appendonly", "no", "--dir", home.to_str().unwrap()]);
    if cluster {
        command.args(["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"]);
    }
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    Some(Server { child, port })
}

fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    for _ in 0..TRIES {
        if let Some(value) = ready() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not come about");
}

fn address(server: &Server) -> String {
    format!("redis://127.0.0.1:{}", server.port)
}

fn cli(server: &Server, arguments: &[&str]) -> String {
    let port = server.port.to_string();
    let output = Command::new("redis-cli").args(["-p", &port]).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Pages by number through a pager that holds few, then by lines, then the server's end.
fn page_through(mut store: RedisStore) -> (Pager, PlainSpace) {
    let put = |page, content, lines| Put { page: PageNo::new(page), content, lines };
    store.put(&[put(900, &[1; PAGE], Lines::ALL), put(901, &[2; PAGE], Lines::ALL)]).unwrap();
    let mut changed = [1; PAGE];
    changed[100] = 7;
    store.put(&[put(900, &changed, Lines::between(&[1; PAGE], &changed))]).unwrap();
    assert_eq!(store.traffic().bytes_put, 2 * PAGE as u64 + 64, "one line of 64 bytes went");
    let mut buffers = [[0; PAGE]; 3];
    let [a, b, c] = &mut buffers;
    let mut gets =
        [(900, a), (901, b), (902, c)].map(|(page, into)| Get::new(PageNo::new(page), into));
    store.get(&mut gets);
    let answers = gets.map(|get| get.answer);
    assert_eq!(answers, [Answer::Found, Answer::Found, Answer::Missing]);
    assert!(buffers[0] == changed && buffers[1] == [2; PAGE]);
    store.discard(&[PageNo::new(901)]).unwrap();

    let mut space = PlainSpace::new(300);
    let options = Options { batch: 8, ..Options::new(300, 40) };
    let mut pager = Pager::new(options, Box::new(store)).unwrap();
    for round in 0..2_u8 {
        for page in (0..300).map(PageNo::new) {
            pager.fault(&mut space, page, Access::Store).unwrap();
            if round == 1 {
                assert_eq!(space.load(page, 5), Some(page.get() as u8));
            }
            assert!(space.store(page, 5, (page.get() as u8).wrapping_add(round)));
        }
    }
    assert!(pager.counters().evicted > 500);
    pager.flush(&mut space).unwrap();
    (pager, space)
}

/// An absent page is an error now, and nothing to read.
fn dies((mut pager, mut space): (Pager, PlainSpace)) {
    let absent = (0..300).map(PageNo::new).find(|&page| !pager.is_present(page)).unwrap();
    let error = pager.fault(&mut space, absent, Access::Load).unwrap_err();
    let lost = matches!(
        error,
        vellum_pager::Error::Store(StoreError::Failed { .. } | StoreError::Lost { .. })
    );
    assert!(lost, "{error}");
    assert!(space.load(absent, 0).is_none());
}

/// Serves one connection as a server would, from a map of its own: arrays of bulk strings come in
/// (RESP 2), and what is no command of pages is answered by `OK`. Ends after `most` commands, in the
/// midst of whatever it was.
fn serve(stream: TcpStream, most: u32) -> std::io::Result<()> {
    let mut out = BufWriter::new(stream.try_clone()?);
    let mut input = BufReader::new(stream);
    let mut pages: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let number = |input: &mut BufReader<TcpStream>| -> std::io::Result<usize> {
        let mut line = String::new();
        input.read_line(&mut line)?;
        line.get(1..)
            .and_then(|rest| rest.trim().parse().ok())
            .ok_or(std::io::ErrorKind::UnexpectedEof.into())
    };
    for _ in 0..most {
        let mut words = Vec::new();
        for _ in 0..number(&mut input)? {
            let mut word = vec![0; number(&mut input)? + 2];
            input.read_exact(&mut word)?;
            word.truncate(word.len() - 2);
            words.push(word);
        }
        match (words[0].as_slice(), &words[1..]) {
            (b"GET", [key]) => match pages.get(key) {
                Some(page) => {
                    write!(out, "${}\r\n", page.len())?;
                    out.write_all(page)?;
                    out.write_all(b"\r\n")?;
                }
                None => out.write_all(b"$-1\r\n")?,
            },
            (b"SET", [key, page]) => {
                pages.insert(key.clone(), page.clone());
                out.write_all(b"+OK\r\n")?;
            }
            (b"SETRANGE", [key, at, bytes]) => {
                let at: usize = String::from_utf8_lossy(at).parse().unwrap();
                let page = pages.entry(key.clone()).or_default();
                page.resize(page.len().max(at + bytes.len()), 0);
                page[at..at + bytes.len()].copy_from_slice(bytes);
                write!(out, ":{}\r\n", page.len())?;
            }
            (b"DEL", [key]) => {
                write!(out, ":{}\r\n", u32::from(pages.remove(key).is_some()))?;
            }
            _ => out.write_all(b"+OK\r\n")?,
        }
        if input.buffer().is_empty() {
            out.flush()?;
        }
    }
    Ok(())
}

#[test]
fn what_a_server_is_told_is_the_protocol() {
    for most in [u32::MAX, 700] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("redis://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            // Ends with the client's connection, or before it.
            let _ = serve(listener.accept().unwrap().0, most);
        });
        let store = RedisStore::connect(&[&address], "vm1", PATIENCE).unwrap();
        if most == u32::MAX {
            drop(page_through(store));
        } else {
            // It hangs up in the midst of a pipeline: an error, and nobody reads zeros.
            let mut pager =
                Pager::new(Options { batch: 8, ..Options::new(300, 40) }, Box::new(store)).unwrap();
            let mut space = PlainSpace::new(300);
            let failed = (0..3000).map(|at| PageNo::new(at % 300)).find_map(|page| {
                let fault = pager.fault(&mut space, page, Access::Store);
                assert!(fault.is_err() || space.store(page, 5, 1));
                fault.err()
            });
            let failed = failed.unwrap().to_string();
            assert!(failed.contains(&address) && failed.contains("failed"), "{failed}");
        }
        server.join().unwrap();
    }
}

#[test]
fn a_server_keeps_pages_and_its_end_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = server(folder.path(), false) else {
        eprintln!("skipped: redis-server is not installed");
        return;
    };
    let address = address(&server);
    let store = until("a server", || RedisStore::connect(&[&address], "vm1", PATIENCE).ok());
    let (mut pager, mut space) = page_through(store);
    // A server that drops keys is found out as well.
    let absent = (0..300).map(PageNo::new).find(|&page| !pager.is_present(page)).unwrap();
    cli(&server, &["DEL", &format!("vm1:{}", absent.get())]);
    let error = pager.fault(&mut space, absent, Access::Load).unwrap_err();
    assert!(matches!(error, vellum_pager::Error::Store(StoreError::Lost { .. })), "{error}");
    drop(server);
    dies((pager, space));
}

#[test]
fn a_cluster_of_three_keeps_pages_where_one_machine_is_too_small() {
    let folder = tempfile::tempdir().unwrap();
    let servers: Vec<Server> = (0..3).map_while(|_| server(folder.path(), true)).collect();
    if servers.len() < 3 || Command::new("redis-cli").arg("--version").output().is_err() {
        eprintln!("skipped: redis-server is not installed");
        return;
    }
    until("three servers", || {
        servers.iter().all(|server| cli(server, &["PING"]).contains("PONG")).then_some(())
    });
    let hosts: Vec<String> = servers.iter().map(|s| format!("127.0.0.1:{}", s.port)).collect();
    let mut arguments = vec!["--cluster", "create"];
    arguments.extend(hosts.iter().map(String::as_str));
    arguments.push("--cluster-yes");
    cli(&servers[0], &arguments);
    until("a cluster", || {
        servers
            .iter()
            .all(|server| cli(server, &["CLUSTER", "INFO"]).contains("cluster_state:ok"))
            .then_some(())
    });
    let addresses: Vec<String> = servers.iter().map(address).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let store = until("a connection", || RedisStore::connect(&addresses, "vm1", PATIENCE).ok());
    let paged = page_through(store);
    // Every server has a part.
    for server in &servers {
        let keys: u64 = cli(server, &["DBSIZE"]).trim().parse().unwrap();
        assert!(keys > 30, "{keys} pages on one of the servers");
    }
    drop(servers);
    dies(paged);
}
