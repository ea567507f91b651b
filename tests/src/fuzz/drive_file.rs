//! Any text as a description of a drive: our own format, and DiskSim's parameter files.
//!
//! Input: which of the two (one byte), and the file. A drive that comes out is built, if it is small,
//! and serves a request.

use super::Input;
use vellum_block::{Completion, Device, Instant, Lba, Request, Tag, drain};
use vellum_disk::disksim::{Source, read_drive_from};
use vellum_disk::profile::Profile;
use vellum_disk::{Disk, Error, Policy, describe, profiles};

/// The input stands for every file that another names.
struct Same<'a>(&'a str);

impl Source for Same<'_> {
    fn text(&self, _: &str) -> Result<String, Error> {
        Ok(self.0.to_string())
    }
}

/// Runs one.
///
/// # Panics
/// When what is printed is not what is read, or a drive loses a request.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte();
    let Ok(text) = core::str::from_utf8(input.rest()) else { return };
    let profile = if kind.is_multiple_of(2) {
        let Ok(profile) = describe::parse("fuzz", text) else { return };
        let printed = describe::print(&profile).expect("what was read can be printed");
        assert_eq!(describe::parse("printed", &printed).as_ref().ok(), Some(&profile));
        profile
    } else {
        let Ok(file) = read_drive_from("fuzz", &Same(text)) else { return };
        file.profile
    };
    if small(&profile) {
        serve(&profile);
    }
}

/// Whether building the drive takes a moment only.
fn small(profile: &Profile) -> bool {
    match &profile.layout {
        vellum_disk::config::Layout::Zoned(z) => z.cylinders <= 1 << 14 && z.zones.len() < 64,
        _ => false,
    }
}

fn serve(profile: &Profile) {
    let Ok(mut disk) = Disk::new(profile, Policy::Sptf) else { return };
    let last = disk.shape().sectors - 1;
    let requests =
        [Request::read(Tag(0), Lba::new(last), 1), Request::write(Tag(1), Lba::new(0), 1)];
    requests
        .iter()
        .for_each(|r| disk.submit(Instant::ZERO, *r).expect("a request inside the drive"));
    let mut ended = 0;
    drain(&mut disk, &mut |c: Completion| {
        assert_eq!(c.breakdown.total(), c.response());
        ended += 1;
    });
    assert_eq!(ended, 2, "every request ends");
}

/// The drives that ship, and a DiskSim file of one zone.
pub fn seeds() -> Vec<Vec<u8>> {
    let shipped = profiles::NAMES.iter().filter_map(|n| profiles::find(n));
    let texts = shipped.filter_map(|p| describe::print(&p).ok());
    let mut all: Vec<Vec<u8>> = texts.map(|t| [&[0], t.as_bytes()].concat()).collect();
    all.push([&[1], DISKSIM.as_bytes()].concat());
    all
}

/// A drive of one zone, of our own making.
const DISKSIM: &str = "disksim_disk SMALL {
   Model = dm_disk {
      Block count = 80000,
      Number of data surfaces = 2,
      Number of cylinders = 100,
      Mechanical Model = dm_mech_g1 {
         Seek type = constant,
         Constant seek time = 5.0,
         Head switch time = 1.0,
         Rotation speed (in rpms) = 5400
      },
      Layout Model = dm_layout_g1 {
         LBN-to-PBN mapping scheme = 0,
         Sparing scheme used = 0,
         Zones = [ dm_layout_g1_zone {
            First cylinder number = 0,
            Last cylinder number = 99,
            Blocks per track = 400,
            Offset of first block = 0.0,
            Empty space at zone front = 0,
            Skew for track switch = 0.0,
            Skew for cylinder switch = 0.0,
            Number of spares = 0,
            slips = [],
            defects = []
         } ]
      }
   },
   Number of buffer segments = 2,
   Maximum number of write segments = 1,
   Segment size (in blks) = 64,
   Minimum read-ahead (blks) = 0,
   Maximum read-ahead (blks) = 64,
   Low (write) water mark = 0.0,
   High (read) water mark = 0.0
}
";

#[cfg(test)]
mod tests {
    #[test]
    fn the_small_drive_is_one() {
        let file = super::read_drive_from("small", &super::Same(super::DISKSIM)).unwrap();
        assert_eq!(file.profile.layout.build().unwrap().sectors(), 80_000);
    }
}
