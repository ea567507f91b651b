//! Makes the models of the dense codec from memory images, and says what they are worth on others.
//!
//! `cargo run --release -p vellum-scavenger --example train -- [--apart] OUT TRAIN… -- TEST…`: images are
//! plain files of pages. `OUT` is written where it is not `-`. With `--apart`, pages that the images to
//! test on hold too are not learned from.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use vellum_scavenger::content::tight::{Models, Pace, Tight, train};
use vellum_scavenger::content::{Codec, Coder, Features, Page, PageKey, same_filled};

/// Pages that are taken of each image at most.
const MOST: usize = 12_000;

/// Every content once, without those that repeat eight bytes.
fn pages(paths: &[String]) -> Result<Vec<Page>, Box<dyn Error>> {
    let (key, mut seen, mut pages) = (PageKey::new(1, 0), BTreeSet::new(), Vec::new());
    for path in paths {
        let image = std::fs::read(path)?;
        let all = image.as_chunks::<4096>().0.iter();
        let new: Vec<&Page> =
            all.filter(|p| same_filled(p).is_none() && seen.insert(key.hash(p))).collect();
        pages.extend(new.iter().step_by(new.len().div_ceil(MOST).max(1)).copied().copied());
    }
    Ok(pages)
}

/// Every content of the images.
fn every_content(paths: &[String]) -> Result<BTreeSet<Page>, Box<dyn Error>> {
    let mut all = BTreeSet::new();
    for path in paths {
        all.extend(std::fs::read(path)?.as_chunks::<4096>().0);
    }
    Ok(all)
}

/// Pages beside the one before them that has most in common with them, where that is much.
fn with_references(pages: &[Page]) -> Vec<(Page, Option<Page>)> {
    let mut by_feature = std::collections::BTreeMap::new();
    let mut coder = Coder::new(3);
    let mut out = Vec::new();
    for (number, page) in pages.iter().enumerate() {
        let features = Features::of(page);
        let mut like = None;
        for feature in features.values().iter().copied() {
            like = by_feature.insert(feature, number).or(like);
        }
        let base = like.map(|like: usize| pages[like]).filter(|base| {
            coder.encode(Codec::DeltaFast, page, Some(base), 3000, &mut Vec::new()).is_some()
        });
        out.push((*page, base));
    }
    out
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let apart = args.first().is_some_and(|arg| arg == "--apart");
    args.drain(..usize::from(apart));
    let (out, images) = args.split_first().ok_or("usage: train [--apart] OUT TRAIN… -- TEST…")?;
    let mut parts = images.split(|arg| arg == "--");
    let (learn, test) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut learned = pages(learn)?;
    if apart {
        let all = every_content(test)?;
        learned.retain(|page| !all.contains(page));
    }
    let learned = with_references(&learned);
    let models = train(&learned);
    if out != "-" {
        std::fs::write(out, &models)?;
    }
    let mut tight = Tight::new(Arc::new(Models::from_bytes(&models).ok_or("no models")?));
    let mut coder = Coder::new(3);
    let test = if test.is_empty() {
        learned
    } else {
        let test = with_references(&pages(test)?);
        let known: BTreeSet<&Page> = learned.iter().map(|(page, _)| page).collect();
        let both = test.iter().filter(|(page, _)| known.contains(page)).count();
        println!(
            "{} pages learned from; of the {} others {both} are among them",
            learned.len(),
            test.len()
        );
        test
    };
    for deltas in [false, true] {
        let (mut ours, mut zstd, mut count) = (0, 0, 0);
        for (page, base) in test.iter().filter(|(_, base)| base.is_some() == deltas) {
            let codec = if deltas { Codec::DeltaDense } else { Codec::Zstd };
            let pace = if deltas { Pace::DELTA } else { Pace::ALONE };
            ours += tight.encode(page, base.as_ref(), pace, 4096, &mut Vec::new()).unwrap_or(4096);
            zstd += coder.encode(codec, page, base.as_ref(), 4096, &mut Vec::new()).unwrap_or(4096);
            count += 1;
        }
        let a_page = |bytes: usize| bytes as f64 / f64::from(count.max(1));
        let what = if deltas { "beside a reference" } else { "alone" };
        println!("{count} pages {what}: {:.1} B a page, zstd {:.1}", a_page(ours), a_page(zstd));
    }
    Ok(())
}
