# Runs blocks of instructions one by one and keeps the registers that each leaves. Image header as in
# ../loop/start.S.
    .section .text.start, "ax"
    .globl _start
_start:
    j       begin
    .balign 8
    .quad   0x200000
    .quad   0x600000
    .quad   0
    .word   2
    .word   0
    .quad   0
    .ascii  "RISCV\0\0\0"
    .ascii  "RSC\x05"
    .word   0

begin:
    la      sp, stack_top
    la      t0, trapped
    csrw    stvec, t0
    li      t0, 0x6000              # floating point on
    csrs    sstatus, t0
    call    work
    li      t0, 0x100000
    li      t1, 0x5555
    sw      t1, 0(t0)
1:  wfi
    j       1b

    # run(before, after, code): registers in, the block, registers out. A block may change anything
    # but x2 and x31, which point at its scratch memory.
    .globl run
run:
    la      t0, saved
    sd      ra, 0(t0)
    sd      sp, 8(t0)
    sd      s0, 16(t0)
    sd      s1, 24(t0)
    sd      s2, 32(t0)
    sd      s3, 40(t0)
    sd      s4, 48(t0)
    sd      s5, 56(t0)
    sd      s6, 64(t0)
    sd      s7, 72(t0)
    sd      s8, 80(t0)
    sd      s9, 88(t0)
    sd      s10, 96(t0)
    sd      s11, 104(t0)
    sd      gp, 112(t0)
    sd      tp, 120(t0)
    sd      a1, 128(t0)
    la      t1, finished
    sd      t1, 136(t0)
    csrw    sscratch, a2
    mv      x31, a0
    ld      t0, 0(x31)
    fscsr   t0
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fld     f\n, 256+8*\n(x31)
    .endr
    .irp    n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    ld      x\n, 8*\n(x31)
    .endr
    # x1 holds the block's address for the jump, so it starts with that.
    csrr    x1, sscratch
    la      x31, scratch
    mv      x2, x31
    jr      x1

    # A block ends with `addi x31, x31, 2040; ld x31, 144(x31); jr x31`, which leads here.
    .globl finished
finished:
    la      x31, saved
    ld      x31, 128(x31)
    .irp    n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    sd      x\n, 8*\n(x31)
    .endr
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fsd     f\n, 256+8*\n(x31)
    .endr
    frcsr   t0
    sd      t0, 0(x31)
    la      t0, saved
    ld      ra, 0(t0)
    ld      sp, 8(t0)
    ld      s0, 16(t0)
    ld      s1, 24(t0)
    ld      s2, 32(t0)
    ld      s3, 40(t0)
    ld      s4, 48(t0)
    ld      s5, 56(t0)
    ld      s6, 64(t0)
    ld      s7, 72(t0)
    ld      s8, 80(t0)
    ld      s9, 88(t0)
    ld      s10, 96(t0)
    ld      s11, 104(t0)
    ld      gp, 112(t0)
    ld      tp, 120(t0)
    ret

    # No block should trap; one that does ends the run with the cause as exit code.
    .balign 4
trapped:
    csrr    t0, scause
    addi    t0, t0, 64
    slli    t0, t0, 16
    li      t1, 0x3333
    or      t0, t0, t1
    li      t1, 0x100000
    sw      t0, 0(t1)
1:  j       1b

    .bss
    .balign 4096
    .globl scratch_start
scratch_start:
    .skip   2048
scratch:
    .skip   2048
saved:
    .skip   256
    .balign 16
    .skip   16384
stack_top:
