// Page faults: memory appears, or is copied, when it is touched.
//
// The first load maps the shared frame of zeros, the first store a fresh frame. A store to a page
// whose frame fork has shared (PTE_COW) copies the frame, or adopts it if nobody else is left. The
// accessed and dirty bits are set here too, for harts that do not set them themselves.
#include "kernel.h"

u64 count_faults, count_copies, count_adoptions;

u64 right_bits(u32 prot) {
    u64 bits = PTE_U;
    if (prot & (PROT_READ | PROT_WRITE)) bits |= PTE_R;
    if (prot & PROT_WRITE) bits |= PTE_W;
    if (prot & PROT_EXEC) bits |= PTE_X;
    return bits;
}

static int is_allowed(const struct area *a, enum access why) {
    u32 need = why == LOAD ? PROT_READ : why == STORE ? PROT_WRITE : PROT_EXEC;
    return (a->prot & need) || (why == LOAD && a->prot & PROT_WRITE);
}

// A first touch: zeros, shared until they are written.
static int fault_new(struct mm *mm, struct area *a, pte_t *slot, enum access why) {
    u64 bits = right_bits(a->prot) | PTE_V | PTE_A;
    pa_t frame = zero_frame;
    if (why == STORE || a->shared) {
        frame = frame_alloc_zeroed();
        if (!frame) return E_NOMEM;
        if (why == STORE) bits |= PTE_D;
    } else if (bits & PTE_W) {
        bits = (bits & ~PTE_W) | PTE_COW;
    }
    mm->resident++;
    table_set(slot, pte_make(frame, bits));
    return 0;
}

static int fault_cow(pte_t *slot) {
    pa_t old = pte_pa(*slot), frame = old;
    u64 bits = (*slot & 0x3ff & ~PTE_COW) | PTE_W | PTE_A | PTE_D;
    if (old == zero_frame || frame_references(old) > 1) {
        frame = old == zero_frame ? frame_alloc_zeroed() : frame_alloc();
        if (!frame) return E_NOMEM;
        if (old != zero_frame) memcpy(linear(frame), linear(old), PAGE);
        count_copies++;
    } else {
        count_adoptions++;
    }
    table_set(slot, pte_make(frame, bits));
    return frame != old;
}

// Makes the access possible, or says why not. Also called for the kernel's own accesses.
int mm_fault(struct mm *mm, va_t va, enum access why) {
    va = round_down(va, PAGE);
    struct area *a = area_at(mm, va);
    if (!a || !is_allowed(a, why)) return E_FAULT;
    pte_t *slot = table_make(mm->root, va, 0);
    if (!slot) return E_NOMEM;
    count_faults++;
    if (!*slot) return fault_new(mm, a, slot, why);
    pa_t old = pte_pa(*slot);
    int copied = 0;
    if (why == STORE && *slot & PTE_COW) {
        copied = fault_cow(slot);
        if (copied < 0) return copied;
    } else {
        table_set(slot, *slot | PTE_A | (why == STORE ? PTE_D : 0));
    }
    tlb_flush(mm, va, va + PAGE);
    if (copied) frame_release(old);
    return 0;
}
