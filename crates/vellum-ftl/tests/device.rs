//! The layer behind the contract of `vellum-block`: as a medium, and as a device in virtual time.

use vellum_block::{
    Completion, Device, Duration, Fate, Instant, Lba, Loss, Media, MediaError, Op, Phase, Ram,
    Request, Status, Tag, TornPolicy, Volume, drain,
};
use vellum_ftl::{Config, FlashDevice, Ftl, Layer, Small};
use vellum_nand::{CellKind, Geometry, Model, ModelConfig};

fn any<L: Layer<Chip = Model>>(cell: CellKind) -> L {
    // The layer for little RAM uses those pages only that no later one endangers.
    let pages = if cell == CellKind::Slc { 16 } else { 32 };
    let geometry = Geometry::tiny(64, pages).with_cell(cell);
    L::format(Model::new(ModelConfig::perfect(geometry)).unwrap(), Config::new(300)).unwrap()
}

fn layer(cell: CellKind) -> Ftl<Model> {
    any(cell)
}

#[test]
fn sectors_hold_what_a_plain_medium_holds() {
    let mut flash = layer(CellKind::Slc);
    let mut small: Small<Model> = any(CellKind::Tlc);
    let mut plain = Ram::new(300, 512).unwrap();
    let media: [&mut dyn Media; 3] = [&mut flash, &mut small, &mut plain];
    let mut all = Vec::new();
    for medium in media {
        for i in 0..900u64 {
            let lba = i * 37 % 290;
            medium.write(Lba::new(lba), &vec![i as u8; 512 * (1 + i as usize % 7)]).unwrap();
            if i % 31 == 0 {
                medium.discard(Lba::new(lba), 9).unwrap();
            }
        }
        medium.flush().unwrap();
        let mut out = vec![1; 300 * 512];
        medium.read(Lba::new(0), &mut out).unwrap();
        assert!(matches!(
            medium.read(Lba::new(299), &mut [0; 1024]),
            Err(MediaError::PastEnd { .. })
        ));
        all.push(out);
    }
    assert!(all[0] == all[2] && all[1] == all[2]);
}

#[test]
fn a_request_takes_the_chips_time_and_its_parts_sum_up() {
    let mut device = FlashDevice::new(layer(CellKind::Slc));
    let mut done: Vec<Completion> = Vec::new();
    for i in 0..4_000u64 {
        let request = Request::write(Tag(i), Lba::new(i * 7 % 300), 1);
        let now = done.last().map_or(Instant::ZERO, |c| c.at);
        device.submit(now, request).unwrap();
        drain(&mut device, &mut |c: Completion| done.push(c));
    }
    assert_eq!(done.len(), 4_000);
    let program = Duration::from_us(250);
    assert!(done.iter().all(|c| c.status == Status::Done && c.response() >= program));
    assert!(done.iter().all(|c| c.breakdown.total() == c.response()));
    let waits = done.iter().filter(|c| !c.breakdown[Phase::Internal].is_zero()).count();
    assert!(waits > 100 && waits < 3_000, "{waits} writes paid for collection or metadata");
    let stats = device.ftl().unwrap().stats();
    assert_eq!(stats.host_writes, 4_000);
}

#[test]
fn what_a_loss_of_power_takes_is_told() {
    told::<Ftl<Model>>([3_000, 8_000]);
    told::<Small<Model>>([1_500, 4_000]);
}

/// The power goes after so many microseconds of eight writes.
fn told<L: Layer<Chip = Model>>(at: [u64; 2]) {
    for (cell, at) in [CellKind::Slc, CellKind::Tlc].into_iter().zip(at) {
        let mut device = FlashDevice::new(any::<L>(cell));
        for i in 0..8 {
            device.submit(Instant::ZERO, Request::write(Tag(i), Lba::new(i), 1)).unwrap();
        }
        let at = Instant::ZERO + Duration::from_us(at);
        let (mut ended, mut lost) = (0u64, Vec::new());
        device.power_loss(at, &mut |_: Completion| ended += 1, &mut |l: Loss| lost.push(l));
        assert!(ended > 0 && ended < 8, "{ended}");
        // Every write is durable, kept, or lost: none is forgotten.
        let gone = lost.iter().filter(|l| l.fate == Fate::Lost).count() as u64;
        assert!(gone > 0 && gone < 8);
        assert!(device.submit(at, Request::flush(Tag(9))).is_err());
        device.power_on(at);
        device.submit(at, Request::new(Tag(10), Op::Read, Lba::new(0), 8)).unwrap();
        let mut status = None;
        drain(&mut device, &mut |c: Completion| status = Some(c.status));
        assert_eq!(status, Some(Status::Done));
    }
}

#[test]
fn a_volume_over_it_keeps_what_was_flushed() {
    let device = FlashDevice::new(layer(CellKind::Mlc));
    let mut volume = Volume::new(device, Ram::new(300, 512).unwrap()).unwrap();
    let mut now = Instant::ZERO;
    let mut run = |volume: &mut Volume<FlashDevice, Ram>, request: Request, data: &[u8]| {
        volume.submit(now, request, data).unwrap();
        while let Some(at) = volume.next_event() {
            now = at;
            volume.advance(at, &mut |_, _| ()).unwrap();
        }
        now
    };
    run(&mut volume, Request::write(Tag(1), Lba::new(5), 1), &[7; 512]);
    let now = run(&mut volume, Request::flush(Tag(2)), &[]);
    volume.power_loss(now, TornPolicy::default(), &mut |_, _| ()).unwrap();
    volume.power_on(now);
    let mut out = [0; 512];
    volume.media_mut().read(Lba::new(5), &mut out).unwrap();
    assert_eq!(out, [7; 512]);
}
