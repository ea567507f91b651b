// From the first C instruction to the first process.
#include "kernel.h"

extern char bss_end[], text_start[];
void secondary_start(void);

// harts[0] is the one that boots; the device tree may list another first.
static void number_harts(u64 boot_id) {
    for (int i = 0; i < platform.harts; i++) {
        if (platform.hart_id[i] != boot_id || i == 0) continue;
        platform.hart_id[i] = platform.hart_id[0];
        platform.hart_id[0] = boot_id;
        int context = platform.plic_context[i];
        platform.plic_context[i] = platform.plic_context[0];
        platform.plic_context[0] = context;
    }
    if (!platform.harts || platform.hart_id[0] != boot_id) panic("the device tree does not list hart %lu among the first %d", boot_id, HARTS);
    platform.harts = max(1, min(platform.harts, options.harts));
    for (int i = 0; i < platform.harts; i++) {
        harts[i].number = i;
        harts[i].id = platform.hart_id[i];
    }
    harts[0].online = 1;
}

// Each hart's idle loop and emergency stack have slots behind those of the processes.
static va_t hart_stacks(struct hart *hart) {
    hart->emergency = kernel_stack_make(PROCESSES + 2 * hart->number);
    va_t stack = kernel_stack_make(PROCESSES + 2 * hart->number + 1);
    if (!stack || !hart->emergency) panic("no memory for a hart's stacks");
    return stack;
}

static void banner(void) {
    if (options.quiet) return;
    print("folio: %lu KiB of memory, %lu KiB free; %d hart%s; Sv%d; ", frames_total * 4, frames_free * 4,
          platform.harts, platform.harts == 1 ? "" : "s", 12 + 9 * levels);
    if (asid_bits) print("%lu bits of ASID", asid_bits);
    else print("no ASIDs");
    print("; kernel %lu KiB\n", (u64)(bss_end - text_start) / 1024);
}

// One after the other, so that their numbers are always the same.
static void start_harts(void) {
    if (!sbi.hsm || !sbi.rfence || !sbi.ipi) return;
    for (int i = 1; i < platform.harts; i++) {
        struct hart *hart = &harts[i];
        hart->scratch = hart_stacks(hart);
        if (sbi_start_hart(hart->id, physical(secondary_start), physical(hart))) {
            print("hart %lu does not start\n", hart->id);
            break;
        }
        u64 limit = rdtime() + platform.timebase;
        while (!__atomic_load_n(&hart->online, __ATOMIC_ACQUIRE))
            if (rdtime() > limit) panic("hart %lu was started, but does not come", hart->id);
        harts_online = i + 1;
    }
}

void secondary_main(void) {
    struct hart *hart = this_hart();
    trap_init();
    __atomic_store_n(&hart->online, 1, __ATOMIC_RELEASE);
    lock_kernel();
    sched_idle();
}

// Runs on the first hart's own stack, which is known to the guard check in trap.S.
static void on_idle_stack(void) {
    lock_kernel();
    fs_init();
    proc_first();
    sched_idle();
}

void kernel_main(u64 boot_id, pa_t fdt) {
    sbi_init();
    fdt_init(fdt);
    bootargs_init(platform.bootargs);
    frames_init();
    number_harts(boot_id);
    kmap_init();
    tlb_init();
    trap_init();
    uart_init();
    console_use_uart();
    va_t stack = hart_stacks(&harts[0]);
    banner();
    if (!sbi.time) panic("the environment has no timer (SBI TIME)");
    plic_init();
    uart_start();
    disk_init();
    entropy_init();
    start_harts();
    harts[0].context.sp = stack;
    harts[0].context.ra = (u64)on_idle_stack;
    struct context boot;
    switch_context(&boot, &harts[0].context);
}
