//! Disks against plain bytes, and their state in the midst of requests.

use std::io::Write;

use proptest::prelude::*;
use vellum_block::{Lba, Media};
use vellum_state::{from_bytes, state_hash, to_bytes};

use super::*;

const SECTORS: u64 = 45;

fn finish(disk: &mut dyn Disk) -> Vec<Done> {
    let mut done = Vec::new();
    while let Some(at) = disk.next_event() {
        disk.advance(at, None, &mut |d| done.push(d));
    }
    done
}

fn request(kind: u8, sector: u64, sectors: u32, fill: u8) -> Request {
    match kind {
        0 => Request::Read { sector, sectors },
        1 => Request::Write {
            sector,
            data: vec![fill; sectors as usize * 512].into(),
            durable: true,
        },
        2 => Request::Discard { sector, sectors },
        3 => Request::WriteZeroes { sector, sectors },
        _ => Request::Flush,
    }
}

proptest! {
    /// Over a file and in memory: what is read is what was written, the file never changes, and a
    /// disk that was restored in the midst of requests ends as the other.
    #[test]
    fn agrees_with_plain_bytes(
        steps in proptest::collection::vec((0u8..5, 0..SECTORS, 1u32..12, any::<u8>()), 1..40),
        cut in 0usize..40,
    ) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let start: Vec<u8> = (0..SECTORS * 512).map(|i| (i / 100) as u8).collect();
        file.write_all(&start).unwrap();
        let new = || over_file(file.path()).unwrap();
        let (mut disk, mut plain) = (new(), start.clone());
        let mut other = new();
        for (i, &(kind, sector, sectors, fill)) in steps.iter().enumerate() {
            let sectors = sectors.min((SECTORS - sector) as u32);
            let range = sector as usize * 512..(sector as usize + sectors as usize) * 512;
            let now = Instant::from_ns(i as u64 * 1_000_000);
            disk.submit(now, Ticket(i as u64), request(kind, sector, sectors, fill)).unwrap();
            if i == cut {
                from_bytes(&mut other, &to_bytes(&disk)).unwrap();
                prop_assert_eq!(state_hash(&other), state_hash(&disk));
                finish(&mut other);
            }
            let done = finish(&mut disk);
            if i == cut {
                prop_assert_eq!(state_hash(&other), state_hash(&disk));
            }
            prop_assert_eq!(done.len(), 1);
            let read = done.into_iter().next().unwrap().result.unwrap().to_vec();
            match kind {
                0 => prop_assert_eq!(&read[..], &plain[range]),
                1 => plain[range].fill(fill),
                2 | 3 => plain[range].fill(0),
                _ => {}
            }
        }
        prop_assert_eq!(std::fs::read(file.path()).unwrap(), start);
    }
}

#[test]
fn a_file_is_written_where_it_stands() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&[1; 4096]).unwrap();
    let mut disk = in_file(file.path(), true).unwrap();
    disk.submit(Instant::ZERO, Ticket(0), request(1, 3, 1, 9)).unwrap();
    assert!(finish(&mut disk)[0].result.is_ok());
    let bytes = std::fs::read(file.path()).unwrap();
    assert_eq!((bytes[3 * 512 - 1], bytes[3 * 512], bytes[4 * 512]), (1, 9, 1));
    let mut closed = in_file(file.path(), false).unwrap();
    assert!(closed.shape().read_only);
    closed.submit(Instant::ZERO, Ticket(0), request(1, 0, 1, 9)).unwrap();
    let failed = &finish(&mut closed)[0].result;
    assert!(matches!(failed, Err(DiskError::Media(MediaError::ReadOnly))));
}

#[test]
fn requests_that_do_not_fit_are_refused() {
    let mut disk = in_memory(4096).unwrap();
    for (sector, sectors) in [(8, 1), (0, 9), (u64::MAX, 1)] {
        let refused = disk.submit(Instant::ZERO, Ticket(1), request(0, sector, sectors, 0));
        assert!(matches!(refused, Err(DiskError::Submit(SubmitError::PastEnd { .. }))));
    }
    assert!(matches!(in_memory(100), Err(DiskError::Media(MediaError::Size { .. }))));
    let missing = in_file(Path::new("/there/is/no/such/disk"), false).unwrap_err();
    assert!(matches!(missing, DiskError::Media(MediaError::Io { .. })));
}

#[test]
fn a_disk_of_large_sectors_takes_whole_ones() {
    #[derive(Debug)]
    struct Large(vellum_block::Ram);
    impl Media for Large {
        fn sector_bytes(&self) -> u32 {
            self.0.sector_bytes()
        }
        fn sectors(&self) -> u64 {
            self.0.sectors()
        }
        fn read(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
            self.0.read(lba, out)
        }
        fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediaError> {
            self.0.write(lba, data)
        }
        fn discard(&mut self, lba: Lba, sectors: u64) -> Result<(), MediaError> {
            self.0.discard(lba, sectors)
        }
    }
    let content = CopyOnWrite::new(Large(vellum_block::Ram::new(4, 4096).unwrap()));
    let mut disk = usual(content).unwrap();
    assert_eq!((disk.shape().sectors, disk.shape().logical), (32, 4096));
    let part = disk.submit(Instant::ZERO, Ticket(0), request(0, 4, 8, 0));
    assert!(matches!(part, Err(DiskError::Unaligned { sector: 4, sectors: 8, .. })));
    disk.submit(Instant::ZERO, Ticket(0), request(1, 8, 8, 7)).unwrap();
    disk.submit(Instant::ZERO, Ticket(1), request(0, 0, 16, 0)).unwrap();
    let read = finish(&mut disk).pop().unwrap().result.unwrap().to_vec();
    assert_eq!((read[4095], read[4096], read[8191]), (0, 7, 7));
    assert_eq!(disk.content().kept_bytes(), 4 * 4096);
}

#[test]
fn discarding_a_large_empty_disk_keeps_nothing() {
    let mut disk = in_memory(1 << 30).unwrap();
    let most = (REQUEST_LIMIT / SECTOR) as u32;
    let refused = disk.submit(Instant::ZERO, Ticket(0), request(2, 1, most + 1, 0));
    assert!(matches!(refused, Err(DiskError::TooLarge { bytes }) if bytes == REQUEST_LIMIT + 512));
    disk.submit(Instant::ZERO, Ticket(0), request(2, 1, most - 1, 0)).unwrap();
    assert!(finish(&mut disk)[0].result.is_ok());
    assert_eq!(disk.content().kept_bytes(), 4096, "the first block only");
}

#[test]
fn content_may_be_smaller_than_its_model_but_not_larger() {
    let model = || Fixed::new(FixedConfig { sectors: 100, ..FixedConfig::default() });
    let content = |sectors: u64| CopyOnWrite::new(Zeros::new(sectors * 512).unwrap());
    let mut disk = ModelDisk::new(model(), content(10)).unwrap();
    assert_eq!(disk.shape().sectors, 10);
    let beyond = disk.submit(Instant::ZERO, Ticket(0), request(0, 10, 1, 0));
    assert!(matches!(beyond, Err(DiskError::Submit(SubmitError::PastEnd { capacity: 10, .. }))));
    let refused = ModelDisk::new(model(), content(101)).unwrap_err();
    assert!(matches!(refused, DiskError::Mismatch { model: 51_200, content: 51_712, .. }));
}

#[test]
fn a_state_of_another_disk_is_refused() {
    let bytes = to_bytes(&in_memory(8192).unwrap());
    assert!(from_bytes(&mut in_memory(4096).unwrap(), &bytes).is_err());
}
