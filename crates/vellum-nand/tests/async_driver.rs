//! The SPI driver on a bus that waits: the same suite, the same commands, and futures dropped midway.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use embedded_hal::spi::{ErrorKind, ErrorType, Operation, SpiDevice};
use vellum_nand::spi::double::Chip;
use vellum_nand::spi::{AsyncSpiNand, PARTS, Part, SpiNand};
use vellum_nand::{
    AsyncNand, Blocking, EccSpec, EraseBlock, Geometry, Model, ModelConfig, Nand, NandError, Ready,
    block_on, conformance,
};

/// A chip on the bus that notes what is sent, and on an asynchronous bus lets every transaction wait.
struct Bus {
    chip: Chip,
    sent: Vec<Vec<u8>>,
    waited: u32,
}

struct NoDelay;

impl embedded_hal::delay::DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}

impl embedded_hal_async::delay::DelayNs for NoDelay {
    async fn delay_ns(&mut self, _: u32) {
        once().await;
    }
}

/// Not ready the first time.
async fn once() {
    let mut asked = false;
    poll_fn(move |_| {
        if asked {
            return Poll::Ready(());
        }
        asked = true;
        Poll::Pending
    })
    .await;
}

impl ErrorType for Bus {
    type Error = ErrorKind;
}

impl SpiDevice for Bus {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        let mut sent = Vec::new();
        for operation in operations.iter() {
            match operation {
                Operation::Write(bytes) => sent.extend_from_slice(bytes),
                Operation::Read(answer) => sent.push(answer.len() as u8),
                _ => {}
            }
        }
        self.sent.push(sent);
        self.chip.transaction(operations)
    }
}

impl embedded_hal_async::spi::SpiDevice for Bus {
    async fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        once().await;
        self.waited += 1;
        SpiDevice::transaction(self, operations)
    }
}

fn bus(part: &Part) -> Bus {
    let ecc = EccSpec {
        codeword_bytes: part.codeword_bytes.into(),
        correctable: part.correctable,
        parity_bytes: part.parity_bytes,
    };
    let oob_bytes = if part.correctable > 1 { 128 } else { 64 };
    let geometry = Geometry { blocks: 16, oob_bytes, ecc, ..Geometry::slc_1gbit() };
    let model = Model::new(ModelConfig::perfect(geometry)).unwrap();
    Bus { chip: Chip::new(model, *part), sent: Vec::new(), waited: 0 }
}

#[test]
fn a_driver_that_waits_passes_the_suite_and_sends_the_same_commands() {
    for part in &PARTS[..3] {
        let mut plain = SpiNand::new(bus(part), NoDelay).unwrap();
        conformance::run(&mut plain, EraseBlock(5)).unwrap();
        let mut waits = block_on(AsyncSpiNand::new(bus(part), NoDelay)).unwrap();
        assert_eq!((waits.part().name, *waits.geometry()), (part.name, *plain.geometry()));
        block_on(conformance::run_async(&mut waits, EraseBlock(5))).unwrap();
        let (plain, waits) = (plain.release().0, waits.release().0);
        assert!(waits.waited as usize == waits.sent.len() && plain.waited == 0);
        // What only drivers that block have, pages that change hands, comes last.
        assert!(plain.sent.starts_with(&waits.sent), "{}", part.name);
    }
}

#[test]
fn each_kind_of_driver_serves_as_the_other() {
    let nand = block_on(AsyncSpiNand::new(bus(&PARTS[0]), NoDelay)).unwrap();
    let mut nand = Blocking(nand);
    conformance::run(&mut nand, EraseBlock(5)).unwrap();
    nand.mark_bad(EraseBlock(3)).unwrap();
    assert!(nand.is_marked_bad(EraseBlock(3)).unwrap());
    let g = *Nand::geometry(&nand);
    nand.program(g.ppa(EraseBlock(5), 0), &[1; 2048], b"user").unwrap();
    nand.copy_back(g.ppa(EraseBlock(5), 0), g.ppa(EraseBlock(5), 1), b"other").unwrap();
    let mut oob = [0; 5];
    nand.read(g.ppa(EraseBlock(5), 1), 0, &mut [], &mut oob).unwrap();
    assert_eq!(&oob, b"other");
    assert_eq!(nand.set_retry(1), Err(NandError::Unsupported { what: "read retry" }));

    let model = Model::new(ModelConfig::perfect(Geometry::tiny(8, 16))).unwrap();
    let levels = model.retry_levels();
    let mut model = Ready(model);
    block_on(conformance::run_async(&mut model, EraseBlock(2))).unwrap();
    assert_eq!(AsyncNand::retry_levels(&model), levels);
}

/// Asks a future so often and drops it.
fn drop_after<F: Future>(polls: usize, future: F) -> bool {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).any(|_| future.as_mut().poll(&mut context).is_ready())
}

#[test]
fn an_operation_dropped_midway_does_not_hurt_the_next() {
    let mut nand = block_on(AsyncSpiNand::new(bus(&PARTS[0]), NoDelay)).unwrap();
    let g = *nand.geometry();
    let block = EraseBlock(4);
    let page = |i| g.ppa(block, i);
    let (mut data, mut oob) = (vec![0; 2048], vec![0; 8]);
    let mut through = 0;
    for polls in 0..24 {
        drop_after(polls, nand.erase(block));
        block_on(nand.erase(block)).unwrap();
        drop_after(polls, nand.program(page(0), &[1; 2048], &[2; 8]));
        block_on(nand.program(page(1), &[3; 2048], &[4; 8])).unwrap();
        through += u32::from(drop_after(polls, nand.read(page(1), 0, &mut data, &mut oob)));
        let status = block_on(nand.read(page(1), 0, &mut data, &mut oob)).unwrap();
        assert!(status.is_readable(), "after {polls} polls");
        assert!(data.iter().all(|b| *b == 3) && oob == [4; 8], "after {polls} polls");
    }
    assert!(through > 0 && through < 20, "{through} reads of 24 came to their end");
}
