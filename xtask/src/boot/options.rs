//! The command line of `cargo xtask boot`.

use super::size;
use clap::ValueEnum;
use std::path::PathBuf;
use vellum_machine::Paging;

#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Boot Debian's kernel with an initramfs of busybox, fetched by the machine's own apt
    #[arg(long)]
    pub linux: bool,
    /// A kernel: a flat RISC-V image or an ELF file
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// An initial RAM disk
    #[arg(long, value_name = "FILE")]
    pub initrd: Option<PathBuf>,
    /// Words for the kernel's command line, behind the usual ones
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub append: Option<String>,
    /// A virtio disk; `ro` refuses writes, `overlay` keeps them in memory. May be given again
    #[arg(long, value_name = "FILE[,ro][,overlay]")]
    pub disk: Vec<String>,
    /// The guest's memory
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = size::parse)]
    pub memory: u64,
    /// Harts; they take turns on one thread, so more of them make nothing faster
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub harts: u32,
    /// Which tables the processor walks
    #[arg(long, value_enum, default_value_t = PagingKind::Shadow)]
    pub paging: PagingKind,
    /// After N instructions go on under another paging, at the next safe point. May be given again,
    /// in order
    #[arg(long, value_name = "N:PAGING", value_parser = Switch::parse)]
    pub switch: Vec<Switch>,
    /// The largest paging mode that the guest may choose
    #[arg(long, value_enum, default_value_t = ModeKind::Sv57)]
    pub mode: ModeKind,
    /// Frames of host memory that the guest may take, as a size
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub quota: Option<u64>,
    /// Where pages go that the quota has no room for. Without it a guest that needs more than its
    /// quota stops
    #[arg(long, value_enum, value_name = "STORE", requires = "quota")]
    pub pager: Option<PagerKind>,
    /// Where the pager's pages go: redis://HOST:PORT, several of which are a cluster, or an object store,
    /// as file:///FOLDER
    #[arg(long, value_name = "URL", required_if_eq_any([("pager", "redis"), ("pager", "object")]))]
    pub pager_at: Vec<String>,
    /// Which pages go
    #[arg(long, value_name = "POLICY", default_value = "selector", requires = "pager",
        value_parser = clap::builder::PossibleValuesParser::new(vellum::vellum_pager::policy::NAMES))]
    pub evict: String,
    /// Whole pages in a row from which on a disk's data is remapped and not copied; `measured`: as many as
    /// this machine takes to gain by it. The guest does not notice
    #[arg(long, value_name = "PAGES", default_value = "1")]
    pub remap_from: RemapFrom,
    /// Record the page of every TLB miss, for `cargo xtask page-trace`
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    pub page_trace: Option<PathBuf>,
    /// Share and pack the guest's memory while it runs; it does not notice
    #[arg(long, value_name = "KIND", value_enum, num_args = 0..=1, default_missing_value = "pack", conflicts_with = "pager")]
    pub scavenge: Option<ScavengeKind>,
    /// What the scavenger may work, in per cent of the guest's time, or of one CPU on its own thread
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000), requires = "scavenge")]
    pub scavenge_budget: u32,
    /// The scavenger works on a thread of its own, beside the guest. What it does then differs from run to
    /// run; the guest does not notice
    #[arg(long, requires = "scavenge", conflicts_with = "no_host")]
    pub scavenge_thread: bool,
    /// Pack pages at such an age that no more than this of the guest's working set is wanted back in a minute
    /// of its time (Google's far memory has 0.2). Ages are seconds then, not passes
    #[arg(long, value_name = "PERCENT", requires = "scavenge", value_parser = per_cent)]
    pub refaults: Option<u32>,
    /// At the end, write a sketch of the guest's memory to this file, for `share --estimate`
    #[arg(long, value_name = "OUT", requires = "scavenge")]
    pub sketch: Option<PathBuf>,
    /// Run this, then power off; its exit code becomes this program's
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<String>,
    /// Type this file at the guest; `@wait TEXT` in it waits for output
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Keep the machine in this file as it is when it stops
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Go on from a kept machine; the other options must be those that it was started with
    #[arg(long, value_name = "FILE")]
    pub restore: Option<PathBuf>,
    /// Stop after about this many instructions, counted from the start or the restore
    #[arg(long, value_name = "N")]
    pub stop_after: Option<u64>,
    /// Where chance comes from: two runs with one seed and one input are the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Take entropy and date from the real world
    #[arg(long)]
    pub live: bool,
    /// Run under shadow and under nested paging, one after the other, and compare
    #[arg(long, conflicts_with_all = ["save", "restore"])]
    pub compare: bool,
    /// How much to say at the end
    #[arg(long, value_enum, default_value_t = ReportKind::Full)]
    pub report: ReportKind,
    /// Also tell what the memory subsystem cost, split by cause: calls and microseconds
    #[arg(long)]
    pub costs: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Also tell the digest of the machine as it is at the end
    #[arg(long)]
    pub digest: bool,
    /// Leave out of the JSON what differs from run to run: the host's time and memory
    #[arg(long)]
    pub no_host: bool,
    /// With --linux: take this Debian suite and no other
    #[arg(long, value_name = "SUITE", requires = "linux")]
    pub suite: Option<String>,
    /// With --linux: fetch again even where an earlier fetch is at hand
    #[arg(long, requires = "linux")]
    pub refresh: bool,
}

/// A change of paging while the guest runs.
#[derive(Debug, Clone, Copy)]
pub struct Switch {
    /// Instructions from the start or the restore.
    pub after: u64,
    pub paging: Paging,
}

impl Switch {
    fn parse(text: &str) -> Result<Self, String> {
        let (after, paging) = text.split_once(':').ok_or("it is N:PAGING")?;
        let after = after.parse().map_err(|_| format!("{after} is no number of instructions"))?;
        let paging = Paging::from_name(paging).ok_or(format!("no paging is named {paging}"))?;
        Ok(Switch { after, paging })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PagerKind {
    /// Ordinary memory
    Memory,
    /// Memory, compressed with LZ4
    Pool,
    /// Memory that is scavenged: shared, told as differences, compressed the better the longer nobody asks
    Scavenged,
    /// A temporary file
    File,
    /// A model of a disk, with the time that it would take
    Disk,
    /// A model of a flash chip behind its translation layer, likewise
    Flash,
    /// A model of phase-change memory, of which changed lines are written
    Nvm,
    /// A server of the Redis protocol (a build with the feature `redis`)
    Redis,
    /// An object store, as a folder is one (a build with the feature `object-store`)
    Object,
}

/// From how many pages in a row on data is remapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemapFrom {
    Pages(usize),
    Measured,
}

impl std::str::FromStr for RemapFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("measured", _) => Ok(RemapFrom::Measured),
            (_, Ok(pages @ 1..)) => Ok(RemapFrom::Pages(pages)),
            _ => Err(format!("`{text}`: a number of pages from 1 on, or `measured`")),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PagingKind {
    /// A table of guest virtual to host physical addresses, kept in step with the guest's
    Shadow,
    /// The same without any trick: each store to a table traps and drops the entry
    Naive,
    /// As naive, but the trap brings the entry up to date, and tables that are none any more are let go
    TrapUpdate,
    /// The same, but leaf tables go out of step until a fence
    Unsync,
    /// As unsync, without filling entries anew at fences
    UnsyncPlain,
    /// As shadow, but tables that are stored to again and again are walked at each miss
    Hybrid,
    /// A large TLB in software instead of tables; only fences keep it right
    VirtualTlb,
    /// Both tables at every miss
    Nested,
    /// The guest's tables alone, straight to a flat memory: what the others are measured against
    Flat,
}

impl PagingKind {
    pub fn name(self) -> &'static str {
        self.paging().name()
    }

    pub fn paging(self) -> Paging {
        match self {
            Self::Shadow => Paging::Shadow,
            Self::Naive => Paging::Naive,
            Self::TrapUpdate => Paging::TrapUpdate,
            Self::Unsync => Paging::Unsync,
            Self::UnsyncPlain => Paging::UnsyncPlain,
            Self::Hybrid => Paging::Hybrid,
            Self::VirtualTlb => Paging::VirtualTlb,
            Self::Nested => Paging::Nested,
            Self::Flat => Paging::Flat,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeKind {
    Sv39,
    Sv48,
    Sv57,
}

impl ModeKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sv39 => "sv39",
            Self::Sv48 => "sv48",
            Self::Sv57 => "sv57",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportKind {
    /// Nothing
    None,
    /// One line
    Short,
    /// Everything that was counted
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScavengeKind {
    /// Zero and identical pages alone
    Share,
    /// These, and pages that are left alone are told as deltas and compressed
    Pack,
    /// Pages that are left alone move to random places, merged or not, and any access copies them
    Conceal,
}

/// Per cent as millionths.
fn per_cent(text: &str) -> Result<u32, String> {
    let share: f64 = text.parse().map_err(|error| format!("{error}"))?;
    let millionths = share * 1e4;
    if (1.0..=1e6).contains(&millionths) {
        Ok(millionths.round() as u32)
    } else {
        Err("not between 0.0001 and 100".into())
    }
}
