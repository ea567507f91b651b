//! Which pages may be accessed, and why not: reasons that withhold rights from pages, each with a
//! handler that decides when one is in the way.

use crate::PageNo;
use std::collections::BTreeMap;
use vellum_translate::{Access, Rights};

/// A reason to withhold rights, registered with a pager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(u8);

impl Reason {
    /// Reasons that a pager can have.
    pub const MAX: usize = 16;
}

/// What a handler decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The reason no longer holds for this page.
    Lift,
    /// The access must not be: whoever tried gets an error.
    Refuse,
}

/// Decides about accesses that its reason withholds.
pub trait Handler: Send {
    /// `access` to `page` is withheld.
    fn decide(&mut self, page: PageNo, access: Access) -> Verdict;
}

impl<F: FnMut(PageNo, Access) -> Verdict + Send> Handler for F {
    fn decide(&mut self, page: PageNo, access: Access) -> Verdict {
        self(page, access)
    }
}

struct Rule {
    name: String,
    withholds: Rights,
    handler: Box<dyn Handler>,
}

/// The reasons, and the pages that they hold for.
#[derive(Default)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    /// Pages with reasons, as bits; few pages have any.
    pages: BTreeMap<u32, u16>,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.rules.iter().map(|rule| rule.name.as_str()).collect();
        f.debug_struct("Rules").field("names", &names).field("pages", &self.pages).finish()
    }
}

impl Rules {
    /// A reason; `None` when all are taken.
    pub(crate) fn register(
        &mut self,
        name: &str,
        withholds: Rights,
        handler: Box<dyn Handler>,
    ) -> Option<Reason> {
        if self.rules.len() == Reason::MAX {
            return None;
        }
        self.rules.push(Rule { name: name.into(), withholds, handler });
        Some(Reason(self.rules.len() as u8 - 1))
    }

    /// The reason holds for the page from now on; the rights that it withholds.
    pub(crate) fn withhold(&mut self, page: PageNo, reason: Reason) -> Rights {
        *self.pages.entry(page.get()).or_default() |= 1 << reason.0;
        self.rules[usize::from(reason.0)].withholds
    }

    /// The reason no longer holds.
    pub(crate) fn lift(&mut self, page: PageNo, reason: Reason) {
        if let Some(bits) = self.pages.get_mut(&page.get()) {
            *bits &= !(1 << reason.0);
            if *bits == 0 {
                self.pages.remove(&page.get());
            }
        }
    }

    /// Everything that is withheld from a page.
    pub(crate) fn withheld(&self, page: PageNo) -> Rights {
        let bits = self.pages.get(&page.get()).copied().unwrap_or(0);
        let rules = self.rules.iter().enumerate().filter(|(at, _)| bits >> at & 1 != 0);
        rules.fold(Rights::empty(), |all, (_, rule)| all | rule.withholds)
    }

    /// Asks the handlers of what stands in the way; the name of the reason that refuses.
    pub(crate) fn check(&mut self, page: PageNo, access: Access) -> Result<(), String> {
        let Some(&bits) = self.pages.get(&page.get()) else { return Ok(()) };
        for at in (0..self.rules.len() as u8).filter(|at| bits >> at & 1 != 0) {
            let rule = &mut self.rules[usize::from(at)];
            if !rule.withholds.contains(access.right()) {
                continue;
            }
            match rule.handler.decide(page, access) {
                Verdict::Refuse => return Err(rule.name.clone()),
                Verdict::Lift => self.lift(page, Reason(at)),
            }
        }
        Ok(())
    }
}
