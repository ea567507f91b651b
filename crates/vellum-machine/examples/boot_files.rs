//! Boots a kernel from files: `boot_files KERNEL [INITRD [DISK [COMMAND LINE]]]`.
//!
//! The disk is never written; what the guest writes is kept in memory. Input is a script of nothing,
//! so the run is the same every time; it ends when the guest switches the machine off or waits for
//! a key. `-` stands for "none".

use std::error::Error;
use std::io::Write;
use std::path::Path;

use vellum_machine::{Config, Machine, Stop, disk};
use vellum_replay::{Script, Seeded};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let file = |n: usize| args.get(n).filter(|a| *a != "-").map(Path::new);
    let Some(kernel) = file(0) else {
        eprintln!("usage: boot_files KERNEL [INITRD [DISK [COMMAND LINE]]]");
        return Ok(());
    };
    let mut config = Config::new(std::fs::read(kernel)?);
    config.initrd = file(1).map(std::fs::read).transpose()?;
    if let Some(path) = file(2) {
        config.disks.push(Box::new(disk::over_file(path)?));
    }
    config.cmdline = args.get(3).cloned().unwrap_or_else(|| "console=ttyS0".into());
    let mut machine = Machine::new(config, Box::new(Seeded::new(1, Script::new())))?;
    let end = loop {
        let stop = machine.run(10_000_000);
        std::io::stdout().write_all(&machine.take_console_output())?;
        if stop != Stop::Slice {
            break stop;
        }
    };
    println!("\n{end:?} after {} instructions, {}", machine.instructions(), machine.state_hash());
    for slot in 0.. {
        let Some(device) = machine.virtio().get(slot) else { break };
        println!("virtio slot {slot}: {:?}", device.counters());
    }
    Ok(())
}
