//! Remote memory: a server that speaks the Redis protocol, or a cluster of them where one machine is
//! too small. Works with Redis and with Valkey.

use super::{Answer, Get, PageStore, Put, Traffic, failed};
use crate::{PAGE, PageNo, StoreError};
use redis::cluster::{ClusterClient, ClusterConnection};
use redis::{Client, Connection, RedisError};
use std::time::Duration;

/// Pages whose lines are written alone, if no more than this many runs of them changed: each run is a
/// command of its own.
const RUNS: usize = 4;
/// Times that a cluster is asked again, of which the first finds out where the slots are now. The pager
/// tries again as well.
const RETRIES: u32 = 3;

enum Link {
    One(Box<Connection>),
    Cluster(Box<ClusterConnection>),
}

/// Keeps page `n` under the key `PREFIX:n`. A batch is one pipeline: one round trip to each server.
///
/// The server must not evict keys (`maxmemory-policy noeviction`): a page that it drops is an error
/// of the pager's reader. What survives the server's end is the server's business.
pub struct RedisStore {
    link: Link,
    prefix: String,
    name: String,
    traffic: Traffic,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("name", &self.name).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects to a server, `redis://host:port` or `unix:///path`, or with several addresses to the
    /// cluster that they are of. Waiting for an answer ends after `patience`.
    ///
    /// # Errors
    /// When an address is none, or nobody answers.
    pub fn connect(
        addresses: &[&str],
        prefix: &str,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        let name = format!("redis {}", addresses.join(","));
        let error = |error: RedisError| failed(&name, "connecting", PageNo::new(0), error);
        let link = match addresses {
            [address] => {
                let client = Client::open(*address).map_err(error)?;
                let connection = client.get_connection_with_timeout(patience).map_err(error)?;
                connection.set_read_timeout(Some(patience)).map_err(error)?;
                connection.set_write_timeout(Some(patience)).map_err(error)?;
                Link::One(Box::new(connection))
            }
            _ => {
                let client = ClusterClient::builder(addresses.to_vec()).retries(RETRIES);
                let client = client.connection_timeout(patience).response_timeout(patience);
                let client = client.build().map_err(error)?;
                let connection = client.get_connection().map_err(error)?;
                connection.set_read_timeout(Some(patience)).map_err(error)?;
                connection.set_write_timeout(Some(patience)).map_err(error)?;
                Link::Cluster(Box::new(connection))
            }
        };
        Ok(RedisStore { link, prefix: prefix.into(), name, traffic: Traffic::default() })
    }

    fn key(&self, page: PageNo) -> String {
        format!("{}:{}", self.prefix, page.get())
    }

    /// Runs commands, each a name, a key and arguments, as one pipeline.
    fn run<T: redis::FromRedisValue>(&mut self, commands: &[Command<'_>]) -> Result<T, RedisError> {
        match &mut self.link {
            Link::One(connection) => {
                let mut pipe = redis::pipe();
                for command in commands {
                    let cmd = pipe.cmd(command.name).arg(&command.key);
                    command.arguments.iter().for_each(|argument| {
                        cmd.arg(*argument);
                    });
                }
                pipe.query(&mut **connection)
            }
            Link::Cluster(connection) => {
                let mut pipe = redis::cluster::cluster_pipe();
                for command in commands {
                    let cmd = pipe.cmd(command.name).arg(&command.key);
                    command.arguments.iter().for_each(|argument| {
                        cmd.arg(*argument);
                    });
                }
                pipe.query(connection)
            }
        }
    }
}

struct Command<'a> {
    name: &'static str,
    key: String,
    arguments: Vec<&'a [u8]>,
}

impl PageStore for RedisStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn get(&mut self, batch: &mut [Get<'_>]) {
        self.traffic.get_batches += 1;
        let command =
            |get: &Get<'_>| Command { name: "GET", key: self.key(get.page), arguments: Vec::new() };
        let commands: Vec<Command<'_>> = batch.iter().map(command).collect();
        let values: Result<Vec<Option<Vec<u8>>>, RedisError> = self.run(&commands);
        let values = match values {
            Ok(values) if values.len() == batch.len() => values,
            Ok(values) => {
                let why = format!("{} answers to {} questions", values.len(), batch.len());
                return fail_all(batch, &self.name, &why);
            }
            Err(error) => return fail_all(batch, &self.name, &error.to_string()),
        };
        for (get, value) in batch.iter_mut().zip(values) {
            get.answer = match value {
                None => Answer::Missing,
                Some(bytes) if bytes.len() == PAGE => {
                    get.into.copy_from_slice(&bytes);
                    self.traffic.pages_got += 1;
                    Answer::Found
                }
                Some(bytes) => {
                    let why = format!("{} bytes came", bytes.len());
                    Answer::Failed(failed(&self.name, "reading", get.page, why))
                }
            };
        }
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        let Some(first) = batch.first() else { return Ok(()) };
        self.traffic.put_batches += 1;
        let offsets: Vec<Vec<(String, std::ops::Range<usize>)>> = batch
            .iter()
            .map(|put| match put.lines.runs().count() {
                // A page that is new to the server is put whole: all its lines are named.
                count if count <= RUNS && put.lines != crate::Lines::ALL => {
                    put.lines.runs().map(|run| (run.start.to_string(), run)).collect()
                }
                _ => Vec::new(),
            })
            .collect();
        let mut commands = Vec::new();
        let mut bytes = 0;
        for (put, runs) in batch.iter().zip(&offsets) {
            if runs.is_empty() && !put.lines.is_empty() {
                bytes += PAGE;
                let (key, arguments) = (self.key(put.page), vec![&put.content[..]]);
                commands.push(Command { name: "SET", key, arguments });
            }
            for (offset, run) in runs {
                bytes += run.len();
                let arguments = vec![offset.as_bytes(), &put.content[run.clone()]];
                commands.push(Command { name: "SETRANGE", key: self.key(put.page), arguments });
            }
        }
        if !commands.is_empty() {
            let done: Result<redis::Value, RedisError> = self.run(&commands);
            done.map_err(|error| failed(&self.name, "writing", first.page, error))?;
        }
        self.traffic.bytes_put += bytes as u64;
        self.traffic.pages_put += batch.len() as u64;
        Ok(())
    }

    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        let Some(&first) = pages.first() else { return Ok(()) };
        let command =
            |&page: &PageNo| Command { name: "DEL", key: self.key(page), arguments: Vec::new() };
        let commands: Vec<Command<'_>> = pages.iter().map(command).collect();
        let done: Result<redis::Value, RedisError> = self.run(&commands);
        done.map(|_| ()).map_err(|error| failed(&self.name, "discarding", first, error))
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}

fn fail_all(batch: &mut [Get<'_>], name: &str, why: &str) {
    for get in batch {
        get.answer = Answer::Failed(failed(name, "reading", get.page, why));
    }
}
