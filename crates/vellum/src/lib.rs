//! One virtual machine's memory subsystem.
