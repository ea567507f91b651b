// Processes: their table, how they begin, end, and are awaited.
#include "kernel.h"

struct proc procs[PROCESSES];
static int next_pid = 1;

struct proc *proc_find(int pid) {
    for (int i = 0; i < PROCESSES; i++)
        if (procs[i].state != FREE && procs[i].pid == pid) return &procs[i];
    return NULL;
}

// A slot with a kernel stack whose first switch leads to user mode.
static struct proc *proc_new(void) {
    for (int slot = 0; slot < PROCESSES; slot++) {
        struct proc *p = &procs[slot];
        if (p->state != FREE) continue;
        va_t stack = kernel_stack_make(slot);
        if (!stack) return NULL;
        memset(p, 0, sizeof *p);
        p->slot = slot;
        p->pid = next_pid++;
        p->group = p->pid;
        p->harts = ~0ul;
        p->frame = (struct frame *)stack - 1;
        memset(p->frame, 0, sizeof *p->frame);
        p->frame->sstatus = SSTATUS_SPIE;
        p->context.ra = (u64)child_start;
        p->context.sp = (u64)p->frame;
        return p;
    }
    return NULL;
}

// The first process runs the built-in program `init`, which is exec'ed in its name.
void proc_first(void) {
    struct proc *p = proc_new();
    struct file *console = file_new(F_CONSOLE);
    for (int i = 0; i < 3; i++) p->files[i] = file_share(console);
    file_close(console);
    this_hart()->proc = p;
    char args[sizeof options.run + 8] = "init";
    copy_name(args + 5, options.run, sizeof options.run);
    int argc = options.run[0] ? 2 : 1;
    if (exec("init", argc, args, 5 + strlen(args + 5) + 1) < 0) panic("cannot start init");
    tlb_switch(NULL);
    this_hart()->proc = NULL;
    sched_ready(p);
}

static struct proc *copy_proc(struct mm *mm) {
    struct proc *p = this_proc(), *child = mm ? proc_new() : NULL;
    if (!child) {
        if (mm) mm_drop(mm);
        return NULL;
    }
    child->mm = mm;
    child->parent = p;
    child->group = p->group;
    child->harts = p->harts;
    copy_name(child->name, p->name, NAME_MAX);
    *child->frame = *p->frame;
    if ((p->frame->sstatus & SSTATUS_FS) == FS_DIRTY) {
        csr_set(sstatus, SSTATUS_FS);
        fpu_save(&p->fpu);
        p->frame->sstatus = child->frame->sstatus = (p->frame->sstatus & ~SSTATUS_FS) | FS_CLEAN;
    }
    child->fpu = p->fpu;
    for (int i = 0; i < FILES; i++)
        if (p->files[i]) child->files[i] = file_share(p->files[i]);
    return child;
}

i64 proc_fork(void) {
    struct proc *child = copy_proc(mm_fork(this_proc()->mm));
    if (!child) return E_NOMEM;
    child->frame->x[A0] = 0;
    sched_ready(child);
    return child->pid;
}

// A process in the same address space, with its own stack.
i64 proc_thread(va_t entry, va_t stack, u64 argument) {
    struct mm *mm = this_proc()->mm;
    mm->users++;
    struct proc *child = copy_proc(mm);
    if (!child) return E_NOMEM;
    child->frame->sepc = entry;
    child->frame->x[RA] = 0;
    child->frame->x[SP] = stack;
    child->frame->x[A0] = argument;
    sched_ready(child);
    return child->pid;
}

void proc_exit(int status) {
    struct proc *p = this_proc();
    if (p == &procs[0]) panic("init ended with status %d", status);
    for (int i = 0; i < FILES; i++)
        if (p->files[i]) file_close(p->files[i]);
    struct mm *mm = p->mm;
    p->mm = NULL;
    tlb_switch(NULL);
    mm_drop(mm);
    for (int i = 0; i < PROCESSES; i++) // orphans go to init
        if (procs[i].state != FREE && procs[i].parent == p) {
            procs[i].parent = &procs[0];
            if (procs[i].state == ENDED) wake(&procs[0]);
        }
    p->frame->sstatus &= ~SSTATUS_FS; // its floating-point registers need no saving
    p->status = status;
    p->state = ENDED;
    wake(p->parent);
    sched_block();
    panic("an ended process runs");
}

// Waits for a child (pid -1: any) to end; its slot is free afterwards.
i64 proc_wait(int pid, int *status) {
    struct proc *me = this_proc();
    for (;;) {
        int children = 0;
        for (int i = 0; i < PROCESSES; i++) {
            struct proc *p = &procs[i];
            if (p->state == FREE || p->parent != me || (pid > 0 && p->pid != pid)) continue;
            children++;
            if (p->state != ENDED) continue;
            int ended = p->pid;
            *status = p->status;
            p->state = FREE;
            return ended;
        }
        if (!children) return E_NOENT;
        int error = sleep_on(me);
        if (error) return error;
    }
}

// The process ends when it next leaves the kernel; a sleeper is woken to do so.
void proc_kill(struct proc *p, int status) {
    if (p->state == FREE || p->state == ENDED || p->killed) return;
    p->killed = status;
    if (p->state == SLEEPING) sched_ready(p);
    else if (p->state == RUNNING && p != this_proc()) sbi_send_ipi(1ul << p->hart);
}

void proc_kill_group(int group, int status) {
    for (int i = 1; i < PROCESSES; i++)
        if (procs[i].state != FREE && procs[i].group == group) proc_kill(&procs[i], status);
}
