//! The engines: each runs the same durable transaction from any number of threads.

use anyhow::{Context, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use vellum_recover::{Durability, Error, Options, Region, Restore, Store};

pub const RECORDS: u64 = 100_000;
pub const RECORD: usize = 128;
pub const HISTORY: usize = 64;
/// History entries before the append starts over.
const HISTORY_MAX: u64 = 1 << 16;

/// One transaction's input: four records, and the number of the history entry.
pub struct Work {
    pub records: [u64; 4],
    pub entry: u64,
    pub value: u8,
}

pub trait Engine: Sync {
    fn name(&self) -> &'static str;
    fn run(&self, work: &Work) -> Result<()>;
    /// Whether it is at work behind its transactions, where it can tell.
    fn is_busy(&self) -> bool {
        false
    }
}

pub struct Raw {
    file: File,
    next: AtomicU64,
}

/// Bytes of the raw loop's file, and of one write.
const RAW_LEN: u64 = 16 << 20;
const RAW_WRITE: u64 = 680;

impl Raw {
    pub fn new(home: &Path) -> Result<Self> {
        let file =
            File::options().write(true).read(true).create_new(true).open(home.join("raw"))?;
        // In the steps in which our log fills its segments: one large write would make large folios
        // in the page cache, which cost more to write back, and the loop would be slower for it.
        for at in (0..RAW_LEN).step_by(1 << 16) {
            file.write_all_at(&[0; 1 << 16], at)?;
        }
        file.sync_all()?;
        Ok(Self { file, next: AtomicU64::new(0) })
    }
}

impl Engine for Raw {
    fn name(&self) -> &'static str {
        "raw write 680 B + fdatasync"
    }

    fn run(&self, work: &Work) -> Result<()> {
        let at = self.next.fetch_add(RAW_WRITE, Ordering::Relaxed) % (RAW_LEN - RAW_WRITE);
        self.file.write_all_at(&[work.value; RAW_WRITE as usize], at)?;
        Ok(self.file.sync_data()?)
    }
}

/// The raw loop past the page cache: whole blocks, each aligned and durable by one call, as our log
/// writes. Nobody who needs a write and a flush a transaction gets under its time.
pub struct Direct {
    file: File,
    next: AtomicU64,
}

/// Bytes of a block.
const BLOCK: u64 = 4096;

#[repr(align(4096))]
struct Block([u8; BLOCK as usize]);

impl Direct {
    pub fn new(home: &Path) -> Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = home.join("direct");
        let file = File::create_new(&path)?;
        for at in (0..RAW_LEN).step_by(1 << 16) {
            file.write_all_at(&[0; 1 << 16], at)?;
        }
        file.sync_all()?;
        let flags = rustix::fs::OFlags::DIRECT | rustix::fs::OFlags::DSYNC;
        let flags = i32::try_from(flags.bits())?;
        let file = File::options().write(true).custom_flags(flags).open(path)?;
        Ok(Self { file, next: AtomicU64::new(0) })
    }
}

impl Engine for Direct {
    fn name(&self) -> &'static str {
        "raw write 4 KiB, direct + dsync"
    }

    fn run(&self, work: &Work) -> Result<()> {
        let at = self.next.fetch_add(RAW_WRITE, Ordering::Relaxed) % (RAW_LEN - BLOCK);
        let block = Block([work.value; BLOCK as usize]);
        Ok(self.file.write_all_at(&block.0, at / BLOCK * BLOCK)?)
    }
}

pub struct Vellum {
    pub store: Store,
    accounts: Region,
    history: Region,
}

impl Vellum {
    pub fn new(home: &Path) -> Result<Self> {
        let store = Store::open(home.join("vellum"), Options::default())?;
        let accounts = store.region("accounts", RECORDS * RECORD as u64)?;
        let history = store.region("history", HISTORY_MAX * HISTORY as u64)?;
        Ok(Self { store, accounts, history })
    }

    /// Brings all of both regions into memory.
    pub fn warm(&self) -> Result<()> {
        for region in [&self.accounts, &self.history] {
            let bytes = region.read(0..region.len())?;
            anyhow::ensure!(bytes.iter().step_by(4096).count() > 0, "an empty region");
        }
        Ok(())
    }

    fn try_run(&self, work: &Work) -> Result<(), Error> {
        let mut transaction = self.store.begin(Restore::Yes);
        for record in work.records {
            let at = record * RECORD as u64;
            transaction.set_range(&self.accounts, at..at + RECORD as u64)?.fill(work.value);
        }
        let at = work.entry % HISTORY_MAX * HISTORY as u64;
        transaction.set_range(&self.history, at..at + HISTORY as u64)?.fill(work.value);
        transaction.commit(Durability::Flush).map(|_| ())
    }
}

impl Engine for Vellum {
    fn name(&self) -> &'static str {
        "vellum-recover"
    }

    fn run(&self, work: &Work) -> Result<()> {
        loop {
            match self.try_run(work) {
                Err(error) if error.is_conflict() => std::thread::yield_now(),
                other => return Ok(other?),
            }
        }
    }

    fn is_busy(&self) -> bool {
        self.store.is_tending()
    }
}

pub struct Redb(redb::Database);

const TABLE: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("accounts");
const ENTRIES: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("history");

impl Redb {
    pub fn new(home: &Path) -> Result<Self> {
        let database = redb::Database::create(home.join("redb"))?;
        let write = database.begin_write()?;
        {
            let mut table = write.open_table(TABLE)?;
            write.open_table(ENTRIES)?;
            for record in 0..RECORDS {
                table.insert(record, &[0_u8; RECORD][..])?;
            }
        }
        write.commit()?;
        Ok(Self(database))
    }
}

impl Engine for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn run(&self, work: &Work) -> Result<()> {
        let write = self.0.begin_write()?;
        {
            let mut table = write.open_table(TABLE)?;
            for record in work.records {
                table.insert(record, &[work.value; RECORD][..])?;
            }
            write.open_table(ENTRIES)?.insert(work.entry, &[work.value; HISTORY][..])?;
        }
        Ok(write.commit()?)
    }
}

pub struct Lmdb {
    env: heed::Env,
    accounts: heed::Database<heed::types::U64<heed::byteorder::BigEndian>, heed::types::Bytes>,
    history: heed::Database<heed::types::U64<heed::byteorder::BigEndian>, heed::types::Bytes>,
}

impl Lmdb {
    pub fn new(home: &Path) -> Result<Self> {
        let path = home.join("lmdb");
        std::fs::create_dir(&path)?;
        // SAFETY: the directory was just made, and only this process uses its map.
        #[expect(unsafe_code, reason = "heed maps a file, which nobody else may change")]
        let env = unsafe { heed::EnvOpenOptions::new().map_size(1 << 30).max_dbs(2).open(&path)? };
        let mut write = env.write_txn()?;
        let accounts: heed::Database<
            heed::types::U64<heed::byteorder::BigEndian>,
            heed::types::Bytes,
        > = env.create_database(&mut write, Some("accounts"))?;
        let history = env.create_database(&mut write, Some("history"))?;
        for record in 0..RECORDS {
            accounts.put(&mut write, &record, &[0; RECORD])?;
        }
        write.commit()?;
        Ok(Self { env, accounts, history })
    }
}

impl Engine for Lmdb {
    fn name(&self) -> &'static str {
        "LMDB"
    }

    fn run(&self, work: &Work) -> Result<()> {
        let mut write = self.env.write_txn()?;
        for record in work.records {
            self.accounts.put(&mut write, &record, &[work.value; RECORD])?;
        }
        self.history.put(&mut write, &work.entry, &[work.value; HISTORY])?;
        Ok(write.commit()?)
    }
}

/// SQLite writes from one connection at a time; a connection shared behind a lock avoids its busy
/// loop, which would be slower.
pub struct Sqlite(Mutex<rusqlite::Connection>);

impl Sqlite {
    pub fn new(home: &Path) -> Result<Self> {
        let connection = rusqlite::Connection::open(home.join("sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(
            "create table accounts (id integer primary key, value blob);
             create table history (id integer primary key, value blob); begin;",
        )?;
        {
            let mut insert = connection.prepare("insert into accounts values (?1, ?2)")?;
            for record in 0..RECORDS {
                insert.execute((record, &[0_u8; RECORD][..]))?;
            }
        }
        connection.execute_batch("commit")?;
        Ok(Self(Mutex::new(connection)))
    }
}

impl Engine for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite WAL FULL"
    }

    fn run(&self, work: &Work) -> Result<()> {
        let mut connection = self.0.lock().ok().context("a thread panicked")?;
        let transaction = connection.transaction()?;
        {
            let mut update =
                transaction.prepare_cached("update accounts set value = ?2 where id = ?1")?;
            for record in work.records {
                update.execute((record, &[work.value; RECORD][..]))?;
            }
            let mut insert =
                transaction.prepare_cached("insert or replace into history values (?1, ?2)")?;
            insert.execute((work.entry, &[work.value; HISTORY][..]))?;
        }
        Ok(transaction.commit()?)
    }
}

pub struct Fjall {
    database: fjall::Database,
    accounts: fjall::Keyspace,
    history: fjall::Keyspace,
}

impl Fjall {
    pub fn new(home: &Path) -> Result<Self> {
        let database = fjall::Database::builder(home.join("fjall")).open()?;
        let accounts = database.keyspace("accounts", fjall::KeyspaceCreateOptions::default)?;
        let history = database.keyspace("history", fjall::KeyspaceCreateOptions::default)?;
        for record in 0..RECORDS {
            accounts.insert(record.to_be_bytes(), [0; RECORD])?;
        }
        database.persist(fjall::PersistMode::SyncAll)?;
        Ok(Self { database, accounts, history })
    }
}

impl Engine for Fjall {
    fn name(&self) -> &'static str {
        "fjall batch, SyncData"
    }

    fn run(&self, work: &Work) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(fjall::PersistMode::SyncData));
        for record in work.records {
            batch.insert(&self.accounts, record.to_be_bytes(), [work.value; RECORD]);
        }
        batch.insert(&self.history, work.entry.to_be_bytes(), [work.value; HISTORY]);
        Ok(batch.commit()?)
    }
}
