//! What a pager asks of its store, written down and asked again by a loop that does nothing else.

use super::cpu_ns;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use vellum_pager::store::{Get, PageStore, Put, Traffic};
use vellum_pager::{Lines, PAGE, PageNo, StoreError};

/// A page asked for or handed over, and the place in memory where it came to or lay, by the order in
/// which the places were first seen.
#[derive(Debug, Clone, Copy)]
enum Call {
    Get(PageNo, usize),
    Put(PageNo, usize),
}

#[derive(Debug, Default)]
struct Notes {
    places: BTreeMap<usize, usize>,
    calls: Vec<Call>,
}

impl Notes {
    fn place(&mut self, content: *const [u8; PAGE]) -> usize {
        let next = self.places.len();
        *self.places.entry(content.addr()).or_insert(next)
    }
}

/// A store that notes its calls down.
#[derive(Debug)]
pub struct Noted<S> {
    store: S,
    notes: Arc<Mutex<Notes>>,
}

/// What a [`Noted`] store was asked.
#[derive(Debug)]
pub struct Calls(Arc<Mutex<Notes>>);

impl<S> Noted<S> {
    /// Over `store`, and the notes.
    pub fn new(store: S) -> (Self, Calls) {
        let notes = Arc::default();
        (Noted { store, notes: Arc::clone(&notes) }, Calls(notes))
    }
}

impl<S: PageStore> PageStore for Noted<S> {
    fn name(&self) -> &str {
        self.store.name()
    }

    fn get(&mut self, batch: &mut [Get<'_>]) {
        {
            let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            for get in &*batch {
                let place = notes.place(&raw const *get.into);
                notes.calls.push(Call::Get(get.page, place));
            }
        }
        self.store.get(batch);
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        {
            let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            for put in batch {
                let place = notes.place(&raw const *put.content);
                notes.calls.push(Call::Put(put.page, place));
            }
        }
        self.store.put(batch)
    }

    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        self.store.discard(pages)
    }

    fn traffic(&self) -> Traffic {
        self.store.traffic()
    }
}

/// A buffer like a frame.
#[derive(Debug)]
#[repr(align(4096))]
struct Place([u8; PAGE]);

/// Asks a store again what was noted, one page a call, as the pager does without prefetch.
#[derive(Debug)]
pub struct Replay<S> {
    store: S,
    calls: Calls,
    places: Vec<Place>,
}

impl<S: PageStore> Replay<S> {
    /// Of a store with the same pages.
    pub fn new(store: S, calls: Calls) -> Self {
        Replay { store, calls, places: Vec::new() }
    }

    /// CPU time of all that was noted since the last time.
    pub fn run(&mut self) -> Result<f64> {
        let calls = {
            let mut notes = self.calls.0.lock().unwrap_or_else(PoisonError::into_inner);
            self.places.resize_with(notes.places.len(), || Place([0; PAGE]));
            std::mem::take(&mut notes.calls)
        };
        let start = cpu_ns();
        for call in calls {
            match call {
                Call::Get(page, at) => {
                    let into = &mut self.places[at].0;
                    self.store.get(&mut [Get::new(page, &mut *into)]);
                    black_box(&into);
                }
                Call::Put(page, at) => {
                    let content = black_box(&self.places[at].0);
                    let put = Put { page, content, lines: Lines::ALL };
                    self.store.put(&[put]).context("the store has had the page before")?;
                }
            }
        }
        Ok(cpu_ns() - start)
    }
}
