//! The console: its interrupt, its buffers, and any access at all.

use super::*;
use proptest::prelude::*;

const NOW: Instant = Instant::ZERO;

fn write(u: &mut Uart, register: u8, value: u8) {
    u.write(NOW, register.into(), Width::Byte, value.into());
}

fn read(u: &mut Uart, register: u8) -> u8 {
    u.read(NOW, register.into(), Width::Byte) as u8
}

#[test]
fn output_is_drained_in_order() {
    let mut u = Uart::new();
    b"hello".iter().for_each(|&b| write(&mut u, DATA, b));
    let mut out = b"> ".to_vec();
    u.drain(&mut out);
    assert_eq!(out, b"> hello");
    u.drain(&mut out);
    assert_eq!(out, b"> hello");
}

#[test]
fn the_line_is_a_level_while_there_is_data() {
    let mut u = Uart::new();
    write(&mut u, IER, IER_RECEIVED);
    assert_eq!(u.push(b"ab"), 2);
    assert!(u.interrupt());
    assert_eq!(read(&mut u, IIR_FCR), IIR_RECEIVED);
    assert!(u.interrupt(), "asking why does not take the data away");
    assert_eq!(read(&mut u, DATA), b'a');
    assert!(u.interrupt());
    assert_eq!(read(&mut u, DATA), b'b');
    assert!(!u.interrupt());
    assert_eq!(read(&mut u, IIR_FCR), IIR_NONE);
}

#[test]
fn an_empty_transmitter_is_told_once_and_receiving_comes_first() {
    let mut u = Uart::new();
    write(&mut u, IER, IER_EMPTY | IER_RECEIVED);
    u.push(b"x");
    assert_eq!(read(&mut u, IIR_FCR), IIR_RECEIVED);
    read(&mut u, DATA);
    assert!(u.interrupt());
    assert_eq!(read(&mut u, IIR_FCR), IIR_EMPTY);
    assert!(!u.interrupt());
    write(&mut u, DATA, b'y');
    assert!(u.interrupt());
}

#[test]
fn the_divisor_hides_no_interrupt() {
    let mut u = Uart::new();
    write(&mut u, IER, IER_RECEIVED);
    u.push(b"x");
    write(&mut u, LCR, LCR_DIVISOR | 3);
    write(&mut u, IER, 0);
    assert!(u.interrupt());
    assert_eq!(read(&mut u, LCR), LCR_DIVISOR | 3);
}

#[test]
fn input_waits_until_the_guest_listens() {
    let mut u = Uart::new();
    assert_eq!(u.wanted(), 0);
    read(&mut u, LSR);
    read(&mut u, DATA);
    read(&mut u, LSR);
    assert_eq!(u.wanted(), 0, "a driver that clears the receiver does not wait for a key");
    read(&mut u, LSR);
    assert_eq!(u.wanted(), FIFO, "a loop on the line status does");
    u.push(b"k");
    assert_eq!(u.wanted(), 0);
    assert_eq!((read(&mut u, LSR) & 1, read(&mut u, DATA)), (1, b'k'));
    write(&mut u, IER, IER_RECEIVED);
    assert_eq!(u.wanted(), FIFO);
    write(&mut u, MCR, MCR_LOOP);
    assert_eq!(u.wanted(), 0);
}

#[test]
fn clearing_the_receiver_clears_it() {
    let mut u = Uart::new();
    u.push(&[7; 100]);
    write(&mut u, IIR_FCR, 1 | FCR_CLEAR_RECEIVED);
    assert_eq!((read(&mut u, LSR) & 1, u.model.fifo_capacity()), (0, FIFO));
    u.push(&[7; 100]);
    write(&mut u, LCR, LCR_DIVISOR);
    write(&mut u, IIR_FCR, 1 | FCR_CLEAR_RECEIVED);
    assert_eq!(u.model.fifo_capacity(), FIFO, "the divisor protects nothing");
}

proptest! {
    #[test]
    fn any_access_is_harmless_and_state_survives(
        accesses in proptest::collection::vec((0u64..0x100, any::<bool>(), any::<u8>()), 1..200)
    ) {
        let mut u = Uart::new();
        for (register, store, value) in accesses {
            if store {
                u.write(NOW, register, Width::Byte, value.into());
            } else {
                prop_assert!(u.read(NOW, register, Width::Word) <= 0xff);
            }
            u.push(&[value; 3]);
            let mut other = Uart::new();
            vellum_state::from_bytes(&mut other, &vellum_state::to_bytes(&u)).unwrap();
            prop_assert_eq!(vellum_state::state_hash(&other), vellum_state::state_hash(&u));
            prop_assert_eq!((other.interrupt(), other.wanted()), (u.interrupt(), u.wanted()));
        }
    }
}
