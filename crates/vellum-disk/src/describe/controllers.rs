//! The fields of the two kinds of controllers.

use super::fields::{Done, number, one, time, yes};
use super::text::{Fields, Slot};
use crate::config::{Buffer, Cached, ExtraDisconnect, FastWrite, Overheads, ReadAhead, Segmented};

pub(super) fn buffer(f: &mut dyn Fields, b: &mut Buffer) -> Done {
    number(f, "segments", true, &mut b.segments, 4096)?;
    number(f, "write-segments", true, &mut b.write_segments, 4096)?;
    number(f, "segment-sectors", true, &mut b.segment_sectors, u32::MAX >> 4)?;
    yes(f, "own-write-segment", &mut b.own_write_segment)?;
    yes(f, "cache", &mut b.cache)?;
    let all = [
        ReadAhead::None,
        ReadAhead::Track,
        ReadAhead::Cylinder,
        ReadAhead::Segment,
        ReadAhead::NextTrack,
    ];
    let names = ["none", "track", "cylinder", "segment", "next-track"];
    one(f, "read-ahead", &mut b.read_ahead, &all, &names)?;
    number(f, "read-ahead-min", false, &mut b.read_ahead_min, u32::MAX >> 4)?;
    number(f, "read-ahead-max", false, &mut b.read_ahead_max, u32::MAX >> 4)?;
    let over = ["drop-request", "keep-request", "over-request"];
    one(f, "read-ahead-over-request", &mut b.read_ahead_over_request, &[-1, 0, 1], &over)?;
    yes(f, "read-ahead-on-hit", &mut b.read_ahead_on_hit)?;
    yes(f, "read-on-arrival", &mut b.read_on_arrival)?;
    yes(f, "write-on-arrival", &mut b.write_on_arrival)?;
    yes(f, "keep-free-sectors", &mut b.keep_free_sectors)?;
    yes(f, "almost-hits", &mut b.almost_hits)?;
    yes(f, "hits-on-writes", &mut b.hits_on_writes)?;
    yes(f, "partial-hits-start", &mut b.partial_hits_start)?;
    yes(f, "write-stops-read-ahead", &mut b.write_stops_read_ahead)?;
    yes(f, "stop-in-sector", &mut b.stop_in_sector)?;
    yes(f, "stop-in-seek", &mut b.stop_in_seek)?;
    let all = [FastWrite::Off, FastWrite::Sequential, FastWrite::On];
    one(f, "fast-write", &mut b.fast_write, &all, &["off", "sequential", "on"])?;
    yes(f, "combine-writes", &mut b.combine_writes)?;
    number(f, "read-watermark", false, &mut b.read_watermark, 1_000_000)?;
    number(f, "write-watermark", false, &mut b.write_watermark, 1_000_000)?;
    yes(f, "watermark-of-request", &mut b.watermark_of_request)
}

pub(super) fn overheads(f: &mut dyn Fields, o: &mut Overheads) -> Done {
    f.field("read-hit", false, Slot::After(&mut o.read_hit))?;
    f.field("read-miss", false, Slot::After(&mut o.read_miss))?;
    f.field("write-hit", false, Slot::After(&mut o.write_hit))?;
    f.field("write-miss", false, Slot::After(&mut o.write_miss))?;
    time(f, "read-complete", &mut o.read_complete)?;
    time(f, "write-complete", &mut o.write_complete)?;
    time(f, "data-preparation", &mut o.data_preparation)?;
    time(f, "reselect", &mut o.reselect)?;
    time(f, "reselect-other", &mut o.reselect_other)?;
    f.field("read-disconnect", false, Slot::After(&mut o.read_disconnect))?;
    time(f, "write-disconnect", &mut o.write_disconnect)
}

pub(super) fn segmented(f: &mut dyn Fields, c: &mut Segmented) -> Done {
    time(f, "read-sector", &mut c.read_sector)?;
    time(f, "write-sector", &mut c.write_sector)?;
    yes(f, "hold-bus-read", &mut c.hold_bus_read)?;
    yes(f, "hold-bus-write", &mut c.hold_bus_write)?;
    yes(f, "never-disconnect", &mut c.never_disconnect)?;
    time(f, "write-seek-min", &mut c.write_seek_min)
}

pub(super) fn extra_disconnect(f: &mut dyn Fields, x: &mut ExtraDisconnect) -> Done {
    time(f, "command", &mut x.command)?;
    time(f, "first", &mut x.first)?;
    time(f, "between", &mut x.between)?;
    time(f, "second", &mut x.second)?;
    time(f, "seek-delta", &mut x.seek_delta)
}

pub(super) fn cached(f: &mut dyn Fields, c: &mut Cached) -> Done {
    number(f, "depth", true, &mut c.depth, 1 << 16)?;
    time(f, "age-limit", &mut c.age_limit)?;
    time(f, "command", &mut c.command)?;
    time(f, "access", &mut c.access)?;
    time(f, "interface-sector", &mut c.sector)?;
    number(f, "cache-sectors", true, &mut c.cache_sectors, u32::MAX)?;
    number(f, "read-segments", true, &mut c.read_segments, 4096)?;
    number(f, "read-ahead", false, &mut c.read_ahead, u32::MAX)?;
    yes(f, "write-back", &mut c.write_back)?;
    number(f, "dirty-sectors", false, &mut c.dirty_sectors, u32::MAX)?;
    time(f, "destage-idle", &mut c.destage_idle)?;
    time(f, "flush", &mut c.flush)?;
    number(f, "destage-sectors", true, &mut c.destage_sectors, u32::MAX)?;
    number(f, "physical-sectors", true, &mut c.physical_sectors, 128)?;
    yes(f, "in-order", &mut c.in_order)
}
