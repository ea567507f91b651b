// What processes ask of their address space: memory here, none there, other rights, more heap.
//
// A page whose area allows nothing is parked: its entry keeps the frame, but is not valid.
#include "kernel.h"

enum { HEAP_MAX = 1 << 30 };

static int bad_range(va_t at, u64 bytes) {
    return at % PAGE || bytes % PAGE || !bytes || at < PAGE || bytes > user_top() || at > user_top() - bytes;
}

// Shared memory is filled at once, so that a later fork finds it there.
static int fill(struct mm *mm, va_t at, u64 bytes) {
    for (va_t va = at; va < at + bytes; va += PAGE) {
        int error = mm_fault(mm, va, STORE);
        if (error) return error;
    }
    return 0;
}

i64 mm_map(struct mm *mm, va_t at, u64 bytes, u32 prot) {
    int shared = (prot & MAP_SHARED) != 0;
    prot &= PROT_READ | PROT_WRITE | PROT_EXEC;
    bytes = round_up(bytes, PAGE);
    if (!at && bytes && bytes < user_top() / 4) at = area_hole(mm, bytes);
    if (bad_range(at, bytes)) return E_INVAL;
    i64 error = area_add(mm, at, at + bytes, prot, shared);
    if (error) return error;
    if (shared && (error = prot & PROT_WRITE ? fill(mm, at, bytes) : E_INVAL)) {
        mm_unmap(mm, at, bytes);
        return error;
    }
    area_join(mm);
    return (i64)at;
}

i64 mm_unmap(struct mm *mm, va_t at, u64 bytes) {
    bytes = round_up(bytes, PAGE);
    if (bad_range(at, bytes)) return E_INVAL;
    if (area_cut(mm, at) || area_cut(mm, at + bytes)) return E_NOMEM;
    for (int i = 0; i < mm->count; i++)
        if (mm->areas[i].start >= at && mm->areas[i].end <= at + bytes) {
            mm_drop_pages(mm, mm->areas[i].start, mm->areas[i].end);
            mm->areas[i--] = mm->areas[--mm->count];
        }
    area_join(mm);
    return 0;
}

// The entry of a present page under new rights. A private page gets back the right to write only
// through a fault, which knows whether its frame is shared.
static pte_t protect_entry(pte_t old, const struct area *a) {
    if (!a->prot) return pte_make(pte_pa(old), 0) | PTE_U; // parked
    u64 bits = right_bits(a->prot) | PTE_V | (old & (PTE_A | PTE_D));
    if (bits & PTE_W && !a->shared) bits = (bits & ~PTE_W) | PTE_COW;
    return pte_make(pte_pa(old), bits);
}

static void protect_area(struct mm *mm, struct area *a) {
    for (va_t va = a->start; va < a->end;) {
        va_t next = table_skip(mm->root, va);
        if (next == va) {
            pte_t *slot = table_find(mm->root, va);
            if (*slot) table_set(slot, protect_entry(*slot, a));
            next = va + PAGE;
        }
        va = next;
    }
    tlb_flush(mm, a->start, a->end);
}

i64 mm_protect(struct mm *mm, va_t at, u64 bytes, u32 prot) {
    bytes = round_up(bytes, PAGE);
    if (bad_range(at, bytes) || prot & ~7u) return E_INVAL;
    if (area_cut(mm, at) || area_cut(mm, at + bytes)) return E_NOMEM;
    u64 found = 0;
    for (int i = 0; i < mm->count; i++) {
        struct area *a = &mm->areas[i];
        if (a->start < at || a->end > at + bytes) continue;
        found += a->end - a->start;
        a->prot = prot;
        protect_area(mm, a);
    }
    area_join(mm);
    return found == bytes ? 0 : E_INVAL;
}

// Moves the end of the heap; returns where it was.
i64 mm_brk(struct mm *mm, i64 change) {
    va_t old = mm->brk, new = old + (u64)change;
    if (!change) return (i64)old;
    if (new < mm->heap || new > mm->heap + HEAP_MAX) return E_INVAL;
    va_t old_page = round_up(old, PAGE), new_page = round_up(new, PAGE);
    i64 error = 0;
    if (new_page > old_page) error = area_add(mm, old_page, new_page, PROT_READ | PROT_WRITE, 0);
    else if (new_page < old_page) error = mm_unmap(mm, new_page, old_page - new_page);
    if (error) return error;
    area_join(mm);
    mm->brk = new;
    return (i64)old;
}
