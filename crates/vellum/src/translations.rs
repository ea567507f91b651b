//! The translations that a policy which is not in step keeps: a part of the machine's state, since they
//! decide what a guest that omits a fence sees. In-step policies have none.

use crate::{Paging, VmMemory};
use vellum_state::{Error, Reader, Writer};
use vellum_translate::host::HostEntry;
use vellum_translate::tlb::Tlb;
use vellum_translate::{Gfn, PAGE_SIZE, Rights};

/// The most words of one part.
const WORDS: u64 = 1 << 24;
/// What a section begins with when nothing follows.
const NOTHING: u8 = 0xff;

impl VmMemory {
    /// Saves them, with the TLBs of all harts in order.
    pub fn save_translations(&self, tlbs: &[&Tlb], w: &mut Writer<'_>) {
        w.section(*b"TRAN", 1, |w| {
            if self.paging.in_step() {
                w.u8(NOTHING);
                return;
            }
            w.u8(self.paging as u8);
            put(w, &self.own_zero_pages());
            put(w, &self.policy.save());
            let tlbs = if self.paging.tlb_is_state() { tlbs } else { &[] };
            w.u32(tlbs.len() as u32);
            tlbs.iter().for_each(|tlb| put(w, &tlb.to_words()));
        });
    }

    /// Restores them, after the memory and after each hart has loaded its root. Those of another
    /// paging than this machine's are left out, which is what a fence of everything does.
    ///
    /// # Errors
    /// When they are damaged, or of another machine.
    pub fn restore_translations(
        &mut self,
        tlbs: &mut [&mut Tlb],
        r: &mut Reader<'_>,
    ) -> Result<(), Error> {
        r.section(*b"TRAN", 1, |r| {
            let paging = r.u8()?;
            if paging == NOTHING {
                return Ok(());
            }
            let zeros = take(r)?;
            let policy = take(r)?;
            let count = r.u32()?;
            if count > 64 {
                return Err(wrong("harts", "more than there can be", count.into()));
            }
            let saved = (0..count).map(|_| take(r)).collect::<Result<Vec<_>, _>>()?;
            if paging != self.paging as u8 {
                return Ok(());
            }
            for page in zeros {
                self.give_frame(Gfn::new(page));
            }
            self.restore_policy(&policy)?;
            if self.paging.tlb_is_state() && saved.len() != tlbs.len() {
                return Err(wrong("harts", "the machine has others", count.into()));
            }
            self.shoot.clear();
            for mailbox in &mut self.mailboxes {
                mailbox.clear();
            }
            for (tlb, words) in tlbs.iter_mut().zip(&saved) {
                let read = tlb.from_words(words, &mut |page, right| {
                    let frame = self.device_frame(page.base(), PAGE_SIZE as u64, right).ok()?;
                    Some((frame, self.pool.pointer(frame).as_ptr().addr() as u64))
                });
                read.map_err(|why| wrong("TLB", why, 0))?;
            }
            self.shoot.clear();
            Ok(())
        })
    }

    fn restore_policy(&mut self, words: &[u64]) -> Result<(), Error> {
        let (policy, mut cx) = self.policy_and_context();
        policy.clear(&mut cx);
        policy.restore(words, &mut cx).map_err(|why| wrong("translations", why, 0))
    }

    /// Pages of zeros that have a frame of their own: the next store to one makes no fault, so that
    /// nothing is taken from any TLB.
    fn own_zero_pages(&self) -> Vec<u64> {
        let own = |&page: &u64| match self.host.get(Gfn::new(page)) {
            HostEntry::Frame { frame, .. } => {
                !frame.is_zero_frame() && self.pool.is_all_zero(frame)
            }
            _ => false,
        };
        self.ram.clone().filter(own).collect()
    }

    /// A frame of its own, if the host has one left.
    fn give_frame(&mut self, page: Gfn) {
        let _frame = self.device_frame(page.base(), PAGE_SIZE as u64, Rights::WRITE);
    }
}

fn put(w: &mut Writer<'_>, words: &[u64]) {
    w.u64(words.len() as u64);
    words.iter().for_each(|&word| w.u64(word));
}

fn take(r: &mut Reader<'_>) -> Result<Vec<u64>, Error> {
    let count = r.u64()?;
    if count > WORDS || count > r.left() as u64 / 8 {
        return Err(wrong("words", "more than there are", count));
    }
    (0..count).map(|_| r.u64()).collect()
}

fn wrong(field: &'static str, why: &'static str, value: u64) -> Error {
    Error::Value { field, value, why }
}

const _: () = assert!((Paging::Flat as u8) < NOTHING);
