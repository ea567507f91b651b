// What a trap means: a system call, a page to provide, an interrupt, or the end of the process.
#include "kernel.h"

void trap_init(void) {
    csr_write(sscratch, 0);
    csr_write(stvec, trap_entry);
    csr_write(sie, 1 << INT_SOFTWARE | 1 << INT_TIMER | 1 << INT_EXTERNAL);
    csr_write(scounteren, 7);
}

const char *cause_name(u64 scause) {
    static const char *const names[] = {
        "instruction address misaligned", "instruction access fault", "illegal instruction", "breakpoint",
        "load address misaligned", "load access fault", "store address misaligned", "store access fault",
        "system call", "call from supervisor mode", "reserved", "reserved", "instruction page fault",
        "load page fault", "reserved", "store page fault",
    };
    return scause < LEN(names) ? names[scause] : "unknown cause";
}

static void interrupt(u64 cause) {
    switch (cause & 0xff) {
    case INT_SOFTWARE: csr_clear(sip, 1 << INT_SOFTWARE); break; // woken: look for work
    case INT_TIMER: sched_timer(); break;
    case INT_EXTERNAL: plic_interrupt(); break;
    default: panic("unknown interrupt %lx", cause);
    }
}

static int status_of(u64 scause, int error) {
    if (error == E_NOMEM) return STATUS_OOM;
    switch (scause) {
    case EXC_ILLEGAL: return STATUS_ILLEGAL;
    case EXC_BREAKPOINT: return STATUS_TRAP;
    // A hart may report a misaligned atomic as either; and there is nothing else behind user pages.
    case EXC_FETCH_MISALIGNED: case EXC_LOAD_MISALIGNED: case EXC_STORE_MISALIGNED:
    case EXC_FETCH_ACCESS: case EXC_LOAD_ACCESS: case EXC_STORE_ACCESS: return STATUS_BUS;
    default: return STATUS_SEGV;
    }
}

// The process did what it must not, or there is no memory for what it may.
static void fatal(struct frame *f, int error) {
    struct proc *p = this_proc();
    print("%s: pid %d killed: %s (scause %lu) at sepc %lx, stval %lx%s\n", p->name, p->pid,
          cause_name(f->scause), f->scause, f->sepc, f->stval, error == E_NOMEM ? ": out of memory" : "");
    p->killed = status_of(f->scause, error);
}

// The first floating-point instruction of a process finds the unit off. It gets a clean one.
static int give_fpu(struct frame *f) {
    if (f->sstatus & SSTATUS_FS) return 0;
    memset(&this_proc()->fpu, 0, sizeof this_proc()->fpu);
    csr_set(sstatus, FS_INITIAL);
    fpu_load(&this_proc()->fpu);
    f->sstatus |= FS_INITIAL;
    return 1;
}

static void exception(struct frame *f) {
    int error = E_FAULT;
    switch (f->scause) {
    case EXC_ECALL_USER:
        f->sepc += 4;
        syscall(f);
        return;
    case EXC_FETCH_PAGE: error = mm_fault(this_proc()->mm, f->stval, FETCH); break;
    case EXC_LOAD_PAGE: error = mm_fault(this_proc()->mm, f->stval, LOAD); break;
    case EXC_STORE_PAGE: error = mm_fault(this_proc()->mm, f->stval, STORE); break;
    case EXC_ILLEGAL:
        if (give_fpu(f)) return;
        break;
    }
    if (error) fatal(f, error);
}

void trap_from_user(struct frame *f) {
    lock_kernel();
    if (f->scause & SCAUSE_INTERRUPT) interrupt(f->scause);
    else exception(f);
    trap_finish();
}

// The way back to user mode, also of a newly forked process.
void trap_finish(void) {
    struct proc *p = this_proc();
    if (p->killed) proc_exit(p->killed);
    unlock_kernel();
}

// The kernel takes interrupts only in its idle loop; anything else here is a bug in it.
void trap_from_kernel(struct frame *f) {
    if (!(f->scause & SCAUSE_INTERRUPT)) panic_frame(f, cause_name(f->scause));
    lock_kernel();
    interrupt(f->scause);
    unlock_kernel();
}
