// The first instructions of each hart.
//
// The loader hands over as it does to Linux: a flat image with the header below, placed 2 MiB into
// RAM; a0 = the hart's id, a1 = the device tree; supervisor mode, no translation, interrupts off.
// We turn on Sv39 with three leaves of 1 GiB (RAM where it is, so that the next instruction is still
// there; RAM and devices at their linear addresses), jump up, and go on in C. The real tables, in
// the mode that was asked for, are built there (kmap.c).
#include "layout.h"

#define LEAF_RWX 0xcf // V R W X A D
#define LEAF_RW 0xc7
#define SATP_SV39 8

    .section .head, "ax"
    .globl _start
_start:
    j boot
    .word 0
    .balign 8
    .dword LOAD_PA - 0x80000000   // where in RAM the image wants to be
    .dword bss_end - text_start   // how much memory it needs there
    .dword 0                      // flags: little endian
    .word 2                       // version 0.2
    .word 0
    .dword 0
    .ascii "RISCV\0\0\0"
    .ascii "RSC\x05"
    .word 0

boot:
    csrw sie, zero
    mv s0, a0
    mv s1, a1
    la t0, bss_start
    la t1, bss_end
1:  sd zero, 0(t0)
    addi t0, t0, 8
    bltu t0, t1, 1b

    la t0, boot_table
    li t1, (0x80000000 >> 12 << 10) | LEAF_RWX
    sd t1, 2 * 8(t0)              // where RAM is
    li t2, LEAF_RW
    li t3, 256 * 8
    add t3, t3, t0
    sd t2, 0(t3)                  // LINEAR: the devices
    sd t1, 2 * 8(t3)              // LINEAR: RAM
    call go_high
    la sp, boot_stack_top
    la tp, harts                  // the first of them is ours
    la t0, early_trap
    csrw stvec, t0
    mv a0, s0
    mv a1, s1
    call kernel_main
1:  wfi
    j 1b

// Turns translation on with the boot table, and returns to the caller's linear address.
go_high:
    la t0, boot_table
    srli t0, t0, 12
    li t1, SATP_SV39 << 60
    or t0, t0, t1
    sfence.vma
    csrw satp, t0
    li t1, LINEAR
    add ra, ra, t1
    ret

// A hart that hart_start() woke: a0 = its id, a1 = the physical address of its struct hart.
    .globl secondary_start
secondary_start:
    csrw sie, zero
    li t0, LINEAR
    add tp, a1, t0
    call go_high
    la t0, early_trap
    csrw stvec, t0
    la t0, kernel_satp            // the boot table does not hold the kernel stacks
    ld t0, 0(t0)
    csrw satp, t0
    sfence.vma
    ld sp, HART_SCRATCH(tp)
    call secondary_main
1:  wfi
    j 1b

// Before the kernel can report a trap, it can only stop where a debugger will find it.
    .balign 4
early_trap:
    wfi
    j early_trap

    .bss
    .balign 4096
boot_table:
    .space 4096
    .balign 2 * STACK_SIZE
    .space 2 * STACK_SIZE         // only the upper half is used: trap.S tells a stack by that bit
boot_stack_top:
