//! Queues beside plain vectors.

use super::*;
use proptest::prelude::*;

#[test]
fn pages_leave_in_the_order_of_their_arrival_wherever_others_are_taken_out() {
    let mut queues = Queues::<2>::new(8);
    [3, 1, 4, 0, 5].into_iter().for_each(|page| queues.put(page, 1));
    queues.put(4, 2);
    queues.renew(3);
    assert_eq!((queues.dump(1), queues.dump(2)), (vec![1, 0, 5, 3], vec![4]));
    queues.take(3);
    queues.take(1);
    assert_eq!(queues.dump(1), [0, 5]);
    queues.take(0);
    queues.take(5);
    assert_eq!((queues.oldest(1), queues.len(1), queues.len(2)), (None, 0, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Beside plain vectors.
    #[test]
    fn queues_do_what_vectors_do(steps in proptest::collection::vec((0..4_u8, 0..9_u32), 1..200)) {
        let mut queues = Queues::<2>::new(9);
        let mut model = [Vec::new(), Vec::new()];
        for (what, page) in steps {
            let held = model.iter().position(|queue| queue.contains(&page));
            match (what, held) {
                (2, Some(at)) => {
                    model[at].retain(|&other| other != page);
                    model[at].push(page);
                    queues.renew(page);
                }
                (2, None) => {}
                (3, _) => {
                    model.iter_mut().for_each(|queue| queue.retain(|&other| other != page));
                    queues.take(page);
                }
                (place, _) => {
                    model.iter_mut().for_each(|queue| queue.retain(|&other| other != page));
                    model[usize::from(place)].push(page);
                    queues.put(page, place + 1);
                }
            }
            for (place, queue) in (1..).zip(&model) {
                prop_assert_eq!(&queues.dump(place), queue);
                prop_assert_eq!(queues.len(place) as usize, queue.len());
            }
        }
    }
}
