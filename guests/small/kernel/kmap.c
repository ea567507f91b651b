// The kernel's half of every address space.
//
//   LINEAR + pa     all RAM in leaves of 2 MiB, not executable; the leaf that holds the kernel's own
//                   image is split, so that code is read-only, constants neither writable nor
//                   executable. Devices have pages of their own there.
//   STACKS          one slot of 16 KiB a process and a hart: a hole of 8 KiB, then 8 KiB of stack.
//
// Both lie in the highest 256 GiB, so the same tables serve Sv39 (as the root's upper half), Sv48
// and Sv57 (below one entry of the level above).
#include "kernel.h"

extern char text_start[], text_end[], data_start[], bss_end[];

pa_t kernel_root;
u64 kernel_satp; // head.S gives it to the secondary harts

enum { MIB2 = 2 << 20, KERNEL_BITS = PTE_V | PTE_R | PTE_A | PTE_G };

static void map(va_t va, pa_t pa, int level, u64 bits) {
    pte_t *slot = table_make(kernel_root, va, level);
    if (!slot) panic("no memory for the kernel's tables");
    table_set(slot, pte_make(pa, KERNEL_BITS | bits));
}

static void map_image_page(pa_t pa) {
    va_t va = pa + LINEAR;
    if (va >= (va_t)text_start && va < (va_t)text_end) map(va, pa, 0, PTE_X);
    else if (va >= (va_t)text_end && va < (va_t)data_start) map(va, pa, 0, 0);
    else map(va, pa, 0, PTE_W | PTE_D);
}

static void map_ram(void) {
    pa_t image_start = round_down(physical(text_start), MIB2), image_end = round_up(physical(bss_end), MIB2);
    for (pa_t pa = platform.ram.start; pa < platform.ram.end;) {
        int whole = pa % MIB2 == 0 && pa + MIB2 <= platform.ram.end;
        if (whole && (pa < image_start || pa >= image_end)) {
            map(pa + LINEAR, pa, 1, PTE_W | PTE_D);
            pa += MIB2;
        } else {
            map_image_page(pa);
            pa += PAGE;
        }
    }
}

static void map_device(pa_t start, u64 bytes) {
    for (pa_t pa = round_down(start, PAGE); pa < start + bytes; pa += PAGE)
        map(pa + LINEAR, pa, 0, PTE_W | PTE_D);
}

static void map_devices(void) {
    map_device(platform.uart, PAGE);
    if (platform.finisher) map_device(platform.finisher, PAGE);
    for (int i = 0; i < platform.virtio_count; i++) map_device(platform.virtio[i], PAGE);
    // Of the interrupt controller, what plic.c uses: priorities and enables, then each context's page.
    map_device(platform.plic, 0x3000);
    for (int h = 0; h < platform.harts; h++)
        if (platform.plic_context[h] >= 0)
            map_device(platform.plic + 0x200000 + (u64)platform.plic_context[h] * PAGE, PAGE);
}

// Tries one mode: the write of an unknown mode leaves satp as it is.
static int try_mode(int depth, pa_t root) {
    u64 satp = (u64)(8 + depth - 3) << 60 | root / PAGE;
    csr_write(satp, satp);
    sfence_all();
    if (csr_read(satp) != satp) return 0;
    levels = depth;
    kernel_root = root;
    kernel_satp = satp;
    return 1;
}

static pa_t one_above(pa_t below) {
    pa_t root = frame_alloc_zeroed();
    table_set((pte_t *)linear(root) + 511, pte_make(below, PTE_V));
    return root;
}

void kmap_init(void) {
    levels = 3;
    kernel_root = frame_alloc_zeroed();
    map_ram();
    map_devices();
    pa_t stacks = frame_alloc_zeroed(); // so that every later root shares it
    table_set((pte_t *)linear(kernel_root) + (STACKS >> 30 & 511), pte_make(stacks, PTE_V));
    pa_t root3 = kernel_root;
    pa_t root4 = options.va_bits >= 48 ? one_above(root3) : 0;
    pa_t root5 = options.va_bits >= 57 ? one_above(root4) : 0;
    if (root5 && try_mode(5, root5)) return;
    if (root4 && try_mode(4, root4)) return;
    if (!try_mode(3, root3)) panic("the hart refuses Sv39");
}

static va_t slot_base(int slot) { return STACKS + (u64)slot * 2 * STACK_SIZE + STACK_SIZE; }

// The stack stays with its slot for good, so that its pages are made known to all harts only once.
va_t kernel_stack_make(int slot) {
    va_t base = slot_base(slot);
    int added = 0;
    for (va_t va = base; va < base + STACK_SIZE; va += PAGE) {
        pte_t *entry = table_make(kernel_root, va, 0);
        if (!entry) return 0;
        if (*entry) continue;
        pa_t frame = frame_alloc();
        if (!frame) return 0;
        table_set(entry, pte_make(frame, KERNEL_BITS | PTE_W | PTE_D));
        added = 1;
    }
    if (added) tlb_flush_kernel(base, base + STACK_SIZE);
    return base + STACK_SIZE;
}
