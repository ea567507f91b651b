//! What reaches the medium, and what a loss of power leaves of the rest.

use super::{Reports, Volume, VolumeError};
use crate::{Completion, Device, Fate, Instant, Lba, Loss, Media, Rng};
use alloc::vec::Vec;

/// What becomes of a sector that was being written when the power went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TornPolicy {
    /// Its code does not fit its data: reading it fails until it is written again. What magnetic
    /// disks do.
    #[default]
    Unreadable,
    /// It holds what it held before.
    Old,
    /// It holds the new content.
    New,
    /// Old or new, by a coin with this seed.
    Coin(u64),
}

impl<D: Device, M: Media> Volume<D, M> {
    /// Moves a write's sectors to the medium, with everything older that they supersede.
    pub(super) fn land(&mut self, write: u64, lba: Lba, sectors: u32) -> Result<(), VolumeError> {
        for at in lba.get()..lba.get() + u64::from(sectors) {
            let Some(versions) = self.pending.get_mut(&at) else { continue };
            let Some(i) = versions.iter().position(|v| v.write == write) else { continue };
            match versions[i].data.as_deref() {
                Some(data) => self.media.write(Lba::new(at), data)?,
                None => self.media.discard(Lba::new(at), 1)?,
            }
            versions.drain(..=i);
            if versions.is_empty() {
                self.pending.remove(&at);
            }
            self.torn.remove(&at);
        }
        Ok(())
    }

    /// Drops a write that failed.
    pub(super) fn forget(&mut self, write: u64, lba: Lba, sectors: u32) {
        for at in lba.get()..lba.get() + u64::from(sectors) {
            if let Some(versions) = self.pending.get_mut(&at) {
                versions.retain(|v| v.write != write);
                if versions.is_empty() {
                    self.pending.remove(&at);
                }
            }
        }
    }

    /// Cuts the power at `now`: afterwards the medium holds the durable content and nothing else.
    /// `done` hears of completions up to then; the losses are returned with the submitters' tags.
    ///
    /// # Errors
    /// When the content can't be written.
    pub fn power_loss(
        &mut self,
        now: Instant,
        policy: TornPolicy,
        done: &mut dyn FnMut(Completion, Option<Vec<u8>>),
    ) -> Result<Vec<Loss>, VolumeError> {
        let (mut reports, mut losses) = (Reports::default(), Vec::new());
        self.device.power_loss(now, &mut reports, &mut |l| losses.push(l));
        let tags = self.flying.clone();
        self.apply(reports, done)?;
        let mut rng = Rng::new(if let TornPolicy::Coin(seed) = policy { seed } else { 0 });
        for loss in &losses {
            match loss.fate {
                Fate::Lost => {}
                Fate::Kept => self.land(loss.tag.0, loss.lba, loss.sectors)?,
                Fate::Torn => self.tear(loss, policy, &mut rng)?,
            }
        }
        self.pending.clear();
        self.flying.clear();
        for loss in &mut losses {
            loss.tag = tags.get(&loss.tag.0).copied().unwrap_or(loss.tag);
        }
        Ok(losses)
    }

    fn tear(&mut self, loss: &Loss, policy: TornPolicy, rng: &mut Rng) -> Result<(), VolumeError> {
        for at in loss.lba.get()..loss.lba.get() + u64::from(loss.sectors) {
            let new = match policy {
                TornPolicy::Unreadable => {
                    self.torn.insert(at);
                    false
                }
                TornPolicy::Old => false,
                TornPolicy::New => true,
                TornPolicy::Coin(_) => rng.one_in(2),
            };
            if new {
                self.land(loss.tag.0, Lba::new(at), 1)?;
            }
        }
        Ok(())
    }
}
