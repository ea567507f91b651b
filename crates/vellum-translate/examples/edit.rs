//! Edits an address space by ranges: a large page is split where a range ends inside it and merged
//! again, and what is unmapped comes back only through the flush.
//!
//! `cargo run -p vellum-translate --example edit`

use std::sync::atomic::AtomicU64;
use vellum_translate::edit::{
    AddressSpace, Attributes, Change, EditError, EditMemory, Flush, Format, Frames, Pool, Slot,
};
use vellum_translate::riscv::{Extensions, Mode, Sv};
use vellum_translate::{Gfn, Gpa, Gva, Rights, Words};

/// Says what every processor must forget, as a kernel would have them do it; then takes back what
/// nobody holds any more.
fn flush<F: Format, M: EditMemory, A: Frames>(
    space: &mut AddressSpace<F, M, A>,
    flush: Flush,
) -> Result<(), EditError> {
    let released = flush.issue(|what| match what.everything() {
        true => println!("  flush everything"),
        false => what.ranges().iter().for_each(|(va, pages)| println!("  flush {pages} from {va}")),
    });
    for run in space.reclaim(released)? {
        let dirty = if run.dirty { "dirty" } else { "clean" };
        println!("  back: {} {dirty} pages from {}, which were {}", run.pages, run.va, run.to);
    }
    Ok(())
}

/// What is mapped, entry by entry.
fn list<F: Format, M: EditMemory, A: Frames>(
    space: &mut AddressSpace<F, M, A>,
) -> Result<(), EditError> {
    let mut cursor = space.cursor(Gva::new(0x20_0000), 1024)?;
    let mut entries = 0;
    while let Some(item) = cursor.next_used()? {
        entries += 1;
        if let Slot::Page(to, attributes) = item.slot
            && (item.level > 0 || entries < 3)
        {
            let rights = attributes.rights;
            println!(
                "  {}: {} pages at level {}, {to}, {rights:?}",
                item.va, item.pages, item.level
            );
        }
    }
    println!("  {entries} entries in all");
    // It only looked: there is nothing to flush, and nothing comes back.
    let looked = cursor.finish();
    flush(space, looked)
}

fn main() -> Result<(), EditError> {
    let words: Vec<AtomicU64> = (0..16 * 512).map(|_| AtomicU64::new(0)).collect();
    let memory = Words::new(Gpa::new(0), &words);
    let format = Sv::new(Mode::Sv39, Extensions::NONE).expect("a mode with tables");
    let pool = Pool::new(Gfn::new(0), Gfn::new(16));
    let mut space = AddressSpace::new(format, memory, pool)?;
    let (va, write) = (Gva::new(0x20_0000), Rights::READ | Rights::WRITE);

    println!("map 2 MiB as one page:");
    let mapped = space.map(va, 512, Gfn::new(0x8_0000), Attributes::kernel(write), u8::MAX)?;
    flush(&mut space, mapped)?;
    list(&mut space)?;
    println!("protect a page in its middle, which splits it:");
    let changed = space.protect(Gva::new(0x30_0000), 1, Change::rights(Rights::READ))?;
    flush(&mut space, changed)?;
    list(&mut space)?;
    println!("give the right back, and merge:");
    let changed = space.protect(Gva::new(0x30_0000), 1, Change::rights(write))?;
    flush(&mut space, changed)?;
    let merged = space.merge(va, 512)?;
    flush(&mut space, merged)?;
    list(&mut space)?;
    println!("unmap it:");
    let unmapped = space.unmap(va, 512)?;
    flush(&mut space, unmapped)?;
    println!("{} of 16 frames are free, the root has one", space.frames().available());
    Ok(())
}
