// A user address space: areas say what may be where, tables say what is there.
//
// Nothing is mapped before it is touched. The first load maps the shared frame of zeros, the first
// store a fresh frame. Fork shares every frame and withdraws the right to write (PTE_COW); the store
// that follows copies the frame, or adopts it if nobody else is left. Accessed and dirty bits are set
// by these faults, so harts that do not set them themselves are served too. A page whose area allows
// nothing is parked: its entry keeps the frame, but is not valid.
#include "kernel.h"

u64 count_faults, count_copies, count_adoptions;

enum { HEAP_MAX = 1 << 30 };

static u64 right_bits(u32 prot) {
    u64 bits = PTE_U;
    if (prot & (PROT_READ | PROT_WRITE)) bits |= PTE_R;
    if (prot & PROT_WRITE) bits |= PTE_W;
    if (prot & PROT_EXEC) bits |= PTE_X;
    return bits;
}

static struct area *area_at(struct mm *mm, va_t va) {
    for (int i = 0; i < mm->count; i++)
        if (va >= mm->areas[i].start && va < mm->areas[i].end) return &mm->areas[i];
    return NULL;
}

static int overlaps(struct mm *mm, va_t start, va_t end) {
    for (int i = 0; i < mm->count; i++)
        if (start < mm->areas[i].end && end > mm->areas[i].start) return 1;
    return 0;
}

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

// ---- areas

i64 mm_add(struct mm *mm, va_t start, va_t end, u32 prot, int shared) {
    if (start >= end || end > user_top() || overlaps(mm, start, end)) return E_INVAL;
    if (mm->count == AREAS) return E_NOMEM;
    mm->areas[mm->count++] = (struct area){ start, end, prot, (u8)shared };
    return 0;
}

// Cuts areas at `va`, so that none lies across it.
static int cut(struct mm *mm, va_t va) {
    struct area *a = area_at(mm, va);
    if (!a || a->start == va) return 0;
    if (mm->count == AREAS) return E_NOMEM;
    struct area *rest = &mm->areas[mm->count++];
    *rest = *a;
    rest->start = va;
    a->end = va;
    return 0;
}

// Joins neighbours that allow the same, so that churn does not fill the array.
static void join(struct mm *mm) {
    for (int i = 0; i < mm->count; i++)
        for (int j = 0; j < mm->count; j++) {
            struct area *a = &mm->areas[i], *b = &mm->areas[j];
            if (i == j || a->end != b->start || a->prot != b->prot || a->shared != b->shared) continue;
            a->end = b->end;
            *b = mm->areas[--mm->count];
            i = -1;
            break;
        }
}

// ---- tables

// Takes the pages of a range out of the tables, then out of the TLBs, and only then frees them: a
// frame must not serve another while a hart may still reach it. Frames wait in batches.
static void drop_pages(struct mm *mm, va_t start, va_t end) {
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
    for (int i = 0; i < mm->count; i++) drop_pages(mm, mm->areas[i].start, mm->areas[i].end);
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

// ---- faults

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

// ---- what processes ask for

static va_t map_base(void) { return (user_top() + PAGE) / 2; }

static va_t find_hole(struct mm *mm, u64 bytes) {
    va_t at = map_base();
    for (int i = 0; i < mm->count; i++)
        if (at < mm->areas[i].end && at + bytes > mm->areas[i].start) {
            at = mm->areas[i].end;
            i = -1;
        }
    return at;
}

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
    if (!at && bytes && bytes < user_top() / 4) at = find_hole(mm, bytes);
    if (bad_range(at, bytes)) return E_INVAL;
    i64 error = mm_add(mm, at, at + bytes, prot, shared);
    if (error) return error;
    if (shared && (error = prot & PROT_WRITE ? fill(mm, at, bytes) : E_INVAL)) {
        mm_unmap(mm, at, bytes);
        return error;
    }
    join(mm);
    return (i64)at;
}

i64 mm_unmap(struct mm *mm, va_t at, u64 bytes) {
    bytes = round_up(bytes, PAGE);
    if (bad_range(at, bytes)) return E_INVAL;
    if (cut(mm, at) || cut(mm, at + bytes)) return E_NOMEM;
    for (int i = 0; i < mm->count; i++)
        if (mm->areas[i].start >= at && mm->areas[i].end <= at + bytes) {
            drop_pages(mm, mm->areas[i].start, mm->areas[i].end);
            mm->areas[i--] = mm->areas[--mm->count];
        }
    join(mm);
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
    if (cut(mm, at) || cut(mm, at + bytes)) return E_NOMEM;
    u64 found = 0;
    for (int i = 0; i < mm->count; i++) {
        struct area *a = &mm->areas[i];
        if (a->start < at || a->end > at + bytes) continue;
        found += a->end - a->start;
        a->prot = prot;
        protect_area(mm, a);
    }
    join(mm);
    return found == bytes ? 0 : E_INVAL;
}

// Moves the end of the heap; returns where it was.
i64 mm_brk(struct mm *mm, i64 change) {
    va_t old = mm->brk, new = old + (u64)change;
    if (!change) return (i64)old;
    if (new < mm->heap || new > mm->heap + HEAP_MAX) return E_INVAL;
    va_t old_page = round_up(old, PAGE), new_page = round_up(new, PAGE);
    i64 error = 0;
    if (new_page > old_page) error = mm_add(mm, old_page, new_page, PROT_READ | PROT_WRITE, 0);
    else if (new_page < old_page) error = mm_unmap(mm, new_page, old_page - new_page);
    if (error) return error;
    join(mm);
    mm->brk = new;
    return (i64)old;
}
