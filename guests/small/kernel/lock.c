// One lock for the whole kernel: whoever runs kernel code holds it, so that kernel data needs no
// other. Harts run in parallel in user mode only. It belongs to the hart, not to the process, and
// stays held over a switch of context. Interrupts are off throughout the kernel, so a holder is never
// interrupted.
//
// It is a plain test-and-set lock. A lock of tickets is fairer on real harts, but where a host gives
// virtual harts their turns, the next in line is mostly one that does not run just now, and all
// others wait for it. While it waits, a hart says so with `pause`, and a host may let another run.
#include "kernel.h"

static u32 taken;
static struct hart *holder;

static void pause(void) { asm volatile(".word 0x0100000f"); } // a hint, hence known to all harts

void lock_kernel(void) {
    while (__atomic_exchange_n(&taken, 1, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(&taken, __ATOMIC_RELAXED)) pause();
    holder = this_hart();
}

void unlock_kernel(void) {
    assert(holder == this_hart());
    holder = NULL;
    __atomic_store_n(&taken, 0, __ATOMIC_RELEASE);
}
