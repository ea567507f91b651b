//! Tables in a small memory, for the tests of this crate.
#![allow(dead_code, reason = "every test file uses another part of it")]

use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use vellum_translate::riscv::Extensions;
use vellum_translate::{Access, Environment, Gpa, Privilege, TableMemory, Words};

/// Physical memory from address 0 on; what lies beyond is nothing.
#[derive(Debug)]
pub struct Memory(pub Vec<AtomicU64>);

impl Memory {
    pub fn pages(pages: usize) -> Self {
        Memory((0..pages * 512).map(|_| AtomicU64::new(0)).collect())
    }

    pub fn words(&self) -> Words<'_> {
        Words::new(Gpa::new(0), &self.0)
    }

    pub fn set(&self, page: u64, index: u64, entry: u64) {
        self.0[(page * 512 + index) as usize].store(entry, Ordering::Relaxed);
    }

    pub fn get(&self, page: u64, index: u64) -> u64 {
        self.0[(page * 512 + index) as usize].load(Ordering::Relaxed)
    }

    pub fn content(&self) -> Vec<u64> {
        self.0.iter().map(|word| word.load(Ordering::Relaxed)).collect()
    }
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        Memory(self.content().into_iter().map(AtomicU64::new).collect())
    }
}

impl TableMemory for Memory {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.words().load_entry(at)
    }

    fn exchange_entry(&self, at: Gpa, current: u64, new: u64) -> Option<bool> {
        self.words().exchange_entry(at, current, new)
    }
}

pub fn environment() -> impl Strategy<Value = Environment> {
    any::<(bool, bool, bool)>().prop_map(|(user, sum, mxr)| Environment {
        privilege: if user { Privilege::User } else { Privilege::Supervisor },
        sum,
        mxr,
    })
}

pub fn access() -> impl Strategy<Value = Access> {
    prop_oneof![Just(Access::Load), Just(Access::Store), Just(Access::Fetch)]
}

pub fn extensions() -> impl Strategy<Value = Extensions> {
    any::<[bool; 4]>().prop_map(|[svadu, svnapot, svpbmt, svrsw60t59b]| Extensions {
        svadu,
        svnapot,
        svpbmt,
        svrsw60t59b,
    })
}
