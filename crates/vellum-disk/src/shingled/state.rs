//! Saved state of a shingled drive: the drive below, zones, requests that were refused.

use super::{Condition, Shingled};
use crate::state::count;
use vellum_block::{Breakdown, Completion, Instant, Lba, Request, Status};
use vellum_state::{Error, Reader, State, Writer};

const CONDITIONS: [Condition; 6] = [
    Condition::Conventional,
    Condition::Empty,
    Condition::ImplicitlyOpen,
    Condition::ExplicitlyOpen,
    Condition::Closed,
    Condition::Full,
];

fn put(w: &mut Writer<'_>, c: &Completion) {
    c.request.save(w);
    c.submitted.save(w);
    c.breakdown.save(w);
    let (code, a, b) = match c.status {
        Status::ZoneViolation { lba, expected } => (0, lba.get(), expected.get()),
        Status::ZoneResources { open, limit } => (1, open.into(), limit.into()),
        _ => (2, 0, 0),
    };
    w.u8(code);
    w.u64(a);
    w.u64(b);
}

fn get(r: &mut Reader<'_>) -> Result<Completion, Error> {
    let (request, submitted) = (Request::restore(r)?, Instant::restore(r)?);
    let parts = Breakdown::restore(r)?;
    let (code, a, b) = (r.u8()?, r.u64()?, r.u64()?);
    let status = match code {
        0 => Status::ZoneViolation { lba: Lba::new(a), expected: Lba::new(b) },
        1 => Status::ZoneResources { open: a as u32, limit: b as u32 },
        n => {
            let value = n.into();
            return Err(Error::Value { field: "status", value, why: "no refusal" });
        }
    };
    Ok(Completion::new(request, submitted, status, parts))
}

impl State for Shingled {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"DSMR", 1, |w| {
            self.disk.save(w);
            self.now.save(w);
            w.u64(self.next);
            w.u64(self.zones.all.len() as u64);
            for z in &self.zones.all {
                w.u64(z.pointer);
                w.u8(CONDITIONS.iter().position(|c| *c == z.condition).unwrap_or(0) as u8);
            }
            w.u64(self.zones.implicit.len() as u64);
            self.zones.implicit.iter().for_each(|&z| w.u32(z));
            w.u64(self.refused.len() as u64);
            for ((_, number), c) in &self.refused {
                w.u64(*number);
                put(w, c);
            }
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"DSMR", 1, |r| {
            self.disk.restore(r)?;
            self.now = Instant::restore(r)?;
            self.next = r.u64()?;
            let value = r.u64()?;
            if value != self.zones.all.len() as u64 {
                return Err(Error::Value { field: "zones", value, why: "another drive's state" });
            }
            for z in &mut self.zones.all {
                let (pointer, code) = (r.u64()?, r.u8()?);
                if pointer < z.start || pointer > z.end() {
                    let (field, why) = ("write pointer", "outside its zone");
                    return Err(Error::Value { field, value: pointer, why });
                }
                let condition = CONDITIONS.get(usize::from(code)).copied();
                let why = "no such condition";
                let wrong = Error::Value { field: "condition", value: code.into(), why };
                (z.pointer, z.condition) = (pointer, condition.ok_or(wrong)?);
            }
            self.zones.implicit = (0..count(r)?).map(|_| r.u32()).collect::<Result<_, _>>()?;
            let zones = self.zones.all.len() as u32;
            if let Some(&z) = self.zones.implicit.iter().find(|&&z| z >= zones) {
                let (field, why) = ("open zone", "there is no such zone");
                return Err(Error::Value { field, value: z.into(), why });
            }
            self.refused.clear();
            for _ in 0..count(r)? {
                let number = r.u64()?;
                let c = get(r)?;
                self.refused.insert((c.at, number), c);
            }
            Ok(())
        })
    }
}
