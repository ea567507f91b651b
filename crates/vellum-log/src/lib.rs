//! A framed, checksummed append-only log, its storage trait, and the crash double that power-cuts it.
