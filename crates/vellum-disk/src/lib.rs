//! The magnetic disk: geometry, mechanics, caches, scheduling and faults in virtual time.
