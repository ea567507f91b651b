//! Power cuts at every operation of seeded workloads: nothing promised is lost, nothing half done is
//! seen. And the mutation table of the store: each sync and check, left out, is noticed.

#[path = "common/campaign.rs"]
mod campaign;

use campaign::campaign;
use vellum_recover::log::{Bug, Cipher};

#[test]
fn nothing_promised_is_lost_and_nothing_half_done_is_seen() {
    let mut images = 0;
    for seed in 0..6 {
        let cipher = if seed % 2 == 0 { Cipher::Aes256Gcm } else { Cipher::None };
        images += campaign(seed, cipher, None, 12).unwrap();
    }
    assert!(images > 2500, "only {images} images");
}

/// Fails with `bug` planted, for some seed.
fn noticed(bug: Bug) {
    let found = (0..6).find_map(|seed| campaign(seed, Cipher::Aes256Gcm, Some(bug), 24).err());
    assert!(found.is_some(), "{bug:?} went unnoticed");
}

macro_rules! noticed {
    ($($name:ident: $bug:ident;)*) => { $(
        #[test]
        fn $name() {
            noticed(Bug::$bug);
        }
    )* };
}

noticed! {
    the_frames_crc_is_needed: SkipFrameCrc;
    the_sync_of_a_commit_is_needed: SkipFlushSync;
    the_sync_of_a_segments_header_is_needed: SkipHeaderSync;
    the_sync_of_a_segments_name_is_needed: SkipNameSync;
    the_sync_of_the_head_is_needed: SkipHeadSync;
    the_sync_of_the_regions_is_needed: SkipDataSync;
    the_sync_of_the_catalog_is_needed: SkipCatalogSync;
}
