//! Names of absent pages for host tables whose roots are kept.
//!
//! A checkpoint or a clone keeps a root of a host table. An absent page of it is named by a token, and
//! the store has one slot a page: were the token the page's number alone, a kept root would read what
//! the running machine put into the slot later. So a token is a page and a version of its content. The
//! host table counts the entries that name one (`FrameStore::retain_absent`); before the pager
//! overwrites or discards a slot whose version is still named, it moves the old content to a second
//! store, from where [`Pager::peek_named`](crate::Pager::peek_named) reads it. It goes with the last
//! entry that names it. Without kept roots nothing is moved.

use crate::checksum::checksum;
use crate::store::{Answer, Get, PageStore, Put};
use crate::{Lines, Page, PageNo, StoreError};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use vellum_frames::{FrameId, FramePool};
use vellum_translate::host::{FrameStore, HostEntry, OwnerId, Token};

/// ```text
/// bits 0..32 page   32..48 version of its content
/// ```
const VERSION: u32 = 32;

/// Versions of pages that host tables name. One for a pager, its spaces and their host tables.
#[derive(Debug)]
pub struct Names {
    owner: OwnerId,
    inner: Mutex<Inner>,
}

/// What the pager's store has of a page.
#[derive(Debug, Default, Clone, Copy)]
struct Current {
    version: u16,
    /// Entries that name it.
    entries: u32,
}

#[derive(Debug)]
struct Inner {
    /// By page, up to the last one that was ever named: each fault comes by here twice.
    current: Vec<Current>,
    /// Entries that name older versions, by the token that they name.
    named: BTreeMap<u64, u32>,
    /// Where older versions are in `kept`, and their checksums.
    old: BTreeMap<u64, (u32, u32)>,
    kept: Box<dyn PageStore>,
    /// Slots of `kept` that are free, and the first one never used.
    free: Vec<u32>,
    fresh: u32,
}

impl Names {
    /// Names of pages that host tables know `owner` for. Older versions go to `kept`.
    pub fn new(owner: OwnerId, kept: Box<dyn PageStore>) -> Arc<Self> {
        let (current, named, old) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let inner = Inner { current, named, old, kept, free: Vec::new(), fresh: 0 };
        Arc::new(Names { owner, inner: Mutex::new(inner) })
    }

    /// An entry for an absent page, which names what the pager's store has of it now. Whoever asks puts
    /// it into a host table over a [`NamedFrames`] of these names, or gives it back by
    /// [`Names::release`].
    pub fn entry(&self, page: PageNo) -> HostEntry {
        let mut inner = self.inner.lock();
        let current = inner.current_mut(page);
        current.entries += 1;
        let token = Token::new(named(page, current.version)).expect("32 and 16 bits");
        HostEntry::Absent { owner: self.owner, token }
    }

    /// One more entry names what `token` does: a leaf of a host table was copied.
    pub fn retain(&self, owner: OwnerId, token: Token) {
        if owner == self.owner {
            *self.inner.lock().entries(token) += 1;
        }
    }

    /// An entry that was in a host table is there no more, or stands for nothing.
    pub fn release(&self, entry: HostEntry) {
        if let HostEntry::Absent { owner, token } = entry {
            self.unname(owner, token);
        }
    }

    /// Older versions that are kept.
    pub fn kept(&self) -> usize {
        self.inner.lock().old.len()
    }

    /// One entry fewer names what `token` does.
    pub fn unname(&self, owner: OwnerId, token: Token) {
        if owner != self.owner {
            return;
        }
        let mut inner = self.inner.lock();
        let entries = inner.entries(token);
        *entries = entries.saturating_sub(1);
        if *entries > 0 || inner.is_current(token) {
            return;
        }
        inner.named.remove(&token.get());
        if let Some((slot, _)) = inner.old.remove(&token.get())
            && slot != NOWHERE
        {
            inner.free.push(slot);
            // A store that can't be told keeps a page that nobody will ask for.
            let _ = inner.kept.discard(&[PageNo::new(slot)]);
        }
    }

    /// Whether an entry names what the pager's store has of a page now.
    pub(crate) fn is_named(&self, page: PageNo) -> bool {
        self.inner.lock().current.get(page.index()).is_some_and(|current| current.entries > 0)
    }

    /// Whether a token names another version than what the pager's store has.
    pub(crate) fn is_older(&self, token: Token) -> bool {
        !self.inner.lock().is_current(token)
    }

    /// Keeps the content that the pager's store has of a page now; what is put there next is another
    /// version.
    pub(crate) fn keep(&self, page: PageNo, content: &Page) -> Result<(), StoreError> {
        let mut inner = self.inner.lock();
        let slot = inner.free.last().copied().unwrap_or(inner.fresh);
        let put = Put { page: PageNo::new(slot), content, lines: Lines::ALL };
        inner.kept.put(&[put])?;
        if inner.free.pop().is_none() {
            inner.fresh += 1;
        }
        let token = inner.token(page);
        inner.old.insert(token, (slot, checksum(page, content)));
        inner.renew(page);
        Ok(())
    }

    /// The content that the pager's store has of a page goes, and can't be kept: whoever reads it by its
    /// name gets an error.
    pub(crate) fn lose(&self, page: PageNo) {
        let mut inner = self.inner.lock();
        let token = inner.token(page);
        inner.old.insert(token, (NOWHERE, 0));
        inner.renew(page);
    }

    /// The page that a token names, and its content if it is an older version; `None` when the pager's
    /// store has it.
    pub(crate) fn read(
        &self,
        token: Token,
        into: &mut Page,
    ) -> (PageNo, Option<Result<(), StoreError>>) {
        let page = page_of(token);
        let mut inner = self.inner.lock();
        let Some(&(slot, expected)) = inner.old.get(&token.get()) else { return (page, None) };
        let mut get = [Get::new(PageNo::new(slot), into)];
        inner.kept.get(&mut get);
        let [Get { answer, into, .. }] = get;
        let store = inner.kept.name().to_owned();
        let found = checksum(page, into);
        let read = match answer {
            Answer::Found if found == expected => Ok(()),
            Answer::Found => Err(StoreError::Corrupt { store, page, found, expected }),
            Answer::Missing => Err(StoreError::Lost { store, page }),
            Answer::Failed(error) => Err(error),
        };
        (page, Some(read))
    }
}

impl Inner {
    fn current_mut(&mut self, page: PageNo) -> &mut Current {
        if self.current.len() <= page.index() {
            self.current.resize(page.index() + 1, Current::default());
        }
        &mut self.current[page.index()]
    }

    fn token(&self, page: PageNo) -> u64 {
        named(page, self.current.get(page.index()).map_or(0, |current| current.version))
    }

    fn is_current(&self, token: Token) -> bool {
        self.token(page_of(token)) == token.get()
    }

    /// How many entries name what `token` does.
    fn entries(&mut self, token: Token) -> &mut u32 {
        if self.is_current(token) {
            &mut self.current_mut(page_of(token)).entries
        } else {
            self.named.entry(token.get()).or_default()
        }
    }

    /// The page's next content gets another version than all that are named.
    fn renew(&mut self, page: PageNo) {
        let was = *self.current_mut(page);
        if was.entries > 0 {
            self.named.insert(named(page, was.version), was.entries);
        }
        let mut version = was.version.wrapping_add(1);
        // One that is named still, after 65,536 others, is passed over.
        while self.named.contains_key(&named(page, version)) {
            version = version.wrapping_add(1);
        }
        *self.current_mut(page) = Current { version, entries: 0 };
    }
}

/// The slot of a version that could not be kept: no store has it.
const NOWHERE: u32 = u32::MAX;

fn page_of(token: Token) -> PageNo {
    PageNo::new(token.get() as u32)
}

fn named(page: PageNo, version: u16) -> u64 {
    u64::from(page.get()) | u64::from(version) << VERSION
}

/// The frames of a host table whose absent pages have [`Names`].
#[derive(Debug, Clone)]
pub struct NamedFrames {
    /// The frames.
    pub pool: Arc<FramePool>,
    /// The names.
    pub names: Arc<Names>,
}

impl FrameStore for NamedFrames {
    fn retain(&self, frame: FrameId) {
        self.pool.retain(frame);
    }

    fn release(&self, frame: FrameId) {
        self.pool.release(frame);
    }

    fn is_exclusive(&self, frame: FrameId) -> bool {
        self.pool.is_exclusive(frame)
    }

    fn retain_absent(&self, owner: OwnerId, token: Token) {
        self.names.retain(owner, token);
    }

    fn release_absent(&self, owner: OwnerId, token: Token) {
        self.names.unname(owner, token);
    }
}
