//! Memory by physical address, as the host and the loader read and write it.

use crate::{Error, VmMemory};
use vellum_frames::PAGE_SIZE;
use vellum_translate::{Gpa, Rights};

impl VmMemory {
    /// Copies memory out, by physical address, as a device would.
    ///
    /// # Errors
    /// When a part of the range is not memory, or its owner can't bring it.
    pub fn read(&mut self, at: Gpa, out: &mut [u8]) -> Result<(), Error> {
        let mut done = 0;
        while done < out.len() {
            let at = Gpa::new(at.get() + done as u64);
            let bytes = (PAGE_SIZE - at.page_offset()).min(out.len() - done);
            let frame = self.device_frame(at, (out.len() - done) as u64, Rights::READ)?;
            self.pool.read(frame, at.page_offset(), &mut out[done..done + bytes]);
            done += bytes;
        }
        self.broadcast();
        Ok(())
    }

    /// Copies memory in, by physical address, as a device would: sharing is broken, guards are
    /// resolved, guest tables are unshadowed first.
    ///
    /// # Errors
    /// As for [`VmMemory::read`], and when no frame is left.
    pub fn write(&mut self, at: Gpa, bytes: &[u8]) -> Result<(), Error> {
        let mut done = 0;
        while done < bytes.len() {
            let at = Gpa::new(at.get() + done as u64);
            let count = (PAGE_SIZE - at.page_offset()).min(bytes.len() - done);
            let frame = self.device_frame(at, (bytes.len() - done) as u64, Rights::WRITE)?;
            self.pool.write(frame, at.page_offset(), &bytes[done..done + count]);
            done += count;
        }
        self.broadcast();
        Ok(())
    }
}
