//! The layer that is tried, and how it is held against the plain model.

use crate::plain::{Plain, Snapshot, Torn};
use crate::{DEMAND, Reference, Step, Subject, fresh};
use proptest_state_machine::StateMachineTest;
use vellum_ftl::{Config, Ftl, FtlError, Layer, Lpn, MapMode, Stream};
use vellum_nand::{Cut, Model, NandError};

/// The content of a version of a page; version 0 is zeros.
fn content(lpn: u32, version: u32, bytes: usize) -> Vec<u8> {
    if version == 0 {
        return vec![0; bytes];
    }
    let mut page: Vec<u8> = (0..bytes as u32).map(|i| (i ^ version ^ lpn) as u8).collect();
    page[..4].copy_from_slice(&version.to_le_bytes());
    page[4..8].copy_from_slice(&lpn.to_le_bytes());
    page
}

/// The layer, and how it is mounted.
pub(crate) struct Real<L> {
    layer: L,
    config: Config,
    /// Three writes in four name a stream, if the layer has streams.
    streams: bool,
}

impl<L: Subject> Real<L> {
    fn bytes(&self) -> usize {
        self.layer.page_bytes()
    }

    fn put(&mut self, lpn: u32, version: u32) -> Result<(), FtlError> {
        let page = content(lpn, version, self.bytes());
        match self.layer.tables() {
            Some(ftl) if self.streams && !version.is_multiple_of(4) => {
                ftl.write_stream(Stream((version % 4 - 1) as u8), Lpn(lpn), &page)
            }
            _ => self.layer.write(Lpn(lpn), &page),
        }
    }

    /// What a page shows. That it is nothing else, too.
    fn version(&mut self, lpn: u32) -> u32 {
        let mut page = vec![0; self.bytes()];
        self.layer.read(Lpn(lpn), &mut page).unwrap();
        let version = u32::from_le_bytes([page[0], page[1], page[2], page[3]]);
        assert!(page == content(lpn, version, page.len()), "page {lpn}: nobody wrote that");
        version
    }

    fn has_snapshot(&mut self) -> bool {
        self.layer.tables().is_some_and(|ftl| ftl.has_snapshot())
    }

    /// Does what a step asks; `plain` is the state after it.
    fn run(&mut self, step: &Step, plain: &Plain) -> Result<(), FtlError> {
        match step {
            Step::Write(numbers) => {
                let first = plain.version - numbers.len() as u32;
                for (version, &number) in (first + 1..).zip(numbers) {
                    self.put(plain.lpn(number), version)?;
                }
                Ok(())
            }
            &Step::Trim(first, count) => {
                let (first, count) = plain.range(first, count);
                self.layer.trim(Lpn(first), count)
            }
            Step::Batch(numbers) => {
                let (bytes, first) = (self.bytes(), plain.version - numbers.len() as u32);
                let lpns = (first + 1..).zip(plain.lpns(numbers));
                let pages: Vec<_> =
                    lpns.map(|(v, lpn)| (Lpn(lpn), content(lpn, v, bytes))).collect();
                let batch: Vec<(Lpn, &[u8])> = pages.iter().map(|p| (p.0, &p.1[..])).collect();
                self.tables().write_batch(&batch)
            }
            Step::Flush => self.layer.flush(),
            Step::Take => match self.tables().take_snapshot() {
                Err(FtlError::Snapshot(_)) if self.has_snapshot() => Ok(()),
                taken => taken,
            },
            Step::Drop => self.tables().drop_snapshot(),
            Step::RollBack => match self.tables().roll_back() {
                Err(FtlError::Snapshot(_)) => Ok(()),
                back => back,
            },
            Step::Scrub(from) => self.layer.scrub(Lpn(*from), 16).map(drop),
            Step::Remount { .. } | Step::Cut { .. } => unreachable!("takes the layer itself"),
        }
    }

    fn tables(&mut self) -> &mut Ftl<Model> {
        self.layer.tables().expect("asked of a layer that has it")
    }

    /// The power goes within a step, and the device is mounted and brought to what `plain` says.
    fn cut(mut self, step: &Step, cuts: [Option<Cut>; 2], plain: &Plain) -> Real<L> {
        let Some(torn) = &plain.torn else { unreachable!("the reference went through the same") };
        let [Some(first), again] = cuts else { unreachable!("there is a first cut") };
        self.layer.nand_mut().arm(first);
        let allowed = match self.run(step, &torn.after) {
            Ok(()) => &torn.after,
            Err(FtlError::Nand(NandError::PowerLost)) => &torn.within,
            Err(e) => panic!("{step:?}: {e}"),
        };
        let mut chip = self.layer.into_nand();
        chip.power_off();
        chip.power_on();
        if let Some(again) = again {
            chip.arm(again);
            let mounted = L::Over::<&mut Model>::mount(&mut chip, self.config);
            match mounted.and_then(|mut layer| layer.flush()) {
                Ok(()) | Err(FtlError::Nand(NandError::PowerLost)) => {}
                Err(e) => panic!("mounting with a cut to come: {e}"),
            }
            chip.power_off();
            chip.power_on();
        }
        let layer = L::mount(chip, self.config).unwrap();
        let mut real = Real { layer, ..self };
        let found: Vec<u32> = (0..real.layer.pages()).map(|lpn| real.version(lpn)).collect();
        for (lpn, (found, allowed)) in found.iter().zip(&allowed.pages).enumerate() {
            assert!(allowed.contains(found), "page {lpn} shows {found}, not one of {allowed:?}");
        }
        for batch in &allowed.recent {
            let latest = |&&(lpn, version): &&(u32, u32)| allowed.now(lpn) == version;
            let latest: Vec<_> = batch.iter().filter(latest).collect();
            let there = latest.iter().filter(|&&&(lpn, v)| found[lpn as usize] == v).count();
            assert!(there == 0 || there == latest.len(), "{there} of batch {latest:?}");
        }
        real.settle_snapshot(step, torn, plain, &found);
        real
    }

    /// After a cut: a snapshot is there, or not, as the step allows, and shows what it must. Then all is as `plain`
    /// says.
    fn settle_snapshot(&mut self, step: &Step, torn: &Torn, plain: &Plain, found: &[u32]) {
        let (before, after) = (&torn.snapshot, &plain.snapshot);
        match (self.has_snapshot(), before, after) {
            (true, Some(snapshot), _) | (true, None, Some(snapshot)) => {
                self.check_snapshot(snapshot);
                match (after, step) {
                    (Some(_), _) => {}
                    (None, Step::RollBack) => self.tables().roll_back().unwrap(),
                    (None, _) => self.tables().drop_snapshot().unwrap(),
                }
            }
            (true, None, None) => panic!("a snapshot that nobody took"),
            (false, Some(_), Some(_)) => panic!("the snapshot is gone"),
            (false, _, _) => {}
        }
        for (lpn, &found) in (0..).zip(found) {
            match plain.now(lpn) {
                now if now == found => {}
                0 => self.layer.trim(Lpn(lpn), 1).unwrap(),
                now => self.put(lpn, now).unwrap(),
            }
        }
        self.layer.flush().unwrap();
        if after.is_some() && !self.has_snapshot() {
            self.tables().take_snapshot().unwrap();
        }
    }

    fn check_snapshot(&mut self, snapshot: &Snapshot) {
        let mut page = vec![0; self.bytes()];
        for (lpn, &version) in (0..).zip(&snapshot.versions) {
            self.tables().read_snapshot(Lpn(lpn), &mut page).unwrap();
            assert!(page == content(lpn, version, page.len()), "page {lpn} of the snapshot");
        }
    }

    /// Everything, or what a step touched.
    fn check(&mut self, lpns: impl Iterator<Item = u32>, plain: &Plain) {
        for lpn in lpns {
            assert_eq!(self.version(lpn), plain.now(lpn), "page {lpn}");
        }
    }

    fn check_all(&mut self, plain: &Plain) {
        self.check(0..plain.pages.len() as u32, plain);
        assert_eq!(self.has_snapshot(), plain.snapshot.is_some());
        if let Some(snapshot) = &plain.snapshot {
            self.check_snapshot(snapshot);
        }
    }
}

impl<L: Subject> StateMachineTest for Real<L> {
    type SystemUnderTest = Real<L>;
    type Reference = Reference<L>;

    fn init_test(plain: &Plain) -> Real<L> {
        let (config, streams) = (plain.campaign.config, plain.streams);
        let layer: L = fresh(&plain.campaign);
        assert_eq!(layer.writes_are_cached(), !plain.durable.0);
        let mut real = Real { layer, config, streams };
        (0..real.layer.pages()).filter(|&lpn| plain.now(lpn) > 0).for_each(|lpn| {
            real.put(lpn, plain.now(lpn)).unwrap();
        });
        real.layer.flush().unwrap();
        real
    }

    fn apply(mut real: Real<L>, plain: &Plain, step: Step) -> Real<L> {
        let changes = matches!(step, Step::Write(_) | Step::Batch(_));
        let touched: Vec<u32> = match &step {
            Step::Write(numbers) | Step::Batch(numbers) => plain.lpns(numbers),
            &Step::Trim(first, count) => {
                let (first, count) = plain.range(first, count);
                (first..first + count).collect()
            }
            _ => Vec::new(),
        };
        match step {
            Step::Remount { in_order, other_map } => {
                let Real { mut layer, mut config, streams } = real;
                layer.flush().unwrap();
                let chip = if in_order { layer.shut_down().unwrap() } else { layer.into_nand() };
                if other_map {
                    config.map = if config.map == DEMAND { MapMode::Flat } else { DEMAND };
                }
                real = Real { layer: L::mount(chip, config).unwrap(), config, streams };
                real.check_all(plain);
                return real;
            }
            Step::Cut { step, cut, again } => {
                let cuts = [Some(cut), again]
                    .map(|c| c.map(|(after, mode, seed)| Cut { after, mode, seed }));
                real = real.cut(&step, cuts, plain);
                real.check_all(plain);
                return real;
            }
            step => real.run(&step, plain).unwrap_or_else(|e| panic!("{step:?}: {e}")),
        }
        if plain.perhaps_ended {
            real.tables().drop_snapshot().unwrap();
        }
        assert_eq!(real.has_snapshot(), plain.snapshot.is_some());
        real.check(touched.into_iter(), plain);
        if let Some(ftl) = real.layer.tables() {
            // A mount leaves it to the next change.
            assert!(!changes || ftl.reserve().holds(), "{:?}", ftl.reserve());
            assert_eq!(ftl.stats().last_resorts, 0);
        }
        assert!(real.layer.stats().worst_moves <= real.layer.most_moves());
        real
    }

    fn teardown(mut real: Real<L>, plain: Plain) {
        real.check_all(&plain);
    }
}
