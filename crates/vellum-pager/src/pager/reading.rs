//! Asking the store, and not believing it.

use super::{Pager, flag};
use crate::checksum::checksum;
use crate::store::{Answer, Get};
use crate::{Page, PageNo, StoreError};

impl Pager {
    /// Reads pages and checks them; a failure stands in the answers.
    pub(super) fn get_many(&mut self, pages: &[PageNo], buffers: &mut [Page]) -> Vec<Answer> {
        let mut gets: Vec<Get<'_>> =
            pages.iter().zip(&mut *buffers).map(|(&page, into)| Get::new(page, into)).collect();
        self.store.get(&mut gets);
        if let Some(history) = &mut self.history {
            history.got(pages.len());
        }
        let mut answers: Vec<Answer> = gets.into_iter().map(|get| get.answer).collect();
        for ((&page, buffer), answer) in pages.iter().zip(&*buffers).zip(&mut answers) {
            let judged = self.judge(page, std::mem::replace(answer, Answer::Missing), buffer);
            *answer = match judged {
                Ok(true) => Answer::Found,
                Ok(false) => Answer::Missing,
                Err(error) => Answer::Failed(error),
            };
        }
        answers
    }

    /// Reads one page, again where that may help; whether the store has it.
    pub(super) fn get_checked(
        &mut self,
        page: PageNo,
        into: &mut Page,
    ) -> Result<bool, StoreError> {
        let mut tries = 0;
        loop {
            let mut get = [Get::new(page, into)];
            self.store.get(&mut get);
            if let Some(history) = &mut self.history {
                history.got(1);
            }
            let [Get { answer, .. }] = get;
            match self.judge(page, answer, into) {
                Err(_) if tries < self.options.retries => {
                    tries += 1;
                    self.counters.retries += 1;
                }
                other => return other,
            }
        }
    }

    /// Believes a page that the store found, unless it is not what was put.
    #[inline]
    fn believe(&mut self, page: PageNo, content: &Page) -> Result<(), StoreError> {
        let found = checksum(page, content);
        let known = &mut self.known[page.index()];
        if known.flags & flag::STORED == 0 {
            // From now on the store must stay with what it said first.
            known.flags |= flag::STORED;
            known.sum = found;
        }
        let expected = known.sum;
        if found != expected {
            let store = self.store.name().into();
            return Err(StoreError::Corrupt { store, page, found, expected });
        }
        self.counters.pages_read += 1;
        Ok(())
    }

    /// Believes a store's answer, or not: what was put must come back as it was. Whether the store has it.
    #[inline]
    fn judge(&mut self, page: PageNo, answer: Answer, content: &Page) -> Result<bool, StoreError> {
        match answer {
            Answer::Found => self.believe(page, content).map(|()| true),
            Answer::Failed(error) => Err(error),
            Answer::Missing if self.has(page, flag::STORED) => {
                Err(StoreError::Lost { store: self.store.name().into(), page })
            }
            Answer::Missing => Ok(false),
        }
    }
}
