//! How fast the simulation runs: requests of a page with its data on chip G1 at 28 % over-provisioning, as the
//! published simulators' fastest case; then what the memory alone allows: copies of as many bytes to and from
//! random pages of as large a buffer, with nothing else done.
//!
//! Every write carries data of its own, and every read is compared with what was written last. A request's
//! data comes in a slice, which the chip copies, or in a page that is handed over. Filling that page is the
//! host's work, as it is to fill the slice: the second figure counts it too.

use super::CHIP;
use crate::measure::{cpu_seconds, most_resident};
use anyhow::{Result, ensure};
use std::hint::black_box;
use vellum_block::Rng;
use vellum_ftl::{Config, Ftl, Lpn, Page};
use vellum_nand::{Model, ModelConfig};

/// Requests that the host makes before it has them served: their data fits the second cache.
const BATCH: usize = 64;
const REQUESTS: u32 = 1_000_000;

/// Requests of one kind a CPU second.
#[derive(Debug, serde::Serialize)]
struct Speed {
    requests: &'static str,
    data: &'static str,
    a_second: f64,
    /// With the host's filling of pages counted.
    with_filling: Option<f64>,
    /// Programs a host write; none where nothing is written.
    waf: Option<f64>,
    /// MiB resident at most so far, the chip's bytes and the host's among them.
    resident_mib: f64,
}

/// Whether a page is as write number `written` left it.
fn is_whole(data: &[u8], written: u32, fill: &[u8]) -> bool {
    data[..4] == written.to_le_bytes() && data[4..] == fill[4..]
}

/// A host: what it wrote to each page.
struct Host {
    ftl: Ftl<Model>,
    rng: Rng,
    /// Every page's data but for its first bytes, which say which write it was.
    fill: Vec<u8>,
    written: Vec<u32>,
    count: u32,
}

impl Host {
    fn new() -> Result<Host> {
        let pages = (CHIP.pages() * 100 / 128) as u32;
        let ftl = Ftl::format(Model::new(ModelConfig::perfect(CHIP))?, Config::new(pages))?;
        let mut rng = Rng::new(1);
        let fill = (0..ftl.page_bytes()).map(|_| rng.next_u64() as u8).collect();
        let mut host = Host { ftl, rng, fill, written: vec![0; pages as usize], count: 0 };
        let mut page = host.fill.clone();
        (0..pages).try_for_each(|lpn| host.write(lpn, &mut page))?;
        Ok(host)
    }

    /// The next number, and the logical page that it goes to.
    fn next(&mut self, in_order: bool) -> (u32, u32) {
        self.count += 1;
        let pages = self.written.len() as u32;
        let lpn = if in_order { self.count % pages } else { self.rng.below(pages.into()) as u32 };
        (self.count, lpn)
    }

    /// Writes the page with the present number.
    fn write(&mut self, lpn: u32, page: &mut [u8]) -> Result<()> {
        page[..4].copy_from_slice(&self.count.to_le_bytes());
        self.written[lpn as usize] = self.count;
        Ok(self.ftl.write(Lpn(lpn), page)?)
    }

    /// CPU seconds of requests in slices, `reads` in ten of them reads.
    fn in_slices(&mut self, reads: u64, in_order: bool) -> Result<(f64, f64)> {
        let mut page = self.fill.clone();
        let mut read = vec![0; page.len()];
        let start = cpu_seconds();
        for _ in 0..REQUESTS {
            let (_, lpn) = self.next(in_order);
            if self.rng.below(10) < reads {
                self.ftl.read(Lpn(lpn), &mut read)?;
                let whole = is_whole(&read, self.written[lpn as usize], &self.fill);
                ensure!(whole, "page {lpn} is not as it was written");
            } else {
                self.write(lpn, &mut page)?;
            }
        }
        Ok((cpu_seconds() - start, 0.0))
    }

    /// The same in pages that change hands: of the requests, and of the host that makes them.
    fn in_pages(&mut self, reads: u64, in_order: bool) -> Result<(f64, f64)> {
        let mut batch: Vec<(u32, u32, Option<Page>)> = Vec::with_capacity(BATCH);
        let (mut host, mut served) = (0.0, 0.0);
        for _ in 0..REQUESTS as usize / BATCH {
            let start = cpu_seconds();
            for _ in 0..BATCH {
                let (number, lpn) = self.next(in_order);
                let page = (self.rng.below(10) >= reads).then(|| {
                    let mut page = self.ftl.page();
                    let bytes = page.bytes_mut();
                    bytes.copy_from_slice(&self.fill);
                    bytes[..4].copy_from_slice(&number.to_le_bytes());
                    page
                });
                batch.push((number, lpn, page));
            }
            let made = cpu_seconds();
            for (number, lpn, page) in batch.drain(..) {
                if let Some(page) = page {
                    self.written[lpn as usize] = number;
                    self.ftl.write_page(Lpn(lpn), &page)?;
                } else {
                    let (written, fill) = (self.written[lpn as usize], &self.fill);
                    let whole =
                        self.ftl.read_with(Lpn(lpn), |data| is_whole(data, written, fill))?;
                    ensure!(whole, "page {lpn} is not as it was written");
                }
            }
            host += made - start;
            served += cpu_seconds() - made;
        }
        Ok((served, host))
    }

    fn measure(
        &mut self,
        requests: &'static str,
        reads: u64,
        in_order: bool,
        whole: bool,
    ) -> Result<Speed> {
        let before = self.ftl.stats();
        let (served, host) =
            if whole { self.in_pages(reads, in_order)? } else { self.in_slices(reads, in_order)? };
        let now = self.ftl.stats();
        let writes = (now.host_writes - before.host_writes) as f64;
        let n = (now.host_writes + now.host_reads - before.host_writes - before.host_reads) as f64;
        Ok(Speed {
            requests,
            data: if whole { "handed over" } else { "in slices" },
            a_second: n / served,
            with_filling: (whole && writes > 0.0).then_some(n / (served + host)),
            waf: (writes > 0.0).then_some((now.programs() - before.programs()) as f64 / writes),
            resident_mib: most_resident()?,
        })
    }
}

/// Copies to or from random places.
fn bare(requests: &'static str, writes: bool) -> Result<Speed> {
    let (mut rng, bytes) = (Rng::new(2), CHIP.page_bytes as usize);
    let mut memory = vec![1u8; CHIP.bytes() as usize];
    let mut page = vec![2u8; bytes];
    let start = cpu_seconds();
    for _ in 0..REQUESTS {
        let at = rng.below(CHIP.pages() * 100 / 128) as usize * bytes;
        let there = &mut memory[at..at + bytes];
        if writes {
            there.copy_from_slice(black_box(&page));
        } else {
            page.copy_from_slice(black_box(there));
        }
        black_box((&mut memory, &mut page));
    }
    let a_second = f64::from(REQUESTS) / (cpu_seconds() - start);
    let resident_mib = most_resident()?;
    Ok(Speed { requests, data: "", a_second, with_filling: None, waf: None, resident_mib })
}

/// Those in whose name and way of data `only` stands.
pub fn run(only: &str, json: bool) -> Result<()> {
    let mut speeds = Vec::new();
    let mut host = Host::new()?;
    for (requests, reads, in_order) in [
        ("sequential writes", 0, true),
        ("uniform writes", 0, false),
        ("7 reads to 3 writes, uniform", 7, false),
        ("uniform reads", 10, false),
    ] {
        for (whole, data) in [(false, "in slices"), (true, "handed over")] {
            if !format!("{requests} {data}").contains(only) {
                continue;
            }
            speeds.push(host.measure(requests, reads, in_order, whole)?);
        }
    }
    drop(host);
    for (requests, writes) in [("bare copies to memory", true), ("bare copies from memory", false)]
    {
        if requests.contains(only) {
            speeds.push(bare(requests, writes)?);
        }
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&speeds)?);
        return Ok(());
    }
    println!(
        "simulated with data, million requests of a page a CPU second (128 MiB chip, 28 % OP);"
    );
    println!(
        "data in slices, or in pages handed over (in brackets: their filling by the host counted)"
    );
    for row in &speeds {
        let filled = row.with_filling.map_or(String::new(), |f| format!("({:.2})", f / 1e6));
        let waf = row.waf.map_or(String::new(), |waf| format!("WAF {waf:.2}"));
        let line = format!(
            "  {:<30}{:<12}{:>6.2} {filled:<8}{waf}",
            row.requests,
            row.data,
            row.a_second / 1e6
        );
        println!("{}", line.trim_end());
    }
    if let Some(last) = speeds.iter().rfind(|row| !row.data.is_empty()) {
        let (raw, spare) = (CHIP.bytes(), CHIP.pages() * u64::from(CHIP.oob_bytes));
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        println!(
            "resident at most, the chip's bytes, its tables, the layer's and the host together: {:.1} MiB;",
            last.resident_mib
        );
        println!(
            "the chip has {:.0} MiB of data and {:.0} MiB of out-of-band bytes",
            mib(raw),
            mib(spare)
        );
    }
    Ok(())
}
