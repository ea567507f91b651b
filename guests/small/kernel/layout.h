// Constants that assembly and C share. Addresses are explained in kmap.c.
#pragma once

#define PAGE 4096
#define LINEAR 0xffffffc000000000 // virtual = physical + LINEAR, for RAM and devices
#define LOAD_PA 0x80200000        // where the loader puts the image
#define STACKS 0xffffffe000000000 // kernel stacks, each below it a hole that catches overflow
#define STACK_SHIFT 13
#define STACK_SIZE (1 << STACK_SHIFT) // 8 KiB of stack, in a slot of 16 KiB

// struct frame: the 32 registers (slot 0 holds the hart's pointer), then four CSRs.
#define FRAME_SIZE 288
#define FRAME_SEPC 256
#define FRAME_SSTATUS 264
#define FRAME_SCAUSE 272
#define FRAME_STVAL 280

// struct hart: what trap.S touches.
#define HART_SCRATCH 0
#define HART_EMERGENCY 8
