//! Memory that survives a crash: recoverable regions, checkpoints, migration.
