//! What every driver checks of a call before it touches the chip: addresses, lengths, planes.

use crate::{Geometry, NandError, Ppa};

#[inline]
fn within(what: &'static str, found: usize, most: u32) -> Result<(), NandError> {
    if found <= most as usize {
        return Ok(());
    }
    Err(NandError::Length { what, found, expected: most as usize })
}

impl Geometry {
    /// Checks a call of [`Nand::read`](crate::Nand::read): the page exists, `data` bytes from byte
    /// `at` on lie in it, and `oob` bytes are no more than the user has.
    ///
    /// # Errors
    /// [`NandError::PastEnd`], [`NandError::Length`].
    #[inline]
    pub fn check_read(&self, ppa: Ppa, at: u32, data: usize, oob: usize) -> Result<(), NandError> {
        self.check_ppa(ppa)?;
        within("a page's data", (at as usize).saturating_add(data), self.page_bytes)?;
        self.check_oob(oob)
    }

    /// Checks a call of [`Nand::program`](crate::Nand::program): the page exists, `data` bytes are a
    /// whole page, and `oob` bytes are no more than the user has.
    ///
    /// # Errors
    /// [`NandError::PastEnd`], [`NandError::Length`].
    #[inline]
    pub fn check_program(&self, ppa: Ppa, data: usize, oob: usize) -> Result<(), NandError> {
        self.check_ppa(ppa)?;
        if data != self.page_bytes as usize {
            let expected = self.page_bytes as usize;
            return Err(NandError::Length { what: "a page's data", found: data, expected });
        }
        self.check_oob(oob)
    }

    /// Checks a call of [`Nand::copy_back`](crate::Nand::copy_back): both pages exist and share a
    /// unit and a plane, and `oob` bytes are no more than the user has.
    ///
    /// # Errors
    /// [`NandError::PastEnd`], [`NandError::Length`], [`NandError::CopyBack`].
    #[inline]
    pub fn check_copy(&self, from: Ppa, to: Ppa, oob: usize) -> Result<(), NandError> {
        self.check_ppa(from)?;
        self.check_ppa(to)?;
        self.check_oob(oob)?;
        if self.units == 1 && self.planes == 1 {
            return Ok(());
        }
        let place = |ppa| {
            let block = self.block_of(ppa);
            (self.unit_of(block), self.plane_of(block))
        };
        if place(from) == place(to) { Ok(()) } else { Err(NandError::CopyBack { from, to }) }
    }

    #[inline]
    fn check_oob(&self, oob: usize) -> Result<(), NandError> {
        within("the user's out-of-band bytes", oob, self.user_oob_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bad_argument_is_named_with_its_number() {
        let g = Geometry { planes: 2, units: 2, ..Geometry::slc_1gbit() };
        let (page, oob) = (g.page_bytes as usize, g.user_oob_bytes() as usize);
        let last = Ppa(g.pages() - 1);
        g.check_read(last, 2000, 48, oob).unwrap();
        g.check_program(last, page, oob).unwrap();
        let past = NandError::PastEnd { ppa: Ppa(g.pages()), pages: g.pages() };
        assert_eq!(g.check_read(Ppa(g.pages()), 0, 0, 0), Err(past));
        assert_eq!(g.check_program(Ppa(g.pages()), page, 0), Err(past));
        assert_eq!(g.check_copy(last, Ppa(g.pages()), 0), Err(past));
        let length = |what, found, expected| Err(NandError::Length { what, found, expected });
        assert_eq!(g.check_read(last, 2000, 49, 0), length("a page's data", 2049, page));
        assert_eq!(g.check_program(last, page - 1, 0), length("a page's data", page - 1, page));
        let spare = "the user's out-of-band bytes";
        assert_eq!(g.check_read(last, 0, 1, oob + 1), length(spare, oob + 1, oob));
        assert_eq!(g.check_program(last, page, oob + 1), length(spare, oob + 1, oob));
        assert_eq!(g.check_copy(last, last, oob + 1), length(spare, oob + 1, oob));
    }

    #[test]
    fn a_copy_stays_in_its_plane_and_unit() {
        let g = Geometry { planes: 2, units: 2, ..Geometry::slc_1gbit() };
        let of = |block| g.ppa(crate::EraseBlock(block), 3);
        g.check_copy(of(2), of(4), 0).unwrap();
        for (from, to) in [(2, 3), (2, 512), (2, 513)] {
            let (from, to) = (of(from), of(to));
            assert_eq!(g.check_copy(from, to, 0), Err(NandError::CopyBack { from, to }));
        }
    }
}
