//! Checkpoints in stores of the `object_store` crate: in memory and in a directory.
#![cfg(feature = "object-store")]

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use std::io::ErrorKind;
use std::sync::Arc;
use vellum_recover::checkpoint::{
    Captured, Checkpoints, Compression, Objects, Pages, StoreObjects,
};
use vellum_recover::{PAGE, Tracked};

/// Runs `check` on each kind of store.
fn each(check: impl Fn(Arc<dyn ObjectStore>)) {
    let home = tempfile::tempdir().unwrap();
    check(Arc::new(InMemory::new()));
    check(Arc::new(LocalFileSystem::new_with_prefix(home.path()).unwrap()));
}

#[test]
fn an_object_is_written_once_and_read_in_parts() {
    each(|store| {
        let objects = StoreObjects::new(store.clone(), "vm/images").unwrap();
        assert!(objects.put_if_absent("image-1", b"hello").unwrap());
        assert!(!objects.put_if_absent("image-1", b"other").unwrap(), "it is there already");
        assert!(objects.put_if_absent("head-1", b"").unwrap());
        assert_eq!(objects.get_range("image-1", 1..3).unwrap(), b"el");
        assert_eq!(objects.get_range("image-1", 3..99).unwrap(), b"lo", "as far as it goes");
        assert_eq!(objects.get_range("image-1", 7..9).unwrap(), b"");
        assert_eq!(objects.get_range("head-1", 0..9).unwrap(), b"");
        assert_eq!(objects.list("image-").unwrap(), ["image-1"]);
        assert_eq!(objects.list("").unwrap(), ["head-1", "image-1"]);
        let missing = objects.get_range("image-2", 0..1).unwrap_err();
        assert_eq!(missing.source.kind(), ErrorKind::NotFound);
        assert!(missing.to_string().contains("image-2"), "{missing}");
        // Another prefix is another place.
        assert!(StoreObjects::new(store, "vm").unwrap().list("image-").unwrap().is_empty());
        objects.delete("image-1").unwrap();
        assert_eq!(objects.list("").unwrap(), ["head-1"]);
    });
}

#[test]
fn a_chain_of_checkpoints_lives_there() {
    each(|store| {
        let objects = Arc::new(StoreObjects::new(store, "m").unwrap());
        let checkpoints = Checkpoints::new(objects.clone(), Compression::Lz4);
        let mut memory = Tracked::new(100 * PAGE, None).unwrap();
        (0..100).for_each(|page| memory.bytes_mut()[page * PAGE] = page as u8 | 1);
        memory.take_dirty().unwrap();
        let all: Vec<_> = std::iter::once(0..memory.pages()).collect();
        checkpoints.save("vm", &Captured::take(&memory, &all), b"one", false).unwrap();
        memory.bytes_mut()[7 * PAGE + 5] = 9;
        let dirty = memory.take_dirty().unwrap();
        checkpoints.save("vm", &Captured::take(&memory, &dirty), b"two", true).unwrap();
        checkpoints.merge("vm", Compression::None).unwrap();
        assert_eq!(checkpoints.collect_garbage().unwrap(), 2);
        let mut restored = checkpoints.restore("vm").unwrap();
        assert_eq!(restored.state(), b"two");
        let mut back = vec![0; memory.bytes().len()];
        restored
            .read_all(|page, bytes| back[page as usize * PAGE..][..PAGE].copy_from_slice(bytes))
            .unwrap();
        assert!(back == memory.bytes());
    });
}

#[test]
fn a_thread_of_a_runtime_is_told_that_it_cannot_wait() {
    let objects = StoreObjects::new(Arc::new(InMemory::new()), "m").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(async { objects.list("").unwrap_err() });
    assert_eq!(error.source.kind(), ErrorKind::WouldBlock);
}
