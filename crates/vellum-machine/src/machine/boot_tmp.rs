//! temporary
use super::config::{Config, Error};
use vellum::VmMemory;
use vellum_translate::Gpa;
use vm_fdt::FdtWriter;
pub fn load(config: &Config, memory: &mut VmMemory, seed: &[u8]) -> Result<(Gpa, Gpa), Error> {
    let k = &config.kernel;
    memory.write(Gpa::new(0x8020_0000), k)?;
    let size = u64::from_le_bytes(k[16..24].try_into().unwrap());
    let initrd = (0x8020_0000 + size + 0x1f_ffff) & !0x1f_ffff;
    let ilen = config.initrd.as_ref().map_or(0, |i| i.len() as u64);
    if let Some(i) = &config.initrd {
        memory.write(Gpa::new(initrd), i)?;
    }
    let dtb = (initrd + ilen + 0x1f_ffff) & !0x1f_ffff;
    let mut f = FdtWriter::new().unwrap();
    let root = f.begin_node("").unwrap();
    f.property_u32("#address-cells", 2).unwrap();
    f.property_u32("#size-cells", 2).unwrap();
    f.property_string("compatible", "riscv-virtio").unwrap();
    f.property_string("model", "vellum").unwrap();
    let c = f.begin_node("chosen").unwrap();
    f.property_string("bootargs", &config.cmdline).unwrap();
    f.property_string("stdout-path", "/soc/serial@10000000").unwrap();
    if ilen > 0 {
        f.property_u64("linux,initrd-start", initrd).unwrap();
        f.property_u64("linux,initrd-end", initrd + ilen).unwrap();
    }
    f.property("rng-seed", seed).unwrap();
    f.end_node(c).unwrap();
    let m = f.begin_node("memory@80000000").unwrap();
    f.property_string("device_type", "memory").unwrap();
    f.property_array_u64("reg", &[0x8000_0000, config.memory]).unwrap();
    f.end_node(m).unwrap();
    let cs = f.begin_node("cpus").unwrap();
    f.property_u32("#address-cells", 1).unwrap();
    f.property_u32("#size-cells", 0).unwrap();
    f.property_u32("timebase-frequency", 10_000_000).unwrap();
    let mut ext = Vec::new();
    for h in 0..config.harts {
        let n = f.begin_node(&format!("cpu@{h}")).unwrap();
        f.property_string("device_type", "cpu").unwrap();
        f.property_u32("reg", h).unwrap();
        f.property_string("status", "okay").unwrap();
        f.property_string("compatible", "riscv").unwrap();
        f.property_string("riscv,isa", "rv64imafdc_zicsr_zifencei_zba_zbb_zbs_sstc").unwrap();
        f.property_string("riscv,isa-base", "rv64i").unwrap();
        f.property_string_list(
            "riscv,isa-extensions",
            [
                "i", "m", "a", "f", "d", "c", "zicsr", "zifencei", "zicntr", "zba", "zbb", "zbs",
                "sstc",
            ]
            .iter()
            .map(|s| s.to_string())
            .collect(),
        )
        .unwrap();
        f.property_string("mmu-type", "riscv,sv57").unwrap();
        let i = f.begin_node("interrupt-controller").unwrap();
        f.property_u32("#interrupt-cells", 1).unwrap();
        f.property_null("interrupt-controller").unwrap();
        f.property_string("compatible", "riscv,cpu-intc").unwrap();
        f.property_phandle(h + 1).unwrap();
        f.end_node(i).unwrap();
        f.end_node(n).unwrap();
        ext.extend([h + 1, 0xffff_ffff, h + 1, 9]);
    }
    f.end_node(cs).unwrap();
    let soc = f.begin_node("soc").unwrap();
    f.property_u32("#address-cells", 2).unwrap();
    f.property_u32("#size-cells", 2).unwrap();
    f.property_string("compatible", "simple-bus").unwrap();
    f.property_null("ranges").unwrap();
    let p = f.begin_node("plic@c000000").unwrap();
    f.property_string_list("compatible", vec!["sifive,plic-1.0.0".into(), "riscv,plic0".into()])
        .unwrap();
    f.property_array_u64("reg", &[0xc00_0000, 0x60_0000]).unwrap();
    f.property_u32("#interrupt-cells", 1).unwrap();
    f.property_u32("#address-cells", 0).unwrap();
    f.property_null("interrupt-controller").unwrap();
    f.property_array_u32("interrupts-extended", &ext).unwrap();
    f.property_u32("riscv,ndev", 95).unwrap();
    f.property_phandle(100).unwrap();
    f.end_node(p).unwrap();
    let u = f.begin_node("serial@10000000").unwrap();
    f.property_string("compatible", "ns16550a").unwrap();
    f.property_array_u64("reg", &[0x1000_0000, 0x100]).unwrap();
    f.property_u32("clock-frequency", 3_686_400).unwrap();
    f.property_u32("interrupts", 10).unwrap();
    f.property_u32("interrupt-parent", 100).unwrap();
    f.end_node(u).unwrap();
    f.end_node(soc).unwrap();
    f.end_node(root).unwrap();
    memory.write(Gpa::new(dtb), &f.finish().unwrap())?;
    Ok((Gpa::new(0x8020_0000), Gpa::new(dtb)))
}
