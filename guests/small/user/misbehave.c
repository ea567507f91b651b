// Programs that do what they must not, and the test that only they suffer for it.
#include "tests.h"

int segv(int argc, char **argv) {
    (void)argv;
    if (argc > 1) (void)*(volatile int *)0xffffffc080200000ul; // the kernel's memory
    else *(volatile int *)8 = 1;
    return 0;
}

int illegal(int argc, char **argv) {
    (void)argv;
    if (argc > 1) asm volatile("csrr t0, satp" ::: "t0"); // not for user mode
    else asm volatile(".word 0");
    return 0;
}

// Plain misaligned loads and stores work on most harts; misaligned atomics on none.
int misaligned(int argc, char **argv) {
    (void)argc, (void)argv;
    static u64 words[2];
    u64 old, where = (u64)words + 1;
    asm volatile("amoadd.d %0, %1, (%2)" : "=r"(old) : "r"(1ul), "r"(where) : "memory");
    return 0;
}

static int overflow_stack(u64 depth) {
    volatile u64 room[128] = { depth };
    return overflow_stack(depth + 1) + (int)room[depth % 128];
}

int spin(int argc, char **argv) {
    (void)argc, (void)argv;
    for (;;) asm volatile("nop");
}

int crash_kernel(int argc, char **argv) {
    static const char *const names[] = { "panic", "null", "stack", "text" };
    for (u64 i = 0; i < LEN(names); i++)
        if (argc > 1 && !strcmp(argv[1], names[i])) crash(i);
    print("usage: crash panic|null|stack|text\n");
    return 1;
}

// ---- the test

static void bad_load(void) { segv(1, NULL); }
static void kernel_load(void) { segv(2, NULL); }
static void bad_instruction(void) { illegal(1, NULL); }
static void privileged(void) { illegal(2, NULL); }
static void bad_atomic(void) { misaligned(1, NULL); }
static void deep(void) { overflow_stack(0); }
static void write_text(void) { *(volatile u32 *)write_text = 0; }
static void jump_to_data(void) {
    static u32 ret = 0x00008067;
    ((void (*)(void))&ret)();
}
static void breakpoint(void) { asm volatile("ebreak"); }
static void memory_hog(void) {
    for (;;) {
        i64 at = brk(1 << 20);
        if (at < 0) exit(STATUS_OOM);
        for (u64 i = 0; i < 256; i++) *(volatile u64 *)(at + (i64)(i * PAGE)) = i;
    }
}

static const struct { const char *name; void (*act)(void); int status; } sins[] = {
    { "store to nowhere", bad_load, STATUS_SEGV }, { "load from the kernel", kernel_load, STATUS_SEGV },
    { "illegal instruction", bad_instruction, STATUS_ILLEGAL }, { "privileged instruction", privileged, STATUS_ILLEGAL },
    { "misaligned atomic", bad_atomic, STATUS_BUS }, { "stack overflow", deep, STATUS_SEGV },
    { "store to text", write_text, STATUS_SEGV }, { "jump to data", jump_to_data, STATUS_SEGV },
    { "breakpoint", breakpoint, STATUS_TRAP }, { "too much memory", memory_hog, STATUS_OOM },
};

// The kernel's messages go to the console: they are part of what one wants to see.
int crashtest(int argc, char **argv) {
    (void)argc, (void)argv;
    struct system s;
    get_system(&s);
    for (u64 i = 0; i < LEN(sins); i++) {
        if (sins[i].act == memory_hog && s.pages_total > 16384) continue; // long where memory is large
        int status, child = fork();
        if (child == 0) {
            sins[i].act();
            exit(0);
        }
        wait_for(child, &status);
        if (status != sins[i].status) return failed("crashtest", sins[i].name, (u64)status, (u64)sins[i].status);
    }
    return 0;
}
