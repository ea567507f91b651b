//! Drivers that break the rules: the device asks for a reset, works again after one, and the host
//! never suffers.

use proptest::prelude::*;

use super::*;

/// Offers what `set` put into the descriptors at 0; what the device complains of. Afterwards it must
/// come back to life.
fn complaint(set: impl FnOnce(&mut Guest)) -> Broken {
    let mut g = Guest::with_disk();
    set(&mut g);
    g.settle();
    let broken = g.broken().expect("the device noticed");
    assert_eq!(g.used(), None);
    assert_eq!(g.get(reg::VIRTIO_MMIO_INTERRUPT_STATUS), 2, "the driver hears of it");
    g.start(VERSION_1);
    block::write_sector(&mut g, 0, 1);
    assert_eq!(g.broken(), None);
    broken
}

#[test]
fn chains_without_end() {
    let broken = complaint(|g| {
        g.descriptor(DESC, 0, BUFFERS, 16, NEXT, 1);
        g.descriptor(DESC, 1, BUFFERS, 16, NEXT, 0);
        g.offer(0);
    });
    assert_eq!(broken, Broken::Endless { head: 0, taken: 128 });
    let broken = complaint(|g| {
        g.descriptor(DESC, 0, BUFFERS, 16, NEXT, 128);
        g.offer(0);
    });
    assert_eq!(broken, Broken::Endless { head: 0, taken: 1 });
    let broken = complaint(|g| g.offer(500));
    assert_eq!(broken, Broken::Endless { head: 500, taken: 0 });
    // An indirect table in itself, one that is not in memory, and one that is too long.
    for (at, bytes) in [(DESC, 32), (0x1000, 32), (BUFFERS, 16 * 200), (BUFFERS, 17)] {
        let broken = complaint(|g| {
            g.descriptor(DESC, 0, at, bytes, INDIRECT, 0);
            for i in 0..200 {
                g.descriptor(BUFFERS, i, BUFFERS, 1, NEXT, i + 1);
            }
            g.offer(0);
        });
        assert!(matches!(broken, Broken::Endless { head: 0, .. }));
    }
}

#[test]
fn chains_that_can_t_be_answered() {
    let broken = complaint(|g| {
        g.chain(&[(BUFFERS, 16, false)]);
        g.offer(0);
    });
    assert_eq!(broken, Broken::Short { head: 0, readable: 16, writable: 0 });
    let broken = complaint(|g| {
        g.chain(&[(BUFFERS, 15, false), (BUFFERS, 1, true)]);
        g.offer(0);
    });
    assert_eq!(broken, Broken::Short { head: 0, readable: 15, writable: 1 });
    let broken = complaint(|g| {
        g.chain(&[(BUFFERS, 16, true), (BUFFERS, 16, false)]);
        g.offer(0);
    });
    assert_eq!(broken, Broken::Order { head: 0 });
    let broken = complaint(|g| {
        g.chain(&[(BUFFERS, 16, false), (0x1000, 1, true)]);
        g.offer(0);
    });
    assert!(matches!(broken, Broken::Dma(DmaError { bytes: 1, .. })));
    let broken = complaint(|g| {
        g.chain(&[(u64::MAX - 8, 16, false), (BUFFERS, 1, true)]);
        g.offer(0);
    });
    assert!(matches!(broken, Broken::Dma(_)));
}

#[test]
fn rings_that_are_not_there() {
    for (desc, avail, used) in [
        (0x1000, AVAIL, USED),
        (DESC, RAM + RAM_BYTES - 8, USED),
        (DESC, AVAIL, u64::MAX - 3),
        (DESC, AVAIL, RAM + RAM_BYTES - 16),
    ] {
        let broken = complaint(|g| {
            g.queue(desc, avail, used);
            g.set(reg::VIRTIO_MMIO_QUEUE_NOTIFY, 0);
        });
        assert!(matches!(broken, Broken::Rings { queue: 0, .. }), "{broken}");
    }
    // Not aligned: told as soon as the queue is said to be ready.
    for (desc, avail, used) in
        [(DESC + 8, AVAIL, USED), (DESC, AVAIL + 1, USED), (DESC, AVAIL, USED + 2)]
    {
        let broken = complaint(|g| g.queue(desc, avail, used));
        assert!(matches!(broken, Broken::Rings { queue: 0, .. }), "{broken}");
    }
    let broken = complaint(|g| {
        g.avail = 200;
        g.offer(0);
    });
    assert_eq!(broken, Broken::Available { queue: 0 });
}

#[test]
fn a_queue_taken_back_with_work_in_it() {
    let broken = complaint(|g| {
        g.chain(&[(BUFFERS, 16, false), (BUFFERS + 0x1000, 512, true), (BUFFERS + 0x100, 1, true)]);
        g.offer(0);
        g.advance();
        g.set(reg::VIRTIO_MMIO_QUEUE_READY, 0);
    });
    assert_eq!(broken, Broken::Stopped { queue: 0, in_flight: 1 });
}

/// One chain, made available again and again: no more than a queue's worth is ever in flight.
#[test]
fn one_chain_offered_many_times() {
    let mut g = Guest::with_disk();
    g.chain(&[(BUFFERS, 16, false), (BUFFERS + 0x1000, 512, true), (BUFFERS + 0x100, 1, true)]);
    for _ in 0..QUEUE_SIZE {
        g.offer(0);
    }
    g.advance();
    for _ in 0..QUEUE_SIZE {
        g.offer(0);
    }
    g.settle();
    let done = core::iter::from_fn(|| g.used()).count();
    assert_eq!((done, g.broken()), (2 * usize::from(QUEUE_SIZE), None));
}

/// What one advance takes is bounded; the rest follows.
#[test]
fn large_requests_are_taken_a_few_at_a_time() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(64 << 20).unwrap();
    let mut g = Guest::with(Block::new(Box::new(disk::over_file(file.path()).unwrap()), ""));
    g.start(VERSION_1);
    let mut buffers = vec![(BUFFERS, 16, false)];
    buffers.extend((0..120).map(|_| (BUFFERS + 0x1000, 64 << 10, true)));
    buffers.push((BUFFERS + 0x100, 1, true));
    g.chain(&buffers);
    for _ in 0..8 {
        g.offer(0);
    }
    g.advance();
    let bytes = 120 * (64u64 << 10);
    let taken = ADVANCE_BYTES.div_ceil(bytes + 17);
    assert_eq!(g.slots.next_event(), Some(g.now), "more can be taken at once");
    assert!(taken < 8);
    g.settle();
    assert_eq!(core::iter::from_fn(|| g.used()).count(), 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Random registers, rings and descriptors. Nothing panics, every step ends, and after a reset
    /// the device works.
    #[test]
    fn noise_is_harmless(
        rings in proptest::collection::vec((0u64..0x4000, any::<u16>()), 0..60),
        descriptors in proptest::collection::vec(
            (0u16..16, prop_oneof![RAM..RAM + RAM_BYTES, any::<u64>()],
             prop_oneof![0u32..5000, any::<u32>()], 0u16..8, 0u16..20), 0..20),
        steps in proptest::collection::vec(
            (prop_oneof![0u64..0x200, Just(0x50u64), Just(0x70)], 0u64..20, any::<bool>()), 0..60),
        entropy: bool,
    ) {
        let mut g = if entropy {
            let mut g = Guest::with(super::Rng::new());
            g.start(VERSION_1);
            g
        } else {
            Guest::with_disk()
        };
        for (at, value) in rings {
            g.poke(RAM + (at & !1), &value.to_le_bytes());
        }
        for (index, at, bytes, flags, next) in descriptors {
            g.descriptor(DESC, index, at, bytes, flags, next);
            g.offer(index);
        }
        for (register, value, time) in steps {
            let width = if register % 4 == 0 { Width::Word } else { Width::Byte };
            g.slots.write(0, g.now, register, width, value);
            g.slots.read(0, g.now, register, width);
            if time {
                for _ in 0..20 {
                    let Some(at) = g.slots.next_event() else { break };
                    g.now = g.now.max(at);
                    g.advance();
                }
            }
        }
        // What the registers say can be saved and restored, whatever it is.
        let saved = vellum_state::to_bytes(&g.slots);
        let mut h = if entropy {
            Guest::with(super::Rng::new())
        } else {
            Guest::with_disk()
        };
        vellum_state::from_bytes(&mut h.slots, &saved).unwrap();
        prop_assert_eq!(vellum_state::to_bytes(&h.slots), saved);
        g.start(VERSION_1);
        g.settle();
        if !entropy {
            block::write_sector(&mut g, 0, 1);
        }
        prop_assert_eq!(g.broken(), None);
    }

    /// A state that somebody changed is refused, or is a state in which the devices go on without
    /// harm, with requests in flight that nobody made.
    #[test]
    fn a_changed_state_is_harmless(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        entropy: bool,
    ) {
        let mut g = if entropy {
            let mut g = Guest::with(super::Rng::new());
            g.start(VERSION_1);
            g
        } else {
            Guest::with_disk()
        };
        g.chain(&[(BUFFERS, 16, false), (BUFFERS + 0x1000, 512, true), (BUFFERS + 0x100, 1, true)]);
        g.offer(0);
        g.offer(0);
        g.advance();
        let mut bytes = Vec::new();
        State::save(&g.slots, &mut vellum_state::Writer::new(&mut bytes));
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let restored =
            State::restore(&mut g.slots, &mut vellum_state::Reader::new(&bytes));
        if restored.is_ok() {
            for _ in 0..300 {
                let Some(at) = g.slots.next_event() else { break };
                g.now = g.now.max(at);
                g.advance();
            }
            g.get(reg::VIRTIO_MMIO_STATUS);
        }
    }
}
