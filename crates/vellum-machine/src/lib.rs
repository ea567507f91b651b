//! A RISC-V machine whose every page, page table and sector goes through Vellum; boots Linux.
