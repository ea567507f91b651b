//! The contract on the memory of a real process.

#![cfg(all(feature = "process", target_os = "linux"))]

use vellum_remap::process::{Arena, Window};
use vellum_remap::{Buffer, PAGE, Space, Transfers};

#[test]
fn a_window_keeps_what_was_sent_and_shows_what_is_there() {
    let arena = Arena::new(32).unwrap();
    let mut window = Window::new(&arena, 8).unwrap();
    window.write(4000, &[7; 9000]).unwrap();
    let mut transfers = Transfers::default();
    let token = transfers.send(&mut window, &[Buffer::new(4000, 9000)]).unwrap();
    window.write(5000, b"later").unwrap();
    assert_eq!(transfers.data(token).unwrap().to_vec(), [7; 9000]);
    let mut now = [0; 5];
    window.read(5000, &mut now).unwrap();
    assert_eq!((&now, window.breaks), (b"later", 1));
    let end = transfers.complete(&mut window, token).unwrap();
    assert_eq!((end.remapped, end.copied), (8192, 808));
    window.write(8192, &[9; 4096]).unwrap();
    assert_eq!(window.breaks, 1, "sole owner: no copy");
    // Four pages were written, and one is that of zeros.
    assert_eq!(arena.held(), 5);
    drop(window);
    assert_eq!(arena.held(), 0);
}

#[test]
fn frames_go_to_another_arena_by_number() {
    let arena = Arena::new(16).unwrap();
    let other = Arena::open(arena.file().try_clone_to_owned().unwrap()).unwrap();
    let (mut here, mut there) = (Window::new(&arena, 4).unwrap(), Window::new(&other, 4).unwrap());
    here.write(0, &[5; 2 * PAGE]).unwrap();
    let mut run = here.zeros(2);
    here.exchange(0, &mut run).unwrap();
    let kept = run.clone();
    let run = run.export().expect_err("it is held twice");
    drop(kept);
    let numbers = run.export().unwrap();
    let mut run = other.import(numbers.clone()).unwrap();
    assert!(other.import(numbers).is_err() && other.import(vec![99]).is_err());
    assert!(here.exchange(0, &mut run).is_err(), "frames of another arena");
    there.exchange(1, &mut run).unwrap();
    let mut bytes = [1; 3 * PAGE];
    there.read(PAGE as u64, &mut bytes).unwrap();
    assert_eq!((bytes[0], bytes[2 * PAGE - 1], bytes[2 * PAGE]), (5, 5, 0));
    here.read(0, &mut bytes).unwrap();
    assert_eq!(bytes[..PAGE], [0; PAGE]);
}

#[test]
fn what_cannot_be_is_an_error() {
    assert!(Arena::new(1).is_err() && Arena::new(1 << 30).is_err());
    let arena = Arena::new(3).unwrap();
    let mut window = Window::new(&arena, 4).unwrap();
    assert!(window.write(4 * PAGE as u64 - 1, b"ab").is_err() && window.lend(3, 2).is_err());
    window.write(0, &[1; 2 * PAGE]).unwrap();
    assert!(window.write(2 * PAGE as u64, b"a").is_err(), "no frame is left");
}
