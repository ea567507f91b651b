// The interrupt controller: every device's line has a number; each hart claims what is pending for
// its supervisor context.
#include "kernel.h"

enum { PRIORITY = 0, ENABLE = 0x2000, ENABLE_STRIDE = 0x80, CONTEXT = 0x200000, CONTEXT_STRIDE = 0x1000 };

static volatile u32 *reg(u64 offset) { return (volatile u32 *)((u8 *)linear(platform.plic) + offset); }

// All devices interrupt the first hart: one hart is enough to hear them, and the order is plain.
static u64 context(void) { return (u64)platform.plic_context[0]; }

void plic_init(void) {
    if (!platform.plic || platform.plic_context[0] < 0) panic("the device tree names no interrupt controller");
    *reg(CONTEXT + context() * CONTEXT_STRIDE) = 0; // threshold: everything
}

void plic_enable(u32 irq) {
    *reg(PRIORITY + irq * 4) = 1;
    *reg(ENABLE + context() * ENABLE_STRIDE + irq / 32 * 4) |= 1u << irq % 32;
}

void plic_interrupt(void) {
    volatile u32 *claim = reg(CONTEXT + context() * CONTEXT_STRIDE + 4);
    u32 irq;
    while ((irq = *claim)) {
        if (irq == platform.uart_irq) console_arrived();
        else virtio_interrupt(irq);
        *claim = irq;
    }
}
