//! The device tree read back by a walker of its own.

use std::collections::BTreeMap;

use super::*;

/// The least that runs Debian's kernel: RV64GC with counters.
pub(crate) const BASE_EXTENSIONS: [&str; 9] =
    ["i", "m", "a", "f", "d", "c", "zicntr", "zicsr", "zifencei"];

type Tree = BTreeMap<String, Vec<u8>>;

fn word(blob: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(blob[at..at + 4].try_into().unwrap())
}

fn name(blob: &[u8], at: usize) -> &str {
    let length = blob[at..].iter().position(|&b| b == 0).unwrap();
    core::str::from_utf8(&blob[at..at + length]).unwrap()
}

/// Every property by its path, as *Devicetree Specification* 0.4, chapter 5, lays them out.
fn walk(blob: &[u8]) -> Tree {
    assert_eq!(word(blob, 0), 0xd00d_feed);
    assert_eq!(word(blob, 4) as usize, blob.len());
    let (mut at, strings) = (word(blob, 8) as usize, word(blob, 12) as usize);
    let (mut tree, mut path) = (Tree::new(), Vec::<String>::new());
    loop {
        let token = word(blob, at);
        at += 4;
        match token {
            1 => {
                let node = name(blob, at);
                at += (node.len() + 1).next_multiple_of(4);
                path.push(node.to_string());
                tree.insert(path.join("/"), Vec::new());
            }
            2 => drop(path.pop().unwrap()),
            3 => {
                let (length, key) = (word(blob, at) as usize, word(blob, at + 4) as usize);
                let key = format!("{}/{}", path.join("/"), name(blob, strings + key));
                let old = tree.insert(key, blob[at + 8..at + 8 + length].to_vec());
                assert_eq!(old, None, "a property twice");
                at += 8 + length.next_multiple_of(4);
            }
            9 => break,
            other => panic!("token {other}"),
        }
    }
    assert!(path.is_empty());
    tree
}

fn cells(tree: &Tree, path: &str) -> Vec<u32> {
    tree[path].chunks(4).map(|c| u32::from_be_bytes(c.try_into().unwrap())).collect()
}

fn text<'a>(tree: &'a Tree, path: &str) -> &'a str {
    core::str::from_utf8(&tree[path]).unwrap().strip_suffix('\0').unwrap()
}

fn machine(harts: u32) -> Description<'static> {
    let mut virtio = [false; VIRTIO_SLOTS];
    (virtio[0], virtio[7]) = (true, true);
    Description {
        harts,
        memory: Range::new(0x8000_0000, 256 << 20),
        extensions: &BASE_EXTENSIONS,
        mmu: Mmu::Sv48,
        bootargs: "console=ttyS0",
        initrd: Some(Range::new(0x8300_0000, 0x1234)),
        rng_seed: &[1, 2, 3],
        virtio,
    }
}

#[test]
fn the_tree_says_what_the_machine_is() {
    let tree = walk(&build(&machine(2)).unwrap());
    assert_eq!(cells(&tree, "/memory@80000000/reg"), [0, 0x8000_0000, 0, 256 << 20]);
    assert_eq!(text(&tree, "/chosen/bootargs"), "console=ttyS0");
    assert_eq!(cells(&tree, "/chosen/linux,initrd-start"), [0, 0x8300_0000]);
    assert_eq!(cells(&tree, "/chosen/linux,initrd-end"), [0, 0x8300_1234]);
    assert_eq!(tree["/chosen/rng-seed"], [1, 2, 3]);
    assert_eq!(text(&tree, "/cpus/cpu@1/mmu-type"), "riscv,sv48");
    assert_eq!(text(&tree, "/cpus/cpu@1/riscv,isa"), "rv64imafdc_zicntr_zicsr_zifencei");
    assert_eq!(
        text(&tree, "/cpus/cpu@0/riscv,isa-extensions"),
        "i\0m\0a\0f\0d\0c\0zicntr\0zicsr\0zifencei"
    );
    assert_eq!(cells(&tree, "/cpus/timebase-frequency"), [10_000_000]);
    assert!(tree.contains_key("/cpus/cpu@1") && !tree.contains_key("/cpus/cpu@2"));
    let stdout = text(&tree, "/chosen/stdout-path").to_string();
    assert_eq!(text(&tree, &format!("{stdout}/compatible")), "ns16550a");
    assert_eq!(text(&tree, "/poweroff/compatible"), "syscon-poweroff");
    assert_eq!(cells(&tree, "/reboot/value"), [0x7777]);
}

#[test]
fn interrupts_lead_where_the_devices_raise_them() {
    for harts in [1, 3] {
        let tree = walk(&build(&machine(harts)).unwrap());
        let plic = cells(&tree, "/soc/plic@c000000/phandle");
        let intc = |h: u32| cells(&tree, &format!("/cpus/cpu@{h}/interrupt-controller/phandle"))[0];
        // Context 2h leads nowhere and 2h + 1 to hart h's supervisor, as the controller has them.
        let wanted: Vec<u32> = (0..harts).flat_map(|h| [intc(h), u32::MAX, intc(h), 9]).collect();
        assert_eq!(cells(&tree, "/soc/plic@c000000/interrupts-extended"), wanted);
        for (device, irq) in [
            ("serial@10000000", 10),
            ("rtc@101000", 11),
            ("virtio_mmio@10001000", 1),
            ("virtio_mmio@10008000", 8),
        ] {
            assert_eq!(cells(&tree, &format!("/soc/{device}/interrupts")), [irq]);
            assert_eq!(cells(&tree, &format!("/soc/{device}/interrupt-parent")), plic);
        }
        assert!(!tree.contains_key("/soc/virtio_mmio@10002000"), "the slot is empty");
        let finisher = cells(&tree, "/soc/test@100000/phandle");
        assert_eq!(cells(&tree, "/poweroff/regmap"), finisher);
        let phandles: Vec<u32> =
            tree.keys().filter(|k| k.ends_with("/phandle")).map(|k| cells(&tree, k)[0]).collect();
        let mut distinct = phandles.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), phandles.len());
    }
}

#[test]
fn what_is_not_given_is_not_said() {
    let bare = Description { initrd: None, rng_seed: &[], ..machine(1) };
    let tree = walk(&build(&bare).unwrap());
    assert!(!tree.keys().any(|k| k.contains("initrd") || k.contains("rng-seed")));
}

#[test]
fn impossible_machines_are_refused() {
    for harts in [0, MAX_HARTS + 1] {
        assert!(matches!(build(&machine(harts)), Err(FdtError::Harts { found }) if found == harts));
    }
    assert!(build(&machine(MAX_HARTS)).is_ok());
    let long = "x".repeat(COMMAND_LINE_LIMIT);
    let cut = Description { bootargs: &long, ..machine(1) };
    assert!(matches!(build(&cut), Err(FdtError::CommandLine { found: 1024 })));
    let zero = Description { bootargs: "a\0b", ..machine(1) };
    assert!(matches!(build(&zero), Err(FdtError::Writer(_))));
}
