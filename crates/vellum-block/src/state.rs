//! Saved state of the contract's types, by `vellum-state`.

use crate::fixed::Held;
use crate::{
    Breakdown, Device, Duration, Fixed, Flags, Instant, Lba, Op, Order, Phase, Request, Rng, Tag,
};
use vellum_state::{Error, Reader, State, Writer};

/// A device whose complete state can be saved in the midst of requests, and restored into a device
/// made with the same parameters.
pub trait SavedDevice: Device + State {}

impl<D: Device + State> SavedDevice for D {}

impl Instant {
    /// Writes the instant.
    pub fn save(self, w: &mut Writer<'_>) {
        w.u64(self.as_ps());
    }

    /// Reads an instant.
    ///
    /// # Errors
    /// When cut off.
    pub fn restore(r: &mut Reader<'_>) -> Result<Self, Error> {
        r.u64().map(Instant::from_ps)
    }
}

impl Duration {
    /// Writes the span.
    pub fn save(self, w: &mut Writer<'_>) {
        w.u64(self.as_ps());
    }

    /// Reads a span.
    ///
    /// # Errors
    /// When cut off.
    pub fn restore(r: &mut Reader<'_>) -> Result<Self, Error> {
        r.u64().map(Duration::from_ps)
    }
}

impl Request {
    /// Writes the request.
    pub fn save(&self, w: &mut Writer<'_>) {
        w.u64(self.tag.0);
        w.u8(self.op.code());
        w.u64(self.lba.get());
        w.u32(self.sectors);
        w.u8(self.flags.bits());
        w.u8(self.order.code());
    }

    /// Reads a request.
    ///
    /// # Errors
    /// When cut off, or a code is not known.
    pub fn restore(r: &mut Reader<'_>) -> Result<Self, Error> {
        let tag = Tag(r.u64()?);
        let op = r.u8()?;
        let op = Op::from_code(op).ok_or(Error::Value {
            field: "operation",
            value: op.into(),
            why: "no such operation",
        })?;
        let (lba, sectors) = (Lba::new(r.u64()?), r.u32()?);
        let flags = r.u8()?;
        let flags = Flags::from_bits(flags).ok_or(Error::Value {
            field: "flags",
            value: flags.into(),
            why: "unknown bits",
        })?;
        let order = r.u8()?;
        let order = Order::from_code(order).ok_or(Error::Value {
            field: "order",
            value: order.into(),
            why: "no such order",
        })?;
        Ok(Request { tag, op, lba, sectors, flags, order })
    }
}

impl Breakdown {
    /// Writes the breakdown.
    pub fn save(&self, w: &mut Writer<'_>) {
        Phase::ALL.into_iter().for_each(|p| self.get(p).save(w));
    }

    /// Reads a breakdown.
    ///
    /// # Errors
    /// When cut off.
    pub fn restore(r: &mut Reader<'_>) -> Result<Self, Error> {
        let mut b = Breakdown::ZERO;
        for p in Phase::ALL {
            b.set(p, Duration::restore(r)?);
        }
        Ok(b)
    }
}

impl State for Rng {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"SRNG", 1, |w| w.u64(self.state()));
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"SRNG", 1, |r| {
            *self = Rng::new(r.u64()?);
            Ok(())
        })
    }
}

/// Most requests that a saved [`Fixed`] may hold in its cache.
const CACHED_LIMIT: u64 = 1 << 24;

impl State for Fixed {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"BFIX", 1, |w| {
            self.now.save(w);
            w.bool(self.powered);
            w.u64(self.sequence);
            w.u32(self.free.len() as u32);
            self.free.iter().for_each(|t| t.save(w));
            w.u32(self.held.len() as u32);
            for h in &self.held {
                h.request.save(w);
                [h.submitted, h.starts, h.ends].iter().for_each(|t| t.save(w));
                w.u64(h.sequence);
            }
            w.u64(self.cached.len() as u64);
            self.cached.iter().for_each(|c| c.save(w));
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"BFIX", 1, |r| {
            self.now = Instant::restore(r)?;
            self.powered = r.bool()?;
            self.sequence = r.u64()?;
            let servers = r.u32()?;
            if servers as usize != self.free.len() {
                let value = servers.into();
                return Err(Error::Value { field: "servers", value, why: "not this device's" });
            }
            for t in &mut self.free {
                *t = Instant::restore(r)?;
            }
            let held = r.u32()?;
            if held > self.config.queue_depth {
                let value = held.into();
                return Err(Error::Value { field: "requests", value, why: "over the depth" });
            }
            self.held.clear();
            for _ in 0..held {
                self.held.push(Held {
                    request: Request::restore(r)?,
                    submitted: Instant::restore(r)?,
                    starts: Instant::restore(r)?,
                    ends: Instant::restore(r)?,
                    sequence: r.u64()?,
                });
            }
            let cached = r.u64()?;
            if cached > CACHED_LIMIT {
                return Err(Error::Value { field: "cached", value: cached, why: "over the limit" });
            }
            self.cached.clear();
            for _ in 0..cached {
                self.cached.push_back(Request::restore(r)?);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Completion, FixedConfig, drain};
    use proptest::prelude::*;
    use vellum_state::{from_bytes, state_hash, to_bytes};

    fn request(n: u64) -> Request {
        let op = [Op::Read, Op::Write, Op::Flush, Op::Discard][(n % 4) as usize];
        Request::new(Tag(n), op, Lba::new(n * 13 % 500), (n % 7 + 1) as u32)
    }

    proptest! {
        #[test]
        fn a_restored_device_ends_every_request_at_the_same_time(
            n in 1u64..40, cut in 0u64..400, servers in 1u32..4
        ) {
            let config = FixedConfig {
                sectors: 512,
                latency: Duration::from_us(7),
                per_sector: Duration::from_us(1),
                servers,
                volatile_cache: true,
                ..FixedConfig::default()
            };
            let mut a = Fixed::new(config);
            for i in 0..n {
                a.submit(Instant::from_ns(i * 3000), request(i)).unwrap();
            }
            a.advance(Instant::from_ns((n * 3 + cut) * 1000), &mut |_: Completion| ());
            let mut b = Fixed::new(config);
            from_bytes(&mut b, &to_bytes(&a)).unwrap();
            prop_assert_eq!(state_hash(&a), state_hash(&b));
            let (mut x, mut y) = (Vec::new(), Vec::new());
            drain(&mut a, &mut |c: Completion| x.push(c));
            drain(&mut b, &mut |c: Completion| y.push(c));
            prop_assert_eq!(x, y);
        }
    }
}
