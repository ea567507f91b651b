// One lock for the whole kernel: whoever runs kernel code holds it, so that kernel data needs no
// other. Harts run in parallel in user mode only. The lock is a pair of tickets, so that each hart
// gets its turn; it belongs to the hart, not to the process, and stays held over a switch of context.
// Interrupts are off throughout the kernel, so a holder is never interrupted.
#include "kernel.h"

static u32 next_ticket, now_serving;
static struct hart *holder;

void lock_kernel(void) {
    u32 mine = __atomic_fetch_add(&next_ticket, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&now_serving, __ATOMIC_ACQUIRE) != mine) asm volatile("nop");
    holder = this_hart();
}

void unlock_kernel(void) {
    assert(holder == this_hart());
    holder = NULL;
    __atomic_store_n(&now_serving, now_serving + 1, __ATOMIC_RELEASE);
}

int kernel_locked_here(void) { return holder == this_hart(); }
