// Into the kernel and back, and from one kernel context to another.
//
// sscratch tells where a trap came from: in user mode it points to the frame at the top of the
// process's kernel stack, in the kernel it is zero.
#include "layout.h"

.macro save_registers        // all but sp
    sd ra, 1*8(sp)
    sd gp, 3*8(sp)
    sd tp, 4*8(sp)
    .irp r, 5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd x\r, \r*8(sp)
    .endr
.endm

.macro load_registers        // all but sp and tp
    ld ra, 1*8(sp)
    ld gp, 3*8(sp)
    .irp r, 5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld x\r, \r*8(sp)
    .endr
.endm

.macro save_csrs
    csrr t1, sepc
    csrr t2, sstatus
    csrr t3, scause
    csrr t4, stval
    sd t1, FRAME_SEPC(sp)
    sd t2, FRAME_SSTATUS(sp)
    sd t3, FRAME_SCAUSE(sp)
    sd t4, FRAME_STVAL(sp)
.endm

.macro load_csrs
    ld t1, FRAME_SEPC(sp)
    ld t2, FRAME_SSTATUS(sp)
    csrw sepc, t1
    csrw sstatus, t2
.endm

    .text
    .balign 4
    .globl trap_entry
trap_entry:
    csrrw sp, sscratch, sp
    beqz sp, from_kernel

    save_registers
    csrrw t0, sscratch, zero
    sd t0, 2*8(sp)
    save_csrs
    ld tp, 0(sp)
    mv a0, sp
    call trap_from_user

// Back to user mode, with the frame at sp.
    .globl user_return
user_return:
    sd tp, 0(sp)
    csrw sscratch, sp
    load_csrs
    load_registers
    ld tp, 4*8(sp)
    ld sp, 2*8(sp)
    sret

// A forked child's first step: the switch to it "returns" here.
    .globl child_start
child_start:
    call trap_finish
    j user_return

// A trap within the kernel: an interrupt of the idle loop, or a bug. If the stack has run over into
// the hole below it (where the bit STACK_SHIFT is clear), go on on the emergency stack.
from_kernel:
    csrrw sp, sscratch, zero
    addi sp, sp, -FRAME_SIZE
    sd sp, HART_SCRATCH(tp)
    srli sp, sp, STACK_SHIFT
    andi sp, sp, 1
    bnez sp, 1f
    ld sp, HART_EMERGENCY(tp)
    addi sp, sp, -FRAME_SIZE
    j 2f
1:  ld sp, HART_SCRATCH(tp)
2:  save_registers
    ld t0, HART_SCRATCH(tp)
    addi t0, t0, FRAME_SIZE
    sd t0, 2*8(sp)
    save_csrs
    mv a0, sp
    call trap_from_kernel
    load_csrs
    load_registers
    addi sp, sp, FRAME_SIZE
    sret

// switch_context(save, load): keep what a C function must keep, and take up the other's.
    .globl switch_context
switch_context:
    sd ra, 0*8(a0)
    sd sp, 1*8(a0)
    ld ra, 0*8(a1)
    ld sp, 1*8(a1)
    .irp r, 0,1,2,3,4,5,6,7,8,9,10,11
    sd s\r, (2+\r)*8(a0)
    ld s\r, (2+\r)*8(a1)
    .endr
    ret

// The floating-point registers; the caller has switched the unit on.
    .option push
    .option arch, +d
    .globl fpu_save
fpu_save:
    .irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fsd f\r, \r*8(a0)
    .endr
    frcsr t0
    sd t0, 32*8(a0)
    ret

    .globl fpu_load
fpu_load:
    .irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fld f\r, \r*8(a0)
    .endr
    ld t0, 32*8(a0)
    fscsr t0
    ret
    .option pop
