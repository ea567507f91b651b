//! Kernels made by hand, good and bad.

use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::memory_map::RAM_BASE;

const MEMORY: Range = Range { base: RAM_BASE, length: 64 << 20 };
const RAM: u64 = RAM_BASE.get();

fn put(bytes: &mut [u8], at: usize, value: u64, size: usize) {
    bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
}

/// An `Image` of 4 KiB that clears up to `size`, with a PE header whose section ends with the file.
fn image(size: u64) -> Vec<u8> {
    let mut b = vec![0x13; 4096];
    b[..64].fill(0);
    b[..2].copy_from_slice(b"MZ");
    put(&mut b, 8, 0x20_0000, 8);
    put(&mut b, 16, size, 8);
    b[48..53].copy_from_slice(b"RISCV");
    b[56..60].copy_from_slice(b"RSC\x05");
    put(&mut b, 60, 0x40, 4);
    b[0x40..0x44].copy_from_slice(b"PE\0\0");
    put(&mut b, 0x44 + 2, 1, 2);
    put(&mut b, 0x44 + 16, 0, 2);
    put(&mut b, 0x58 + 16, 4096 - 512, 4);
    put(&mut b, 0x58 + 20, 512, 4);
    b
}

/// An ELF file with one segment of 16 bytes in the file and 64 in memory, entered at its fifth byte.
fn elf() -> Vec<u8> {
    let mut b = vec![0; 64 + 56 + 16];
    b[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    put(&mut b, 18, 243, 2);
    put(&mut b, 24, 0xffff_0004, 8);
    put(&mut b, 32, 64, 8);
    put(&mut b, 54, 56, 2);
    put(&mut b, 56, 1, 2);
    put(&mut b, 64, 1, 4);
    for (at, value) in [(8, 120), (16, 0xffff_0000), (24, RAM + 0x1000), (32, 16), (40, 64)] {
        put(&mut b, 64 + at, value, 8);
    }
    b[120..].fill(0xaa);
    b
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    w.write_all(bytes).unwrap();
    w.finish().unwrap()
}

/// An archive with these files.
fn cpio(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for &(name, body) in files.iter().chain(&[("TRAILER!!!", &[][..])]) {
        let mut header = b"070701".to_vec();
        for field in 0..13 {
            let value = match field {
                6 => body.len(),
                11 => name.len() + 1,
                _ => 0,
            };
            write!(header, "{value:08x}").unwrap();
        }
        out.extend(header);
        out.extend(name.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(body);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

fn error(file: &[u8]) -> LoadError {
    Kernel::read(file, MEMORY).unwrap_err()
}

#[derive(Default)]
struct Memory(Vec<(u64, Vec<u8>)>);

impl GuestWriter for Memory {
    type Error = core::convert::Infallible;
    fn write(&mut self, at: Gpa, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0.push((at.get(), bytes.to_vec()));
        Ok(())
    }
}

#[test]
fn an_image_goes_where_its_header_says_plain_or_packed() {
    let plain = image(0x10_0000);
    let mut zboot = b"MZ\0\0zimg".to_vec();
    let packed = gzip(&plain);
    zboot.extend(64u32.to_le_bytes());
    zboot.extend((packed.len() as u32).to_le_bytes());
    zboot.resize(24, 0);
    zboot.extend(b"gzip");
    zboot.resize(64, 0);
    zboot.extend(&packed);
    for file in [plain.clone(), gzip(&plain), zboot] {
        let kernel = Kernel::read(&file, MEMORY).unwrap();
        assert_eq!(kernel.entry().get(), RAM + 0x20_0000);
        assert_eq!(kernel.end().get(), RAM + 0x30_0000);
        let mut memory = Memory::default();
        kernel.write(&mut memory).unwrap();
        assert_eq!(memory.0, [(RAM + 0x20_0000, plain.clone())]);
    }
}

#[test]
fn an_elf_file_is_entered_at_its_physical_address() {
    let file = elf();
    let kernel = Kernel::read(&file, MEMORY).unwrap();
    assert_eq!(kernel.entry().get(), RAM + 0x1004);
    assert_eq!(kernel.end().get(), RAM + 0x1040);
    let mut memory = Memory::default();
    kernel.write(&mut memory).unwrap();
    assert_eq!(memory.0, [(RAM + 0x1000, vec![0xaa; 16])]);
}

#[test]
fn flat_bytes_start_where_linux_would() {
    let kernel = Kernel::flat(&[0x13, 0, 0, 0], MEMORY).unwrap();
    assert_eq!(kernel.entry().get(), RAM + KERNEL_OFFSET);
    assert_eq!(Kernel::flat(&[], MEMORY).unwrap_err(), LoadError::Empty);
}

#[test]
fn kernels_of_others_are_named() {
    let mut x86 = vec![0; 0x400];
    x86[0x202..0x206].copy_from_slice(b"HdrS");
    let mut arm = vec![0; 128];
    arm[56..60].copy_from_slice(b"ARM\x64");
    let mut elf86 = elf();
    put(&mut elf86, 18, 62, 2);
    let mut elf32 = elf();
    elf32[4] = 1;
    let mut big = elf();
    big[5] = 2;
    for (file, says) in [
        (x86, "x86 Linux"),
        (arm, "arm64 Linux"),
        (elf86, "x86-64"),
        (elf32, "32-bit RISC-V"),
        (big, "big-endian"),
    ] {
        let e = error(&file);
        assert!(matches!(e, LoadError::Architecture { .. }));
        let text = e.to_string();
        assert!(text.contains(says) && text.contains("use a riscv64 kernel"), "{text}");
    }
}

#[test]
fn files_that_are_cut_off_are_told() {
    let (image, elf) = (image(0x10_0000), elf());
    for (file, needed) in [(&image[..4000], 4096), (&elf[..130], 136), (&elf[..100], 120)] {
        assert!(matches!(error(file), LoadError::Truncated { needed: n, found, .. }
                if n == needed && found == file.len() as u64));
    }
    let packed = gzip(&image);
    assert!(matches!(error(&packed[..packed.len() - 9]), LoadError::Unpack { .. }));
    let mut damaged = packed.clone();
    let crc = packed.len() - 6;
    damaged[crc] ^= 1;
    assert!(matches!(error(&damaged), LoadError::Unpack { .. }));
}

#[test]
fn what_is_no_kernel_says_so() {
    assert_eq!(error(b""), LoadError::Empty);
    assert!(matches!(error(b"#!/bin/sh\n"), LoadError::Unknown { .. }));
    assert!(
        matches!(error(&[0x28, 0xb5, 0x2f, 0xfd, 0]), LoadError::Packed { method } if method == "zstd")
    );
    let mut nothing = elf();
    put(&mut nothing, 64, 4, 4);
    assert!(matches!(error(&nothing), LoadError::Header { field: "e_phnum", .. }));
    let mut swollen = elf();
    put(&mut swollen, 64 + 32, 65, 8);
    assert!(matches!(error(&swollen), LoadError::Header { field: "p_filesz", .. }));
    let mut low = elf();
    put(&mut low, 64 + 24, 0x1000, 8);
    assert!(matches!(error(&low), LoadError::BelowMemory { .. }));
    let mut lost = elf();
    put(&mut lost, 24, 0x10, 8);
    assert!(matches!(error(&lost), LoadError::Entry { .. }));
}

#[test]
fn too_little_memory_says_how_much() {
    let e = error(&image(100 << 20));
    let LoadError::MemoryTooSmall { needed, .. } = e else { panic!("{e}") };
    assert_eq!(needed, 102 << 20);
    assert!(e.to_string().contains("needs 102 MiB of memory, the machine has 64 MiB"), "{e}");
    let less = Range { length: 64 << 10, ..MEMORY };
    let e = Kernel::read(&image(0x10_0000), less).unwrap_err();
    assert!(e.to_string().contains("needs 3 MiB of memory, the machine has 64 KiB"), "{e}");
    // A packed kernel that would fill memory many times over is not unpacked to its end.
    let bomb = gzip(&vec![0; 65 << 20]);
    assert!(matches!(error(&bomb), LoadError::MemoryTooSmall { .. }));
    let file = image(0x10_0000);
    let kernel = Kernel::read(&file, MEMORY).unwrap();
    let e = place(&kernel, Some(61 << 20), MEMORY).unwrap_err();
    assert!(matches!(e, LoadError::MemoryTooSmall { what: "the kernel with its initrd", .. }));
    let tight = Range { length: 4 << 20, ..MEMORY };
    assert!(matches!(
        place(&kernel, None, tight),
        Err(LoadError::MemoryTooSmall { what: "the kernel with its device tree", .. })
    ));
}

#[test]
fn nothing_overlaps() {
    for (size, initrd) in [(4096, 1), (0x20_0000, 0x1001), (0x3f_ffff, 10 << 20)] {
        let file = image(size);
        let kernel = Kernel::read(&file, MEMORY).unwrap();
        let p = place(&kernel, Some(initrd), MEMORY).unwrap();
        let place = p.initrd.unwrap();
        assert!(kernel.end() <= p.dtb && p.dtb.get() + DTB_ROOM <= place.base.get());
        assert!(place.end() <= MEMORY.end());
        assert_eq!((p.dtb.get() % 8, place.base.get() % 4096, place.length), (0, 0, initrd));
    }
}

#[test]
fn the_largest_device_tree_fits_its_room() {
    let blob = crate::fdt::build(&crate::fdt::Description {
        harts: crate::plic::MAX_HARTS,
        memory: MEMORY,
        extensions: &crate::fdt::tests::BASE_EXTENSIONS,
        mmu: crate::fdt::Mmu::Sv57,
        bootargs: &"x".repeat(crate::fdt::COMMAND_LINE_LIMIT - 1),
        initrd: Some(MEMORY),
        rng_seed: &[0; 256],
        virtio: [true; crate::memory_map::VIRTIO_SLOTS],
    })
    .unwrap();
    assert!(blob.len() as u64 <= DTB_ROOM, "{}", blob.len());
}

#[test]
fn archives_are_walked_to_their_end() {
    let plain = cpio(&[("init", b"#!/bin/sh\n"), ("etc", b"")]);
    let mut two = plain.clone();
    two.resize(two.len() + 512, 0);
    two.extend(gzip(&plain));
    for file in [plain.clone(), gzip(&plain), two.clone(), b"hsqs not an archive".to_vec()] {
        check_initrd(&file).unwrap();
    }
    assert!(is_archive(&two) && is_archive(&gzip(&plain)));
    assert!(!is_archive(b"hsqs not an archive") && !is_archive(&[0; 512]));
    let packed = gzip(&plain);
    for file in [
        &plain[..plain.len() - 20],
        &plain[..150],
        &packed[..packed.len() - 1],
        &packed[..40],
        &two[..two.len() - 30],
        &gzip(&plain[..200]),
        b"",
    ] {
        assert!(matches!(check_initrd(file), Err(LoadError::Initrd { .. })), "{}", file.len());
    }
}

proptest! {
    /// Whatever a header holds, it is accepted within memory or refused.
    #[test]
    fn any_header_is_placed_in_memory_or_refused(
        which in 0usize..3,
        damage in proptest::collection::vec((0usize..136, any::<u8>()), 0..12),
        cut in 0usize..4096,
    ) {
        let mut file = match which {
            0 => image(0x10_0000),
            1 => elf(),
            _ => gzip(&image(0x10_0000)),
        };
        for (at, value) in damage {
            let at = at % file.len();
            file[at] = value;
        }
        file.truncate(if cut % 3 == 0 { cut } else { file.len() });
        if let Ok(kernel) = Kernel::read(&file, MEMORY) {
            prop_assert!(kernel.entry() >= MEMORY.base && kernel.end() <= MEMORY.end());
            let mut memory = Memory::default();
            kernel.write(&mut memory).unwrap();
            for (at, bytes) in memory.0 {
                prop_assert!(MEMORY.holds(Gpa::new(at), bytes.len() as u64));
            }
        }
    }

    #[test]
    fn any_archive_is_taken_or_refused(
        damage in proptest::collection::vec((0usize..400, any::<u8>()), 0..6),
        packed: bool,
        cut in 0usize..400,
    ) {
        let mut file = cpio(&[("init", b"#!/bin/sh\n"), ("a", &[7; 50])]);
        for (at, value) in damage {
            let at = at % file.len();
            file[at] = value;
        }
        file.truncate(if cut % 2 == 0 { cut } else { file.len() });
        let file = if packed { gzip(&file) } else { file };
        match check_initrd(&file) {
            Ok(()) => prop_assert!(!file.is_empty()),
            Err(LoadError::Initrd { at, .. }) => prop_assert!(at <= 4096),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
