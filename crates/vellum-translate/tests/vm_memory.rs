//! rust-vmm's crates through our tables: `IommuMemory` and a virtio queue whose rings lie at
//! virtual addresses.
#![cfg(feature = "vm-memory")]

use std::sync::atomic::Ordering;
use vellum_translate::riscv::{Extensions, Mode, Pte, Satp};
use vellum_translate::vm_memory::TableIommu;
use vellum_translate::x86::{Entry, Paging};
use vellum_translate::{Environment, Gfn, Privilege};
use virtio_queue::{Queue, QueueT};
use vm_memory::iommu::IommuMemory;
use vm_memory::{Bytes, GuestAddress, GuestMemory, GuestMemoryMmap, Permissions};

type Mapped = GuestMemoryMmap<()>;

/// Sixteen pages; an Sv39 path in pages 0 to 2 maps page 5 to 9, page 6 to 8 (read only), not 7.
fn memory() -> (Mapped, IommuMemory<Mapped, TableIommu<Mapped>>) {
    let memory = Mapped::from_ranges(&[(GuestAddress(0), 16 << 12)]).expect("memory");
    let put = |at: u64, pte: Pte| {
        memory.write_obj(pte.0, GuestAddress(at)).expect("within memory");
    };
    let user = Pte::U | Pte::R;
    put(0, Pte::table(Gfn::new(1)));
    put(0x1000, Pte::table(Gfn::new(2)));
    put(0x2028, Pte::leaf(Gfn::new(9), user | Pte::W));
    put(0x2030, Pte::leaf(Gfn::new(8), user));
    let satp = Satp { mode: Mode::Sv39, asid: 0, root: Gfn::new(0) };
    let extensions = Extensions { svadu: true, ..Extensions::NONE };
    let iommu = TableIommu::new(memory.clone(), satp, Environment::USER, extensions);
    (memory.clone(), IommuMemory::new(memory, iommu, true, ()))
}

#[test]
fn a_range_is_translated_page_by_page_with_its_rights() {
    let (physical, translated) = memory();
    physical.write_slice(&[1; 8], GuestAddress(0x9ffc)).expect("within memory");
    physical.write_slice(&[2; 8], GuestAddress(0x8000)).expect("within memory");
    let mut bytes = [0; 8];
    translated.read_slice(&mut bytes, GuestAddress(0x5ffc)).expect("mapped");
    assert_eq!(bytes, [1, 1, 1, 1, 2, 2, 2, 2]);
    // Reading set the accessed bit and no dirty bit; writing sets it.
    let entry = |at| physical.read_obj::<u64>(GuestAddress(at)).expect("within memory");
    assert_eq!(entry(0x2028) & (Pte::A | Pte::D), Pte::A);
    translated.write_obj(7_u64, GuestAddress(0x5010)).expect("writable");
    assert_eq!(entry(0x9010), 7);
    assert_eq!(entry(0x2028) & (Pte::A | Pte::D), Pte::A | Pte::D);
    assert!(!translated.check_range(GuestAddress(0x6000), 8, Permissions::Write));
    assert!(translated.write_obj(7_u64, GuestAddress(0x6000)).is_err());
    assert!(translated.read_obj::<u64>(GuestAddress(0x6ffc)).is_err(), "page 7 is not mapped");
    assert!(!translated.check_range(GuestAddress(u64::MAX - 3), 8, Permissions::Read));
}

#[test]
fn x86_64s_tables_translate_as_well() {
    let memory = Mapped::from_ranges(&[(GuestAddress(0), 16 << 12)]).expect("memory");
    let put = |at: u64, to: u64, flags: u64| {
        let entry = Entry::new(Gfn::new(to), Entry::P | flags);
        memory.write_obj(entry.0, GuestAddress(at)).expect("within memory");
    };
    let (user, both) = (Entry::U, Entry::U | Entry::W);
    [(0, 1), (0x1000, 2), (0x2000, 3)].into_iter().for_each(|(at, to)| put(at, to, both));
    put(0x3028, 9, both);
    put(0x3030, 8, user);
    put(0x3038, 10, Entry::W);
    let iommu =
        TableIommu::x86_64(memory.clone(), Paging::four_level(Gfn::new(0)), Privilege::User);
    let translated = IommuMemory::new(memory.clone(), iommu, true, ());
    translated.write_obj(7_u64, GuestAddress(0x5010)).expect("writable");
    assert_eq!(memory.read_obj::<u64>(GuestAddress(0x9010)).expect("within memory"), 7);
    let entry = |at| Entry(memory.read_obj(GuestAddress(at)).expect("within memory"));
    assert!(entry(0x3028).has(Entry::A | Entry::D), "as the processor marks it");
    assert!(entry(0x2000).has(Entry::A));
    assert!(translated.read_obj::<u64>(GuestAddress(0x6000)).is_ok());
    assert!(!entry(0x3030).has(Entry::D), "only read");
    assert!(translated.write_obj(7_u64, GuestAddress(0x6000)).is_err(), "read-only");
    assert!(translated.read_obj::<u64>(GuestAddress(0x7000)).is_err(), "the supervisor's");
    assert!(translated.read_obj::<u64>(GuestAddress(1 << 47)).is_err(), "not canonical");
}

#[test]
fn an_edit_of_the_tables_is_seen_at_once() {
    let (physical, translated) = memory();
    assert!(translated.read_obj::<u64>(GuestAddress(0x5000)).is_ok());
    physical.write_obj(0_u64, GuestAddress(0x2028)).expect("within memory");
    assert!(translated.read_obj::<u64>(GuestAddress(0x5000)).is_err());
}

#[test]
fn a_virtio_queue_finds_its_ring_at_a_virtual_address() {
    let (physical, translated) = memory();
    let mut queue = Queue::new(8).expect("a queue");
    queue.set_avail_ring_address(Some(0x5100), None);
    physical.write_obj(3_u16, GuestAddress(0x9102)).expect("within memory");
    let index = queue.avail_idx(&translated, Ordering::Acquire).expect("mapped");
    assert_eq!(index.0, 3);
}
