// The processor: control registers, fences, bits. One name for each thing the manual defines.
#pragma once
#include "../abi.h"

#define csr_read(name) ({ u64 v_; asm volatile("csrr %0, " #name : "=r"(v_) : : "memory"); v_; })
#define csr_write(name, v) asm volatile("csrw " #name ", %0" : : "rK"((u64)(v)) : "memory")
#define csr_set(name, v) asm volatile("csrs " #name ", %0" : : "rK"((u64)(v)) : "memory")
#define csr_clear(name, v) asm volatile("csrc " #name ", %0" : : "rK"((u64)(v)) : "memory")

#define SSTATUS_SIE (1ul << 1)
#define SSTATUS_SPIE (1ul << 5)
#define SSTATUS_SPP (1ul << 8)
#define SSTATUS_FS (3ul << 13)
#define FS_INITIAL (1ul << 13)
#define FS_CLEAN (2ul << 13)
#define FS_DIRTY (3ul << 13)
#define SSTATUS_SUM (1ul << 18)

#define INT_SOFTWARE 1
#define INT_TIMER 5
#define INT_EXTERNAL 9
#define SCAUSE_INTERRUPT (1ul << 63)

enum {
    EXC_FETCH_MISALIGNED = 0, EXC_FETCH_ACCESS = 1, EXC_ILLEGAL = 2, EXC_BREAKPOINT = 3,
    EXC_LOAD_MISALIGNED = 4, EXC_LOAD_ACCESS = 5, EXC_STORE_MISALIGNED = 6, EXC_STORE_ACCESS = 7,
    EXC_ECALL_USER = 8, EXC_FETCH_PAGE = 12, EXC_LOAD_PAGE = 13, EXC_STORE_PAGE = 15,
};

static inline u64 rdtime(void) { u64 t; asm volatile("rdtime %0" : "=r"(t)); return t; }
static inline void wfi(void) { asm volatile("wfi" ::: "memory"); }
static inline void fence(void) { asm volatile("fence iorw, iorw" ::: "memory"); }
static inline void fence_i(void) { asm volatile("fence.i" ::: "memory"); }

// Address translation fences. An ASID in a register other than x0 spares global entries.
static inline void sfence_all(void) { asm volatile("sfence.vma" ::: "memory"); }
static inline void sfence_page(u64 va) { asm volatile("sfence.vma %0, zero" : : "r"(va) : "memory"); }
static inline void sfence_asid(u64 asid) { asm volatile("sfence.vma zero, %0" : : "r"(asid) : "memory"); }
static inline void sfence_page_asid(u64 va, u64 asid) {
    asm volatile("sfence.vma %0, %1" : : "r"(va), "r"(asid) : "memory");
}
