//! The device tree: what the guest finds in its machine.
//!
//! Node names, `compatible` strings and interrupt numbers follow QEMU's `virt`, the bindings those
//! of Linux' `Documentation/devicetree/bindings`, the format *Devicetree Specification* 0.4.

use thiserror::Error as ThisError;
use vm_fdt::{FdtWriter, FdtWriterResult};

use crate::memory_map::{
    FINISHER, PLIC, RTC, RTC_IRQ, Range, TIMEBASE_HZ, UART, UART_IRQ, VIRTIO_IRQ, VIRTIO_SLOTS,
    virtio_slot,
};
use crate::plic::{MAX_HARTS, SOURCES};

/// Longest command line of a RISC-V Linux (`COMMAND_LINE_SIZE`), its final zero included.
pub const COMMAND_LINE_LIMIT: usize = 1024;

/// `riscv,cpu-intc` number of the supervisor's external interrupt.
const SUPERVISOR_EXTERNAL: u32 = 9;
/// Says that a context of the interrupt controller leads nowhere (`sifive,plic-1.0.0` binding).
const NOWHERE: u32 = u32::MAX;
/// What the console's clock is said to run at; sets the baud rate that a driver works out.
const UART_CLOCK_HZ: u32 = 3_686_400;

/// The largest address space that the processor has. Kernels before 6.13 probe for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mmu {
    /// Three levels.
    Sv39,
    /// Four levels.
    Sv48,
    /// Five levels.
    #[default]
    Sv57,
}

impl Mmu {
    const fn name(self) -> &'static str {
        match self {
            Mmu::Sv39 => "riscv,sv39",
            Mmu::Sv48 => "riscv,sv48",
            Mmu::Sv57 => "riscv,sv57",
        }
    }
}

/// What a device tree says that is not the same in every machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description<'a> {
    /// Number of harts, from 1 to [`MAX_HARTS`].
    pub harts: u32,
    /// The guest's memory.
    pub memory: Range,
    /// Extensions of the instruction set, single letters first, in the order that the
    /// specification names them.
    pub extensions: &'a [&'a str],
    /// The largest address space.
    pub mmu: Mmu,
    /// The kernel's command line.
    pub bootargs: &'a str,
    /// Where the initial file system is, if there is one.
    pub initrd: Option<Range>,
    /// Entropy for the kernel's start. Without it a kernel makes its own from timing, which costs
    /// Debian's 157 million instructions.
    pub rng_seed: &'a [u8],
    /// Which virtio slots hold a device.
    pub virtio: [bool; VIRTIO_SLOTS],
}

/// Why there is no device tree.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum FdtError {
    /// A number of harts that the interrupt controller can't serve.
    #[error("a machine has 1 to {MAX_HARTS} harts, not {found}")]
    Harts {
        /// The number asked for.
        found: u32,
    },
    /// A command line that the kernel would cut.
    #[error("the command line has {found} bytes; the kernel takes {}", COMMAND_LINE_LIMIT - 1)]
    CommandLine {
        /// Its length.
        found: usize,
    },
    /// The writer refused; only a string with a zero byte makes it.
    #[error("the device tree can't be written: {0}")]
    Writer(#[from] vm_fdt::Error),
}

/// Phandles: the harts' interrupt controllers come first, one each.
const fn hart_intc(hart: u32) -> u32 {
    1 + hart
}

/// The device tree of the machine that `d` describes, as a blob for the guest.
///
/// # Errors
/// When the description is of no machine that there can be.
pub fn build(d: &Description<'_>) -> Result<Vec<u8>, FdtError> {
    if !(1..=MAX_HARTS).contains(&d.harts) {
        return Err(FdtError::Harts { found: d.harts });
    }
    if d.bootargs.len() >= COMMAND_LINE_LIMIT {
        return Err(FdtError::CommandLine { found: d.bootargs.len() });
    }
    let mut w = FdtWriter::new()?;
    let root = w.begin_node("")?;
    w.property_u32("#address-cells", 2)?;
    w.property_u32("#size-cells", 2)?;
    w.property_string("compatible", "riscv-virtio")?;
    w.property_string("model", "vellum,virt")?;
    chosen(&mut w, d)?;
    memory(&mut w, d.memory)?;
    cpus(&mut w, d)?;
    soc(&mut w, d)?;
    power(&mut w, d.harts)?;
    w.end_node(root)?;
    Ok(w.finish()?)
}

fn node(
    w: &mut FdtWriter,
    name: &str,
    body: impl FnOnce(&mut FdtWriter) -> FdtWriterResult<()>,
) -> FdtWriterResult<()> {
    let node = w.begin_node(name)?;
    body(w)?;
    w.end_node(node)
}

/// A node for what sits at `range`.
fn placed(
    w: &mut FdtWriter,
    name: &str,
    range: Range,
    body: impl FnOnce(&mut FdtWriter) -> FdtWriterResult<()>,
) -> FdtWriterResult<()> {
    node(w, &format!("{name}@{:x}", range.base.get()), |w| {
        w.property_array_u64("reg", &[range.base.get(), range.length])?;
        body(w)
    })
}

fn chosen(w: &mut FdtWriter, d: &Description<'_>) -> FdtWriterResult<()> {
    node(w, "chosen", |w| {
        w.property_string("bootargs", d.bootargs)?;
        w.property_string("stdout-path", &format!("/soc/serial@{:x}", UART.base.get()))?;
        if let Some(initrd) = d.initrd {
            w.property_u64("linux,initrd-start", initrd.base.get())?;
            w.property_u64("linux,initrd-end", initrd.end().get())?;
        }
        if !d.rng_seed.is_empty() {
            w.property("rng-seed", d.rng_seed)?;
        }
        Ok(())
    })
}

fn memory(w: &mut FdtWriter, memory: Range) -> FdtWriterResult<()> {
    placed(w, "memory", memory, |w| w.property_string("device_type", "memory"))
}

/// The one-string form of the extensions, for software that knows no other: single letters run
/// together, the others behind underscores.
fn isa_string(extensions: &[&str]) -> String {
    extensions.iter().fold("rv64".into(), |mut isa: String, e| {
        if e.len() > 1 {
            isa.push('_');
        }
        isa + e
    })
}

fn cpus(w: &mut FdtWriter, d: &Description<'_>) -> FdtWriterResult<()> {
    node(w, "cpus", |w| {
        w.property_u32("#address-cells", 1)?;
        w.property_u32("#size-cells", 0)?;
        w.property_u32("timebase-frequency", TIMEBASE_HZ as u32)?;
        (0..d.harts).try_for_each(|hart| cpu(w, d, hart))
    })
}

fn cpu(w: &mut FdtWriter, d: &Description<'_>, hart: u32) -> FdtWriterResult<()> {
    node(w, &format!("cpu@{hart:x}"), |w| {
        w.property_string("device_type", "cpu")?;
        w.property_u32("reg", hart)?;
        w.property_string("status", "okay")?;
        w.property_string("compatible", "riscv")?;
        w.property_string("riscv,isa-base", "rv64i")?;
        let extensions = d.extensions.iter().map(ToString::to_string).collect();
        w.property_string_list("riscv,isa-extensions", extensions)?;
        w.property_string("riscv,isa", &isa_string(d.extensions))?;
        w.property_string("mmu-type", d.mmu.name())?;
        node(w, "interrupt-controller", |w| {
            w.property_u32("#interrupt-cells", 1)?;
            w.property_u32("#address-cells", 0)?;
            w.property_null("interrupt-controller")?;
            w.property_string("compatible", "riscv,cpu-intc")?;
            w.property_phandle(hart_intc(hart))
        })
    })
}

fn soc(w: &mut FdtWriter, d: &Description<'_>) -> FdtWriterResult<()> {
    let plic = hart_intc(d.harts);
    let raises = |w: &mut FdtWriter, irq: u32| {
        w.property_u32("interrupt-parent", plic)?;
        w.property_u32("interrupts", irq)
    };
    node(w, "soc", |w| {
        w.property_u32("#address-cells", 2)?;
        w.property_u32("#size-cells", 2)?;
        w.property_string("compatible", "simple-bus")?;
        w.property_null("ranges")?;
        interrupt_controller(w, d.harts, plic)?;
        placed(w, "serial", UART, |w| {
            w.property_string("compatible", "ns16550a")?;
            w.property_u32("clock-frequency", UART_CLOCK_HZ)?;
            raises(w, UART_IRQ)
        })?;
        placed(w, "rtc", RTC, |w| {
            w.property_string("compatible", "google,goldfish-rtc")?;
            raises(w, RTC_IRQ)
        })?;
        placed(w, "test", FINISHER, |w| {
            let names = ["sifive,test1", "sifive,test0", "syscon"];
            w.property_string_list("compatible", names.map(String::from).to_vec())?;
            w.property_phandle(finisher(d.harts))
        })?;
        for slot in (0..VIRTIO_SLOTS).filter(|&slot| d.virtio[slot]) {
            placed(w, "virtio_mmio", virtio_slot(slot), |w| {
                w.property_string("compatible", "virtio,mmio")?;
                raises(w, VIRTIO_IRQ + slot as u32)
            })?;
        }
        Ok(())
    })
}

fn interrupt_controller(w: &mut FdtWriter, harts: u32, phandle: u32) -> FdtWriterResult<()> {
    placed(w, "plic", PLIC, |w| {
        let names = ["sifive,plic-1.0.0", "riscv,plic0"];
        w.property_string_list("compatible", names.map(String::from).to_vec())?;
        w.property_u32("#interrupt-cells", 1)?;
        w.property_u32("#address-cells", 0)?;
        w.property_null("interrupt-controller")?;
        w.property_u32("riscv,ndev", SOURCES)?;
        let contexts: Vec<u32> = (0..harts)
            .flat_map(|h| [hart_intc(h), NOWHERE, hart_intc(h), SUPERVISOR_EXTERNAL])
            .collect();
        w.property_array_u32("interrupts-extended", &contexts)?;
        w.property_phandle(phandle)
    })
}

const fn finisher(harts: u32) -> u32 {
    hart_intc(harts) + 1
}

/// Power-off and reset by the finisher, for a kernel without SBI's.
fn power(w: &mut FdtWriter, harts: u32) -> FdtWriterResult<()> {
    for (name, value) in [("poweroff", crate::finisher::PASS), ("reboot", crate::finisher::RESET)] {
        node(w, name, |w| {
            w.property_string("compatible", &format!("syscon-{name}"))?;
            w.property_u32("regmap", finisher(harts))?;
            w.property_u32("offset", 0)?;
            w.property_u32("value", value.into())
        })?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "fdt_tests.rs"]
pub(crate) mod tests;
