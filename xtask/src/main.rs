//! The commands a person types: `cargo xtask COMMAND`. One file a command, named after it.

use clap::{Parser, Subcommand};
use std::process::ExitCode;

mod bad_input;
mod bench;
mod bench_compare;
mod boot;
mod ci;
mod console;
mod diff_user;
mod differential;
mod drive;
mod elf_image;
mod flash_calc;
mod flash_replay;
mod fuzz;
mod linux;
mod linux_command;
mod loom;
mod lost_work;
mod nbd;
mod no_std;
mod page_trace;
mod planted;
mod policies;
mod powercut;
mod random;
mod reader;
mod replace;
mod riscv_tests;
mod share;
mod shell;
mod table;
mod tidy;
mod tier;
mod trace;
mod walk;
mod walk_differential;
mod x86_access;

/// Vellum: the memory of a virtual machine.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Boot a guest: the small one that ships, Debian, or files of your own
    Boot(Box<boot::Args>),
    /// Check everything: format, lints, house rules, all tests, the docs, a guest's boot
    Ci(ci::Args),
    /// Try the console in a real terminal, with tmux
    Console(console::Args),
    /// Check the house rules that neither the compiler nor clippy checks
    Tidy(tidy::Args),
    /// Fetch Debian's RISC-V kernel and write an initramfs for it, for this or another emulator
    Linux(linux_command::Args),
    /// Run random instructions here and under QEMU and compare what they leave
    Differential(differential::Args),
    /// Run random user programs here and under QEMU's user emulation and compare every register
    DiffUser(diff_user::Args),
    /// Run the upstream instruction tests, built by you as S-mode payloads
    RiscvTests(riscv_tests::Args),
    /// Fuzz a decoder or a whole machine with libFuzzer
    Fuzz(fuzz::Args),
    /// Run the models of what is lock-free in every interleaving
    Loom(loom::Args),
    /// Flash by formula: the time of a write, what collection adds, what a code carries
    FlashCalc(flash_calc::Args),
    /// Run a trace of block requests, or what `nbd --log` wrote down, on modelled flash
    FlashReplay(flash_replay::Args),
    /// Run a trace of block requests on a model of a disk
    Trace(trace::Args),
    /// Plant known bugs one by one in a copy of the source and see that the named check notices each
    Planted(planted::Args),
    /// Serve a modelled disk over NBD, for qemu-img, nbdcopy, fio and kernels
    Nbd(nbd::Args),
    /// What a disk is like, where an access's time goes, and the disk as a file
    Drive(drive::Args),
    /// Run a trace of page references through every eviction policy
    PageTrace(page_trace::Args),
    /// What a trace of page references costs on DRAM in front of phase-change memory or memristors
    Tier(tier::Args),
    /// What memory images have in common, and in how few bytes they fit
    Share(share::Args),
    /// Cut the power of a file system (needs root) or of modelled flash, recover, check
    Powercut(powercut::Args),
    /// What a crash loses against the checkpoint interval, with and without the redo log
    LostWork(lost_work::Args),
    /// Show how an address of a running or kept guest is translated, entry by entry
    Walk(Box<walk::Args>),
    /// Accesses through random page tables, here and by an independent emulator
    WalkDifferential(walk_differential::Args),
    /// Every combination of flags of an x86-64 walk, against the plain reference
    X86Access(x86_access::Args),
    /// Boot Debian under every policy of paging and count what each costs
    Policies(policies::Args),
    /// Our own figures, counted: the same on every machine
    Bench(bench::Args),
    /// Run an area side by side with its peers, interleaved, in CPU time
    BenchCompare(bench_compare::Args),
}

fn main() -> ExitCode {
    reader::watch();
    let result = match Cli::parse().command {
        Command::Boot(args) => boot::run(&args),
        Command::Ci(args) => ci::run(&args),
        Command::Console(args) => console::run(&args),
        Command::Tidy(args) => tidy::run(&args),
        Command::Linux(args) => linux_command::run(&args),
        Command::Differential(args) => differential::run(&args),
        Command::DiffUser(args) => diff_user::run(&args),
        Command::RiscvTests(args) => riscv_tests::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Loom(args) => loom::run(&args),
        Command::FlashCalc(args) => flash_calc::run(&args),
        Command::FlashReplay(args) => flash_replay::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Planted(args) => planted::run(&args),
        Command::Nbd(args) => nbd::run(&args),
        Command::Drive(args) => drive::run(&args),
        Command::PageTrace(args) => page_trace::run(&args),
        Command::Tier(args) => tier::run(&args),
        Command::Powercut(args) => powercut::run(&args),
        Command::Share(args) => share::run(&args),
        Command::LostWork(args) => lost_work::run(&args),
        Command::Walk(args) => walk::run(&args),
        Command::WalkDifferential(args) => walk_differential::run(&args),
        Command::X86Access(args) => x86_access::run(&args),
        Command::Policies(args) => policies::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::BenchCompare(args) => bench_compare::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) if error.is::<reader::Gone>() => ExitCode::from(reader::GONE),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
