// Who runs where: round robin, a slice of 10 ms each, preempted by the timer.
//
// A hart switches from one process's kernel stack straight to the next one's, or to its idle loop.
// The timer is set for what is due: the end of the slice, or the next sleeper; an idle machine
// without sleepers sets none.
#include "kernel.h"

struct hart harts[HARTS];
int harts_online = 1;
u64 count_switches;
static u64 last_turn;

enum { SLICE_US = 10000 };
#define NEVER (~0ul)

u64 us_to_ticks(u64 us) {
    u64 per_second = platform.timebase;
    return us / 1000000 * per_second + us % 1000000 * per_second / 1000000;
}

u64 ticks_to_us(u64 ticks) {
    u64 per_second = platform.timebase;
    return ticks / per_second * 1000000 + ticks % per_second * 1000000 / per_second;
}

static void set_timer(u64 when) {
    struct hart *hart = this_hart();
    if (hart->timer == when) return;
    hart->timer = when;
    sbi_set_timer(when);
}

// The process that has been ready for longest, of those that may run here. (Walking round the table
// is not fair among several harts: a process that may run on one hart only can be passed over by all.)
static struct proc *pick(void) {
    u64 here = 1ul << this_hart()->number;
    struct proc *first = NULL;
    for (int i = 0; i < PROCESSES; i++) {
        struct proc *p = &procs[i];
        if (p->state == READY && p->harts & here && (!first || p->turn < first->turn)) first = p;
    }
    return first;
}

static u64 next_sleeper(void) {
    u64 when = NEVER;
    for (int i = 0; i < PROCESSES; i++)
        if (procs[i].state == SLEEPING && procs[i].wakes_at) when = min(when, procs[i].wakes_at);
    return when;
}

// Wakes sleepers whose time has come, and the process if its slice has ended.
void sched_timer(void) {
    u64 now = rdtime();
    this_hart()->timer = 0;
    for (int i = 0; i < PROCESSES; i++) {
        struct proc *p = &procs[i];
        if (p->state == SLEEPING && p->wakes_at && p->wakes_at <= now) sched_ready(p);
    }
    if (this_proc()) sched_yield();
    else set_timer(NEVER);
}

// Wakes an idle hart that may run the ready process `p`, if there is one.
static void call_idle_hart(struct proc *p) {
    for (int i = 0; i < harts_online; i++)
        if (harts[i].idle && p->harts >> i & 1) {
            harts[i].idle = 0;
            if (&harts[i] != this_hart()) sbi_send_ipi(1ul << i);
            return;
        }
}

static void leave(struct proc *p) {
    p->ticks += rdtime() - p->since;
    if ((p->frame->sstatus & SSTATUS_FS) != FS_DIRTY) return;
    csr_set(sstatus, SSTATUS_FS);
    fpu_save(&p->fpu);
    p->frame->sstatus = (p->frame->sstatus & ~SSTATUS_FS) | FS_CLEAN;
}

static void enter(struct proc *p) {
    struct hart *hart = this_hart();
    p->state = RUNNING;
    p->hart = hart->number;
    p->since = rdtime();
    tlb_switch(p->mm);
    if (p->frame->sstatus & SSTATUS_FS) {
        csr_set(sstatus, SSTATUS_FS);
        fpu_load(&p->fpu);
    }
    hart->slice_end = p->since + us_to_ticks(SLICE_US);
    set_timer(min(hart->slice_end, next_sleeper()));
}

// From whoever runs here to `next` (NULL: the idle loop). Returns when the caller is picked again,
// perhaps on another hart.
static void switch_to(struct proc *next) {
    struct hart *hart = this_hart();
    struct proc *old = hart->proc;
    if (old) leave(old);
    if (old == next) {
        if (next) enter(next);
        return;
    }
    hart->proc = next;
    count_switches++;
    if (next) enter(next);
    else tlb_switch(NULL);
    switch_context(old ? &old->context : &hart->context, next ? &next->context : &hart->context);
}

// Gives the hart to the next process in turn, which may be the same one.
void sched_yield(void) {
    struct proc *p = this_proc();
    p->state = READY;
    p->turn = ++last_turn;
    struct proc *next = pick();
    if (next != p) call_idle_hart(p);
    switch_to(next);
}

void sched_block(void) { switch_to(pick()); }

void sched_ready(struct proc *p) {
    p->state = READY;
    p->turn = ++last_turn;
    p->waits_for = NULL;
    p->wakes_at = 0;
    call_idle_hart(p);
}

// Entered once by each hart, with the lock held. Interrupts are open only for the moment after wfi.
void sched_idle(void) {
    struct hart *hart = this_hart();
    for (;;) {
        struct proc *next;
        while ((next = pick())) switch_to(next);
        set_timer(next_sleeper());
        hart->idle = 1;
        unlock_kernel();
        wfi();
        csr_set(sstatus, SSTATUS_SIE);
        asm volatile("nop");
        csr_clear(sstatus, SSTATUS_SIE);
        lock_kernel();
        hart->idle = 0;
    }
}

// ---- waiting

static void sleep(void *what, u64 when) {
    struct proc *p = this_proc();
    p->waits_for = what;
    p->wakes_at = when;
    p->state = SLEEPING;
    sched_block();
}

// For waits that must end as they should, such as for a disk; the caller looks again when it wakes,
// since a kill wakes it too.
void sleep_through(void *what) { sleep(what, 0); }

int sleep_on(void *what) {
    if (!this_proc()->killed) sleep(what, 0);
    return this_proc()->killed ? E_INTR : 0;
}

int sleep_until(u64 when) {
    while (rdtime() < when) {
        if (this_proc()->killed) return E_INTR;
        sleep(NULL, when);
    }
    return 0;
}

void wake(void *what) {
    for (int i = 0; i < PROCESSES; i++)
        if (procs[i].state == SLEEPING && procs[i].waits_for == what && what) sched_ready(&procs[i]);
}
