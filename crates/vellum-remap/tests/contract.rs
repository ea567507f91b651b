//! The contract, clause by clause, and all of it at once against plain bytes.

use proptest::prelude::*;
use std::collections::BTreeMap;
use vellum_remap::{
    Buffer, Data, Error, Heap, HeapRun, OverQuota, PAGE, Part, Policy, Space, SpaceError, Token,
    Transfers,
};

const PAGES: usize = 8;
const BYTES: usize = PAGES * PAGE;

fn filled() -> Heap {
    let mut heap = Heap::new(PAGES);
    let bytes: Vec<u8> = (0..BYTES).map(|at| (at / 7) as u8).collect();
    heap.write(0, &bytes).unwrap();
    heap
}

fn content(heap: &mut Heap) -> Vec<u8> {
    let mut bytes = vec![0; BYTES];
    heap.read(0, &mut bytes).unwrap();
    bytes
}

fn whole(first: u64, pages: u64) -> [Buffer; 1] {
    [Buffer::new(first * PAGE as u64, pages * PAGE as u64)]
}

#[test]
fn clause_1_the_receiver_sees_the_bytes_as_they_were_sent() {
    let mut heap = filled();
    let was = content(&mut heap);
    let mut transfers = Transfers::default();
    let token = transfers.send(&mut heap, &[Buffer::new(100, 20_000)]).unwrap();
    heap.write(0, &vec![0xee; BYTES]).unwrap();
    assert_eq!(transfers.data(token).unwrap().to_vec(), was[100..20_100]);
}

#[test]
fn clause_2_the_writer_gets_the_fresh_frame_and_a_released_page_none() {
    let mut heap = filled();
    let mut transfers = Transfers::default();
    let token = transfers.send(&mut heap, &whole(2, 2)).unwrap();
    let before = heap.breaks;
    heap.write(2 * PAGE as u64, b"x").unwrap();
    assert_eq!(heap.breaks, before + 1);
    transfers.complete(&mut heap, token).unwrap();
    heap.write(3 * PAGE as u64, b"x").unwrap();
    assert_eq!((heap.breaks, heap.holders(3)), (before + 1, 1), "sole owner: no copy");
}

#[test]
fn clause_3_holds_are_counted() {
    let mut heap = filled();
    let mut transfers = Transfers::default();
    let tokens = [0; 3].map(|_| transfers.send(&mut heap, &whole(1, 1)).unwrap());
    let kept = transfers.data(tokens[0]).unwrap().clone();
    let was = kept.to_vec();
    for token in tokens {
        assert!(heap.holders(1) > 1);
        transfers.complete(&mut heap, token).unwrap();
    }
    assert_eq!(heap.holders(1), 2, "who cloned the data still holds it");
    heap.write(PAGE as u64, b"later").unwrap();
    assert_eq!((kept.to_vec(), heap.holders(1)), (was, 1));
    assert!(matches!(transfers.complete(&mut heap, tokens[0]), Err(Error::Unknown(_))));
}

#[test]
fn clause_4_what_is_delivered_lands_in_no_frame_that_another_holds() {
    let mut heap = filled();
    let mut transfers = Transfers::default();
    let sent = transfers.send(&mut heap, &whole(0, 4)).unwrap();
    let was = transfers.data(sent).unwrap().to_vec();
    let posted = transfers.post(&heap, &whole(0, 4)).unwrap();
    let other = filled().lend(4, 3).unwrap();
    let mut data = Data::new();
    data.push(Part::Pages(other));
    data.push(Part::Bytes(vec![9; PAGE]));
    let (end, back) = transfers.deliver(&mut heap, posted, &data).unwrap();
    assert_eq!((end.remapped, end.copied), (3 * PAGE as u64, PAGE as u64));
    assert_eq!(back.len(), 1, "the frames that the pages had");
    assert_eq!(content(&mut heap)[..4 * PAGE], data.to_vec());
    assert_eq!(transfers.data(sent).unwrap().to_vec(), was, "what is in flight is untouched");
}

#[test]
fn frames_that_a_device_does_not_keep_are_held_once() {
    let mut heap = filled();
    let mut transfers = Transfers::default();
    let run = filled().lend(4, 2).unwrap();
    let token = transfers.post(&heap, &whole(0, 2)).unwrap();
    let (end, back) = transfers.deliver_owned(&mut heap, token, run).unwrap();
    assert_eq!((end.remapped, end.copied, back.len()), (2 * PAGE as u64, 0, 1));
    assert_eq!((heap.holders(0), transfers.pages_in_flight()), (1, 0));
    // Buffers of another shape take them as any other data.
    let token = transfers.post(&heap, &[Buffer::new(1, PAGE as u64)]).unwrap();
    let (end, _) =
        transfers.deliver_owned(&mut heap, token, back.into_iter().next().unwrap()).unwrap();
    assert!(end.was_copied());
    assert_eq!(content(&mut heap)[1..5], filled_bytes()[..4]);
}

fn filled_bytes() -> Vec<u8> {
    content(&mut filled())
}

#[test]
fn clause_5_heads_and_tails_are_copied_and_only_they() {
    let mut heap = filled();
    let was = content(&mut heap);
    let mut transfers = Transfers::default();
    let list = [Buffer::new(4090, 4102), Buffer::new(16384, 4096), Buffer::new(20480, 10)];
    let token = transfers.send(&mut heap, &list).unwrap();
    let data = transfers.data(token).unwrap();
    assert_eq!(data.to_vec(), [&was[4090..8192], &was[16384..20480], &was[20480..20490]].concat());
    let end = transfers.complete(&mut heap, token).unwrap();
    assert_eq!((end.remapped, end.copied), (8192, 16));

    // Received at the same offset in a page: the whole pages flip, the fringe is copied.
    let token = transfers.post(&heap, &[Buffer::new(4090, 6 + 2 * 4096 + 3)]).unwrap();
    let mut data = Data::new();
    data.push(Part::Bytes(vec![1; 6]));
    data.push(Part::Pages(filled().lend(0, 2).unwrap()));
    data.push(Part::Bytes(vec![2; 3]));
    let (end, _) = transfers.deliver(&mut heap, token, &data).unwrap();
    assert_eq!((end.remapped, end.copied), (8192, 9));
    let now = content(&mut heap);
    assert_eq!(now[4090..4090 + data.len()], data.to_vec());
    assert_eq!((&now[..4090], &now[12291..]), (&was[..4090], &was[12291..]));
}

#[test]
fn clause_6_frames_live_as_long_as_they_are_held_and_zeros_are_one_frame() {
    let mut transfers = Transfers::default();
    let data = {
        let mut heap = filled();
        let token = transfers.send(&mut heap, &whole(0, 2)).unwrap();
        transfers.data(token).unwrap().clone()
    };
    assert_eq!(data.to_vec()[..7], [0; 7]);
    transfers.forget();
    assert_eq!((transfers.pages_in_flight(), transfers.counters.given_up), (0, 1));

    let mut heap = Heap::new(PAGES);
    let zeros = heap.holders(0);
    let token = transfers.send(&mut heap, &whole(0, 3)).unwrap();
    assert!(heap.holders(0) > zeros, "a page never touched is sent as the one of zeros");
    assert_eq!(transfers.data(token).unwrap().to_vec(), [0; 3 * PAGE]);
    transfers.give_up(&mut heap, token).unwrap();
    transfers.give_all_up(&mut heap);
    assert_eq!(heap.holders(0), zeros);
}

#[test]
fn clause_7_every_end_says_what_was_copied_and_neighbours_are_told_together() {
    let mut heap = filled();
    let mut transfers = Transfers::default();
    let lists: [&[Buffer]; 5] =
        [&whole(0, 1), &whole(1, 1), &[Buffer::new(5, 10)], &[Buffer::new(9, 10)], &whole(2, 1)];
    let tokens: Vec<Token> =
        lists.iter().map(|list| transfers.send(&mut heap, list).unwrap()).collect();
    for token in tokens {
        transfers.complete(&mut heap, token).unwrap();
    }
    let told: Vec<_> = std::iter::from_fn(|| transfers.next_completed())
        .map(|c| (c.first.0, c.last.0, c.copied))
        .collect();
    assert_eq!(told, [(0, 1, false), (2, 3, true), (4, 4, false)]);
}

#[test]
fn what_is_given_comes_back_in_exchange() {
    let (mut a, mut b) = (filled(), Heap::new(PAGES));
    b.write(8192, &[0xbb; 3 * PAGE]).unwrap();
    let was = content(&mut a);
    let mut transfers: Transfers<HeapRun> = Transfers::default();
    // The same place in a page: two whole pages change places, 10 and 20 bytes are copied.
    let (from, to) = (Buffer::new(4086, 8222), Buffer::new(4086 + 4096, 8222));
    let end = transfers.give(&mut a, &[from], &mut b, &[to]).unwrap();
    assert_eq!((end.remapped, end.copied), (8192, 30));
    assert_eq!(content(&mut b)[8182..8182 + 8222], was[4086..4086 + 8222]);
    assert_eq!(content(&mut a)[4096..12288], [vec![0xbb; 8192]].concat());
    // Another place: everything is copied.
    let end = transfers.give(&mut a, &whole(0, 1), &mut b, &[Buffer::new(1, 4096)]).unwrap();
    assert!(end.was_copied());
    let wrong = transfers.give(&mut a, &whole(0, 1), &mut b, &whole(0, 2));
    assert!(matches!(wrong, Err(Error::Lengths { .. })));
    // A refusal of the taker leaves the giver as it was.
    let was = content(&mut a);
    let refused = transfers.give(&mut a, &whole(0, 2), &mut b, &whole(7, 2));
    assert!(matches!(refused, Err(Error::Space(SpaceError::NoMemory { .. }))));
    assert_eq!(content(&mut a), was);
}

#[test]
fn the_quota_and_the_threshold_decide() {
    let mut heap = filled();
    let policy = Policy { threshold_pages: 2, quota_pages: 3, ..Policy::default() };
    let mut transfers = Transfers::new(policy);
    let small = transfers.send(&mut heap, &whole(0, 1)).unwrap();
    assert!(transfers.complete(&mut heap, small).unwrap().was_copied());
    let first = transfers.send(&mut heap, &whole(0, 3)).unwrap();
    let second = transfers.send(&mut heap, &whole(3, 2)).unwrap();
    assert_eq!((transfers.pages_in_flight(), transfers.counters.over_quota), (3, 1));
    transfers.set_policy(Policy { over_quota: OverQuota::Refuse, ..policy });
    let refused = transfers.send(&mut heap, &whole(3, 2));
    assert_eq!(refused, Err(Error::Quota { pages: 2, flying: 3, quota: 3 }));
    assert!(transfers.complete(&mut heap, second).unwrap().was_copied());
    assert!(!transfers.complete(&mut heap, first).unwrap().was_copied());
    assert!(transfers.send(&mut heap, &whole(3, 2)).is_ok());
}

#[derive(Debug, Clone)]
enum Step {
    Write(u64, u16, u8),
    Send(Vec<(u64, u16)>),
    Complete(usize),
    GiveUp(usize),
    Post(u64, u16),
    Deliver(usize, u64, u16, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = 0..BYTES as u64;
    let bytes = 0..3 * PAGE as u16;
    let page_or_any =
        prop_oneof![at.clone(), (0..PAGES as u64).prop_map(|page| page * PAGE as u64)];
    let length = prop_oneof![bytes, (0..4u16).prop_map(|pages| pages * PAGE as u16)];
    let buffer = (page_or_any, length);
    let step = prop_oneof![
        4 => (buffer.clone(), any::<u8>()).prop_map(|((at, n), fill)| Step::Write(at, n, fill)),
        3 => prop::collection::vec(buffer.clone(), 1..4).prop_map(Step::Send),
        2 => any::<usize>().prop_map(Step::Complete),
        1 => any::<usize>().prop_map(Step::GiveUp),
        2 => buffer.clone().prop_map(|(at, n)| Step::Post(at, n)),
        2 => (any::<usize>(), buffer, any::<bool>())
            .prop_map(|(which, (at, n), paged)| Step::Deliver(which, at, n, paged)),
    ];
    prop::collection::vec(step, 1..60)
}

/// Cuts a buffer down to what the space has.
fn fit(at: u64, bytes: u16) -> Buffer {
    Buffer::new(at, u64::from(bytes).min(BYTES as u64 - at))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Against plain bytes: the space holds what was last written or delivered, every transfer what
    /// it held when it was sent, and no frame is held at the end.
    #[test]
    fn transfers_are_copies_that_did_not_happen(steps in steps(), threshold in 1usize..4, quota in 1usize..12) {
        let policy = Policy { threshold_pages: threshold, quota_pages: quota, ..Policy::default() };
        let mut transfers = Transfers::new(policy);
        let mut heap = Heap::new(PAGES);
        let mut source = filled();
        let mut model = vec![0u8; BYTES];
        let mut sent: BTreeMap<Token, Vec<u8>> = BTreeMap::new();
        let mut posted: BTreeMap<Token, Buffer> = BTreeMap::new();
        let range = |b: Buffer| b.at as usize..(b.at + b.bytes) as usize;
        for step in steps {
            match step {
                Step::Write(at, n, fill) => {
                    let b = fit(at, n);
                    heap.write(b.at, &vec![fill; b.bytes as usize]).unwrap();
                    model[range(b)].fill(fill);
                }
                Step::Send(list) => {
                    let list: Vec<Buffer> = list.into_iter().map(|(at, n)| fit(at, n)).collect();
                    let token = transfers.send(&mut heap, &list).unwrap();
                    sent.insert(token, list.iter().flat_map(|&b| model[range(b)].to_vec()).collect());
                }
                Step::Complete(which) if !sent.is_empty() => {
                    let token = *sent.keys().nth(which % sent.len()).unwrap();
                    let was = sent.remove(&token).unwrap();
                    prop_assert_eq!(transfers.data(token).unwrap().to_vec(), &was[..]);
                    let end = transfers.complete(&mut heap, token).unwrap();
                    prop_assert_eq!(end.remapped + end.copied, was.len() as u64);
                }
                Step::GiveUp(which) if !sent.is_empty() => {
                    let token = *sent.keys().nth(which % sent.len()).unwrap();
                    sent.remove(&token);
                    transfers.give_up(&mut heap, token).unwrap();
                }
                Step::Post(at, n) => {
                    let b = fit(at, n);
                    posted.insert(transfers.post(&heap, &[b]).unwrap(), b);
                }
                Step::Deliver(which, at, n, paged) if !posted.is_empty() => {
                    let token = *posted.keys().nth(which % posted.len()).unwrap();
                    let b = posted.remove(&token).unwrap();
                    let mut data = Data::new();
                    let from = fit(at, n);
                    if paged {
                        let mut other: Transfers<HeapRun> = Transfers::default();
                        let lent = other.send(&mut source, &[from]).unwrap();
                        other.data(lent).unwrap().parts().iter().cloned().for_each(|part| data.push(part));
                        other.complete(&mut source, lent).unwrap();
                    } else {
                        data.push(Part::Bytes(vec![0x5a; from.bytes as usize]));
                    }
                    let (end, back) = transfers.deliver(&mut heap, token, &data).unwrap();
                    let bytes = data.to_vec();
                    let filled = bytes.len().min(b.bytes as usize);
                    prop_assert_eq!(end.remapped + end.copied, filled as u64);
                    prop_assert_eq!(back.is_empty(), end.was_copied());
                    model[b.at as usize..b.at as usize + filled].copy_from_slice(&bytes[..filled]);
                }
                _ => {}
            }
            prop_assert!(transfers.pages_in_flight() <= quota);
            prop_assert_eq!(&content(&mut heap), &model);
            for (&token, was) in &sent {
                prop_assert_eq!(&transfers.data(token).unwrap().to_vec(), was);
            }
        }
        transfers.give_all_up(&mut heap);
        prop_assert_eq!(transfers.pages_in_flight(), 0);
        drop(source);
        heap.write(0, &[1; BYTES]).unwrap();
        prop_assert!((0..PAGES).all(|page| heap.holders(page) == 1));
    }
}
