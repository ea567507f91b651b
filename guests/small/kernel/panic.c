// The end: in good order, or with the registers on the console. Either way the machine powers off.
#include "kernel.h"
#include <stdarg.h>

enum { FINISHER_PASS = 0x5555, FINISHER_FAIL = 0x3333 };

// The finisher passes an exit code on to whoever runs the machine; SBI knows only good and bad.
void power_off(int code) {
    if (platform.finisher && kernel_root) {
        volatile u32 *finisher = linear(platform.finisher);
        *finisher = code ? (u32)code << 16 | FINISHER_FAIL : FINISHER_PASS;
        fence();
    }
    if (sbi.reset) sbi_reset(code != 0);
    for (;;) wfi();
}

void vprint(const char *f, va_list *args);

static void head(void) {
    struct proc *p = kernel_root ? this_proc() : NULL;
    print("\nkernel panic on hart %d", this_hart()->number);
    if (p) print(" in pid %d (%s)", p->pid, p->name);
    print(": ");
}

static void tail(void) {
    print("\nsatp %016lx  sstatus %016lx  time %lu\n", csr_read(satp), csr_read(sstatus), rdtime());
    power_off(1);
}

void panic(const char *format, ...) {
    va_list args;
    va_start(args, format);
    head();
    vprint(format, &args);
    tail();
    for (;;);
}

void panic_frame(struct frame *f, const char *why) {
    static const char names[32][4] = {
        "", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
        "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
    };
    head();
    print("%s%s\n", why, f->stval >= STACKS && f->stval < STACKS + (1ul << 30) && !(f->stval >> STACK_SHIFT & 1)
                             ? " (kernel stack overflow)" : "");
    print("scause %016lx  sepc %016lx  stval %016lx", f->scause, f->sepc, f->stval);
    for (int i = 1; i < 32; i++) print("%s%3s %016lx", i % 4 == 1 ? "\n" : "  ", names[i], f->x[i]);
    tail();
    for (;;);
}
