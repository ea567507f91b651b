//! Host physical memory as a pool of 4 KiB frames: reference counts, the shared zero frame, quotas, safe reuse.
