//! The queue in front of the arm: which request is served next.
//!
//! Policies by LBN see only addresses and where the last request ended. Policies by time ask the
//! mechanics, which a drive can do and a host cannot. Every choice is the least of a key over the
//! requests in order of LBN, ties going to the lower LBN and then to the earlier arrival.

use crate::controller::{Control, Fixed};
use vellum_block::{Instant, Op, Order, PS_PER_MS, Request};

/// How the next request is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// In order of arrival.
    #[default]
    Fcfs,
    /// The shortest distance in LBNs.
    Sstf,
    /// Up and down the LBNs.
    Look,
    /// Up the LBNs, then back to the lowest.
    CLook,
    /// The shortest distance, where turning round counts as some LBNs more.
    Vscan {
        /// Thousandths of the drive's LBNs that turning round costs: 0 is SSTF, 1000 LOOK.
        turn: u32,
    },
    /// The shortest positioning time: seek and rotation.
    Sptf,
    /// The same, where requests that the buffer can answer come first.
    Spctf,
    /// The shortest access time: positioning and transfer.
    Satf,
    /// Positioning time less a part of the time waited.
    Asptf {
        /// Thousandths of the waiting time that count.
        weight: u32,
    },
    /// Positioning time, weighted down by the time waited; once the weight is nothing, the request
    /// with the lowest LBN goes first (as in DiskSim).
    Wptf {
        /// Milliseconds after which the weight is nothing.
        weight: u32,
    },
}

impl Policy {
    /// The policy called `name`, with customary weights.
    pub fn from_name(name: &str) -> Option<Policy> {
        Some(match name.to_ascii_lowercase().as_str() {
            "fcfs" => Policy::Fcfs,
            "sstf" => Policy::Sstf,
            "look" => Policy::Look,
            "clook" | "c-look" => Policy::CLook,
            "vscan" => Policy::Vscan { turn: 200 },
            "sptf" => Policy::Sptf,
            "spctf" => Policy::Spctf,
            "satf" => Policy::Satf,
            "asptf" => Policy::Asptf { weight: 6 },
            "wptf" => Policy::Wptf { weight: 6 },
            _ => return None,
        })
    }
}

/// A request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub request: Request,
    pub submitted: Instant,
    pub number: u64,
}

/// What a policy may ask of a drive.
pub(crate) trait Estimate {
    /// Sectors of the drive.
    fn sectors(&self) -> u64;
    /// The time, in picoseconds.
    fn now(&self) -> u64;
    /// Picoseconds until the first sector of a request could move; with `buffer`, next to nothing
    /// for what the buffer can answer.
    fn positioning(&self, w: &Waiting, buffer: bool) -> i128;
    /// Picoseconds that its sectors take.
    fn transfer(&self, w: &Waiting) -> i128;

    /// How long it has waited.
    fn age(&self, w: &Waiting) -> i128 {
        self.now().saturating_sub(w.submitted.as_ps()).into()
    }
}

/// What a choice may depend on.
pub(crate) struct Position<'a> {
    pub now: u64,
    pub control: &'a Control,
    pub fixed: &'a Fixed,
}

/// The queue.
#[derive(Debug, Clone)]
pub(crate) struct Scheduler {
    pub policy: Policy,
    /// In order of arrival.
    pub waiting: Vec<Waiting>,
    /// How many of them are more than a simple read or write: ordered, at the head, or a flush.
    special: usize,
    /// LBN after the last request's last, and whether the sweep goes up.
    pub last: u64,
    pub up: bool,
    /// Which way the next tie goes.
    pub tie_down: bool,
    /// Requests that waited longer than this many picoseconds go first; 0 for never.
    pub age_limit: u64,
    pub next: u64,
}

impl Scheduler {
    pub fn new(policy: Policy) -> Scheduler {
        Scheduler {
            policy,
            waiting: Vec::new(),
            special: 0,
            last: 0,
            up: true,
            tie_down: false,
            age_limit: 0,
            next: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn push(&mut self, request: Request, submitted: Instant) {
        self.put(Waiting { request, submitted, number: self.next });
        self.next += 1;
    }

    /// Adds a request that has its number already.
    pub fn put(&mut self, w: Waiting) {
        self.special += usize::from(is_special(&w));
        self.waiting.push(w);
    }

    pub fn drain(&mut self) -> Vec<Waiting> {
        self.special = 0;
        std::mem::take(&mut self.waiting)
    }

    /// Number of requests at the front that may be reordered among themselves.
    fn window(&self) -> usize {
        let barrier = |w: &Waiting| w.request.order == Order::Ordered || w.request.op == Op::Flush;
        match self.waiting.iter().position(barrier) {
            Some(0) => 1,
            Some(n) => n,
            None => self.waiting.len(),
        }
    }

    /// The request that is served next, if `at` is now; its place in the queue.
    fn pick(&mut self, at: &impl Estimate) -> Option<usize> {
        let first = self.waiting.first()?;
        if self.special == 0 && self.policy == Policy::Fcfs {
            return Some(0);
        }
        let old = self.age_limit != 0
            && at.now().saturating_sub(first.submitted.as_ps()) > self.age_limit;
        let head = self.waiting.iter().position(|w| w.request.order == Order::HeadOfQueue);
        Some(match head {
            Some(i) => i,
            None if old => 0,
            None => match self.window() {
                1 => 0,
                n => self.choose(at, n),
            },
        })
    }

    /// Takes the next request, unless `hold` says that it must wait, and everything with it.
    pub fn take(&mut self, at: &impl Estimate, hold: impl Fn(&Request) -> bool) -> Option<Waiting> {
        let i = self.pick(at)?;
        if hold(&self.waiting[i].request) {
            return None;
        }
        let w = self.waiting.remove(i);
        self.special -= usize::from(is_special(&w));
        if w.request.op != Op::Flush {
            self.last = w.request.end();
        }
        Some(w)
    }

    fn choose(&mut self, at: &impl Estimate, n: usize) -> usize {
        let total = at.sectors();
        match self.policy {
            Policy::Fcfs => 0,
            Policy::Sstf => self.scan(n, 0),
            Policy::Look => self.scan(n, total),
            Policy::Vscan { turn } => {
                self.scan(n, (u128::from(total) * u128::from(turn) / 1000) as u64)
            }
            Policy::CLook => {
                let last = self.last;
                self.least(n, |w| i128::from(w.request.lba.get() < last) << 64 | lba(w))
            }
            Policy::Sptf => self.least(n, |w| at.positioning(w, false)),
            Policy::Spctf => self.least(n, |w| at.positioning(w, true)),
            Policy::Satf => self.least(n, |w| at.positioning(w, false) + at.transfer(w)),
            Policy::Asptf { weight } => {
                self.least(n, |w| at.positioning(w, false) - at.age(w) * i128::from(weight) / 1000)
            }
            Policy::Wptf { weight } => {
                let whole = i128::from(weight.max(1)) * i128::from(PS_PER_MS);
                let aged = |w: &Waiting| at.age(w) >= whole;
                if self.waiting[..n].iter().any(aged) {
                    return self.least(n, |w| i128::from(!aged(w)));
                }
                self.least(n, |w| at.positioning(w, false) * (whole - at.age(w)) / whole)
            }
        }
    }

    /// The place of the least key; ties go to the lower LBN, then to the earlier.
    fn least(&self, n: usize, key: impl Fn(&Waiting) -> i128) -> usize {
        let all = self.waiting[..n].iter().enumerate();
        all.min_by_key(|(_, w)| (key(w), lba(w), w.number)).map_or(0, |(i, _)| i)
    }

    /// The nearest request above and the nearest below; going against the sweep costs `turn` LBNs.
    fn scan(&mut self, n: usize, turn: u64) -> usize {
        let (last, all) = (self.last, &self.waiting[..n]);
        let above = (0..n)
            .filter(|&i| all[i].request.lba.get() >= last)
            .min_by_key(|&i| (lba(&all[i]), all[i].number));
        let below = (0..n)
            .filter(|&i| all[i].request.lba.get() < last)
            .max_by_key(|&i| (lba(&all[i]), std::cmp::Reverse(all[i].number)));
        let chosen = match (above, below) {
            (Some(a), Some(b)) => {
                let mut up = all[a].request.lba.get() - last;
                let mut down = last - all[b].request.lba.get();
                if self.up {
                    down += turn;
                } else if up != 0 {
                    up += turn;
                }
                let tie = up == down;
                let go_down = up > down || tie && self.tie_down;
                self.tie_down ^= tie;
                if go_down { b } else { a }
            }
            (one, other) => one.or(other).unwrap_or(0),
        };
        let lba = self.waiting[chosen].request.lba.get();
        if lba != last {
            self.up = lba > last;
        }
        chosen
    }
}

fn is_special(w: &Waiting) -> bool {
    w.request.order != Order::Simple || w.request.op == Op::Flush
}

fn lba(w: &Waiting) -> i128 {
    w.request.lba.get().into()
}

impl Estimate for Position<'_> {
    fn sectors(&self) -> u64 {
        self.fixed.geometry.sectors()
    }

    fn now(&self) -> u64 {
        self.now
    }

    fn positioning(&self, w: &Waiting, buffer: bool) -> i128 {
        let r = &w.request;
        if r.op == Op::Flush {
            return 0;
        }
        let read = r.op == Op::Read;
        if buffer
            && !r.reads_medium()
            && let Some(whole) = self.control.would_hit(self.fixed, r.lba.get(), r.sectors, read)
        {
            return i128::from(!whole);
        }
        self.control.estimate(self.fixed, self.now, r.lba.get(), r.sectors, read).into()
    }

    fn transfer(&self, w: &Waiting) -> i128 {
        let Some(spot) = self.fixed.geometry.locate(w.request.lba.get()) else { return 0 };
        let sector = self.control.spindle.sweep(self.fixed.geometry.width(spot.track));
        i128::from(sector) * i128::from(w.request.sectors)
    }
}
