//! Any bytes as page tables: random garbage, loops, tables outside memory and in memory that only
//! reads. Every walk ends, in as many loads as its format has levels, in a translation or in a fault
//! that names where it ended; and every explanation of one says the same.
//!
//! Input: registers (16 bytes), the address (8 bytes), and entries, which fill a few pages again and
//! again.

use super::Input;
use std::cell::Cell;
use vellum_translate::explain::{riscv_walk, two_stage_walk, x86_walk};
use vellum_translate::riscv::{
    Extensions, Hgatp, Mode, Pte, Satp, TwoStage, walk_two_stage, walk_with,
};
use vellum_translate::x86::{self, Entry, Paging};
use vellum_translate::{Access, Environment, FaultKind, Gfn, Gpa, Gva, Privilege, TableMemory};

/// Pages that there are: 0 to 7; the last of them is a device's, where nothing can be exchanged.
const PAGES: u64 = 8;
/// Times that the memory lets an exchange fail before it lets one pass.
const STUBBORN: u32 = 3;

/// Entries over and over, each word told from its neighbours by its place alone.
struct Tables {
    words: Vec<Cell<u64>>,
    loads: Cell<u64>,
    refusals: Cell<u32>,
}

impl Tables {
    fn new(entries: &[u8]) -> Self {
        let entries: Vec<u64> = entries
            .chunks(8)
            .map(|bytes| {
                let mut word = [0; 8];
                word[..bytes.len()].copy_from_slice(bytes);
                u64::from_le_bytes(word)
            })
            .collect();
        let word = |i: usize| entries.get(i % entries.len().max(1)).copied().unwrap_or(0);
        let words = (0..PAGES as usize * 512).map(|i| Cell::new(word(i))).collect();
        Tables { words, loads: Cell::new(0), refusals: Cell::new(STUBBORN) }
    }

    fn word(&self, at: Gpa) -> Option<&Cell<u64>> {
        self.words.get(usize::try_from(at.get()).ok()? / 8)
    }

    fn take_loads(&self) -> u64 {
        self.loads.take()
    }
}

impl TableMemory for Tables {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.loads.set(self.loads.get() + 1);
        self.word(at).map(Cell::get)
    }

    fn exchange_entry(&self, at: Gpa, current: u64, new: u64) -> Option<bool> {
        let word = self.word(at).filter(|_| at.gfn().get() + 1 < PAGES)?;
        // Another hart was quicker, for a while.
        let left = self.refusals.get();
        let same = word.get() == current && left == 0;
        self.refusals.set(if left == 0 { STUBBORN } else { left - 1 });
        if same {
            word.set(new);
        }
        Some(same)
    }
}

/// Runs one.
///
/// # Panics
/// When a walk takes more loads than it may, says something that can't be, or is explained wrongly.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let bits = input.take::<16>();
    let va = Gva::new(u64::from_le_bytes(input.take()));
    let tables = Tables::new(input.rest());
    let flag = |n: usize| bits[n / 8] >> (n % 8) & 1 == 1;
    let access = [Access::Load, Access::Store, Access::Fetch][usize::from(bits[2] % 3)];
    let mode = |byte: u8| [Mode::Bare, Mode::Sv39, Mode::Sv48, Mode::Sv57][usize::from(byte % 4)];
    let privilege = if flag(0) { Privilege::User } else { Privilege::Supervisor };
    let extensions = |first: usize| Extensions {
        svadu: flag(first),
        svnapot: flag(first + 1),
        svpbmt: flag(first + 2),
        svrsw60t59b: flag(first + 3),
    };
    let state = TwoStage {
        vsatp: Satp { mode: mode(bits[3]), asid: 0, root: Gfn::new(u64::from(bits[4])) },
        hgatp: Hgatp { mode: mode(bits[5]), vmid: 0, root: Gfn::new(u64::from(bits[6]) & !3) },
        environment: Environment { privilege, sum: flag(1), mxr: flag(2) },
        mxr: flag(3),
        first: extensions(4),
        second: extensions(8),
    };
    riscv(&tables, &state, va, access);
    two_stages(&tables, &state, va, access);
    let pkru = u32::from_le_bytes([bits[8], bits[9], bits[10], bits[11]]);
    let paging = Paging {
        levels: if flag(100) { 5 } else { 4 },
        wp: flag(101),
        nx: flag(102),
        smep: flag(103),
        smap: flag(104),
        ac: flag(105),
        pkru: flag(106).then_some(pkru),
        pkrs: flag(107).then_some(pkru.rotate_left(16)),
        physical_bits: 32 + bits[14] % 21,
        giant_pages: flag(108),
        ..Paging::four_level(Gfn::new(u64::from(bits[15])))
    };
    let implicit = flag(109) && privilege == Privilege::Supervisor;
    long_mode(&tables, &paging, va, x86::Access { kind: access, privilege, implicit });
}

/// Loads that an update which fails some times may cost on top, in each stage.
const AGAIN: u64 = STUBBORN as u64 + 1;

fn riscv(tables: &Tables, state: &TwoStage, va: Gva, access: Access) {
    let TwoStage { vsatp, environment, first, .. } = *state;
    let shown = riscv_walk(tables, first, vsatp, environment, va, access);
    let levels = u64::from(vsatp.mode.levels());
    assert!(tables.take_loads() <= 2 * levels, "an explanation goes on and on");
    let mut seen = 0;
    let walked = walk_with(tables, first, vsatp, environment, va, access, |_, _, _| seen += 1);
    let loads = tables.take_loads();
    assert!(loads <= levels + AGAIN && seen <= loads, "{loads} loads, {seen} seen");
    // Where the memory refuses to be written, the walk can do what its explanation can't foresee.
    let updates = first.svadu && walked.as_ref().err().is_some_and(|f| f.kind == FaultKind::Access);
    assert!(updates || shown.refused == walked.is_err(), "{shown}\n{walked:?}");
    if let Err(fault) = walked {
        assert!(matches!(fault.cause(), 1 | 5 | 7 | 12 | 13 | 15), "{fault}");
        assert!(fault.entry.is_some() || !vsatp.mode.is_canonical(va), "{fault}");
    }
    show(&shown);
}

fn two_stages(tables: &Tables, state: &TwoStage, va: Gva, access: Access) {
    let (n, m) = (u64::from(state.vsatp.mode.levels()), u64::from(state.hgatp.mode.levels()));
    let shown = two_stage_walk(tables, state, va, access);
    tables.take_loads();
    let walked = walk_two_stage(tables, state, va, access, |_| {});
    let most = (n + 1) * (m + 1) - 1;
    let loads = tables.take_loads();
    // Each load, and each update of the first stage, may have to update an entry of the second.
    assert!(loads <= (most + m + 1) * (1 + AGAIN), "{loads} loads where {most} are usual");
    if let Err(fault) = walked {
        assert!(matches!(fault.cause(), 1 | 5 | 7 | 12 | 13 | 15 | 20 | 21 | 23), "{fault}");
    }
    show(&shown);
}

fn long_mode(tables: &Tables, paging: &Paging, va: Gva, access: x86::Access) {
    let shown = x86_walk(tables, paging, va, access);
    tables.take_loads();
    let walked = x86::walk(tables, paging, va, access, |_, _, _| {});
    let loads = tables.take_loads();
    let levels = u64::from(paging.levels);
    // A path of which every entry's update fails some times, and may then find another change.
    assert!(loads <= levels * (1 + 2 * levels * AGAIN), "{loads} loads");
    let bus = walked.as_ref().err().is_some_and(|f| f.kind == x86::FaultKind::Bus);
    assert!(bus || shown.refused == walked.is_err(), "{shown}\n{walked:?}");
    if let Err(fault) = walked {
        assert!(matches!(fault.vector(), 13 | 14 | 18), "{fault}");
    }
    show(&shown);
}

fn show(shown: &vellum_translate::explain::Explanation) {
    assert!(!shown.to_string().is_empty() && shown.svg().ends_with("</svg>\n"));
}

/// A path of tables of each family, and a table that names itself.
pub fn seeds() -> Vec<Vec<u8>> {
    let input = |registers: [u8; 16], va: u64, entries: &[u64]| {
        let words = [va].into_iter().chain(entries.iter().copied());
        let mut bytes = registers.to_vec();
        words.for_each(|word| bytes.extend(word.to_le_bytes()));
        bytes
    };
    let all = Pte::R | Pte::W | Pte::X | Pte::A | Pte::D;
    let present = Entry::P | Entry::W | Entry::U;
    let loop_riscv = [Pte::table(Gfn::new(0)).0];
    let path = [
        Pte::table(Gfn::new(1)).0,
        Pte::leaf(Gfn::new(3), all | Pte::U).0,
        Pte::leaf(Gfn::new(4), Pte::R | Pte::W).0,
    ];
    let loop_x86 = [Entry::new(Gfn::new(0), present).0];
    let mut long = [0; 16];
    (long[12], long[13]) = (0x60, 0x10);
    let five = { [long[0], 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x70, 0x10, 20, 0] };
    vec![
        input([0; 16], 0, &[]),
        input([0x10, 0, 0, 1, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0x1008, &path),
        input([0x11, 1, 1, 2, 0, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0x1008, &path),
        input([0x10, 0, 1, 3, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0, &loop_riscv),
        input([0, 0, 0, 1, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0, &loop_riscv),
        input(long, 0x1000, &loop_x86),
        input(five, 0x2000, &loop_x86),
    ]
}
