//! Requests of the block device.

use proptest::prelude::*;
use vellum_state::{from_bytes, state_hash, to_bytes};

use super::*;
use crate::virtio::block::CLEAR_LIMIT;

const HEADER: u64 = BUFFERS;
const STATUS: u64 = BUFFERS + 0x10;
const DATA: u64 = BUFFERS + 0x1000;

fn header(g: &mut Guest, kind: u32, sector: u64) {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend([0; 4]);
    bytes.extend(sector.to_le_bytes());
    g.poke(HEADER, &bytes);
    g.poke(STATUS, &[0xee]);
}

/// Does a request whose data lies in `DATA`, cut into buffers of `piece` bytes; its status.
fn request(g: &mut Guest, kind: u32, sector: u64, bytes: u32, incoming: bool, piece: u32) -> u8 {
    header(g, kind, sector);
    let mut buffers = vec![(HEADER, 16, false)];
    let mut at = 0;
    while at < bytes {
        let n = piece.min(bytes - at);
        buffers.push((DATA + u64::from(at), n, incoming));
        at += n;
    }
    buffers.push((STATUS, 1, true));
    g.chain(&buffers);
    g.offer(0);
    g.settle();
    assert_eq!(g.used().map(|(head, _)| head), Some(0));
    g.peek::<1>(STATUS)[0]
}

pub(super) fn write_sector(g: &mut Guest, sector: u64, fill: u8) {
    g.poke(DATA, &[fill; 512]);
    assert_eq!(request(g, 1, sector, 512, false, 512), 0);
}

#[test]
fn a_request_ends_when_the_disk_says() {
    let mut g = Guest::with_disk();
    write_sector(&mut g, 3, 0x77);
    let start = g.now;
    header(&mut g, 0, 3);
    g.chain(&[(HEADER, 16, false), (DATA, 512, true), (STATUS, 1, true)]);
    g.poke(DATA, &[0; 512]);
    g.offer(0);
    g.advance();
    assert_eq!((g.used(), g.peek::<1>(DATA)), (None, [0]), "it has only begun");
    g.settle();
    assert_eq!(g.used(), Some((0, 513)));
    assert_eq!((g.peek::<1>(DATA), g.peek::<1>(STATUS)), ([0x77], [0]));
    assert_eq!(g.now, start + disk::LATENCY + disk::PER_SECTOR);
}

#[test]
fn header_and_data_may_share_buffers() {
    let mut g = Guest::with_disk();
    header(&mut g, 1, 5);
    g.poke(HEADER + 16, &[9; 512]);
    g.poke(DATA, &[0xee; 1]);
    // 7 bytes, then the rest of the header together with the data, then the status.
    g.chain(&[(HEADER, 7, false), (HEADER + 7, 9 + 512, false), (DATA, 1, true)]);
    g.offer(0);
    g.settle();
    assert_eq!((g.used(), g.peek::<1>(DATA)), (Some((0, 1)), [0]));
    // The status is the last byte of what is writable, also when data comes before it.
    header(&mut g, 0, 5);
    g.chain(&[(HEADER, 16, false), (DATA, 513, true)]);
    g.offer(0);
    g.settle();
    assert_eq!((g.peek::<2>(DATA + 510), g.peek::<1>(DATA + 512)), ([9, 9], [0]));
}

#[test]
fn an_indirect_table_is_a_chain_like_another() {
    let mut g = Guest::with_disk();
    write_sector(&mut g, 1, 0x42);
    header(&mut g, 0, 1);
    let table = BUFFERS + 0x800;
    g.descriptor(table, 0, HEADER, 16, NEXT, 1);
    g.descriptor(table, 1, DATA + 0x800, 512, NEXT | WRITE, 2);
    g.descriptor(table, 2, STATUS, 1, WRITE, 0);
    g.descriptor(DESC, 4, table, 48, INDIRECT, 0);
    g.offer(4);
    g.settle();
    assert_eq!((g.used(), g.peek::<1>(DATA + 0x800)), (Some((4, 513)), [0x42]));
}

#[test]
fn identity_flush_and_what_is_not_known() {
    let mut g = Guest::with_disk();
    assert_eq!(request(&mut g, 8, 0, 20, true, 20), 0);
    assert_eq!(&g.peek::<20>(DATA), b"a name that is far t");
    assert_eq!(request(&mut g, 4, 0, 0, false, 1), 0);
    assert_eq!(request(&mut g, 14, 0, 16, false, 16), 2);
    assert_eq!(request(&mut g, 0xffff_ffff, 0, 512, true, 512), 2);
}

#[test]
fn ranges_are_discarded_and_cleared() {
    let mut g = Guest::with_disk();
    let range = |sector: u64, sectors: u32, flags: u32| {
        let mut b = sector.to_le_bytes().to_vec();
        b.extend(sectors.to_le_bytes());
        b.extend(flags.to_le_bytes());
        b
    };
    for (kind, flags, status) in [(11, 0, 0), (13, 0, 0), (13, 1, 0), (11, 1, 2), (13, 2, 2)] {
        write_sector(&mut g, 4, 0xff);
        g.poke(DATA, &range(4, 1, flags));
        assert_eq!(request(&mut g, kind, 0, 16, false, 16), status);
        assert_eq!(request(&mut g, 0, 4, 512, true, 512), 0);
        assert_eq!(g.peek::<1>(DATA), [if status == 0 { 0 } else { 0xff }]);
    }
    for bad in
        [range(SECTORS, 1, 0), range(0, 0, 0), range(0, CLEAR_LIMIT + 1, 0), range(u64::MAX, 1, 0)]
    {
        g.poke(DATA, &bad);
        assert_eq!(request(&mut g, 11, 0, 16, false, 16), 1);
    }
}

#[test]
fn what_does_not_fit_ends_with_an_error() {
    let mut g = Guest::with_disk();
    for (kind, sector, bytes) in
        [(0, SECTORS, 512), (0, u64::MAX, 512), (0, SECTORS - 1, 1024), (0, 0, 511), (0, 0, 0)]
    {
        assert_eq!(request(&mut g, kind, sector, bytes, true, 4096), 1);
        assert_eq!(request(&mut g, 1, sector, bytes, false, 4096), 1);
    }
    // Data that is not in memory: the status can still be told.
    header(&mut g, 0, 0);
    for (at, writable, kind) in
        [(0x1000, true, 0u32), (u64::MAX - 100, true, 0), (RAM - 256, false, 1)]
    {
        header(&mut g, kind, 0);
        g.chain(&[(HEADER, 16, false), (at, 512, writable), (STATUS, 1, true)]);
        g.offer(0);
        g.settle();
        assert_eq!(g.used().map(|(head, _)| head), Some(0));
        assert_eq!(g.peek::<1>(STATUS), [1]);
    }
    // Longer than the limit, by one buffer of nearly 4 GiB.
    header(&mut g, 0, 0);
    g.chain(&[(HEADER, 16, false), (RAM, !511, true), (STATUS, 1, true)]);
    g.offer(0);
    g.settle();
    assert_eq!((g.used().is_some(), g.peek::<1>(STATUS)), (true, [1]));
    assert_eq!(g.broken(), None);
}

#[test]
fn a_read_only_disk_says_so_and_refuses() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(SECTORS * 512).unwrap();
    let disk = disk::in_file(file.path(), false).unwrap();
    let mut g = Guest::with(Block::new(Box::new(disk), ""));
    let offered = g.offered();
    assert_eq!((offered >> 5 & 1, offered >> 13 & 3), (1, 0));
    g.start(offered);
    assert_eq!(request(&mut g, 1, 0, 512, false, 512), 1);
    assert_eq!(request(&mut g, 0, 0, 512, true, 512), 0);
}

#[test]
fn a_reset_forgets_what_was_in_flight() {
    let mut g = Guest::with_disk();
    header(&mut g, 0, 0);
    g.chain(&[(HEADER, 16, false), (DATA, 512, true), (STATUS, 1, true)]);
    g.offer(0);
    g.advance();
    g.start(VERSION_1);
    g.settle();
    assert_eq!((g.used(), g.peek::<1>(STATUS)), (None, [0xee]));
    write_sector(&mut g, 0, 1);
    assert_eq!(request(&mut g, 0, 0, 512, true, 512), 0);
}

proptest! {
    /// Against plain bytes, with and without event indices, in buffers of any cut; the machine is
    /// saved and restored between a request's start and its end.
    #[test]
    fn a_disk_is_a_disk(
        steps in proptest::collection::vec(
            (any::<bool>(), 0..SECTORS, 1u32..9, any::<u8>(), 100u32..5000), 1..25),
        events: bool,
    ) {
        let mut g = Guest::with_disk();
        let features = g.offered();
        g.start(if events { features } else { features & !EVENT_IDX });
        let mut plain = vec![0u8; (SECTORS * 512) as usize];
        for (write, sector, sectors, fill, piece) in steps {
            let sectors = sectors.min((SECTORS - sector) as u32);
            let range = sector as usize * 512..(sector as usize + sectors as usize) * 512;
            let bytes = sectors * 512;
            g.poke(DATA, &vec![fill; bytes as usize]);
            let kind = u32::from(write);
            prop_assert_eq!(request(&mut g, kind, sector, bytes, !write, piece), 0);
            if write {
                plain[range].fill(fill);
            } else {
                let mut out = vec![0; bytes as usize];
                g.vm.read(Gpa::new(DATA), &mut out).unwrap();
                prop_assert_eq!(&out[..], &plain[range]);
            }
            g.set(reg::VIRTIO_MMIO_INTERRUPT_ACK, 3);
        }
        prop_assert_eq!(g.broken(), None);
    }
}

#[test]
fn a_device_saved_in_the_midst_of_requests_ends_them_as_the_other() {
    let mut g = Guest::with_disk();
    write_sector(&mut g, 9, 0x99);
    header(&mut g, 0, 9);
    g.chain(&[(HEADER, 16, false), (DATA, 512, true), (STATUS, 1, true)]);
    g.poke(DATA, &[0; 512]);
    g.offer(0);
    g.advance();
    let (saved, memory) = (to_bytes(&g.slots), to_bytes(&g.vm));
    let (now, seen) = (g.now, g.seen);
    g.settle();
    let end = (g.used(), g.peek::<1>(DATA), g.now, state_hash(&g.slots));
    let mut h = Guest::with(Block::new(Box::new(disk()), "a name that is far too long"));
    from_bytes(&mut h.slots, &saved).unwrap();
    from_bytes(&mut h.vm, &memory).unwrap();
    (h.now, h.seen) = (now, seen);
    assert_eq!(to_bytes(&h.slots), saved);
    h.settle();
    assert_eq!((h.used(), h.peek::<1>(DATA), h.now, state_hash(&h.slots)), end);
    assert_eq!(end.1, [0x99]);
    // Of another machine it is refused.
    assert!(from_bytes(&mut Slots::new(), &saved).is_err());
    let mut other = Guest::with(super::Rng::new());
    assert!(from_bytes(&mut other.slots, &saved).is_err());
}
