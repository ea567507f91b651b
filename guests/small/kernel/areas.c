// Areas: what may be where in a user address space. They never overlap; their order is of no matter.
#include "kernel.h"

struct area *area_at(struct mm *mm, va_t va) {
    for (int i = 0; i < mm->count; i++)
        if (va >= mm->areas[i].start && va < mm->areas[i].end) return &mm->areas[i];
    return NULL;
}

static int overlaps(struct mm *mm, va_t start, va_t end) {
    for (int i = 0; i < mm->count; i++)
        if (start < mm->areas[i].end && end > mm->areas[i].start) return 1;
    return 0;
}

i64 area_add(struct mm *mm, va_t start, va_t end, u32 prot, int shared) {
    if (start >= end || end > user_top() || overlaps(mm, start, end)) return E_INVAL;
    if (mm->count == AREAS) return E_NOMEM;
    mm->areas[mm->count++] = (struct area){ start, end, prot, (u8)shared };
    return 0;
}

// Cuts areas at `va`, so that none lies across it.
int area_cut(struct mm *mm, va_t va) {
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
void area_join(struct mm *mm) {
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

// Above the heap's part of the space, below the stack's.
static va_t map_base(void) { return (user_top() + PAGE) / 2; }

va_t area_hole(struct mm *mm, u64 bytes) {
    va_t at = map_base();
    for (int i = 0; i < mm->count; i++)
        if (at < mm->areas[i].end && at + bytes > mm->areas[i].start) {
            at = mm->areas[i].end;
            i = -1;
        }
    return at;
}
