// A user address space: areas say what may be where, tables say what is there.
//
// Nothing is mapped before it is touched (fault.c). Fork shares every frame and withdraws the right
// to write. A frame that leaves the tables leaves the TLBs of all harts before anyone else gets it.
#include "kernel.h"

struct mm *mm_new(void) {
    _Static_assert(sizeof(struct mm) <= PAGE, "an address space has one page for its record");
    pa_t page = frame_alloc_zeroed(), root = frame_alloc_zeroed();
    if (!page || !root) {
        if (page) frame_release(page);
        if (root) frame_release(root);
        return NULL;
    }
    frames_tables++;
    // The upper half is the kernel's, the same in all spaces.
    memcpy((u8 *)linear(root) + PAGE / 2, (u8 *)linear(kernel_root) + PAGE / 2, PAGE / 2);
    struct mm *mm = linear(page);
    mm->root = root;
    mm->asid = tlb_asid_get();
    mm->satp = (u64)(8 + levels - 3) << 60 | mm->asid << 44 | root / PAGE;
    mm->users = 1;
    return mm;
}

// Takes the pages of a range out of the tables, then out of the TLBs, and only then frees them: a
// frame must not serve another while a hart may still reach it. Frames wait in batches.
void mm_drop_pages(struct mm *mm, va_t start, va_t end) {
    enum { BATCH = 64 };
    pa_t waiting[BATCH];
    int n = 0;
    struct pruned tables = { 0 };
    va_t batch_start = start;
    for (va_t va = start; va < end;) {
        va_t next = table_skip(mm->root, va);
        if (next == va) {
            pte_t *slot = table_find(mm->root, va);
            next = va + PAGE;
            if (*slot) {
                waiting[n++] = pte_pa(*slot);
                mm->resident--;
                table_set(slot, 0);
            }
        }
        if (next % (2 << 20) == 0 || next >= end) table_prune(mm->root, va, &tables);
        va = next;
        if (n == BATCH || (va >= end && (n || tables.frames))) {
            if (tables.frames) tlb_flush_mm(mm);
            else tlb_flush(mm, batch_start, min(va, end));
            while (n) frame_release(waiting[--n]);
            pruned_release(&tables);
            batch_start = va;
        }
    }
}

void mm_drop(struct mm *mm) {
    if (--mm->users) return;
    for (int i = 0; i < mm->count; i++) mm_drop_pages(mm, mm->areas[i].start, mm->areas[i].end);
    tlb_asid_put(mm);
    assert(mm->resident == 0);
    frame_release(mm->root);
    frames_tables--;
    frame_release(physical(mm));
}

// Gives the child the parent's pages of one area, both losing the right to write if it is private.
static int fork_area(struct mm *from, struct mm *to, struct area *a) {
    for (va_t va = a->start; va < a->end;) {
        va_t next = table_skip(from->root, va);
        if (next != va) {
            va = next;
            continue;
        }
        pte_t *slot = table_find(from->root, va);
        if (*slot) {
            pte_t *copy = table_make(to->root, va, 0);
            if (!copy) return E_NOMEM;
            if (!a->shared && *slot & PTE_W) table_set(slot, (*slot & ~PTE_W) | PTE_COW);
            frame_share(pte_pa(*slot));
            table_set(copy, *slot);
            to->resident++;
        }
        va += PAGE;
    }
    return 0;
}

struct mm *mm_fork(struct mm *from) {
    struct mm *to = mm_new();
    if (!to) return NULL;
    int error = 0;
    to->heap = from->heap;
    to->brk = from->brk;
    for (int i = 0; i < from->count && !error; i++) {
        to->areas[to->count++] = from->areas[i];
        error = fork_area(from, to, &from->areas[i]);
    }
    tlb_flush_mm(from);
    if (!error) return to;
    mm_drop(to);
    return NULL;
}
