//! The registers and the status.

use super::*;

fn status(g: &mut Guest) -> u32 {
    g.get(reg::VIRTIO_MMIO_STATUS)
}

#[test]
fn a_device_says_what_it_is_and_an_empty_slot_that_it_is_none() {
    let mut g = Guest::with(Rng::new());
    let ids = [0, 4, 8].map(|r| g.get(r));
    assert_eq!(ids, [u32::from_le_bytes(*b"virt"), 2, 4]);
    assert_eq!(g.get(reg::VIRTIO_MMIO_QUEUE_NUM_MAX), 128);
    g.set(reg::VIRTIO_MMIO_QUEUE_SEL, 1);
    assert_eq!(g.get(reg::VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
    let empty = [0, 4, 8].map(|r| g.slots.read(1, g.now, r, Width::Word));
    assert_eq!(empty, [u64::from(ids[0]), 2, 0]);
    assert_eq!(g.slots.taken()[..2], [true, false]);
}

#[test]
fn all_slots_can_be_taken_and_no_more() {
    let mut slots = Slots::new();
    for slot in 0..8 {
        assert_eq!(slots.plug(Box::new(Rng::new())), Some(slot));
    }
    assert_eq!(slots.plug(Box::new(Rng::new())), None);
}

#[test]
fn the_status_goes_its_way_only() {
    let mut g = Guest::with(Rng::new());
    g.set(reg::VIRTIO_MMIO_STATUS, 1);
    g.set(reg::VIRTIO_MMIO_STATUS, 1 | 4);
    assert_eq!(status(&mut g), 1, "no DRIVER_OK before FEATURES_OK");
    g.set(reg::VIRTIO_MMIO_STATUS, 3 | 8);
    assert_eq!(status(&mut g), 3, "no FEATURES_OK without VERSION_1");
    g.set(reg::VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    g.set(reg::VIRTIO_MMIO_DRIVER_FEATURES, 1 | 1 << 31);
    g.set(reg::VIRTIO_MMIO_STATUS, 3 | 8);
    assert_eq!(status(&mut g), 3, "no FEATURES_OK with what was not offered");
    g.set(reg::VIRTIO_MMIO_DRIVER_FEATURES, 1);
    g.set(reg::VIRTIO_MMIO_STATUS, 3 | 8);
    assert_eq!(status(&mut g), 11);
    g.set(reg::VIRTIO_MMIO_STATUS, 4);
    assert_eq!(status(&mut g), 15, "bits are only added");
    g.set(reg::VIRTIO_MMIO_STATUS, 0);
    assert_eq!(status(&mut g), 0);
}

#[test]
fn a_queue_is_fixed_while_it_is_ready() {
    let mut g = Guest::with_disk();
    g.set(reg::VIRTIO_MMIO_QUEUE_DESC_LOW, 0x1234_0000);
    g.set(reg::VIRTIO_MMIO_QUEUE_NUM, 8);
    block::write_sector(&mut g, 0, 1);
    assert_eq!(g.broken(), None, "the ring is still where it was");
}

#[test]
fn the_interrupt_is_a_level_until_acknowledged() {
    let mut g = Guest::with_disk();
    block::write_sector(&mut g, 0, 1);
    assert_eq!(g.get(reg::VIRTIO_MMIO_INTERRUPT_STATUS), 1);
    assert!(g.slots.interrupts()[0]);
    g.set(reg::VIRTIO_MMIO_INTERRUPT_ACK, 1);
    assert!(!g.slots.interrupts()[0]);
    // A driver that polls says so in the ring.
    g.start(VERSION_1);
    g.poke(AVAIL, &1u16.to_le_bytes());
    block::write_sector(&mut g, 0, 1);
    assert!(!g.slots.interrupts()[0]);
}

#[test]
fn what_was_done_is_counted() {
    let mut g = Guest::with_disk();
    block::write_sector(&mut g, 0, 1);
    block::write_sector(&mut g, 1, 1);
    g.set(reg::VIRTIO_MMIO_INTERRUPT_ACK, 1);
    g.offer(500);
    g.settle();
    let expected = Counters {
        notifications: 3,
        chains: 2,
        bytes_in: 2 * (16 + 512),
        bytes_out: 2,
        interrupts: 2,
        broken: 1,
    };
    assert_eq!(g.slots.get(0).unwrap().counters(), expected);
}

#[test]
fn configuration_is_read_in_any_width() {
    let mut g = Guest::with_disk();
    let at = |offset: u64| 0x100 + offset;
    assert_eq!(g.slots.read(0, g.now, at(0), Width::Double), SECTORS);
    assert_eq!(g.slots.read(0, g.now, at(20), Width::Half), 512);
    assert_eq!(g.slots.read(0, g.now, at(12), Width::Byte), 126);
    assert_eq!(g.slots.read(0, g.now, at(0xef8), Width::Double), 0);
}

#[test]
fn entropy_comes_from_outside_at_its_time() {
    let mut g = Guest::with(Rng::new());
    g.start(VERSION_1);
    g.chain(&[(BUFFERS, 5, true), (BUFFERS + 0x100, 11, true)]);
    g.offer(0);
    g.advance();
    assert_eq!(g.used(), None, "not yet");
    g.settle();
    assert_eq!((g.used(), g.now), (Some((0, 16)), Instant::ZERO + rng::LATENCY));
    let mut expected = [0; 16];
    vellum_replay::Generator::new(7).fill(&mut expected);
    assert_eq!(g.peek::<5>(BUFFERS), expected[..5]);
    assert_eq!(g.peek::<11>(BUFFERS + 0x100), expected[5..]);
}
