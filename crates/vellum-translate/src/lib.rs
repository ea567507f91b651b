//! Address translation: guest, host and shadow page tables, walks with exact faults, TLBs.
