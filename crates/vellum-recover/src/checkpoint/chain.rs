//! Checkpoints by name: publish, find, merge, collect garbage.
//!
//! An image's object is named by its hash. A *head* is an object `head-NAME-NUMBER` that holds an
//! image's hash; the highest number counts. Both are written once, so a crash at any point leaves
//! the old head or the new one, and an image that no head reaches is garbage.

use super::image::{Compression, ImageId};
use super::restore::{Image, Restored};
use super::{Captured, CheckpointError, Objects, working_set};
use crate::memory::PAGE;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) fn image_name(id: &ImageId) -> String {
    format!("image-{id}")
}

/// Checkpoints in an object store.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    pub(super) objects: Arc<dyn Objects>,
    compression: Compression,
}

impl Checkpoints {
    /// Uses an object store.
    pub fn new(objects: Arc<dyn Objects>, compression: Compression) -> Self {
        Self { objects, compression }
    }

    /// Stores captured pages as an image, as a change of head `name` if `incremental`, and moves
    /// the head to it. Returns the image and its size in bytes.
    ///
    /// # Errors
    /// When the store fails; [`CheckpointError::NoHead`] when there is nothing to be a change of.
    pub fn save(
        &self,
        name: &str,
        captured: &Captured,
        state: &[u8],
        incremental: bool,
    ) -> Result<(ImageId, u64), CheckpointError> {
        let parent = if incremental {
            let none = || CheckpointError::NoHead { name: name.to_owned() };
            Some(self.head(name)?.ok_or_else(none)?)
        } else {
            None
        };
        let (id, bytes) = captured.encode(parent, state, self.compression)?;
        self.publish(name, &id, &bytes)?;
        Ok((id, bytes.len() as u64))
    }

    fn publish(&self, name: &str, id: &ImageId, bytes: &[u8]) -> Result<(), CheckpointError> {
        self.objects.put_if_absent(&image_name(id), bytes)?;
        self.move_head(name, id)
    }

    fn heads(&self, name: &str) -> Result<Vec<(u64, String)>, CheckpointError> {
        let prefix = format!("head-{name}-");
        let names = self.objects.list(&prefix)?;
        let number = |object: String| {
            let digits = object.strip_prefix(&prefix)?;
            (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?.map(|n| (n, object))
        };
        Ok(names.into_iter().filter_map(number).collect())
    }

    fn move_head(&self, name: &str, id: &ImageId) -> Result<(), CheckpointError> {
        loop {
            let old = self.heads(name)?;
            let next = old.last().map_or(0, |(number, _)| number + 1);
            if self.objects.put_if_absent(&format!("head-{name}-{next:016x}"), &id.0)? {
                for (_, object) in old {
                    self.objects.delete(&object)?;
                }
                return Ok(());
            }
        }
    }

    /// The image that head `name` points to.
    ///
    /// # Errors
    /// When the store fails or the head is no head.
    pub fn head(&self, name: &str) -> Result<Option<ImageId>, CheckpointError> {
        let Some((_, object)) = self.heads(name)?.pop() else { return Ok(None) };
        self.pointed_to(object).map(Some)
    }

    /// The image that a head's object names.
    fn pointed_to(&self, object: String) -> Result<ImageId, CheckpointError> {
        let bytes = self.objects.get_range(&object, 0..33)?;
        let id = <[u8; 32]>::try_from(bytes).map_err(|bytes| CheckpointError::NotAnImage {
            name: object,
            why: format!("a head has 32 bytes, this has {}", bytes.len()),
        })?;
        Ok(ImageId(id))
    }

    /// Opens the checkpoint that head `name` points to.
    ///
    /// # Errors
    /// [`CheckpointError::NoHead`], and as [`Restored::open`].
    pub fn restore(&self, name: &str) -> Result<Restored, CheckpointError> {
        let id = self.head(name)?;
        let id = id.ok_or_else(|| CheckpointError::NoHead { name: name.to_owned() })?;
        Restored::open(self.objects.clone(), id)
    }

    /// Replaces the chain of head `name` by one full image, compressed as `at_rest` says. Cost: a
    /// read and a write of all pages; memory: all pages that aren't zero.
    ///
    /// # Errors
    /// As [`Checkpoints::restore`] and [`Checkpoints::save`].
    pub fn merge(&self, name: &str, at_rest: Compression) -> Result<ImageId, CheckpointError> {
        let mut restored = self.restore(name)?;
        let pages = restored.stored_pages()?;
        let mut bytes = Vec::with_capacity(pages.len() * PAGE);
        restored.prefetch(&pages, |_, page| bytes.extend_from_slice(page))?;
        let captured = Captured::from_parts(restored.pages(), pages, bytes);
        let state = restored.state().to_vec();
        let (id, bytes) = captured.encode(None, &state, at_rest)?;
        self.publish(name, &id, &bytes)?;
        Ok(id)
    }

    /// Deletes every image that no head reaches; returns how many. Not beside a [`Checkpoints::save`]
    /// or [`Checkpoints::merge`]: an image that is stored has no head for a moment.
    ///
    /// # Errors
    /// When the store fails, or a head or an image that it needs can't be read: then nothing is
    /// deleted, because what that head reaches isn't known.
    pub fn collect_garbage(&self) -> Result<u64, CheckpointError> {
        let mut reached = BTreeSet::new();
        for object in self.objects.list("head-")? {
            let mut next = Some(self.pointed_to(object)?);
            while let Some(id) = next {
                next = if reached.insert(image_name(&id)) {
                    Image::open(&*self.objects, &id)?.parent
                } else {
                    None
                };
            }
        }
        let mut deleted = 0;
        for object in self.objects.list("image-")? {
            if !reached.contains(&object) {
                self.objects.delete(&object)?;
                deleted += 1;
            }
        }
        for object in self.objects.list(working_set::PREFIX)? {
            let image = object.replacen(working_set::PREFIX, "image-", 1);
            if !reached.contains(&image) {
                self.objects.delete(&object)?;
            }
        }
        Ok(deleted)
    }
}
