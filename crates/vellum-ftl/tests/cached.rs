//! The write cache: what it saves, what it holds, and what is left of it without power.

use vellum_ftl::{Cached, Config, Ftl, FtlError, Layer, Lpn, Small};
use vellum_nand::{Geometry, Model, ModelConfig, Page};

fn config(cached_pages: u32) -> Config {
    Config { cached_pages, ..Config::new(100) }
}

fn cached<L: Layer<Chip = Model>>(pages: u32) -> Cached<L> {
    let chip = Model::new(ModelConfig::perfect(Geometry::tiny(32, 16))).unwrap();
    Cached::format(chip, config(pages)).unwrap()
}

fn byte(layer: &mut impl Layer, lpn: u32) -> u8 {
    let mut page = [1; 512];
    layer.read(Lpn(lpn), &mut page).unwrap();
    assert!(page.iter().all(|b| *b == page[0]) && layer.read_page(Lpn(lpn)).unwrap()[..] == page);
    page[0]
}

fn holds_and_loses<L: Layer<Chip = Model>>() {
    let mut layer = cached::<L>(8);
    assert!(layer.writes_are_cached());
    (0..8).for_each(|lpn| layer.write(Lpn(lpn), &[7; 512]).unwrap());
    assert_eq!((layer.waiting(), layer.stats().programs_host), (8, 0));
    (0..8).for_each(|lpn| assert_eq!(byte(&mut layer, lpn), 7));
    layer.write(Lpn(3), &[8; 512]).unwrap();
    layer.trim(Lpn(4), 2).unwrap();
    assert_eq!((layer.waiting(), byte(&mut layer, 3), byte(&mut layer, 4)), (6, 8, 0));
    // The power goes: nothing of it was flushed.
    let mut layer = Cached::<L>::mount(layer.into_nand(), config(8)).unwrap();
    (0..8).for_each(|lpn| assert_eq!(byte(&mut layer, lpn), 0));
    // Twelve pages in room for eight: the first four had to go, the others wait. Then all are flushed.
    (0..12).for_each(|lpn| layer.write_page(Lpn(lpn), &Page::from(&[9; 512][..])).unwrap());
    assert_eq!((layer.waiting(), layer.stats().programs_host), (8, 4));
    layer.flush().unwrap();
    assert_eq!((layer.waiting(), layer.stats().programs_host), (0, 12));
    layer.write(Lpn(0), &[1; 512]).unwrap();
    let mut layer = Cached::<L>::mount(layer.into_nand(), config(8)).unwrap();
    (0..12).for_each(|lpn| assert_eq!(byte(&mut layer, lpn), 9));
    // In order, nothing is lost.
    layer.write(Lpn(0), &[1; 512]).unwrap();
    let mut layer = Cached::<L>::mount(layer.shut_down().unwrap(), config(0)).unwrap();
    assert_eq!(byte(&mut layer, 0), 1);
    layer.write(Lpn(0), &[2; 512]).unwrap();
    assert_eq!((layer.waiting(), layer.stats().programs_host), (0, 1), "no cache, no wait");
}

#[test]
fn pages_wait_for_a_flush_or_for_room_and_no_longer() {
    holds_and_loses::<Ftl<Model>>();
    holds_and_loses::<Small<Model>>();
}

#[test]
fn what_is_written_again_while_it_waits_costs_no_program_and_counts_as_written() {
    let mut layer = cached::<Ftl<Model>>(16);
    for i in 0..1000u32 {
        layer.write(Lpn(i % 10), &[i as u8; 512]).unwrap();
    }
    assert_eq!((layer.stats().host_writes, layer.stats().programs_host), (1000, 0));
    layer.flush().unwrap();
    assert_eq!((layer.stats().host_writes, layer.stats().programs_host), (1000, 10));
    assert!(layer.stats().waf_milli() < 50);
    assert!(layer.health().ram_bytes > layer.layer().health().ram_bytes + 16 * 512);
}

#[test]
fn wrong_addresses_and_lengths_are_refused_at_once() {
    let mut layer = cached::<Ftl<Model>>(4);
    assert_eq!(layer.write(Lpn(100), &[0; 512]), Err(FtlError::PastEnd { lpn: 100, pages: 100 }));
    assert_eq!(layer.write(Lpn(1), &[0; 511]), Err(FtlError::Length { found: 511, expected: 512 }));
    layer.write(Lpn(99), &[5; 512]).unwrap();
    assert!(layer.trim(Lpn(99), 2).is_err());
    assert_eq!(byte(&mut layer, 99), 5, "a discard that was refused takes nothing");
}
