//! The layer over the chip model as a device in virtual time: when requests end, and what is durable.
//!
//! One request is served after the other, each for as long as the chip takes for all that it brings
//! about: its own pages, collection, metadata. Content is another matter: [`vellum_block::Volume`]
//! joins the device with a medium, and a [`Layer`] is itself a [`vellum_block::Media`] where content and
//! flash shall be one. Here pages carry the number of the request that wrote them.
//!
//! When the power goes, pages of a request in service that the chip holds already count as kept.

use crate::{Config, Ftl, FtlError, Layer, Lpn};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use vellum_block::{
    Breakdown, Completion, Device, Duration, Fate, Flags, Instant, Landed, Lba, Loss, Op, Phase,
    Request, Shape, Sink, Status, SubmitError,
};
use vellum_nand::{Model, Page};

/// Requests that a device holds.
const QUEUE: usize = 32;

/// A request in service.
#[derive(Debug, Clone)]
struct Serving {
    completion: Completion,
    /// Pages that became durable with it, in order of time.
    landed: VecDeque<Landed>,
}

/// A flash device in virtual time, over either layer.
#[derive(Debug)]
pub struct FlashDevice<L = Ftl<Model>> {
    /// `None` while the power is off, or when the chip can't be mounted.
    ftl: Option<L>,
    /// The chip while the power is off.
    chip: Option<Model>,
    config: Config,
    shape: Shape,
    now: Instant,
    free: Instant,
    powered: bool,
    number: u64,
    waiting: VecDeque<(Request, Instant)>,
    serving: Option<Serving>,
    /// Changes that are not durable before a flush: discards, and writes where pages share cells.
    cached: Vec<Landed>,
}

impl<L: Layer<Chip = Model>> FlashDevice<L> {
    /// A device over a mounted layer, idle at [`Instant::ZERO`].
    pub fn new(ftl: L) -> FlashDevice<L> {
        let shape = Shape {
            sectors: ftl.pages().into(),
            sector_bytes: ftl.page_bytes() as u32,
            physical_bytes: ftl.page_bytes() as u32,
            queue_depth: QUEUE as u32,
            volatile_cache: ftl.writes_are_cached(),
        };
        FlashDevice {
            config: ftl.config(),
            ftl: Some(ftl),
            chip: None,
            shape,
            now: Instant::ZERO,
            free: Instant::ZERO,
            powered: true,
            number: 0,
            waiting: VecDeque::new(),
            serving: None,
            cached: Vec::new(),
        }
    }

    /// The layer; `None` while the power is off, or when the chip could not be mounted.
    pub fn ftl(&self) -> Option<&L> {
        self.ftl.as_ref()
    }

    /// Gives the layer back.
    pub fn into_ftl(self) -> Option<L> {
        self.ftl
    }

    /// Takes the next request into service if there is one and nothing is being served.
    fn take_next(&mut self) {
        if self.serving.is_some() {
            return;
        }
        let Some((request, submitted)) = self.waiting.pop_front() else { return };
        let starts = self.free.max(submitted);
        let mut landed = VecDeque::new();
        let (took, own, status) = self.serve(&request, starts, &mut landed);
        self.free = starts + took;
        let breakdown = Breakdown::ZERO
            .with(Phase::Queue, starts.since(submitted))
            .with(Phase::Transfer, own)
            .with(Phase::Internal, took.minus(own));
        let completion = Completion::new(request, submitted, status, breakdown);
        self.serving = Some(Serving { completion, landed });
    }

    /// Serves a request: the time that it takes, the part of it that its own pages take, and how it
    /// ended.
    fn serve(
        &mut self,
        request: &Request,
        starts: Instant,
        landed: &mut VecDeque<Landed>,
    ) -> (Duration, Duration, Status) {
        let Some(mut ftl) = self.ftl.take() else {
            return (Duration::ZERO, Duration::ZERO, Status::Failed);
        };
        let begin = ftl.nand_mut().settle();
        let (mut own, mut status) = (Duration::ZERO, Status::Done);
        let timing = ftl.nand().config().timing;
        let through = !self.shape.volatile_cache || request.flags.contains(Flags::FUA);
        self.number += 1;
        let first = request.lba.get() as u32;
        if request.flags.contains(Flags::PREFLUSH) {
            self.flush(&mut ftl, begin, starts, landed, &mut status);
        }
        match request.op {
            Op::Flush => self.flush(&mut ftl, begin, starts, landed, &mut status),
            Op::Discard | Op::WriteZeroes => {
                let done = ftl.trim(Lpn(first), request.sectors);
                note(done, first, &mut status);
                if status.is_ok() {
                    let (tag, lba, sectors) = (request.tag, request.lba, request.sectors);
                    self.cached.push(Landed { tag, lba, sectors, at: starts });
                }
                if request.flags.contains(Flags::FUA) {
                    self.flush(&mut ftl, begin, starts, landed, &mut status);
                }
            }
            op => {
                let write = op == Op::Write;
                let bytes = ftl.page_bytes();
                let mut page = Page::zeroed(if write { bytes } else { 0 });
                let number = self.number.to_le_bytes();
                page.bytes_mut().iter_mut().zip(number).for_each(|(to, from)| *to = from);
                for lpn in first..first + request.sectors {
                    // One page for all sectors of the request: the chip holds it as often.
                    let done = if write {
                        own += timing.program[0];
                        ftl.write_page(Lpn(lpn), &page)
                    } else {
                        own += timing.read;
                        ftl.read_page(Lpn(lpn)).map(drop)
                    };
                    own += timing.transfer(bytes + ftl.oob_bytes());
                    note(done, lpn, &mut status);
                    if !status.is_ok() {
                        break;
                    }
                    let at = starts + ftl.nand_mut().settle().since(begin);
                    let piece =
                        Landed { tag: request.tag, lba: Lba::new(lpn.into()), sectors: 1, at };
                    match (write, self.shape.volatile_cache) {
                        (true, false) => landed.push_back(piece),
                        (true, true) => self.cached.push(piece),
                        (false, _) => {}
                    }
                }
                if op == Op::Write && through && self.shape.volatile_cache {
                    self.flush(&mut ftl, begin, starts, landed, &mut status);
                }
            }
        }
        let took = ftl.nand_mut().settle().since(begin);
        self.ftl = Some(ftl);
        (took, if own > took { took } else { own }, status)
    }

    /// Makes everything durable that is not.
    fn flush(
        &mut self,
        ftl: &mut L,
        begin: Instant,
        starts: Instant,
        landed: &mut VecDeque<Landed>,
        status: &mut Status,
    ) {
        note(ftl.flush(), 0, status);
        if status.is_ok() {
            let at = starts + ftl.nand_mut().settle().since(begin);
            landed.extend(self.cached.drain(..).map(|l| Landed { at, ..l }));
        }
    }
}

/// Keeps how an operation ended.
fn note(result: Result<(), FtlError>, lpn: u32, status: &mut Status) {
    let lba = Lba::new(lpn.into());
    match result {
        Ok(()) => {}
        Err(FtlError::Unreadable { .. }) => *status = Status::Unreadable { lba },
        Err(FtlError::ReadOnly { .. }) => *status = Status::Unwritable { lba },
        Err(_) => *status = Status::Failed,
    }
}

impl<L: Layer<Chip = Model>> Device for FlashDevice<L> {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn submit(&mut self, now: Instant, request: Request) -> Result<(), SubmitError> {
        if !self.powered {
            return Err(SubmitError::PoweredOff);
        }
        if now < self.now {
            return Err(SubmitError::InThePast { at: now, now: self.now });
        }
        request.check(self.shape.sectors)?;
        if self.in_flight() >= QUEUE {
            return Err(SubmitError::Full { held: self.in_flight() });
        }
        self.now = now;
        self.waiting.push_back((request, now));
        self.take_next();
        Ok(())
    }

    fn next_event(&self) -> Option<Instant> {
        self.serving.as_ref().map(|s| s.completion.at)
    }

    fn advance(&mut self, now: Instant, sink: &mut dyn Sink) {
        while let Some(mut serving) = self.serving.take() {
            let due = serving.landed.iter().take_while(|l| l.at <= now).count();
            serving.landed.drain(..due).for_each(|l| sink.landed(l));
            if serving.completion.at > now {
                self.serving = Some(serving);
                break;
            }
            sink.completed(serving.completion);
            self.take_next();
        }
        self.now = self.now.max(now);
    }

    fn power_loss(&mut self, now: Instant, sink: &mut dyn Sink, loss: &mut dyn FnMut(Loss)) {
        self.advance(now, sink);
        let as_loss = |l: Landed, fate| Loss { tag: l.tag, lba: l.lba, sectors: l.sectors, fate };
        if let Some(serving) = self.serving.take() {
            serving.landed.into_iter().for_each(|l| loss(as_loss(l, Fate::Kept)));
        }
        // Not torn, for nothing was in flight on the chip; but nothing promises them either.
        self.cached.drain(..).for_each(|l| loss(as_loss(l, Fate::Kept)));
        for (request, _) in self.waiting.drain(..).filter(|(r, _)| r.op.changes()) {
            let Request { tag, lba, sectors, .. } = request;
            loss(Loss { tag, lba, sectors, fate: Fate::Lost });
        }
        self.chip = self.ftl.take().map(|ftl| {
            let mut chip = ftl.into_nand();
            chip.power_off();
            chip
        });
        self.powered = false;
    }

    fn power_on(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.free = self.now;
        self.powered = true;
        let Some(mut chip) = self.chip.take() else { return };
        chip.power_on();
        let begin = chip.settle();
        self.ftl = L::mount(chip, self.config).ok();
        if let Some(ftl) = &mut self.ftl {
            self.free = self.now + ftl.nand_mut().settle().since(begin);
        }
    }

    fn in_flight(&self) -> usize {
        self.waiting.len() + usize::from(self.serving.is_some())
    }

    fn supports(&self, _op: Op) -> bool {
        true
    }
}
