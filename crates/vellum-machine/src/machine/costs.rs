//! What the memory subsystem costs, split by cause: the time of every call from a hart's TLB miss,
//! counted under what the call turned out to be.
//!
//! Off unless asked for: a machine knows no real time, so whoever asks brings the clock. What the
//! guest sees is the same with and without.

use core::ops::Range;
use vellum::VmMemory;
use vellum_hart::{Memory, Stop, Stored};
use vellum_translate::tlb::Tlb;
use vellum_translate::{Access, FrameId, Gva};

/// What a call to the memory subsystem was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Work {
    /// A store into a shadowed guest table: trapped, done, the shadow brought in step.
    TableStore,
    /// A hidden fault: the guest's tables walked, the shadow filled.
    HiddenFault,
    /// A host fault: a page's first write, a copy, a page brought.
    HostFault,
    /// The guest's own fault found.
    GuestFault,
    /// A miss that the tables which the processor walks had an entry for: the shadow's, or under
    /// other pagings the guest's.
    Miss,
    /// A store to a page that instructions were decoded from.
    CodeStore,
    /// An access to a device.
    Device,
    /// A fence of translation, or a load of `satp`.
    Fence,
}

/// All kinds, with what a report calls them.
pub const WORKS: [(Work, &str); 8] = [
    (Work::TableStore, "table stores"),
    (Work::HiddenFault, "hidden faults"),
    (Work::HostFault, "host faults"),
    (Work::GuestFault, "guest faults"),
    (Work::Miss, "misses found"),
    (Work::CodeStore, "stores to code"),
    (Work::Device, "device accesses"),
    (Work::Fence, "fences"),
];

/// Nanoseconds above which a call was not this program's alone: it is counted, and taken to have
/// cost what the others of its kind did.
const INTERRUPTED: u64 = 20_000;
/// Readings of the clock that its own cost is the least of.
const CALIBRATION: usize = 1000;

/// Calls of one kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// How many.
    pub calls: u64,
    measured: u64,
    nanos: u64,
}

impl Spent {
    /// Nanoseconds of all calls, without those of reading the clock.
    pub fn nanos(&self) -> u64 {
        match self.measured {
            0 => 0,
            measured => {
                (u128::from(self.nanos) * u128::from(self.calls) / u128::from(measured)) as u64
            }
        }
    }
}

/// The split so far.
#[derive(Debug, Clone)]
pub struct Costs {
    clock: fn() -> u64,
    reading: u64,
    spent: [Spent; WORKS.len()],
}

impl Costs {
    /// None so far. `clock` tells nanoseconds from any start.
    pub(super) fn new(clock: fn() -> u64) -> Self {
        let reading = (0..CALIBRATION).map(|_| {
            let start = clock();
            clock().saturating_sub(start)
        });
        Costs { clock, reading: reading.min().unwrap_or(0), spent: Default::default() }
    }

    /// What the calls for `work` took.
    pub fn of(&self, work: Work) -> Spent {
        self.spent[work as usize]
    }

    fn add(&mut self, work: Work, started: u64) {
        let nanos = (self.clock)().saturating_sub(started).saturating_sub(self.reading);
        let spent = &mut self.spent[work as usize];
        spent.calls += 1;
        if nanos < INTERRUPTED {
            spent.measured += 1;
            spent.nanos += nanos;
        }
    }
}

/// Memory as the harts reach it, watched if someone wants to know.
pub(super) struct Watched<'a> {
    pub(super) memory: &'a mut VmMemory,
    pub(super) costs: &'a mut Option<Box<Costs>>,
}

/// Counters by which a call is told apart; the first that moved says what it was.
type Marks = [(Work, u64); 6];

impl Watched<'_> {
    fn marks(&self) -> Marks {
        let (memory, shadow) = (&self.memory.counters, self.memory.policy_counters());
        [
            (Work::TableStore, shadow.table_stores),
            (Work::CodeStore, memory.code_stores),
            (Work::GuestFault, memory.guest_faults),
            (Work::Device, memory.device_accesses),
            (Work::HostFault, memory.host_faults),
            (Work::HiddenFault, memory.hidden_faults),
        ]
    }

    #[inline]
    fn watch<T>(&mut self, call: impl FnOnce(&mut VmMemory) -> T) -> T {
        if self.costs.is_none() {
            return call(self.memory);
        }
        self.watch_closely(None, call)
    }

    /// As [`Watched::watch`], for a call whose kind is known.
    pub(super) fn watch_as<T>(&mut self, work: Work, call: impl FnOnce(&mut VmMemory) -> T) -> T {
        if self.costs.is_none() {
            return call(self.memory);
        }
        self.watch_closely(Some(work), call)
    }

    #[cold]
    fn watch_closely<T>(&mut self, work: Option<Work>, call: impl FnOnce(&mut VmMemory) -> T) -> T {
        let before = self.marks();
        let start = self.costs.as_ref().map_or(0, |costs| (costs.clock)());
        let done = call(self.memory);
        let moved = before.iter().zip(self.marks()).find(|(before, after)| before.1 != after.1);
        let work = work.or(moved.map(|(before, _)| before.0)).unwrap_or(Work::Miss);
        if let Some(costs) = self.costs {
            costs.add(work, start);
        }
        done
    }
}

impl Memory for Watched<'_> {
    fn load(&mut self, hart: usize, tlb: &mut Tlb, va: Gva, size: u64) -> Result<u64, Stop> {
        self.watch(|memory| memory.load(hart, tlb, va, size))
    }

    fn store(
        &mut self,
        hart: usize,
        tlb: &mut Tlb,
        va: Gva,
        size: u64,
        value: u64,
    ) -> Result<Stored, Stop> {
        self.watch(|memory| memory.store(hart, tlb, va, size, value))
    }

    fn update(
        &mut self,
        hart: usize,
        tlb: &mut Tlb,
        va: Gva,
        size: u64,
        change: &mut dyn FnMut(u64) -> Option<u64>,
    ) -> Result<(u64, Stored), Stop> {
        self.watch(|memory| memory.update(hart, tlb, va, size, change))
    }

    fn probe(&mut self, hart: usize, tlb: &mut Tlb, va: Gva, access: Access) -> Result<(), Stop> {
        self.watch(|memory| memory.probe(hart, tlb, va, access))
    }

    fn fetch(&mut self, hart: usize, tlb: &mut Tlb, va: Gva) -> Result<FrameId, Stop> {
        self.watch(|memory| memory.fetch(hart, tlb, va))
    }

    #[inline]
    fn parcel(&self, frame: FrameId, offset: usize) -> u16 {
        self.memory.parcel(frame, offset)
    }

    #[inline]
    fn content_version(&self, frame: FrameId) -> u32 {
        self.memory.content_version(frame)
    }

    fn mark_code(&mut self, hart: usize, tlb: &mut Tlb, frame: FrameId, bytes: Range<usize>) {
        self.memory.mark_code(hart, tlb, frame, bytes);
    }
}
