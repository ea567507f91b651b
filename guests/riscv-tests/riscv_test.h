/* The environment that the upstream instruction tests (riscv-tests, folder isa/) expect, for a
 * machine that shows its guest S-mode, U-mode and SBI, but no M-mode.
 *
 * A test starts in S-mode without paging. User tests go on to U-mode. The verdict is an SBI system
 * reset: shutdown without reason is a pass; shutdown for system failure is a failure, and the number
 * of the failed case is printed before it. In U-mode the same ecalls come to the trap handler
 * below, which repeats them from S-mode; a test of traps brings its own handler.
 */
#ifndef VELLUM_RISCV_TEST_H
#define VELLUM_RISCV_TEST_H

#define TESTNUM gp

#define CAUSE_MISALIGNED_FETCH 0
#define CAUSE_ILLEGAL_INSTRUCTION 2
#define CAUSE_BREAKPOINT 3
#define CAUSE_MISALIGNED_LOAD 4
#define CAUSE_MISALIGNED_STORE 6
#define CAUSE_USER_ECALL 8
#define CAUSE_STORE_PAGE_FAULT 15
#define SSTATUS_SIE 0x00000002
#define SSTATUS_SPP 0x00000100
#define SSTATUS_FS 0x00006000
#define SSTATUS_UXL 0x0000000300000000
#define SIP_SSIP 0x00000002

/* SBI: system reset, and a byte to the debug console. */
#define SBI_SRST 0x53525354
#define SBI_DBCN 0x4442434e
#define SBI_DBCN_WRITE_BYTE 2
#define SRST_SYSTEM_FAILURE 1

#define RVTEST_RV64U .macro init; init_user; .endm
#define RVTEST_RV64UF RVTEST_RV64U
#define RVTEST_RV64S .macro init; .endm

.macro init_user
	li t0, SSTATUS_SPP
	csrc sstatus, t0
	la t0, 1f
	csrw sepc, t0
	sret
1:
.endm

#define RVTEST_CODE_BEGIN                                                   \
	.section .text.init, "ax", @progbits;                               \
	.weak stvec_handler;                                                \
	.globl _start;                                                      \
_start:                                                                     \
	la t0, stvec_handler;                                               \
	bnez t0, 1f;                                                        \
	la t0, default_handler;                                             \
1:	csrw stvec, t0;                                                     \
	li t0, SSTATUS_FS;                                                  \
	csrs sstatus, t0;                                                   \
	csrw fcsr, zero;                                                    \
	li TESTNUM, 0;                                                      \
	init

#define RVTEST_PASS                                                         \
	fence;                                                              \
	li TESTNUM, 1;                                                      \
	li a0, 0;                                                           \
	li a1, 0;                                                           \
	li a6, 0;                                                           \
	li a7, SBI_SRST;                                                    \
	ecall

#define RVTEST_FAIL                                                         \
	fence;                                                              \
	j report_failure

/* Labels are named: tests refer to numbered ones across it. */
#define RVTEST_CODE_END                                                     \
	unimp;                                                              \
report_failure:                                                             \
	mv s0, TESTNUM;                                                     \
	li s1, 1000;                                                        \
	li s2, 10;                                                          \
report_digit:                                                               \
	divu a0, s0, s1;                                                    \
	remu a0, a0, s2;                                                    \
	addi a0, a0, '0';                                                   \
	li a6, SBI_DBCN_WRITE_BYTE;                                         \
	li a7, SBI_DBCN;                                                    \
	ecall;                                                              \
	divu s1, s1, s2;                                                    \
	bnez s1, report_digit;                                              \
	li a0, 0;                                                           \
	li a1, SRST_SYSTEM_FAILURE;                                         \
	li a6, 0;                                                           \
	li a7, SBI_SRST;                                                    \
	ecall;                                                              \
	j report_failure;                                                             \
	.align 2;                                                           \
default_handler:                                                            \
	csrr t5, scause;                                                    \
	li t6, CAUSE_USER_ECALL;                                            \
	bne t5, t6, unexpected_trap;                                        \
	ecall;                                                              \
	csrr t5, sepc;                                                      \
	addi t5, t5, 4;                                                     \
	csrw sepc, t5;                                                      \
	sret;                                                               \
	/* Another trap: case 900 and its cause. */                         \
unexpected_trap:                                                            \
	addi TESTNUM, t5, 900;                                              \
	j report_failure

#define RVTEST_DATA_BEGIN .align 4; .globl begin_signature; begin_signature:
#define RVTEST_DATA_END .align 4; .globl end_signature; end_signature:

#endif
