//! Byte-addressable non-volatile memory: phase-change memory and memristors.
