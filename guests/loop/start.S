# The entry of a flat S-mode program, behind the 64-byte header of a RISC-V Linux image: loaders put
# it at 0x80200000 with the hart's number in a0 and the device tree's address in a1.
    .section .text.start, "ax"
    .globl _start
_start:
    j       begin
    .balign 8
    .quad   0x200000                # offset of the image from the start of memory
    .quad   _end - _start
    .quad   0                       # flags: little endian
    .word   2                       # version of the header
    .word   0
    .quad   0
    .ascii  "RISCV\0\0\0"
    .ascii  "RSC\x05"
    .word   0

begin:
    la      sp, stack_top
    # Paging on, as in a kernel: Sv39, four identity-mapped leaves of 1 GiB (V R W X A D).
    la      t0, root
    li      t1, 0xcf
    li      t2, 0x10000000          # 1 GiB in an entry's frame number
    sd      t1, 0(t0)
    add     t1, t1, t2
    sd      t1, 8(t0)
    add     t1, t1, t2
    sd      t1, 16(t0)
    add     t1, t1, t2
    sd      t1, 24(t0)
    srli    t0, t0, 12
    li      t1, 8 << 60
    or      t0, t0, t1
    sfence.vma
    csrw    satp, t0
    sfence.vma
    call    work
    # The finisher device: 0x5555 ends the machine, 0x3333 with a code above it says that it failed.
    li      t0, 0x100000
    li      t1, 0x5555
    beqz    a0, 1f
    slliw   a0, a0, 16
    li      t1, 0x3333
    or      t1, t1, a0
1:  sw      t1, 0(t0)
2:  wfi
    j       2b

    .bss
    .balign 4096
root:
    .skip   4096
    .balign 16
    .skip   16384
stack_top:
