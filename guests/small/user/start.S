// Where a program begins: a0 = argc, a1 = argv, sp = the top of its stack.
    .text
    .globl _start
_start:
    call main
    li a7, 1 // SYS_exit
    ecall

// i64 system_call(number, a, b, c)
    .globl system_call
system_call:
    mv a7, a0
    mv a0, a1
    mv a1, a2
    mv a2, a3
    ecall
    ret
