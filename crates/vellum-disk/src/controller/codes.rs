//! How the controller's saved state writes what is neither a number nor a flag.

use super::types::{Arm, Bus, BusEvent, Hit, JobId, SegOut, SegState};
use vellum_state::{Error, Reader, Writer};

pub(super) fn wrong<T>(field: &'static str, value: u64) -> Result<T, Error> {
    Err(Error::Value { field, value, why: "not possible for this drive" })
}

pub(super) fn put(w: &mut Writer<'_>, v: i64) {
    w.u64(v as u64);
}

pub(super) fn get(r: &mut Reader<'_>) -> Result<i64, Error> {
    Ok(r.u64()? as i64)
}

/// An optional number as the number plus one.
pub(super) fn put_some(w: &mut Writer<'_>, v: Option<usize>) {
    w.u64(v.map_or(0, |v| v as u64 + 1));
}

pub(super) fn get_some(r: &mut Reader<'_>, limit: usize) -> Result<Option<usize>, Error> {
    match r.u64()? {
        0 => Ok(None),
        n if n <= limit as u64 => Ok(Some(n as usize - 1)),
        n => wrong("index", n),
    }
}

pub(super) fn put_list(w: &mut Writer<'_>, list: &[JobId]) {
    w.u64(list.len() as u64);
    list.iter().for_each(|&j| w.u64(j as u64));
}

pub(super) fn get_list(r: &mut Reader<'_>, limit: usize) -> Result<Vec<JobId>, Error> {
    let n = r.u64()?;
    if n > limit as u64 {
        return wrong("length", n);
    }
    (0..n)
        .map(|_| match r.u64()? {
            j if j < limit as u64 => Ok(j as usize),
            j => wrong("job", j),
        })
        .collect()
}

pub(super) fn one_of<T: Copy>(r: &mut Reader<'_>, all: &[T]) -> Result<T, Error> {
    let i = r.u8()?;
    all.get(i as usize).map_or_else(|| wrong("code", i.into()), |&v| Ok(v))
}

pub(super) fn code<T: PartialEq>(w: &mut Writer<'_>, v: &T, all: &[T]) {
    w.u8(all.iter().position(|a| a == v).unwrap_or(0) as u8);
}

pub(super) const HITS: [Hit; 6] =
    [Hit::No, Hit::Partial, Hit::Whole, Hit::Append, Hit::Prepend, Hit::Collision];
pub(super) const STATES: [SegState; 5] =
    [SegState::Empty, SegState::Clean, SegState::Dirty, SegState::Reading, SegState::Writing];
pub(super) const OUTS: [SegOut; 4] =
    [SegOut::Idle, SegOut::Contacting, SegOut::Transferring, SegOut::Preempt];
pub(super) const ARMS: [Arm; 3] = [Arm::Still, Arm::Seek, Arm::Sector];
pub(super) const BUSES: [Bus; 3] = [Bus::Idle, Bus::Waiting, Bus::Transferring];

pub(super) fn put_event(w: &mut Writer<'_>, event: Option<(u64, BusEvent)>) {
    let Some((at, event)) = event else { return w.u8(0) };
    let (kind, job) = match event {
        BusEvent::Connected(j) => (1, j),
        BusEvent::Left(j) => (2, j),
        BusEvent::Moved(j) => (3, j),
        BusEvent::Completed(j) => (4, j),
    };
    w.u8(kind);
    w.u64(at);
    w.u64(job as u64);
}

pub(super) fn get_event(r: &mut Reader<'_>, jobs: usize) -> Result<Option<(u64, BusEvent)>, Error> {
    let kind = r.u8()?;
    if kind == 0 {
        return Ok(None);
    }
    let at = r.u64()?;
    let job = match r.u64()? {
        j if j < jobs as u64 => j as usize,
        j => return wrong("job", j),
    };
    let event = match kind {
        1 => BusEvent::Connected(job),
        2 => BusEvent::Left(job),
        3 => BusEvent::Moved(job),
        4 => BusEvent::Completed(job),
        k => return wrong("event", k.into()),
    };
    Ok(Some((at, event)))
}
