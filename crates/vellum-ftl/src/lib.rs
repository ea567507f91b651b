//! Flash translation layer: mapping, garbage collection, wear, bad blocks, recovery after power loss.
