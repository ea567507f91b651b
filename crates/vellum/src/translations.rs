//! The translations that a policy which is not in step keeps: a part of the machine's state, since they
//! decide what a guest that omits a fence sees. In-step policies have none. They are the guest's word
//! alone: nothing that the host does is in them.

use crate::{Paging, VmMemory};
use vellum_state::{Error, Reader, Writer};
use vellum_translate::tlb::{Mailbox, Tlb};

/// The most words of one part.
const WORDS: u64 = 1 << 24;
/// What a section begins with when nothing follows.
const NOTHING: u8 = 0xff;

impl VmMemory {
    /// Saves them, with the TLBs of all harts in order.
    pub fn save_translations(&self, tlbs: &[&Tlb], w: &mut Writer<'_>) {
        w.section(*b"TRAN", 3, |w| {
            if self.paging.in_step() {
                w.u8(NOTHING);
                return;
            }
            w.u8(self.paging as u8);
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
        r.section(*b"TRAN", 3, |r| {
            let paging = r.u8()?;
            if paging == NOTHING {
                return Ok(());
            }
            let policy = take(r)?;
            let count = r.u32()?;
            if count > 64 {
                return Err(wrong("harts", "more than there can be", count.into()));
            }
            let saved = (0..count).map(|_| take(r)).collect::<Result<Vec<_>, _>>()?;
            if paging != self.paging as u8 {
                return Ok(());
            }
            self.restore_policy(&policy)?;
            if self.paging.tlb_is_state() && saved.len() != tlbs.len() {
                return Err(wrong("harts", "the machine has others", count.into()));
            }
            self.shoot.clear();
            self.mailboxes.iter_mut().for_each(Mailbox::clear);
            tlbs.iter_mut().for_each(|tlb| tlb.flush());
            for (tlb, words) in tlbs.iter_mut().zip(&saved) {
                let read = tlb.from_words(words);
                read.map_err(|why| wrong("TLB", why, 0))?;
            }
            Ok(())
        })
    }

    fn restore_policy(&mut self, words: &[u64]) -> Result<(), Error> {
        let restored = self.with_policy(|policy, cx| {
            policy.clear(cx);
            policy.restore(words, cx)
        });
        restored.map_err(|why| wrong("translations", why, 0))
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
