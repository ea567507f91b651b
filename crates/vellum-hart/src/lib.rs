//! An RV64GC processor that runs a guest unprivileged, from a cache of decoded blocks.
