//! Streams: what the host says of its pages saves moves, and loses nothing.

use vellum_block::Rng;
use vellum_ftl::{Config, Ftl, FtlError, Lpn, Placement, Stream};
use vellum_nand::{Geometry, Model, ModelConfig};

/// Two logs of the same size that go round at different speeds, their pages mixed: one in eight is of the slow one.
/// Programs for a page written, in the steady state.
fn two_logs(streams: bool, placement: Placement) -> f64 {
    let geometry = Geometry::tiny(128, 32);
    let pages = geometry.pages() as u32 * 80 / 100;
    let config = Config { placement, ..Config::new(pages) };
    let mut ftl = Ftl::format(Model::new(ModelConfig::perfect(geometry)).unwrap(), config).unwrap();
    let (half, mut at, mut rng) = (pages / 2, [0, 0], Rng::new(8));
    let mut truth = vec![0; pages as usize];
    let (mut before, mut page) = (ftl.stats(), [0; 512]);
    for i in 0..pages * 12 {
        let log = u32::from(rng.one_in(8));
        let lpn = log * half + at[log as usize];
        at[log as usize] = (at[log as usize] + 1) % half;
        page[..4].copy_from_slice(&i.to_le_bytes());
        if streams {
            ftl.write_stream(Stream(1 + log as u8), Lpn(lpn), &page).unwrap();
        } else {
            ftl.write(Lpn(lpn), &page).unwrap();
        }
        truth[lpn as usize] = i;
        if i == pages * 6 {
            // Streams are of no account to a mount.
            ftl = Ftl::mount(ftl.into_nand(), config).unwrap();
            before = ftl.stats();
        }
    }
    for (lpn, version) in (0..).zip(&truth) {
        ftl.read(Lpn(lpn), &mut page).unwrap();
        assert_eq!(page[..4], version.to_le_bytes(), "page {lpn}");
    }
    let now = ftl.stats();
    (now.programs() - before.programs()) as f64 / (now.host_writes - before.host_writes) as f64
}

#[test]
fn pages_that_die_together_are_written_together() {
    let greedy = two_logs(false, Placement::Greedy);
    let named = two_logs(true, Placement::Greedy);
    let adaptive = two_logs(false, Placement::Adaptive);
    println!(
        "programs a page written: {greedy:.3} unnamed, {named:.3} by stream, {adaptive:.3} adaptive"
    );
    assert!(named < 0.9 * greedy, "{named} by stream, {greedy} unnamed");
}

#[test]
fn a_stream_that_there_is_not_is_refused() {
    let chip = Model::new(ModelConfig::perfect(Geometry::tiny(48, 16))).unwrap();
    let mut ftl = Ftl::format(chip, Config::new(300)).unwrap();
    let refused = ftl.write_stream(Stream(3), Lpn(0), &[0; 512]);
    assert_eq!(refused, Err(FtlError::Stream { found: 3, streams: 3 }));
    assert_eq!(ftl.stats().host_writes, 0);
}
