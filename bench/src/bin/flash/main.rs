//! `cargo xtask bench-compare flash SUBJECT`: flash beside its peers, interleaved, in CPU time.

mod ecc;
mod ftl;
mod measure;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Flash beside its peers: CPU time, interleaved rounds, median and spread.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench-compare flash", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Error-correcting codes, beside the Linux kernel's BCH (through bchlib) and labrador-ldpc
    Ecc(ecc::Args),
    /// Random BCH codes, data and errors, bit for bit against the Linux kernel's code
    EccCampaign(ecc::campaign::Args),
    /// The translation layer: write amplification, reads, mounts, and the speed of simulating it
    Ftl(ftl::Args),
}

fn main() -> Result<()> {
    match Cli::parse().subject {
        Subject::Ecc(args) => ecc::run(&args),
        Subject::EccCampaign(args) => ecc::campaign::run(&args),
        Subject::Ftl(args) => ftl::run(&args),
    }
}
