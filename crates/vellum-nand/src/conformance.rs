//! What every driver must do: one suite for the model and for real chips.
//!
//! [`run`] erases and programs the blocks it is given, and tells the first thing that is not as the
//! trait [`Nand`] says. A firmware author runs it once on the bench; the tests of this crate run it
//! on the model and on the SPI drivers over a bus-level double. [`run_async`] is the same suite for
//! drivers that wait.

use crate::{AsyncNand, EraseBlock, Nand, NandError, Page, Ready, block_on};
use alloc::vec;
use alloc::vec::Vec;

/// What is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// An operation failed that must work.
    #[error("{step}: {error}")]
    Failed {
        /// What was tried.
        step: &'static str,
        /// The chip's answer.
        error: NandError,
    },
    /// An operation worked that must be refused, or told something wrong.
    #[error("{step}: not as the trait says")]
    Wrong {
        /// What was tried.
        step: &'static str,
    },
}

fn ok<T>(step: &'static str, result: Result<T, NandError>) -> Result<T, Violation> {
    result.map_err(|error| Violation::Failed { step, error })
}

fn must(step: &'static str, holds: bool) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::Wrong { step }) }
}

/// Bytes that differ from page to page and look random.
fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = vellum_block::Rng::new(seed);
    (0..len).map(|_| rng.next_u64() as u8).collect()
}

/// Runs the suite on `block`, a good block whose content does not matter. Five erases.
///
/// # Errors
/// The first [`Violation`].
pub fn run<N: Nand>(nand: &mut N, block: EraseBlock) -> Result<(), Violation> {
    block_on(run_async(&mut Ready(&mut *nand), block))?;
    pages_change_hands(nand, block)?;
    ok("erase at the end", nand.erase(block))
}

/// The same suite for a driver that waits.
///
/// # Errors
/// The first [`Violation`].
pub async fn run_async<N: AsyncNand>(nand: &mut N, block: EraseBlock) -> Result<(), Violation> {
    let g = *nand.geometry();
    ok("the geometry fits together", g.check())?;
    must("the block is good", !ok("marker", nand.is_marked_bad(block).await)?)?;
    erased_block_reads_as_erased(nand, block).await?;
    pages_come_back(nand, block).await?;
    references_move(nand, block).await?;
    refusals(nand, block).await?;
    ok("erase at the end", nand.erase(block).await)
}

async fn erased_block_reads_as_erased<N: AsyncNand>(
    nand: &mut N,
    block: EraseBlock,
) -> Result<(), Violation> {
    let g = *nand.geometry();
    ok("erase", nand.erase(block).await)?;
    let mut data = vec![0; g.page_bytes as usize];
    let mut oob = vec![0; g.user_oob_bytes() as usize];
    for page in [0, g.pages_per_block - 1] {
        let status = ok(
            "read of an erased page",
            nand.read(g.ppa(block, page), 0, &mut data, &mut oob).await,
        )?;
        must("an erased page says so", status.is_erased() && !status.is_readable())?;
        must("an erased page reads 0xff", data.iter().chain(&oob).all(|&b| b == 0xff))?;
        must(
            "the erased check agrees",
            ok("erased check", nand.is_erased(g.ppa(block, page)).await)?,
        )?;
    }
    Ok(())
}

async fn pages_come_back<N: AsyncNand>(nand: &mut N, block: EraseBlock) -> Result<(), Violation> {
    let g = *nand.geometry();
    let (bytes, spare) = (g.page_bytes as usize, g.user_oob_bytes() as usize);
    for page in 0..g.pages_per_block {
        let content = pattern(page.into(), bytes + spare);
        let (data, oob) = content.split_at(bytes);
        ok("program", nand.program(g.ppa(block, page), data, oob).await)?;
    }
    for page in 0..g.pages_per_block {
        let content = pattern(page.into(), bytes + spare);
        let (mut data, mut oob) = (vec![0; bytes], vec![0; spare]);
        let status = ok("read", nand.read(g.ppa(block, page), 0, &mut data, &mut oob).await)?;
        must("a programmed page is readable", status.is_readable())?;
        must("it counts its codewords", status.codewords().count() == g.codewords() as usize)?;
        must("the data comes back", data == content[..bytes])?;
        must("the out-of-band bytes come back", oob == content[bytes..])?;
    }
    let content = pattern(1, bytes);
    let mut part = vec![0; bytes / 4];
    ok("partial read", nand.read(g.ppa(block, 1), bytes as u32 / 2, &mut part, &mut []).await)?;
    must("a partial read starts where asked", part == content[bytes / 2..][..bytes / 4])
}

fn pages_change_hands<N: Nand>(nand: &mut N, block: EraseBlock) -> Result<(), Violation> {
    let g = *nand.geometry();
    let (bytes, spare) = (g.page_bytes as usize, g.user_oob_bytes() as usize);
    ok("erase", nand.erase(block))?;
    for i in 0..g.pages_per_block.min(4) {
        let content = pattern(u64::from(i) + 100, bytes + spare);
        let mut page = nand.page();
        must("a page to fill has a page's length", page.len() == bytes)?;
        page.bytes_mut().copy_from_slice(&content[..bytes]);
        ok("program of a page", nand.program_page(g.ppa(block, i), &page, &content[bytes..]))?;
        // The host goes on with its page.
        page.bytes_mut().fill(0);
        let mut oob = vec![0; spare];
        let (status, mut read) = ok("read of a page", nand.read_page(g.ppa(block, i), &mut oob))?;
        must("a page that was handed over is readable", status.is_readable())?;
        must("its data stays what it was", read[..] == content[..bytes])?;
        must("its out-of-band bytes come back", oob == content[bytes..])?;
        read.bytes_mut().fill(0);
        let mut again = vec![0; bytes];
        ok("read", nand.read(g.ppa(block, i), 0, &mut again, &mut []))?;
        must("who writes to a page that was read changes nothing", again == content[..bytes])?;
        oob.fill(0);
        let (_, seen) = ok("a look", nand.view(g.ppa(block, i), &mut oob, &mut again))?;
        must("a look shows the same", seen == &content[..bytes] && oob == content[bytes..])?;
    }
    if g.pages_per_block > 4 {
        let mut oob = vec![0; spare];
        let (status, page) =
            ok("read of an erased page", nand.read_page(g.ppa(block, 4), &mut oob))?;
        must("an erased page says so", status.is_erased())?;
        must("an erased page reads 0xff", page.iter().chain(&oob).all(|&b| b == 0xff))?;
        let mut buffer = vec![0; bytes];
        let (status, seen) =
            ok("a look at an erased page", nand.view(g.ppa(block, 4), &mut oob, &mut buffer))?;
        must("an erased page looks so", status.is_erased() && seen.iter().all(|&b| b == 0xff))?;
    }
    let short = Page::zeroed(bytes - 1);
    let refused = nand.program_page(g.ppa(block, g.pages_per_block - 1), &short, &[]);
    must("a short page is refused", matches!(refused, Err(NandError::Length { .. })))
}

/// References move as far as the driver says and no further; a page that was programmed is never taken for an erased
/// one meanwhile, and reads as before when they are back.
async fn references_move<N: AsyncNand>(nand: &mut N, block: EraseBlock) -> Result<(), Violation> {
    let ppa = nand.geometry().ppa(block, 0);
    let mut data = vec![0; nand.geometry().page_bytes as usize];
    let content = pattern(0, data.len() + nand.geometry().user_oob_bytes() as usize);
    let last = i8::try_from(nand.read_offsets()).unwrap_or(i8::MAX);
    for offset in [-last, last, 0] {
        ok("moving the references", nand.set_read_offset(offset).await)?;
        let status = ok("read", nand.read(ppa, 0, &mut data, &mut []).await)?;
        must("a programmed page is not an erased one", !status.is_erased())?;
    }
    must("the data comes back", data == content[..data.len()])?;
    if let Some(beyond) = last.checked_add(1) {
        let step = "references that can't be there are refused";
        let refused = nand.set_read_offset(beyond).await;
        must(step, matches!(refused, Err(NandError::Unsupported { .. })))?;
    }
    Ok(())
}

async fn refusals<N: AsyncNand>(nand: &mut N, block: EraseBlock) -> Result<(), Violation> {
    let g = *nand.geometry();
    let data = vec![0; g.page_bytes as usize];
    let past = g.ppa(EraseBlock(g.blocks), 0);
    let step = "a page past the end is refused";
    must(step, matches!(nand.program(past, &data, &[]).await, Err(NandError::PastEnd { .. })))?;
    must(
        step,
        matches!(nand.read(past, 0, &mut [], &mut []).await, Err(NandError::PastEnd { .. })),
    )?;
    let step = "a block past the end is refused";
    must(step, matches!(nand.erase(EraseBlock(g.blocks)).await, Err(NandError::PastEnd { .. })))?;
    let step = "a short page is refused";
    ok("erase", nand.erase(block).await)?;
    let short = nand.program(g.ppa(block, 0), &data[1..], &[]).await;
    must(step, matches!(short, Err(NandError::Length { .. })))?;
    let long = vec![0; g.user_oob_bytes() as usize + 1];
    let step = "too many out-of-band bytes are refused";
    must(
        step,
        matches!(nand.program(g.ppa(block, 0), &data, &long).await, Err(NandError::Length { .. })),
    )?;
    let step = "a program below the last page is refused";
    ok("program", nand.program(g.ppa(block, 1), &data, &[]).await)?;
    let order = nand.program(g.ppa(block, 0), &data, &[]).await;
    must(step, matches!(order, Err(NandError::Order { .. } | NandError::Reprogrammed { .. })))
}
