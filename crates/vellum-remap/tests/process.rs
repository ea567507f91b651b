//! The contract on the memory of a real process.

#![cfg(all(feature = "process", target_os = "linux"))]

use proptest::prelude::*;
use std::sync::Arc;
use vellum_remap::process::{Arena, PlainMemory, PlainRun, Window};
use vellum_remap::{Buffer, Data, PAGE, Part, Run, Space, SpaceError, Transfers};

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

/// Private memory whose pages move; none where this kernel can't, which is said.
fn private(pages: usize, shelf: usize) -> Option<Arc<PlainMemory>> {
    PlainMemory::new(pages, shelf).map_err(|why| eprintln!("skipped: {why}")).ok()
}

#[test]
fn private_pages_are_given_without_being_copied() {
    let Some(memory) = private(16, 16) else { return };
    let (mut one, mut two) = (memory.window(8).unwrap(), memory.window(8).unwrap());
    assert!(memory.window(1).is_err(), "no more pages");
    for page in 0..8u64 {
        one.write(page * PAGE as u64, &[page as u8 + 1; PAGE]).unwrap();
    }
    let mut transfers: Transfers<PlainRun> = Transfers::default();
    let list = |at, bytes| [Buffer::new(at, bytes)];
    let bytes = 5 * PAGE as u64 + 100;
    // Five pages, and a tail that is copied.
    let end =
        transfers.give(&mut one, &list(0, bytes), &mut two, &list(PAGE as u64, bytes)).unwrap();
    assert_eq!((end.remapped, end.copied), (5 * PAGE as u64, 100));
    let mut page = [0; PAGE];
    for number in 0..5 {
        two.read((number + 1) * PAGE as u64, &mut page).unwrap();
        assert_eq!(page, [number as u8 + 1; PAGE]);
        one.read(number * PAGE as u64, &mut page).unwrap();
        assert_eq!(page, [0; PAGE], "the taker's old pages");
    }
    assert_eq!(memory.held(), 0, "nothing is left on the shelf");

    // Sent is copied: a page is in one place. Delivered is moved.
    let token = transfers.send(&mut two, &list(PAGE as u64, PAGE as u64)).unwrap();
    assert_eq!(transfers.data(token).unwrap().to_vec(), [1; PAGE]);
    assert!(transfers.complete(&mut two, token).unwrap().was_copied());
    let mut run = two.zeros(2);
    two.exchange(1, &mut run).unwrap();
    let token = transfers.post(&one, &list(0, 2 * PAGE as u64)).unwrap();
    let (end, back) = transfers.deliver_owned(&mut one, token, run).unwrap();
    assert_eq!((end.remapped, end.copied), (2 * PAGE as u64, 0));
    one.read(PAGE as u64, &mut page).unwrap();
    assert_eq!(page, [2; PAGE]);
    assert_eq!(memory.held(), 2, "the receiver's old pages are the device's");
    // What somebody else holds too can't be in two places: it is copied.
    let shared = back[0].clone();
    let mut whole = Data::new();
    whole.push(Part::Pages(shared));
    let token = transfers.post(&one, &list(0, 2 * PAGE as u64)).unwrap();
    let (end, _) = transfers.deliver(&mut one, token, &whole).unwrap();
    assert_eq!((end.remapped, end.copied), (0, 2 * PAGE as u64));
    drop((back, whole));
    assert_eq!(memory.held(), 0);
    // No room is an error, and nothing has moved.
    let mut run = two.zeros(8);
    let mut held: Vec<_> = (0..2).map(|_| two.zeros(8)).collect();
    held.iter_mut().for_each(|run| two.exchange(0, run).unwrap());
    two.write(0, &[9; PAGE]).unwrap();
    assert!(matches!(two.exchange(0, &mut run), Err(SpaceError::System { what: "room", .. })));
    two.read(0, &mut page).unwrap();
    assert_eq!(page, [9; PAGE]);
    assert!(PlainMemory::new(0, 4).is_err() && PlainMemory::new(1 << 21, 0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Pages on their way between two windows and whoever holds them, against plain bytes.
    #[test]
    fn private_pages_keep_their_bytes_wherever_they_go(
        steps in prop::collection::vec((0..4u8, 0..2usize, 0..8u64, 1..5usize, any::<u8>()), 1..40),
    ) {
        let Some(memory) = private(16, 24) else { return Ok(()) };
        let mut windows = [memory.window(8).unwrap(), memory.window(8).unwrap()];
        let mut plain = [[0u8; 8]; 2];
        let mut held: Vec<(PlainRun, Vec<u8>)> = Vec::new();
        for (kind, which, page, count, value) in steps {
            let count = count.min(8 - page as usize);
            let range = page as usize..page as usize + count;
            match kind {
                0 => {
                    windows[which].write(page * PAGE as u64, &[value; PAGE]).unwrap();
                    plain[which][page as usize] = value;
                }
                1 if held.len() < 4 => {
                    let mut run = windows[which].zeros(count);
                    windows[which].exchange(page, &mut run).unwrap();
                    held.push((run, plain[which][range.clone()].to_vec()));
                    plain[which][range].fill(0);
                }
                2 if !held.is_empty() => {
                    let at = usize::from(value) % held.len();
                    let (run, was) = &mut held[at];
                    if run.pages() == count {
                        windows[which].exchange(page, run).unwrap();
                        plain[which][range].swap_with_slice(was);
                    } else {
                        held.remove(at);
                    }
                }
                _ => {
                    let [one, two] = &mut windows;
                    let list = [Buffer::new(page * PAGE as u64, (count * PAGE) as u64)];
                    let mut transfers = Transfers::default();
                    let end = transfers.give(one, &list, two, &list).unwrap();
                    prop_assert_eq!(end.copied, 0);
                    let [one, two] = &mut plain;
                    one[range.clone()].swap_with_slice(&mut two[range]);
                }
            }
            for (window, plain) in windows.iter_mut().zip(&plain) {
                for (page, &value) in (0..).zip(plain) {
                    let mut now = [!value; 16];
                    window.read(page * PAGE as u64 + 4080, &mut now).unwrap();
                    prop_assert_eq!(now, [value; 16]);
                }
            }
            for (run, was) in &held {
                for (page, &value) in was.iter().enumerate() {
                    let mut now = [!value; 9];
                    run.read(page * PAGE + 3, &mut now);
                    prop_assert_eq!(now, [value; 9]);
                }
            }
        }
        drop(held);
        prop_assert_eq!(memory.held(), 0);
    }
}
